"""A system call filter for the decoding child: no network, no programs, no writing of files.

The filter is applied when everything is imported and decoding begins. A forbidden call fails with EPERM; nothing
is killed, so a library that merely tries goes on. It is made here, without a library, for Linux on x86-64;
elsewhere there is none, and `Sandbox.limits` says so.
"""

from __future__ import annotations

import ctypes
import platform
import struct
import sys

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_X86_64 = 0xC000003E
_X32 = 0x40000000

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER_MODE = 38, 22, 2

_WRITING = 0o1 | 0o2 | 0o100 | 0o1000 | 0o2000
"""O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND."""

_CLONE_THREAD = 0x00010000

FORBIDDEN = {
    "socket": 41, "connect": 42, "accept": 43, "sendto": 44, "sendmsg": 46, "bind": 49, "listen": 50,
    "socketpair": 53, "fork": 57, "vfork": 58, "execve": 59, "kill": 62, "truncate": 76, "rename": 82, "mkdir": 83,
    "rmdir": 84, "creat": 85, "link": 86, "unlink": 87, "symlink": 88, "chmod": 90, "chown": 92, "ptrace": 101,
    "mknod": 133, "chroot": 161, "setrlimit": 160, "mount": 165, "umount2": 166, "swapon": 167, "reboot": 169,
    "init_module": 175, "setxattr": 188, "tkill": 200, "mkdirat": 258, "mknodat": 259, "fchownat": 260,
    "unlinkat": 263, "renameat": 264, "linkat": 265, "symlinkat": 266, "fchmodat": 268, "unshare": 272,
    "accept4": 288, "perf_event_open": 298, "process_vm_readv": 310, "process_vm_writev": 311, "renameat2": 316,
    "bpf": 321, "execveat": 322, "userfaultfd": 323, "pidfd_send_signal": 424, "pidfd_getfd": 438, "setns": 308,
}  # fmt: skip
"""Calls that always fail, with their numbers on x86-64."""

ABSENT = {"io_uring_setup": 425, "clone3": 435, "openat2": 437}
"""Calls that pretend not to exist, so that libraries fall back on ones that can be judged."""


def _instruction(code: int, value: int, true: int = 0, false: int = 0) -> bytes:
    return struct.pack("HBBI", code, true, false, value)


def program() -> bytes:
    """Return the filter in the kernel's instruction set (classic BPF)."""
    fail, absent = _FAIL | _EPERM, _FAIL | _ENOSYS
    steps = [
        _instruction(_LOAD, _ARCHITECTURE),
        _instruction(_EQUAL, _X86_64, 1, 0),
        _instruction(_RETURN, _KILL),
        _instruction(_LOAD, _NUMBER),
        _instruction(_AT_LEAST, _X32, 0, 1),
        _instruction(_RETURN, _KILL),
    ]
    for number in sorted(FORBIDDEN.values()):
        steps += [_instruction(_EQUAL, number, 0, 1), _instruction(_RETURN, fail)]
    for number in sorted(ABSENT.values()):
        steps += [_instruction(_EQUAL, number, 0, 1), _instruction(_RETURN, absent)]
    # open(path, flags) and openat(folder, path, flags): only for reading. clone(flags): only threads.
    for number, argument in ((2, 1), (257, 2)):
        steps += [
            _instruction(_EQUAL, number, 0, 4),
            _instruction(_LOAD, _ARGUMENTS + 8 * argument),
            _instruction(_ANY_BIT, _WRITING, 0, 1),
            _instruction(_RETURN, fail),
            _instruction(_RETURN, _ALLOW),
        ]
    steps += [
        _instruction(_EQUAL, 56, 0, 4),
        _instruction(_LOAD, _ARGUMENTS),
        _instruction(_ANY_BIT, _CLONE_THREAD, 1, 0),
        _instruction(_RETURN, fail),
        _instruction(_RETURN, _ALLOW),
        _instruction(_RETURN, _ALLOW),
    ]
    return b"".join(steps)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def no_new_privileges() -> bool:
    """Give up gaining rights through programs; tell whether the kernel agreed."""
    return sys.platform == "linux" and bool(ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)


def apply() -> bool:
    """Put the filter on this process for good; return False where there is none for this machine."""
    if sys.platform != "linux" or platform.machine() != "x86_64" or struct.calcsize("P") != 8:
        return False
    steps = program()
    ready = _Program(len(steps) // 8, steps)
    return bool(ctypes.CDLL(None).prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.byref(ready), 0, 0) == 0)
