"""Servers for the client's tests: a function per connection, in a thread, on port 0."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

Handler = Callable[[socket.socket], object]
T = TypeVar("T")

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 8\r\nContent-Type: application/json\r\n\r\n{"a": 1}'


@contextmanager
def server(handle: Handler, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve every connection with ``handle`` in one thread, one after the other; yields host:port."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    over = threading.Event()

    def accept() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            connection.settimeout(30)
            with suppress(OSError):
                if tls is not None:
                    connection = tls.wrap_socket(connection, server_side=True)
                handle(connection)
            connection.close()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        thread.join()
        listener.close()


def answering(*pieces: bytes, pause: float = 0.0) -> Handler:
    """Read one request, send the pieces with a pause after each, close."""

    def handle(connection: socket.socket) -> None:
        connection.recv(65536)
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)

    return handle


def silent(connection: socket.socket) -> None:
    """Read one request, and say nothing until the client hangs up, or for 30 s."""
    connection.recv(65536)
    connection.recv(65536)


def serving(replies: Callable[[bytes], bytes]) -> Handler:
    """Answer every request of a connection with what ``replies`` makes of its head, until the client closes."""

    def handle(connection: socket.socket) -> None:
        while head := connection.recv(65536):
            connection.sendall(replies(head))

    return handle


def undelayed(attempt: Callable[[], T], good: Callable[[T], bool]) -> T:
    """Return what the first good attempt brought, or the last of twenty: a busy machine delays some of them."""
    brought = attempt()
    for _ in range(19):
        brought = brought if good(brought) else attempt()
    return brought
