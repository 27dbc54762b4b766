"""Whatever a server sends, in whatever pieces, a request has an outcome."""

import contextlib
import socket

import gevent
import pytest
from gevent import socket as green
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scenarios.http import Pool, Reply

OUTCOMES = {"ok", "reset", "timeout", "http_4xx", "http_5xx", "invalid"}
HEADS = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.0 200 OK\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n",
        b"HTTP/1.1 404 Not Found\r\n",
        b"HTTP/1.1 503 X\r\n",
        b"HTTP/2 200\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: -1\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Set-Cookie: a=b; Path=/\r\n",
        b"Location: http://[/\r\n",
        b"Connection: close\r\n",
        b"\r\n",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"hello",
        b'{"a": 1}',
    ]
)
PIECES = st.lists(st.one_of(HEADS, st.binary(max_size=40)), max_size=8)


def exchange(pieces: list[bytes], method: str, then_reset: bool) -> list[Reply]:
    """Ask twice over one pool while a server answers each connection with the pieces and closes it."""
    listener = green.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(8)

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                for piece in pieces:
                    connection.sendall(piece)
                    gevent.sleep(0)
                if then_reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    serving = gevent.spawn(serve)
    pool = Pool(f"127.0.0.1:{listener.getsockname()[1]}", 20.0, 20.0)
    try:
        return [pool.request(method, "/", {}, b"") for _ in range(2)]
    finally:
        pool.close()
        serving.kill()
        listener.close()


@given(PIECES, st.sampled_from(["GET", "HEAD", "POST"]), st.booleans())
@example([b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" * 2], "GET", False)
@example([b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", b"x"], "GET", False)
@settings(max_examples=300)
def test_any_bytes_in_any_pieces_have_an_outcome(pieces: list[bytes], method: str, then_reset: bool) -> None:
    """No reply, however broken, raises or hangs; an ok one has a status below 400."""
    for reply in exchange(pieces, method, then_reset):
        assert reply.outcome in OUTCOMES
        assert reply.sent
        assert reply.finished >= reply.began
        assert (reply.outcome == "ok") == (200 <= reply.status < 400 and not reply.detail)
        reply.json()
        assert all(name == name.lower() for name in reply.headers)


@given(st.integers(0, 63), st.integers(1, 9))
@settings(max_examples=40)
def test_the_pieces_of_a_reply_do_not_matter(cut: int, size: int) -> None:
    """A reply cut anywhere is the same reply."""
    whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n4\r\nabcd\r\n1\r\ne\r\n0\r\n\r\n"
    rest = [whole[at : at + size] for at in range(cut, len(whole), size)]
    reply = exchange([whole[:cut], *rest], "GET", False)[0]
    assert (reply.outcome, reply.body, reply.headers["x"]) == ("ok", b"abcde", "y")


@given(st.binary(max_size=60))
@settings(max_examples=200)
def test_any_body_decodes_or_is_none(body: bytes) -> None:
    """What isn't JSON is None, never an exception."""
    Reply("ok", True, 0.0, 0.0, body=body).json()


@pytest.mark.parametrize("body", [b"[" * 100_000, b"1e999999", b'"\xff"', b"\xef\xbb\xbf{}"])
def test_json_that_breaks_decoders_is_none_or_a_value(body: bytes) -> None:
    """Deep nesting, huge numbers, wrong UTF-8 and a byte order mark don't raise."""
    Reply("ok", True, 0.0, 0.0, body=body).json()
