"""A small HTTP/1.1 client: one kept-open connection, no more work than a benchmark can spare.

It takes the time of an exchange where the bytes are: from the first byte written to the last byte
read, so waiting for its own event loop afterwards does not count.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and after how many seconds."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    seconds: float

    def header(self, name: str) -> str:
        """Return the first header of that (lower case) name, or ``""``."""
        return next((value for known, value in self.headers if known == name), "")


class Connection(asyncio.Protocol):
    """One connection to ``127.0.0.1:port``; opened again if the server closed it in between."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._started = 0.0
        self._waiter: asyncio.Future[Answer] | None = None

    async def send(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Answer:
        """Send one request and return its answer.

        Raises:
            ConnectionError: the server closed the connection instead of answering.
            TimeoutError: no answer in 30 seconds.
        """
        loop = asyncio.get_running_loop()
        if self._transport is None or self._transport.is_closing():
            await loop.create_connection(lambda: self, "127.0.0.1", self._port)
        lines = [f"{method} {target} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
        if body or method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        self._waiter = loop.create_future()
        self._buffer = b""
        assert self._transport is not None
        self._started = time.perf_counter()
        self._transport.write("\r\n".join((*lines, "", "")).encode("ascii") + body)
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._waiter
        except TimeoutError:
            self.close()
            raise

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._buffer += data
        answer = _parse(self._buffer, time.perf_counter() - self._started)
        if answer is not None and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._transport = None
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(exc or ConnectionResetError("closed without an answer"))


def _parse(data: bytes, seconds: float) -> Answer | None:
    """Return the answer in *data*, or None while a part of it is missing."""
    head, blank, body = data.partition(b"\r\n\r\n")
    if not blank:
        return None
    status_line, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    headers = tuple((name.lower(), value.strip()) for name, _, value in pairs)
    status = int(status_line.split(" ", 2)[1])
    length = next((value for name, value in headers if name == "content-length"), None)
    if length is None and status not in (204, 304):
        raise ValueError(f"an answer without Content-Length: {status_line}")
    if len(body) < int(length or 0):
        return None
    return Answer(status, headers, body, seconds)
