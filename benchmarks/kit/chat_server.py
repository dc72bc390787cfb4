"""A chat server that answers everything alike after a fixed time, in a process of its own: what a client costs shows.

It reads requests without looking into them and speaks HTTP/1.1 with connections that stay open, as vLLM does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator

MODEL = "fixed"
VALUE = {"says": "yes"}


class Exchange(asyncio.Protocol):
    """One connection; its requests come one after another.

    Args:
        latency: seconds from the last byte of a request to the reply.
    """

    def __init__(self, latency: float) -> None:
        self.latency = latency
        self.head = bytearray()
        self.missing = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Count the bytes of a request; reply to a whole one."""
        if self.missing < 0:
            self.head += data
            end = self.head.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self.head[:end]).lower()
            length = 0
            for line in head.split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    length = int(line[15:])
            self.listing = head.startswith(b"get ")
            self.missing = length - (len(self.head) - end - 4)
            self.head.clear()
        else:
            self.missing -= len(data)
        if self.missing <= 0:
            self.missing = -1
            asyncio.get_running_loop().call_later(0 if self.listing else self.latency, self.reply)

    def reply(self) -> None:
        """Send a list of models or an answer."""
        usage = {"prompt_tokens": 2000, "completion_tokens": 8, "prompt_tokens_details": {"cached_tokens": 1024}}
        choice = {"index": 0, "message": {"role": "assistant", "content": json.dumps(VALUE)}, "finish_reason": "stop"}
        value = {"data": [{"id": MODEL}]} if self.listing else {"id": "c", "choices": [choice], "usage": usage}
        data = json.dumps(value).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
        if not self.transport.is_closing():
            self.transport.write(head.encode() + data)


@contextlib.contextmanager
def fixed(latency: float) -> Iterator[str]:
    """Run a server; yield its address, which ends in ``/v1``."""
    command = [sys.executable, __file__, str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.terminate()


async def serve(latency: float) -> None:
    """Serve until the process is ended; print the port first."""
    server = await asyncio.get_running_loop().create_server(lambda: Exchange(latency), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1])))
