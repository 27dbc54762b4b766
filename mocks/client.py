"""A keep-alive HTTP/1.1 client for one link, small and fast: about 0.1 ms of processor time per request."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httptools

from model.paths import OURS, Paths

TIMEOUT = 5.0  # seconds, per attempt, connecting included
LONGEST_REST = 10.0  # seconds of a Retry-After that are heeded [A]
BUSY = (429, 503)
SENDER = "X-Sender"
"""Header with the credential of the system that asks another one."""
JSON = {"Content-Type": "application/json"}


class LinkError(Exception):
    """The other side of a link gave no answer.

    Attributes:
        timed_out: Whether it kept silent; else the line was refused, reset or spoke no HTTP.
    """

    def __init__(self, message: str, timed_out: bool) -> None:
        super().__init__(message)
        self.timed_out = timed_out


@dataclass(frozen=True, slots=True)
class Received:
    """What the other side answered; ``retry_after`` in seconds, 0 where it names none."""

    status: int
    body: bytes
    retry_after: float = 0.0


class Client:
    """Sends requests over one link and keeps its connections.

    Attributes:
        address: ``host:port`` of the link.

    Args:
        address: ``host:port`` of the link.
        timeout: Seconds that an attempt may take.
        sender: Credential of the system that asks; empty: it doesn't say who it is.
        spendthrift: Whether it opens a connection for each request and never closes it: a seeded defect.
        paths: Where the other side serves what is asked for.
    """

    def __init__(
        self,
        address: str,
        timeout: float = TIMEOUT,
        sender: str = "",
        spendthrift: bool = False,
        paths: Paths = OURS,
    ) -> None:
        self.address = address
        self._host, _, port = address.rpartition(":")
        self._port = int(port)
        self._timeout = timeout
        self._sender = {SENDER: sender} if sender else {}
        self._idle: list[_Connection] = []
        self._used: list[_Connection] = []
        self._spendthrift = spendthrift
        self._paths = paths
        self._rest_until = 0.0

    def rest(self) -> float:
        """Return the seconds for which the other side, too busy, still wants to be left alone (Retry-After)."""
        return max(0.0, self._rest_until - asyncio.get_running_loop().time())

    async def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Received:
        """Send one request and return the answer, whatever its status; raises LinkError.

        ``headers`` go before those that every request has: the body is JSON unless they say otherwise.
        """
        data = self._encode(method, self._paths.asked(method, path), body, {**JSON, **self._sender, **(headers or {})})
        try:
            async with asyncio.timeout(self._timeout):
                received = await self._exchange(data)
        except TimeoutError:
            raise LinkError(f"{self.address} did not answer within {self._timeout} s", True) from None
        except OSError as error:
            raise LinkError(f"{self.address}: {error or type(error).__name__}", False) from None
        if received.status in BUSY:
            self._rest_until = asyncio.get_running_loop().time() + min(received.retry_after, LONGEST_REST)
        return received

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().abort()

    def _encode(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.address}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body

    async def _exchange(self, data: bytes) -> Received:
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                try:
                    return await self._over(connection, data)
                except ConnectionError:  # it had been closed while idle
                    continue
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, self._host, self._port)
        return await self._over(connection, data)

    async def _over(self, connection: "_Connection", data: bytes) -> Received:
        try:
            received = await connection.exchange(data)
        except BaseException:
            connection.abort()
            raise
        if not connection.closed:
            connection.kept = self._spendthrift
            (self._used if self._spendthrift else self._idle).append(connection)
        return received


class _Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        self.closed = False
        self.kept = False
        self._transport: asyncio.Transport | None = None
        self._parser: Any = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Received] | None = None
        self._parts: list[bytes] = []
        self._retry_after = 0.0

    async def exchange(self, data: bytes) -> Received:
        if self._transport is None or self.closed:
            raise ConnectionResetError("connection closed")
        self._parts.clear()
        self._retry_after = 0.0
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        return await self._answer

    def abort(self) -> None:
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a TCP connection's is a Transport

    def eof_received(self) -> bool:
        """Return whether our side stays open when the other one has closed: a connection in CLOSE_WAIT."""
        return self.kept

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        self._fail(ConnectionResetError("connection closed before the answer was complete"))

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(ConnectionAbortedError(f"not HTTP: {error}"))
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after" and value.isdigit():
            self._retry_after = float(value)

    def on_body(self, part: bytes) -> None:
        self._parts.append(part)

    def on_message_complete(self) -> None:
        if not self._parser.should_keep_alive():
            self.abort()
        if self._answer is not None and not self._answer.done():
            received = Received(self._parser.get_status_code(), b"".join(self._parts), self._retry_after)
            self._answer.set_result(received)

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
