"""The journeys' HTTP/1.1 client: one connection per request in flight, and an outcome for every request.

It waits on gevent's own hub watchers instead of wrapped sockets and parses with llhttp, which costs a fraction of
what Locust's clients cost. It never retries and never follows a redirect: what happened is what is told.
"""

import _socket
import errno
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import gevent
import httptools
from gevent import getcurrent
from gevent.hub import get_hub

_READ, _WRITE = 1, 2
_EXPIRED = object()
_CHUNK = 65536
MAX_BODY = 64 * 1024 * 1024
"""Bytes of a reply's body above which it counts as invalid."""


@dataclass(slots=True)
class Reply:
    """What came of a request.

    Attributes:
        outcome: ok, refused, reset, timeout, http_4xx, http_5xx, invalid.
        sent: Whether any byte of the request may have left.
        began: Monotonic seconds at which the request went out (or the attempt to connect began).
        finished: Monotonic seconds at which the outcome was known.
        status: HTTP status, 0 if there was none.
        headers: Names in lower case.
        body: Bytes of the reply.
        detail: Why, where the outcome alone doesn't say it.

    """

    outcome: str
    sent: bool
    began: float
    finished: float
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    detail: str = ""

    def json(self) -> Any:
        """Decode the body; None where it isn't JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, UnicodeDecodeError):
            return None


class _Failure(Exception):
    def __init__(self, outcome: str, detail: str = "") -> None:
        super().__init__(outcome)
        self.outcome = outcome
        self.detail = detail


class _Message:
    """Collects one reply for httptools."""

    __slots__ = ("chunks", "complete", "headers", "keep_alive", "length", "parser", "started", "status")

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.chunks: list[bytes] = []
        self.length = 0
        self.started = False
        self.complete = False
        self.keep_alive = False
        self.status = 0
        self.parser: Any = httptools.HttpResponseParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.started = True
        self.status = self.parser.get_status_code()

    def on_body(self, chunk: bytes) -> None:
        self.chunks.append(chunk)
        self.length += len(chunk)
        if self.length > MAX_BODY:
            raise _Failure("invalid", "the reply is larger than 64 MiB")

    def end(self) -> None:
        """Take the end of the connection for the end of a body of unknown length; anything else is a reset."""
        if not self.started or "content-length" in self.headers or not self.length:
            raise _Failure("reset", "closed before the reply was complete")

    def on_message_complete(self) -> None:
        self.complete = True
        self.keep_alive = self.parser.should_keep_alive()


class _Connection:
    """A non-blocking socket and its watchers."""

    def __init__(self, address: tuple[str, int], timeout: float) -> None:
        self.sock = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        self.sock.setblocking(False)
        self.sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        loop = get_hub().loop
        self._readable = loop.io(self.sock.fileno(), _READ)
        self._writable: Any = None
        try:
            self._connect(address, timeout)
        except BaseException:
            self.close()
            raise

    def _connect(self, address: tuple[str, int], timeout: float) -> None:
        status = self.sock.connect_ex(address)
        if status == errno.EINPROGRESS:
            if not self._wait_writable(time.monotonic() + timeout):
                raise _Failure("timeout", "no connection in time")
            status = self.sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)
        if status:
            raise _Failure("refused", os.strerror(status))

    def close(self) -> None:
        self._readable.close()
        if self._writable is not None:
            self._writable.close()
        self.sock.close()

    def stale(self) -> bool:
        """Tell whether the peer has closed an idle connection, or sent what nobody asked for."""
        try:
            self.sock.recv(1, _socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def _wait_writable(self, deadline: float) -> bool:
        if self._writable is None:
            self._writable = get_hub().loop.io(self.sock.fileno(), _WRITE)
        return _wait(self._writable, deadline)

    def send(self, data: bytes, deadline: float) -> None:
        while data:
            try:
                count = self.sock.send(data)
            except BlockingIOError:
                if not self._wait_writable(deadline):
                    raise _Failure("timeout", "could not send in time") from None
            else:
                data = data[count:] if count < len(data) else b""

    def receive(self, deadline: float) -> _Message:
        """Return a complete reply; raises _Failure, OSError or httptools.HttpParserError."""
        message = _Message()
        try:
            while not message.complete:
                chunk = self._read(deadline)
                if not chunk:
                    message.end()
                    break
                message.parser.feed_data(chunk)
        finally:
            message.parser = None
        return message

    def _read(self, deadline: float) -> bytes:
        while True:
            try:
                return self.sock.recv(_CHUNK)
            except BlockingIOError:
                if not _wait(self._readable, deadline):
                    raise _Failure("timeout", "no complete reply in time") from None


def _wait(watcher: Any, deadline: float) -> bool:
    """Wait until a watcher fires (True) or a monotonic deadline passes (False)."""
    hub = get_hub()
    switch = getcurrent().switch
    timer = hub.loop.timer(max(deadline - time.monotonic(), 0.0))
    timer.start(switch, _EXPIRED)
    watcher.start(switch, None)
    try:
        return hub.switch() is not _EXPIRED
    finally:
        watcher.stop()
        timer.stop()
        timer.close()


class Pool:
    """Keep-alive connections to one address.

    Attributes:
        address: Host and port.

    """

    def __init__(self, address: str, connect_timeout: float, request_timeout: float) -> None:
        host, _, port = address.rpartition(":")
        self.address = (host, int(port))
        self._host_line = f" HTTP/1.1\r\nHost: {address}\r\nAccept: application/json\r\n"
        self._idle: list[_Connection] = []
        self._connect_timeout = connect_timeout
        self._request_timeout = request_timeout

    def request(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Send one request and wait for its reply. Never raises for what the network or the server does."""
        reply = Reply("reset", sent=False, began=time.monotonic(), finished=0.0)
        connection = None
        try:
            connection = self._acquire()
            self._exchange(connection, reply, self._head(method, target, headers, body) + body)
        except _Failure as failure:
            reply.outcome, reply.detail = failure.outcome, failure.detail
        except OSError as error:
            reply.outcome, reply.detail = "reset", str(error)
        except httptools.HttpParserError as error:
            cause = error.__context__
            reply.outcome = cause.outcome if isinstance(cause, _Failure) else "invalid"
            reply.detail = f"not HTTP: {error}"
        finally:
            if connection is not None and reply.finished == 0.0:
                connection.close()
            reply.finished = reply.finished or time.monotonic()
        return reply

    def _exchange(self, connection: _Connection, reply: Reply, request: bytes) -> None:
        deadline = reply.began + self._request_timeout
        reply.sent = True
        connection.send(request, deadline)
        message = connection.receive(deadline)
        status = message.status
        reply.status, reply.headers, reply.body = status, message.headers, b"".join(message.chunks)
        reply.outcome = "ok" if status < 400 else "http_4xx" if status < 500 else "http_5xx"
        reply.finished = time.monotonic()
        if message.keep_alive:
            self._idle.append(connection)
        else:
            connection.close()

    def _head(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        length = f"Content-Length: {len(body)}\r\n" if body or method != "GET" else ""
        return f"{method} {target}{self._host_line}{lines}{length}\r\n".encode("latin-1")

    def _acquire(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.stale():
                return connection
            connection.close()
        return _Connection(self.address, self._connect_timeout)

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()


def pause(seconds: float) -> None:
    """Let a persona wait without holding up the others."""
    gevent.sleep(seconds)
