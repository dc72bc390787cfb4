"""Calls of one server that takes and gives JSON: kept connections, whole replies in time, and what a failure means."""

from __future__ import annotations

import json
import re
import time
import weakref
from collections.abc import Sequence
from typing import Any, NoReturn
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, LocationValueError, NewConnectionError, TimeoutError

from synflow.errors import UsageError
from synflow.models.openai_chat import OpenAiOptions, message_of, retry_after
from synflow.models.resilience import REFUSED, TransientFailure

MOST_BLOCK = 1 << 16
MOST_BYTES = 4 << 20
"""Longest reply that is read, in bytes: a thousand times an ordinary one."""


class Denied(TransientFailure):
    """401, 403 or 404: a gateway in trouble, or a manifest that names a wrong key, model or path (``usage``)."""

    def __init__(self, detail: str, usage: UsageError) -> None:
        super().__init__("server-error", detail)
        self.usage = usage

    def __reduce__(self) -> tuple[type[Denied], tuple[str, UsageError]]:  # type: ignore[override]
        """Keep all fields when the error crosses a process boundary."""
        return (type(self), (self.detail, self.usage))


class Connection:
    """The way to one server; bears several threads.

    Args:
        url: address that ends in ``/v1``.
        options: parameters: time and number of connections. ``key``: bearer token; empty for none.
        role: key of the manifest under ``models``, for messages.

    Attributes:
        name: the address without what is secret in it.
        close: closes all connections; what is called afterwards fails.

    Raises:
        UsageError: ``url`` is no address.
    """

    def __init__(self, url: str, options: OpenAiOptions, key: str, role: str) -> None:
        self.name = re.sub(r"//[^/@]*@", "//", url)
        self._role, self._timeout = role, options.timeout
        if not is_address(url):
            raise self.no_address()
        self._base = urlsplit(url).path
        try:
            self._pool = _pool(url, key, options)
        except LocationValueError as error:
            raise self.no_address() from error
        self.close = weakref.finalize(self, self._pool.close)

    def call(self, method: str, path: str, body: Sequence[bytes] = ()) -> dict[str, Any]:
        """Make one call; return the JSON object that came back.

        Raises:
            Denied: 401, 403 or 404. TransientFailure: any other failure.
        """
        # With its length given, a body in pieces is sent as it is, and not in chunks.
        length = {"Content-Length": str(sum(map(len, body)))} if body else {}
        try:
            response = self._pool.urlopen(
                method, self._base + path, body or None, {**self._pool.headers, **length}, preload_content=False
            )
            try:
                data = self._read(response)
            finally:
                response.close()  # after a whole reply the connection is back in the pool, and stays open
                response.release_conn()
        except NewConnectionError as error:  # a refusal, though urllib3 derives it from a timeout
            raise TransientFailure("reset", f"{self.name}: {error}") from error
        except TimeoutError as error:
            raise TransientFailure("timeout", f"{self.name}: no reply in {self._timeout:g} s") from error
        except HTTPError as error:
            raise TransientFailure("reset", f"{self.name}: {error or type(error).__name__}") from error
        if response.status != 200:
            self._failed(response, data)
        try:
            reply = json.loads(data.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise TransientFailure("bad-reply", f"{self.name}: the reply is no JSON") from error
        if not isinstance(reply, dict):
            raise TransientFailure("bad-reply", f"{self.name}: the reply is no JSON object")
        return reply

    def _read(self, response: urllib3.BaseHTTPResponse) -> bytes:
        """Return the body of a reply, as far as it is neither too long nor too slow."""
        ends = time.monotonic() + self._timeout
        data = bytearray()
        while block := response.read1(MOST_BLOCK):
            data += block
            if len(data) > MOST_BYTES:
                raise TransientFailure("bad-reply", f"{self.name}: a reply of more than {MOST_BYTES} bytes")
            if time.monotonic() > ends:
                raise TransientFailure("timeout", f"{self.name}: no whole reply in {self._timeout:g} s")
        return bytes(data)

    def no_address(self) -> UsageError:
        """Return what is wrong where the address is none."""
        return UsageError(f"models.{self._role}.base_url: {self.name!r} is no address", "write http://host:port")

    def _failed(self, response: urllib3.BaseHTTPResponse, data: bytes) -> NoReturn:
        """Raise what a status other than 200 means."""
        status, said = response.status, message_of(data)
        after = retry_after(response.headers.get("Retry-After", ""))
        if status in (401, 403):
            raise Denied(
                f"{self.name}: {status} {said}",
                UsageError(
                    f"models.{self._role}: {self.name} refuses the key ({status})",
                    f"set models.{self._role}.api_key.env to the environment variable that holds a valid key",
                ),
            )
        if status == 404:
            raise Denied(
                f"{self.name}: {status} {said}",
                UsageError(
                    f"models.{self._role}: {self.name} has no such model or path: {said}",
                    f"check models.{self._role}.base_url and model",
                ),
            )
        if status == 429:
            raise TransientFailure("rate-limit", f"{self.name}: {status} {said}", after)
        if status in (408, 409, 425) or status >= 500 or 300 <= status < 400:
            raise TransientFailure("server-error", f"{self.name}: {status} {said}", after)
        if 400 <= status < 500:
            raise TransientFailure(REFUSED, f"{status} {said}", after)
        raise TransientFailure("bad-reply", f"{self.name}: status {status}")


def _pool(url: str, key: str, options: OpenAiOptions) -> urllib3.HTTPConnectionPool:
    """Return connections to a server, as many as there are requests in flight; they follow and repeat nothing."""
    user = urlsplit(url)
    basic = f"{unquote(user.username)}:{unquote(user.password or '')}" if user.username else None
    given = {"Authorization": f"Bearer {key}"} if key else urllib3.make_headers(basic_auth=basic)
    return urllib3.connection_from_url(
        url,
        maxsize=options.concurrency,
        block=True,
        retries=urllib3.Retry(False, redirect=False),
        timeout=urllib3.Timeout(connect=min(10.0, options.timeout), read=options.timeout),
        headers={"Content-Type": "application/json", **given},
    )


def is_address(url: str) -> bool:
    """Tell whether an address can be one of a server."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False
