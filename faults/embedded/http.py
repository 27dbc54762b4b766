"""HTTP/1.1 for the API: one request after the other on a connection, keep-alive.

Time limits are the real server's: 15 s to send a request, 60 s between two.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from secrets import token_hex

import httptools

from faults.embedded.api import TEXT, Answer

READING = 15.0  # seconds
IDLE = 60.0  # seconds
BUFFERED = 2048  # bytes of a body that is sent with its length; a longer one is sent in one chunk
BAD_REQUEST = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request"
)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")

Handler = Callable[[str, str, str, bytes], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Request:
    """A request; one without a method is the end of them.

    Attributes:
        method: GET, POST, …
        target: Path and query, as they were sent.
        agent: User-Agent.
        body: Its bytes.
        keep: Whether the connection stays open.
        chunks: Whether the answer may be sent in chunks.
    """

    method: str = ""
    target: str = ""
    agent: str = ""
    body: bytes = b""
    keep: bool = False
    chunks: bool = False


class Http(asyncio.Protocol):
    """One connection of an API client."""

    _transport: asyncio.Transport

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._parser = httptools.HttpRequestParser(self)
        self._requests: asyncio.Queue[Request] = asyncio.Queue()
        self._worker: asyncio.Task[None] | None = None
        self._limit: asyncio.TimerHandle | None = None
        self.on_message_begin()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for requests."""
        self._transport = transport  # type: ignore[assignment] # asyncio promises a Transport to a TCP protocol
        self._worker = asyncio.create_task(self._work())
        self._close_after(READING)

    def connection_lost(self, error: Exception | None) -> None:
        """Finish the request at hand, and no other."""
        self._close_after(None)
        self._requests.put_nowait(Request())

    def data_received(self, data: bytes) -> None:
        """Parse."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._refuse()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._url = b""
        self._agent = ""
        self._expects = False
        self._body: list[bytes] = []
        if self._worker:
            self._close_after(READING)

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        if name.lower() == b"user-agent":
            self._agent = value.decode("latin-1")
        elif name.lower() == b"expect":
            self._expects = value.lower() == b"100-continue"

    def on_headers_complete(self) -> None:
        """Ask for the body when that is waited for."""
        if self._expects:
            self._transport.write(CONTINUE)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Queue the request."""
        self._close_after(None)
        method = self._parser.get_method().decode()
        target = self._url.decode("utf-8", "surrogateescape")
        keep = self._parser.should_keep_alive()
        chunks = self._parser.get_http_version() == "1.1"
        if ESCAPE.search(target.partition("?")[0]):
            self._refuse()
        else:
            self._requests.put_nowait(Request(method, target, self._agent, b"".join(self._body), keep, chunks))

    def _refuse(self) -> None:
        self._transport.write(BAD_REQUEST)
        self._transport.close()

    def _close_after(self, seconds: float | None) -> None:
        """Close the connection in a while, unless something comes; None: don't."""
        if self._limit:
            self._limit.cancel()
        loop = asyncio.get_running_loop()
        self._limit = loop.call_later(seconds, self._transport.close) if seconds is not None else None

    async def _work(self) -> None:
        """Answer request after request."""
        while (request := await self._requests.get()).method:
            answer = await self._handler(request.method, request.target, request.agent, request.body)
            self._transport.write(_bytes(request, answer))
            if not request.keep:
                break
            if self._requests.empty() and not self._transport.is_closing():
                self._close_after(IDLE)
        self._transport.close()


def _bytes(request: Request, answer: Answer) -> bytes:
    """Compose an answer."""
    length = len(answer.body)
    in_chunks = length > BUFFERED and request.chunks
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}", f"Date: {formatdate(usegmt=True)}"]
    if answer.type:
        lines.append(f"Content-Type: {answer.type}")
    if answer.type == TEXT:
        lines.append("X-Content-Type-Options: nosniff")
    if answer.location:
        lines.append(f"Location: {answer.location}")
    if answer.matched:
        lines.append(f"X-Toxiproxy-Request-Id: {token_hex(10)}")
    if in_chunks:
        lines.append("Transfer-Encoding: chunked")
    elif answer.status != 204 and (length or request.method != "HEAD"):
        lines.append(f"Content-Length: {length}")
    if not request.keep:
        lines.append("Connection: close")
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (length, answer.body) if in_chunks else answer.body
    return "\r\n".join([*lines, "", ""]).encode() + (b"" if request.method == "HEAD" else body)
