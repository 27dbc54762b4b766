"""HTTP/1.1 for the API: one request after the other on a connection, keep-alive."""

import asyncio
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from http import HTTPStatus
from secrets import token_hex

import httptools

from faults.embedded.api import Answer

Handler = Callable[[str, str, str, bytes], Awaitable[Answer]]


class Http(asyncio.Protocol):
    """One connection of an API client."""

    _transport: asyncio.Transport

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._parser = httptools.HttpRequestParser(self)
        self._requests: asyncio.Queue[tuple[str, str, str, bytes, bool]] = asyncio.Queue()
        self._worker: asyncio.Task[None] | None = None
        self.on_message_begin()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for requests."""
        self._transport = transport  # type: ignore[assignment] # asyncio promises a Transport to a TCP protocol
        self._worker = asyncio.create_task(self._work())

    def connection_lost(self, error: Exception | None) -> None:
        """Finish the request at hand, and no other."""
        self._requests.put_nowait(("", "", "", b"", False))

    def data_received(self, data: bytes) -> None:
        """Parse."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n400 Bad Request")
            self._transport.close()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._url = self._agent = ""
        self._body = b""

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        self._url += url.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        if name.lower() == b"user-agent":
            self._agent = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Queue the request."""
        method = self._parser.get_method().decode()
        self._requests.put_nowait((method, self._url, self._agent, self._body, self._parser.should_keep_alive()))

    async def _work(self) -> None:
        """Answer request after request."""
        keep = True
        while keep:
            method, url, agent, body, keep = await self._requests.get()
            if method:
                self._transport.write(_bytes(await self._handler(method, url, agent, body), keep))
        self._transport.close()


def _bytes(answer: Answer, keep: bool) -> bytes:
    """Compose an answer."""
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}", f"Date: {formatdate(usegmt=True)}"]
    if answer.type:
        lines.append(f"Content-Type: {answer.type}")
    if answer.status >= 400:
        lines.append("X-Content-Type-Options: nosniff")
    if answer.matched:
        lines.append(f"X-Toxiproxy-Request-Id: {token_hex(10)}")
    if answer.status != 204:
        lines.append(f"Content-Length: {len(answer.body)}")
    if not keep:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode() + answer.body
