"""The client tells every request's outcome, on real sockets."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import gevent
import pytest

from scenarios.http import Pool, Reply

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 8\r\nContent-Type: application/json\r\n\r\n{"a": 1}'


@contextmanager
def server(handle: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serve every connection with ``handle`` in a thread of its own; yields host:port."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    over = threading.Event()

    def accept() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            connection.settimeout(5)
            with connection, suppress(BrokenPipeError):
                handle(connection)

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        thread.join()
        listener.close()


def ask(address: str, body: bytes = b"", timeout: float = 2.0) -> Reply:
    pool = Pool(address, 1.0, timeout)
    reply = pool.request("POST" if body else "GET", "/x", {}, body)
    pool.close()
    return reply


def answering(*pieces: bytes, pause: float = 0.0) -> Callable[[socket.socket], None]:
    def handle(connection: socket.socket) -> None:
        connection.recv(65536)
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)

    return handle


def test_a_reply_is_ok_and_decoded() -> None:
    """200 with JSON is ok, and both times are after its start."""
    with server(answering(OK)) as address:
        reply = ask(address)
    assert (reply.outcome, reply.status, reply.json()) == ("ok", 200, {"a": 1})
    assert reply.began <= reply.finished


@pytest.mark.parametrize(("status", "outcome"), [(302, "ok"), (404, "http_4xx"), (422, "http_4xx"), (503, "http_5xx")])
def test_a_status_decides_the_outcome(status: int, outcome: str) -> None:
    """4xx and 5xx are outcomes of their own; a redirect isn't followed."""
    with server(answering(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)) as address:
        assert ask(address).outcome == outcome


def test_nobody_listening_is_refused_and_nothing_was_sent() -> None:
    """A refused connection proves that no byte left."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    reply = ask(address)
    assert (reply.outcome, reply.sent) == ("refused", False)


def test_a_connection_closed_without_a_reply_is_reset() -> None:
    """Closing after the request is a reset, and something may have been applied."""
    with server(lambda connection: connection.recv(65536) and None) as address:
        reply = ask(address)
    assert (reply.outcome, reply.sent) == ("reset", True)


def test_a_tcp_reset_is_reset() -> None:
    """RST is an outcome, not an exception."""

    def handle(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with server(handle) as address:
        assert ask(address).outcome == "reset"


def test_silence_is_a_timeout_after_the_given_time() -> None:
    """A server that never answers costs the request's time-out, no more."""
    with server(lambda connection: time.sleep(1.0)) as address:
        reply = ask(address, timeout=0.3)
    assert reply.outcome == "timeout"
    assert 0.29 <= reply.finished - reply.began < 0.8


def test_a_reply_that_trickles_past_the_deadline_is_a_timeout() -> None:
    """The time-out is for the whole reply, not for each byte."""
    with server(answering(OK[:20], OK[20:40], OK[40:60], OK[60:], pause=0.2)) as address:
        assert ask(address, timeout=0.3).outcome == "timeout"


def test_what_is_not_http_is_invalid() -> None:
    """Garbage is an outcome."""
    with server(answering(b"nonsense\r\n\r\n")) as address:
        assert ask(address).outcome == "invalid"


def test_a_truncated_body_is_reset() -> None:
    """Fewer bytes than announced are no reply."""
    with server(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")) as address:
        assert ask(address).outcome == "reset"


def test_chunked_replies_are_put_together() -> None:
    """Chunks in several packets make one body."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with server(answering(head, b'4\r\n{"a"\r\n', b"4\r\n: 1}\r\n0\r\n\r\n", pause=0.02)) as address:
        assert ask(address).json() == {"a": 1}


def test_a_body_ended_by_closing_is_complete() -> None:
    """Without a length the end of the connection is the end of the body."""
    with server(answering(b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"a": 1}')) as address:
        assert ask(address).json() == {"a": 1}


def test_a_large_body_is_sent_whole() -> None:
    """5 MB go out although the socket's buffer is smaller."""
    received = []

    def handle(connection: socket.socket) -> None:
        data = b""
        while not data.endswith(b"END"):
            data += connection.recv(1 << 20)
        received.append(len(data.partition(b"\r\n\r\n")[2]))
        connection.sendall(OK)

    with server(handle) as address:
        assert ask(address, b"x" * 5_000_000 + b"END", timeout=5).outcome == "ok"
    assert received == [5_000_003]


def test_a_connection_is_used_again() -> None:
    """Two requests in a row share one connection."""
    connections = []

    def handle(connection: socket.socket) -> None:
        connections.append(connection)
        for _ in range(2):
            connection.recv(65536)
            connection.sendall(OK)

    with server(handle) as address:
        pool = Pool(address, 1.0, 1.0)
        outcomes = [pool.request("GET", "/", {}, b"").outcome for _ in range(2)]
        pool.close()
    assert (outcomes, len(connections)) == (["ok", "ok"], 1)


def test_a_pooled_connection_that_the_server_closed_is_not_used() -> None:
    """An idle connection that was closed meanwhile is replaced before a byte is sent."""
    with server(answering(OK)) as address:
        pool = Pool(address, 1.0, 1.0)
        first = pool.request("GET", "/", {}, b"")
        time.sleep(0.1)
        second = pool.request("GET", "/", {}, b"")
        pool.close()
    assert (first.outcome, second.outcome) == ("ok", "ok")


def test_a_killed_greenlet_leaves_no_connection_in_the_pool() -> None:
    """A journey that is cut off closes its connection: nobody reads its late reply."""
    with server(lambda connection: time.sleep(0.5)) as address:
        pool = Pool(address, 1.0, 5.0)
        greenlet = gevent.spawn(pool.request, "GET", "/", {}, b"")
        gevent.sleep(0.1)
        greenlet.kill()
        assert not pool._idle
