"""Fetching is guarded: no private address, not even behind a redirect, and never more than allowed."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from synflow.errors import ClipFailure, ServiceDown
from synflow.sources import http
from synflow.sources.http import fetch, is_public, resolve


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        kind, _, rest = self.path.lstrip("/").partition("/")
        if kind == "to":
            self.send_response(302)
            self.send_header("Location", rest)
            self.end_headers()
            return
        if kind == "status":
            self.send_response(int(rest))
            self.end_headers()
            return
        if kind == "trickle":
            self.trickle()
            return
        self.send_response(200)
        if kind == "claims":
            self.send_header("Content-Length", rest)
            self.end_headers()
            return
        self.end_headers()
        for _ in range(int(rest or 1)):
            try:
                self.wfile.write(b"v" * 1000)
            except OSError:
                return
            if kind == "slow":
                time.sleep(0.1)

    def trickle(self) -> None:
        try:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
            for _ in range(60):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.1)
        except OSError:
            return

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    held = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=held.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{held.server_address[1]}"
    held.shutdown()
    held.server_close()
    thread.join()


def fetched(url: str, target: Path, **more: Any) -> int:
    return fetch(url, target, **{"max_bytes": 100_000, "timeout": 10.0, "allow_private": True, **more})


def refused(url: str, target: Path, **more: Any) -> str:
    with pytest.raises(ClipFailure) as caught:
        fetched(url, target, **more)
    assert caught.value.reason == "unreachable"
    assert list(target.parent.iterdir()) == []
    return caught.value.detail


def test_a_video_is_fetched(server: str, tmp_path: Path) -> None:
    target = tmp_path / "a.mp4"
    assert fetched(f"{server}/get/5", target) == 5000
    assert target.read_bytes() == b"v" * 5000
    assert fetched(f"{server}/to//get/2", target) == 2000
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("status/404", "the server answered 404"),
        ("status/500", "the server answered 500"),
        ("get/200", "larger than 100000 bytes"),
        ("claims/999999999", "larger than 100000 bytes"),
        ("get/0", "the server sent nothing"),
        ("to/file:///etc/passwd", "does not begin with http"),
    ],
)
def test_what_is_no_video(server: str, tmp_path: Path, path: str, said: str) -> None:
    assert said in refused(f"{server}/{path}", tmp_path / "a.mp4")


def test_a_circle_of_redirects_ends(server: str, tmp_path: Path) -> None:
    class Circle(Handler):
        def do_GET(self) -> None:
            self.send_response(307)
            self.send_header("Location", self.path)
            self.end_headers()

    held = ThreadingHTTPServer(("127.0.0.1", 0), Circle)
    threading.Thread(target=held.serve_forever, daemon=True).start()
    try:
        said = refused(f"http://127.0.0.1:{held.server_address[1]}/", tmp_path / "a.mp4")
    finally:
        held.shutdown()
        held.server_close()
    assert said == "more than 5 redirects"


def test_a_slow_server_is_left(server: str, tmp_path: Path) -> None:
    for kind in ("slow", "trickle"):
        before = time.monotonic()
        assert refused(f"{server}/{kind}/90", tmp_path / "a.mp4", timeout=0.4) == "timed out"
        assert time.monotonic() - before < 3, kind


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/",
        "http://localhost:9/",
        "http://[::1]:9/",
        "http://0.0.0.0:9/",
        "http://10.0.0.1/",
        "http://192.168.1.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://2130706433/",
        "http://[::ffff:10.0.0.1]/",
    ],
)
def test_private_addresses_are_refused(url: str, tmp_path: Path) -> None:
    said = refused(url, tmp_path / "a.mp4", allow_private=False)
    assert said in ("the host is not a public one", "the name of the host does not resolve")


@pytest.mark.parametrize(
    "url", ["ftp://h/a", "file:///etc/passwd", "a.mp4", "http://", "http://[::1", "http://h:99999/"]
)
def test_what_is_no_address(url: str, tmp_path: Path) -> None:
    assert refused(url, tmp_path / "a.mp4")


def test_a_redirect_to_a_private_address_is_refused(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "is_public", lambda address: address == "127.0.0.1")
    assert fetched(f"{server}/get/1", tmp_path / "ok.mp4", allow_private=False) == 1000
    (tmp_path / "ok.mp4").unlink()
    said = refused(f"{server}/to/http://127.0.0.2:9/x", tmp_path / "a.mp4", allow_private=False)
    assert said == "the host is not a public one"


def test_every_address_of_a_name_must_be_public(monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(*addresses: str) -> Any:
        return lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 80)) for one in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", answers("8.8.8.8", "10.0.0.1"))
    with pytest.raises(ClipFailure, match="not a public one"):
        resolve("h", 80, allow_private=False)
    monkeypatch.setattr(socket, "getaddrinfo", answers("8.8.8.8"))
    assert resolve("h", 80, allow_private=False) == "8.8.8.8"


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
        ("127.0.0.1", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("::ffff:127.0.0.1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::7f00:1", False),
        ("nonsense", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_a_folder_that_cannot_be_written_is_no_fault_of_the_clip(server: str, tmp_path: Path) -> None:
    with pytest.raises(ServiceDown, match="cannot be written"):
        fetched(f"{server}/get/1", tmp_path / "nowhere" / "a.mp4")
