"""The journeys' HTTP/1.1 client: one connection per request in flight, and an outcome for every request.

It never sends a request twice: a connection that dies after a byte was sent is an outcome, not a reason to try again.
"""

from collections.abc import Mapping
from functools import partial
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import gevent
import msgspec

from scenarios.connection import Connection, Failure, Stale
from scenarios.names import Resolver
from scenarios.tls import Identity, TlsConnection

MAX_IDLE = 1000
"""Idle connections that a pool keeps; further ones are closed after their reply."""

_decode = msgspec.json.decode


class Reply:
    """What came of a request.

    Attributes:
        outcome: ok, refused, reset, timeout, http_4xx, http_5xx, invalid.
        sent: Whether any byte of the request may have left.
        began: Monotonic seconds at which the request went out (or the attempt to connect began).
        finished: Monotonic seconds at which the outcome was known.
        status: HTTP status, 0 if there was none.
        fields: Header lines as they came.
        body: Bytes of the reply.
        detail: Why, where the outcome alone doesn't say it.
    """

    __slots__ = ("_headers", "began", "body", "detail", "fields", "finished", "outcome", "sent", "status")

    def __init__(
        self,
        outcome: str,
        sent: bool,
        began: float,
        finished: float,
        status: int = 0,
        headers: dict[str, str] | None = None,
        body: bytes | bytearray = b"",
        detail: str = "",
        fields: list[tuple[bytes, bytes]] | None = None,
    ) -> None:
        self.outcome = outcome
        self.sent = sent
        self.began = began
        self.finished = finished
        self.status = status
        self.body = body
        self.detail = detail
        self.fields = fields or []
        self._headers = headers

    def __repr__(self) -> str:
        return f"Reply({self.outcome!r}, status={self.status}, detail={self.detail!r})"

    @property
    def headers(self) -> dict[str, str]:
        """Headers by their name in lower case; of several with one name the last. Made when they are first read."""
        if self._headers is None:
            self._headers = {n.decode("latin-1").lower(): v.decode("latin-1") for n, v in self.fields}
        return self._headers

    @headers.setter
    def headers(self, headers: dict[str, str]) -> None:
        self._headers = headers

    def json(self) -> Any:
        """Decode the body; None where it isn't JSON."""
        try:
            return _decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None


class Pool:
    """Keep-alive connections to one address.

    Attributes:
        address: ``host:port``, ``http://host[:port]`` or ``https://host[:port]``.
        origin: Scheme, host and port, all three spelt out.
    """

    def __init__(
        self,
        address: str,
        connect_timeout: float,
        request_timeout: float,
        *,
        first_byte_timeout: float | None = None,
        max_idle: int = MAX_IDLE,
        ca_file: str | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        """Prepare; nothing is opened yet.

        Args:
            address: Where to.
            connect_timeout: Seconds until the connection, with its TLS, must stand.
            request_timeout: Seconds until the reply must be complete.
            first_byte_timeout: Seconds until the reply must have begun, if it is less.
            max_idle: Idle connections to keep.
            ca_file: Certificates to trust instead of the system's.
            resolver: Says what is dialled, in place of the address itself; name and certificate stay those of it.
        """
        where = urlsplit(address if "://" in address else f"http://{address}")
        secure = where.scheme == "https"
        host = where.hostname or ""
        self.address = address
        port = where.port or (443 if secure else 80)
        self.origin = f"{where.scheme}://{host}:{port}"
        self._resolver = resolver or Resolver(host, port)
        self._open = partial(TlsConnection, identity=Identity(ca_file, host)) if secure else Connection
        self._constant = f" HTTP/1.1\r\nHost: {where.netloc}\r\nUser-Agent: thongsuot\r\nAccept: application/json\r\n"
        self._idle: list[Connection] = []
        self._max_idle = max_idle
        self._connect_timeout = connect_timeout
        self._first_byte_timeout = min(first_byte_timeout or request_timeout, request_timeout)
        self._request_timeout = request_timeout

    def request(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Send one request and wait for its reply. Never raises for what the network or the server does."""
        began = monotonic()
        connection = None
        try:
            data = self._encoded(method, target, headers, body)
            while True:
                connection = self._idle.pop() if self._idle else self._connected(began)
                try:
                    connection.exchange(
                        data,
                        began + self._first_byte_timeout,
                        began + self._request_timeout,
                        method == "HEAD",
                    )
                    break
                except Stale:
                    continue
        except Failure as failure:
            outcome, detail = failure.outcome, failure.detail
        except OSError as error:
            outcome, detail = "reset", str(error)
        else:
            return self._reply(connection, began)
        return Reply(outcome, connection is not None and connection.sent, began, monotonic(), detail=detail)

    def _reply(self, connection: Connection, began: float) -> Reply:
        status = connection.status
        finished = monotonic()
        if connection.keep_alive and len(self._idle) < self._max_idle:
            connection.released = finished
            self._idle.append(connection)
        else:
            connection.close()
        outcome = "ok" if status < 400 else "http_4xx" if status < 500 else "http_5xx"
        return Reply(outcome, True, began, finished, status, None, connection.body, "", connection.headers)

    def _encoded(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """Return the bytes of a request. What a target said may be in it, and mustn't become a header of its own."""
        sound = target.isprintable() and " " not in target
        head = f"{method} {target}{self._constant}"
        for name, value in headers.items():
            head += f"{name}: {value}\r\n"
            sound = sound and value.isprintable()
        if not sound:
            raise Failure("invalid", "a path or header with a line break, a blank or the like")
        head += f"Content-Length: {len(body)}\r\n\r\n" if body or method not in _BODILESS else "\r\n"
        try:
            return head.encode("ascii") + body
        except UnicodeEncodeError:
            raise Failure("invalid", "a path or header that is not ASCII") from None

    def _connected(self, began: float) -> Connection:
        deadline = began + min(self._connect_timeout, self._request_timeout)
        last = Failure("refused", "the name has no address")
        for address in self._resolver.addresses(deadline):
            try:
                return self._open(address, deadline)
            except Failure as failure:
                last = failure
            except OSError as error:
                last = Failure("refused", str(error))
        self._resolver.forget()
        raise last

    def close(self) -> None:
        """Close the idle connections, and those in use after their reply."""
        self._max_idle = 0
        while self._idle:
            self._idle.pop().close()


_BODILESS = frozenset(("GET", "HEAD"))
"""Methods that say nothing of a body's length where there is none."""


def pause(seconds: float) -> None:
    """Let a persona wait without holding up the others."""
    gevent.sleep(seconds)
