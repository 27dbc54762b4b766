"""One connection of the journeys' client: a non-blocking socket, gevent's own hub watchers, and llhttp.

All that a request needs is kept with the connection and used again: two watchers, one timer, one parser. The watcher
for reading stays on between requests, which spares a system call for each. The timer is lazy: it isn't moved for each
request, but looks at the deadline when it fires, and goes on if there is time left.
"""

import _socket
import errno
import math
import os
from time import monotonic
from typing import Any

import httptools
from gevent import getcurrent
from gevent.hub import get_hub

_READ, _WRITE = 1, 2
_EXPIRED = object()
_CHUNK = 65536
_TRUSTED = 0.001
"""Seconds for which an idle connection is taken to be open still, without asking the socket."""
MAX_BODY = 64 * 1024 * 1024
"""Bytes of a reply's body above which it counts as invalid."""
MAX_HEAD = 256 * 1024
"""Bytes of a reply's head above which it counts as invalid."""

SocketAddress = tuple[int, Any]
"""Address family, and the address as the family has it."""


class Failure(Exception):
    """A request came to nothing.

    Attributes:
        outcome: As `scenarios.http.Reply` has it.
        detail: Why.
    """

    def __init__(self, outcome: str, detail: str) -> None:
        super().__init__(outcome, detail)
        self.outcome = outcome
        self.detail = detail


class Stale(Exception):
    """A connection from the pool was closed by the peer before a byte of the request left."""


class Connection:
    """A connection that carries one request at a time. It closes itself whenever an exchange fails.

    Attributes:
        sent: Whether any byte of the current request may have left.
        status: HTTP status of the reply.
        headers: Of the reply, as they came.
        body: Of the reply.
        keep_alive: Whether another request may follow.
        released: Monotonic seconds at which the last exchange ended; 0 before the first.
    """

    def __init__(self, address: SocketAddress, deadline: float) -> None:
        self.sent = False
        self.released = 0.0
        self._hub = get_hub()
        self._readable: Any = None
        self._timer: Any = None
        self._armed = math.inf
        self._deadline = math.inf
        self._waiter: Any = None
        self._reading = False
        self._watched = False
        self._writable: Any = None
        self._parser: Any = None
        self._bodiless = False
        self._socket = _socket.socket(address[0], _socket.SOCK_STREAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
            self._readable = self._hub.loop.io(self._socket.fileno(), _READ)
            self._connect(address[1], deadline)
        except BaseException:
            self.close()
            raise

    def _connect(self, address: Any, deadline: float) -> None:
        status = self._socket.connect_ex(address)
        if status == errno.EINPROGRESS:
            if not self._wait_writable(deadline):
                raise Failure("timeout", "no connection in time")
            status = self._socket.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)
        if status:
            raise Failure("refused", os.strerror(status))

    def close(self) -> None:
        """Close the socket and everything that watches it."""
        for watcher in (self._readable, self._writable, self._timer):
            if watcher is not None:
                watcher.close()
        self._readable = self._writable = self._timer = self._parser = None
        self._socket.close()

    def exchange(self, request: bytes, first_byte: float, last_byte: float, bodiless: bool = False) -> None:
        """Send a request and receive its reply into the attributes.

        Args:
            request: Head and body.
            first_byte: Monotonic deadline for the first byte of the reply, not after the last.
            last_byte: Monotonic deadline for its last.
            bodiless: Whether the reply has no body whatever its head says, as with HEAD.

        Raises:
            Failure: With an outcome.
            Stale: Nothing was sent; another connection may be used.
            OSError: From the socket: a reset.
        """
        try:
            self._begin(bodiless)
            try:
                self._write(request, first_byte)
            except (BrokenPipeError, ConnectionResetError):
                if self.sent or not self.released:
                    raise
                raise Stale from None  # the kernel took no byte of it
            self._receive_reply(first_byte, last_byte)
        except BaseException:
            self.close()
            raise

    def _begin(self, bodiless: bool) -> None:
        self.sent = False
        if self.released and monotonic() - self.released > _TRUSTED and self._closed_by_peer():
            raise Stale
        if self._parser is None or self._bodiless:
            self._parser = httptools.HttpResponseParser(self)
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body: bytes | bytearray = b""
        self.keep_alive = False
        self._bodiless = bodiless
        self._length = 0
        self._head_complete = False
        self._complete = False

    def _closed_by_peer(self) -> bool:
        """Tell whether the peer has closed the idle connection, or sent what nobody asked for."""
        try:
            self._socket.recv(1, _socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def _write(self, data: bytes | memoryview, deadline: float) -> None:
        while data:
            try:
                count = self._socket.send(data)
            except BlockingIOError:
                if not self._wait_writable(deadline):
                    raise Failure("timeout", "could not send in time") from None
            else:
                self.sent = True
                data = memoryview(data)[count:] if count < len(data) else b""

    def _receive_reply(self, first_byte: float, last_byte: float) -> None:
        deadline = first_byte
        received = 0
        while not self._complete:
            if not self._wait_readable(deadline):
                raise Failure("timeout", "no complete reply in time" if received else "no reply in time")
            chunk = self._read()
            if chunk is None:
                continue
            if not chunk:
                self._end()
                return
            deadline = last_byte
            received += len(chunk)
            self._feed(chunk)
            if (received > MAX_HEAD and not self._head_complete) or received > 2 * MAX_BODY:
                raise Failure("invalid", f"the reply's head or framing is larger than {received} bytes")

    def _read(self) -> bytes | None:
        """Return what has come: no bytes at the end of the stream, None where it was a false alarm."""
        try:
            return self._socket.recv(_CHUNK)
        except BlockingIOError:
            return None

    def _feed(self, chunk: bytes) -> None:
        try:
            self._parser.feed_data(chunk)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            cause = error.__context__
            if isinstance(cause, Failure):
                raise cause from None
            self.keep_alive = False
            if not self._complete:
                switched = isinstance(error, httptools.HttpParserUpgrade)
                raise Failure(
                    "invalid", "the server switched protocols" if switched else f"not HTTP: {error}"
                ) from None

    def _end(self) -> None:
        """Take the end of the connection for the end of a body of unknown length; anything else is a reset."""
        names = {name.lower(): value.lower() for name, value in self.headers}
        measured = b"content-length" in names or names.get(b"transfer-encoding", b"").endswith(b"chunked")
        if measured or not self._head_complete:
            raise Failure("reset", "closed before the reply was complete")

    def _wait_writable(self, deadline: float) -> bool:
        """Wait until the socket takes bytes (True) or the deadline passes (False)."""
        if self._writable is None:
            self._writable = self._hub.loop.io(self._socket.fileno(), _WRITE)
        self._writable.start(getcurrent().switch, None)
        try:
            return self._wait(deadline)
        finally:
            self._writable.stop()

    def _wait_readable(self, deadline: float) -> bool:
        """Wait until there is something to read (True) or the deadline passes (False)."""
        if not self._watched:
            self._readable.start(self._on_readable)
            self._watched = True
        self._reading = True
        try:
            return self._wait(deadline)
        finally:
            self._reading = False

    def _wait(self, deadline: float) -> bool:
        self._deadline = deadline
        if deadline < self._armed:
            self._arm()
        self._waiter = getcurrent().switch
        try:
            return self._hub.switch() is not _EXPIRED
        finally:
            self._waiter = None

    def _on_readable(self) -> None:
        """Go on with the request that waits for it; without one, look no further until one does."""
        if self._reading:
            self._waiter(None)
        else:
            self._readable.stop()
            self._watched = False

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.close()
        self._armed = self._deadline
        self._timer = self._hub.loop.timer(max(self._deadline - monotonic(), 0.0))
        self._timer.start(self._on_timer)

    def _on_timer(self) -> None:
        self._armed = math.inf
        if self._waiter is None:
            return
        if monotonic() < self._deadline:
            self._arm()
        else:
            self._waiter(_EXPIRED)

    # What llhttp calls.

    def on_message_begin(self) -> None:
        """See a second reply begin, which nobody asked for."""
        if self._complete:
            self.keep_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; trailers are left out."""
        if not self._head_complete:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Note that the head is there, which is all where there can be no body."""
        if self._complete:
            return
        self.status = self._parser.get_status_code()
        if self.status >= 200:
            self._head_complete = True
            if self._bodiless:
                self.on_message_complete()

    def on_body(self, chunk: bytes) -> None:
        """Gather the body."""
        if self._complete:
            self.keep_alive = False
            return
        self._length += len(chunk)
        if self._length > MAX_BODY:
            raise Failure("invalid", f"the body is larger than {MAX_BODY} bytes")
        if not self.body:
            self.body = chunk
        elif isinstance(self.body, bytearray):
            self.body += chunk
        else:
            self.body = bytearray(self.body) + chunk

    def on_message_complete(self) -> None:
        """Note the end of a reply; an interim one (1xx) is forgotten."""
        if self._complete:
            return
        if self.status < 200:
            self.headers.clear()
            return
        self._complete = True
        self.keep_alive = bool(self._parser.should_keep_alive())
