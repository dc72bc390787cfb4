"""A small deterministic tar writer, and its reader: the same members always give the same bytes.

`tarfile` and `webdataset.ShardWriter` put clocks and users into headers, and an error inside the latter leaves a
valid but shortened file; here the file has no final name until it is whole.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator

from synflow.durable import Draft

BLOCK = tarfile.BLOCKSIZE
NAME_LIMIT = 100


def padded(size: int) -> int:
    """Return the bytes that a member of ``size`` bytes takes in a tar, header included."""
    return BLOCK + -(-size // BLOCK) * BLOCK


class TarWriter:
    """Writes USTAR members into a draft: mode 0644, owner 0, time 0."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft

    def add(self, name: str, data: bytes) -> int:
        """Append a member; return the offset of its data in the tar.

        Raises:
            ValueError: the name does not fit a plain USTAR header.
        """
        if not name.isascii() or len(name) > NAME_LIMIT:
            raise ValueError(f"not a member name: {name!r}")
        header = tarfile.TarInfo(name)
        header.size = len(data)
        header.mode = 0o644
        self.draft.write(header.tobuf(tarfile.USTAR_FORMAT))
        offset = self.draft.write(data)
        self.draft.write(bytes(-len(data) % BLOCK))
        return offset

    def finish(self) -> None:
        """Write the end of the archive."""
        self.draft.write(bytes(2 * BLOCK))
        self.draft.write(bytes(-self.draft.size % tarfile.RECORDSIZE))


def members_of(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield names and contents of the members in a run of bytes that `TarWriter` wrote.

    Several times as fast as `tarfile`, which allows for all that a tar may be.

    Raises:
        ValueError: the bytes are not whole members.
    """
    place = 0
    while place < len(data):
        header = data[place : place + BLOCK]
        if len(header) < BLOCK or header[257:262] != b"ustar":
            raise ValueError(f"no header of a member at byte {place}")
        told = sum(header) - sum(header[148:156]) + 8 * 32
        if told != int(header[148:155].rstrip(b" \0") or b"0", 8):
            raise ValueError(f"a damaged header at byte {place}")
        size = int(header[124:135], 8)
        start = place + BLOCK
        if start + size > len(data):
            raise ValueError(f"a member is cut off at byte {place}")
        yield header[:NAME_LIMIT].rstrip(b"\0").decode("ascii"), data[start : start + size]
        place = start + -(-size // BLOCK) * BLOCK
