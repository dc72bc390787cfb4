"""Fetching one video from the web into a file, guarded: lists come from strangers.

Only http and https, only public addresses (checked after every redirect, and the address that was checked is the one
that is connected to), never more bytes or seconds than allowed. Proxies of the environment are not used.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from synflow.errors import ClipFailure, ServiceDown

if TYPE_CHECKING:
    import httpx

REASON = "unreachable"
MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SLOWEST = 30.0
"""Seconds that one connection or one read may take, whatever is left in all."""


def fetch(url: str, target: Path, *, max_bytes: int, timeout: float, allow_private: bool = False) -> int:
    """Write what is at ``url`` to ``target``; return its length in bytes.

    Args:
        url: http or https.
        target: the file; it stands there only when all of it came.
        max_bytes: more is refused.
        timeout: seconds for all of it together, redirects included.
        allow_private: whether addresses of this machine or its networks may be asked.

    Raises:
        ClipFailure: ``unreachable``, with what happened.
        ServiceDown: ``target`` cannot be written.
    """
    import httpx

    deadline = time.monotonic() + timeout
    part = target.with_name(target.name + ".part")
    watch = _Watch(timeout)
    try:
        with httpx.Client(trust_env=False, follow_redirects=False) as client, watch:
            for _ in range(MOST_REDIRECTS + 1):
                with _asked(client, url, deadline, allow_private, watch) as answer:
                    if answer.status_code in _REDIRECTS and "location" in answer.headers:
                        url = urljoin(url, answer.headers["location"])
                        continue
                    size = _save(answer, part, max_bytes, watch)
                part.replace(target)
                return size
        raise ClipFailure(REASON, f"more than {MOST_REDIRECTS} redirects")
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ValueError) as error:
        late = isinstance(error, httpx.TimeoutException) or watch.late
        raise ClipFailure(REASON, "timed out" if late else f"the request failed ({type(error).__name__})") from error
    except OSError as error:
        raise ServiceDown(f"{target}: cannot be written: {error.strerror}", "free the disk, then resume") from error
    finally:
        part.unlink(missing_ok=True)


class _Watch:
    """Shuts the connection when time is up: a server that sends one byte now and then defeats timeouts of reads."""

    def __init__(self, seconds: float) -> None:
        self.late = False
        self._timer = threading.Timer(seconds, self._shut)
        self._timer.daemon = True
        self._socket: socket.socket | None = None

    def __enter__(self) -> _Watch:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Note the socket that is in use; called by the client for everything that it does."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")

    def _shut(self) -> None:
        self.late = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


@contextmanager
def _asked(
    client: httpx.Client, url: str, deadline: float, allow_private: bool, watch: _Watch
) -> Iterator[httpx.Response]:
    """Send one request to an address that was checked, under the name that was asked for."""
    import httpx

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ClipFailure(REASON, "the address does not begin with http:// or https://")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = resolve(parts.hostname, port, allow_private)
    left = deadline - time.monotonic()
    if left <= 0:
        raise ClipFailure(REASON, "timed out")
    request = client.build_request(
        "GET",
        httpx.URL(url).copy_with(host=address),
        headers={"Host": parts.netloc.rpartition("@")[2], "Accept-Encoding": "identity", "User-Agent": "synflow"},
        timeout=min(left, _SLOWEST),
        extensions={"sni_hostname": parts.hostname, "trace": watch.trace},
    )
    answer = client.send(request, stream=True)
    try:
        yield answer
    finally:
        answer.close()


def resolve(host: str, port: int, allow_private: bool) -> str:
    """Return an address of ``host``.

    Raises:
        ClipFailure: it has none, or any of them is not a public one.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ClipFailure(REASON, "the name of the host does not resolve") from error
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses:
        raise ClipFailure(REASON, "the name of the host does not resolve")
    if not allow_private and not all(is_public(address) for address in addresses):
        raise ClipFailure(REASON, "the host is not a public one")
    return addresses[0]


def is_public(address: str) -> bool:
    """Tell whether an IP address is a public one, looked at through IPv6 wrappers of IPv4."""
    try:
        place = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(place, ipaddress.IPv6Address):
        inner = place.ipv4_mapped or place.sixtofour or (place.teredo[1] if place.teredo else None)
        if inner is None and place in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(place) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return place.is_global and not place.is_multicast and not place.is_reserved


def _save(answer: httpx.Response, part: Path, max_bytes: int, watch: _Watch) -> int:
    if answer.status_code != 200:
        raise ClipFailure(REASON, f"the server answered {answer.status_code}")
    said = answer.headers.get("content-length", "")
    if said.isdecimal() and int(said) > max_bytes:
        raise ClipFailure(REASON, f"larger than {max_bytes} bytes")
    size = 0
    with part.open("wb") as stream:
        for block in answer.iter_raw():
            size += len(block)
            if size > max_bytes:
                raise ClipFailure(REASON, f"larger than {max_bytes} bytes")
            stream.write(block)
    if watch.late:
        # A connection that was shut looks like the end of a body whose length was not announced.
        raise ClipFailure(REASON, "timed out")
    if size == 0:
        raise ClipFailure(REASON, "the server sent nothing")
    return size
