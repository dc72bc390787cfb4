"""26 ways in which a model server fails, each as what is put on the wire; everything else is answered well."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Fault = Callable[["Handler", bytes], None]
SLOW = 0.6
"""Seconds that a fault keeps a client waiting; the clients of these tests wait less."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: FaultyServer

    def log_message(self, format: str, *args: Any) -> None:
        return

    def do_GET(self) -> None:
        admitted = self.server.admits(self.headers.get("Authorization", ""))
        self.send(200 if admitted else 401, json.dumps({"data": [{"id": "tiny"}]} if admitted else {}).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = json.loads(body)
        good = json.dumps(completion(request)).encode()
        if not self.server.admits(self.headers.get("Authorization", "")):
            self.send(401, b"{}")
        elif self.server.strikes(body):
            self.server.fault(self, good)
        else:
            self.send(200, good)
            self.server.sent()

    def send(self, status: int, data: bytes, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        self.end_headers()
        self.wfile.write(data)

    def drop(self, hard: bool = False) -> None:
        self.close_connection = True
        if hard:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(OSError):
            self.connection.close()


class FaultyServer(ThreadingHTTPServer):
    """Answers as a function of the request alone; a share of its calls end with one kind of fault.

    Which calls these are follows from the request and from how often it came, so a run meets them in any order.
    """

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, fault: Fault | None = None, share: float = 0.0, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.fault = fault or (lambda handler, good: handler.send(200, good))
        self.share = share
        self.seen: dict[str, int] = {}
        self.calls = self.faults = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def strikes(self, body: bytes) -> bool:
        key = hashlib.sha256(body).hexdigest()
        with self.lock:
            self.calls += 1
            time_ = self.seen[key] = self.seen.get(key, 0) + 1
            drawn = int(hashlib.sha256(f"{key}/{time_}".encode()).hexdigest()[:8], 16) / 16**8
            # However few calls there are, one of them fails.
            struck = drawn < self.share or (self.share > 0 and self.calls == 1)
            self.faults += struck
        return struck

    def admits(self, key: str) -> bool:
        """Tell whether an ``Authorization`` header opens the server."""
        return True

    def sent(self) -> None:
        """Take note of a sound answer that is on the wire."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        return


@contextlib.contextmanager
def serving(
    fault: Fault | None = None, share: float = 0.0, kind: type[FaultyServer] = FaultyServer
) -> Iterator[FaultyServer]:
    with kind(fault, share) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def completion(request: dict[str, Any]) -> dict[str, Any]:
    """Return a sound answer: every text of the schema is filled with words drawn from the request."""
    text = request["messages"][-1]["content"][-1]["text"]
    drawn = hashlib.sha256(text.encode()).hexdigest()
    schema = request["response_format"]["json_schema"]["schema"]
    value = {name: filled(name, part, drawn) for name, part in schema.get("properties", {}).items()}
    return {
        "choices": [{"message": {"content": json.dumps(value)}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 64}},
    }


def filled(name: str, schema: dict[str, Any], drawn: str) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "boolean":
        return True
    if schema.get("type") in ("integer", "number"):
        return 1
    if schema.get("type") == "array":
        return []
    count = {"1": 15, "2": 110, "3": 40, "4": 12, "5": 25}.get(name, 10)
    return " ".join(f"w{int(drawn[i % 60 : i % 60 + 4], 16) % 997}{chr(97 + i % 26)}{i}" for i in range(count))


def status(code: int, body: bytes = b"", **headers: str) -> Fault:
    return lambda handler, good: handler.send(code, body, **headers)


def said(change: Callable[[bytes], bytes]) -> Fault:
    return lambda handler, good: handler.send(200, change(good))


def hang(handler: Handler, good: bytes) -> None:
    time.sleep(SLOW)
    handler.drop()


def drip(handler: Handler, good: bytes) -> None:
    handler.send(200, b"", length=len(good))
    for place in range(int(SLOW / 0.05)):
        with contextlib.suppress(OSError):
            handler.wfile.write(good[place : place + 1])
            handler.wfile.flush()
        time.sleep(0.05)
    handler.drop()


def half(handler: Handler, good: bytes) -> None:
    handler.send(200, good[: len(good) // 2], length=len(good))
    handler.drop()


FAULTS: dict[str, Fault] = {
    "refused": lambda handler, good: handler.drop(),
    "reset": lambda handler, good: handler.drop(hard=True),
    "hang": hang,
    "1 byte at a time": drip,
    "cut": half,
    "400": status(400, b'{"error": {"message": "bad"}}'),
    "401": status(401),
    "403": status(403),
    "404": status(404),
    "408": status(408),
    "413": status(413),
    "422": status(422),
    "429": status(429),
    "429 with Retry-After": status(429, Retry_After="0"),
    "429 with a date": status(429, Retry_After="Thu, 01 Jan 2026 00:00:00 GMT"),
    "500": status(500, b'{"error": {"message": "boom"}}', Connection="close"),
    "502": status(502, b"<html>bad gateway</html>"),
    "503": status(503, Retry_After="0"),
    "504": status(504),
    "302": status(302, Location="http://127.0.0.1:1/"),
    "307 to itself": status(307, Location="/v1/chat/completions"),
    "empty": status(200),
    "HTML": status(200, b"<html><body>log in</body></html>"),
    "invalid UTF-8": said(lambda good: good.replace(b"stop", b"st\xff\xfe")),
    "10 MB": said(lambda good: good + b" " * (10 << 20)),
    "wrong shape": said(lambda good: b'{"choices": {"message": []}}'),
}


class Noting(FaultyServer):
    """Writes a line for each sound answer into a file, so that they can be counted after it was killed."""

    notes: Any

    def sent(self) -> None:
        with self.lock:
            self.notes.write("answered\n")
            self.notes.flush()


if __name__ == "__main__":
    with open(sys.argv[2], "a", encoding="ascii") as notes, Noting(port=int(sys.argv[1])) as noting:
        noting.notes = notes
        noting.serve_forever()
