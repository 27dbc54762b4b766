"""The client tells every request's outcome, on real sockets."""

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import pytest
from gevent import socket as green

from scenarios import connection as connections
from scenarios.http import MAX_IDLE, Pool, Reply
from tests.conftest import wait_for
from tests.scenarios.servers import OK, Handler, answering, server, serving, silent, undelayed


def ask(address: str, body: bytes = b"", timeout: float = 30.0) -> Reply:
    pool = Pool(address, 30.0, timeout)
    reply = pool.request("POST" if body else "GET", "/x", {}, body)
    pool.close()
    return reply


def took(reply: Reply) -> float:
    return reply.finished - reply.began


@contextmanager
def at_once(number: int, max_idle: int = MAX_IDLE) -> Iterator[tuple[Pool, list[Any], list[Any]]]:
    """Ask so many times at once; yields the pool, the greenlets that ask, and the other ends of their connections."""
    listener = green.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(200)
    listener.settimeout(30)
    pool = Pool(f"127.0.0.1:{listener.getsockname()[1]}", 30.0, 30.0, max_idle=max_idle)
    crowd = [gevent.spawn(pool.request, "GET", "/", {}, b"") for _ in range(number)]
    ends = [listener.accept()[0] for _ in crowd]
    try:
        yield pool, crowd, ends
    finally:
        pool.close()
        for one in (*ends, listener):
            one.close()


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
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        reply = ask(f"127.0.0.1:{unused.getsockname()[1]}")
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
    with server(silent) as address:
        reply = undelayed(lambda: ask(address, timeout=0.3), lambda reply: took(reply) < 0.8)
    assert reply.outcome == "timeout"
    assert 0.29 <= took(reply) < 0.8


def test_a_reply_that_trickles_past_the_deadline_is_a_timeout() -> None:
    """The time-out is for the whole reply, not for each byte."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 250\r\n\r\n"
    with server(answering(head, *[b"x"] * 250, pause=0.1)) as address:
        assert ask(address, timeout=0.7).outcome == "timeout"


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
        assert ask(address, b"x" * 5_000_000 + b"END").outcome == "ok"
    assert received == [5_000_003]


def test_a_connection_is_used_again() -> None:
    """Two requests in a row share one connection."""
    seen = []

    def handle(connection: socket.socket) -> None:
        seen.append(connection)
        for _ in range(2):
            connection.recv(65536)
            connection.sendall(OK)

    with server(handle) as address:
        pool = Pool(address, 30.0, 30.0)
        outcomes = [pool.request("GET", "/", {}, b"").outcome for _ in range(2)]
        pool.close()
    assert (outcomes, len(seen)) == (["ok", "ok"], 1)


def test_a_pooled_connection_that_the_server_closed_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle connection that was closed meanwhile is replaced before a byte is sent."""
    monkeypatch.setattr(connections, "_TRUSTED", 0.0)
    with server(answering(OK)) as address:
        pool = Pool(address, 30.0, 30.0)
        first = pool.request("GET", "/", {}, b"")
        wait_for(pool._idle[0]._closed_by_peer, 30)
        second = pool.request("GET", "/", {}, b"")
        pool.close()
    assert (first.outcome, second.outcome) == ("ok", "ok")


def test_a_system_that_went_away_while_the_connection_was_idle_was_sent_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The pooled connection is dead and no new one comes about: refused, and provably not applied."""
    monkeypatch.setattr(connections, "_TRUSTED", 0.0)
    with server(answering(OK)) as address:
        pool = Pool(address, 30.0, 30.0)
        assert pool.request("GET", "/", {}, b"").outcome == "ok"
    reply = pool.request("POST", "/", {}, b"x")
    assert (reply.outcome, reply.sent) == ("refused", False)


def test_a_killed_greenlet_leaves_no_connection_in_the_pool() -> None:
    """A journey that is cut off closes its connection: nobody reads its late reply."""
    with server(lambda connection: time.sleep(0.5)) as address:
        pool = Pool(address, 1.0, 5.0)
        greenlet = gevent.spawn(pool.request, "GET", "/", {}, b"")
        gevent.sleep(0.1)
        greenlet.kill()
        assert not pool._idle


def test_an_interim_reply_is_passed_over() -> None:
    """100 and 103 are not the reply, and leave none of their headers in it."""
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    with server(answering(interim, OK, pause=0.02)) as address:
        reply = ask(address)
    assert (reply.status, reply.json(), "link" in reply.headers) == (200, {"a": 1}, False)


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_a_status_without_body_leaves_the_connection_usable(status: bytes) -> None:
    """204 and 304 end with their head, even where it names a length."""
    replies = iter([b"HTTP/1.1 %s\r\n\r\n" % status, OK])
    with server(serving(lambda _: next(replies))) as address:
        pool = Pool(address, 30.0, 30.0)
        first, second = (pool.request("GET", "/", {}, b"") for _ in range(2))
        pool.close()
    assert (first.outcome, first.body, second.json()) == ("ok", b"", {"a": 1})


def test_head_has_no_body_and_leaves_the_connection_usable() -> None:
    """The Content-Length of a reply to HEAD announces nothing, and the next reply on the connection is read whole."""
    head = OK.partition(b"{")[0]
    seen = []

    def handle(connection: socket.socket) -> None:
        seen.append(connection)
        while request := connection.recv(65536):
            connection.sendall(head if request.startswith(b"HEAD") else OK)

    with server(handle) as address:
        pool = Pool(address, 30.0, 30.0)
        replies = [pool.request(method, "/", {}, b"") for method in ("HEAD", "GET", "HEAD")]
        pool.close()
    assert [(reply.outcome, len(reply.body)) for reply in replies] == [("ok", 0), ("ok", 8), ("ok", 0)]
    assert len(seen) == 1


def test_a_truncated_chunked_body_is_reset() -> None:
    """Chunks without the last one are no reply."""
    with server(answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n")) as address:
        assert ask(address).outcome == "reset"


def test_a_switch_of_protocols_is_invalid() -> None:
    """101 was not asked for."""
    with server(answering(b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")) as address:
        reply = ask(address)
    assert (reply.outcome, reply.detail) == ("invalid", "the server switched protocols")


def test_a_body_of_5_mb_is_received_whole() -> None:
    """Many pieces make one body."""
    body = b"x" * 5_000_000
    with server(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n", body)) as address:
        assert ask(address).body == body


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n" + b"x" * 3000,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 3000,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 3000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 200,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 500,
    ],
    ids=["body", "unmeasured body", "header", "interim replies", "trailers"],
)
def test_a_reply_beyond_the_bounds_is_invalid(reply: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever grows without end is given up, and what isn't kept isn't counted against memory."""
    monkeypatch.setattr(connections, "MAX_BODY", 1000)
    monkeypatch.setattr(connections, "MAX_HEAD", 1000)
    with server(answering(reply, pause=0.5)) as address:
        assert ask(address).outcome == "invalid"


def test_a_second_reply_that_nobody_asked_for_is_never_given_to_a_later_request() -> None:
    """A connection that carried more than one reply to a request isn't used again."""
    stray = OK.replace(b"1}", b"2}")
    for extra in (stray, stray[:30]):
        with server(serving(lambda _, extra=extra: OK + extra)) as address:
            pool = Pool(address, 30.0, 30.0)
            answers = [pool.request("GET", "/", {}, b"").json() for _ in range(3)]
            pool.close()
        assert answers == [{"a": 1}] * 3


def test_the_first_byte_has_a_time_out_of_its_own() -> None:
    """A reply that has begun may take longer than one that hasn't."""

    def asked(handle: Handler, first_byte_timeout: float) -> Reply:
        with server(handle) as address:
            pool = Pool(address, 30.0, 30.0, first_byte_timeout=first_byte_timeout)
            reply = pool.request("GET", "/", {}, b"")
            pool.close()
        return reply

    slow = answering(OK[:20], OK[20:40], OK[40:], pause=0.6)
    assert undelayed(lambda: asked(slow, 1.0), lambda reply: reply.outcome == "ok").outcome == "ok"
    reply = undelayed(lambda: asked(silent, 0.3), lambda reply: took(reply) < 0.8)
    assert (reply.outcome, reply.detail) == ("timeout", "no reply in time")
    assert took(reply) < 0.8


def test_a_time_out_after_a_longer_one_comes_when_it_is_due() -> None:
    """The timer of a connection moves forward and back: neither early nor late."""

    def handle(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(OK[:20])
        time.sleep(1.2)  # past the deadline of the first byte: the timer is set anew, for the whole
        connection.sendall(OK[20:])
        silent(connection)

    def both() -> list[Reply]:
        with server(handle) as address:
            pool = Pool(address, 30.0, 30.0, first_byte_timeout=1.0)
            replies = [pool.request("GET", "/", {}, b"") for _ in range(2)]
            pool.close()
        return replies

    first, late = undelayed(both, lambda replies: replies[0].outcome == "ok" and took(replies[1]) < 1.5)
    assert (first.outcome, late.outcome) == ("ok", "timeout")
    assert 0.99 <= took(late) < 1.5


def test_a_full_backlog_is_a_timeout_in_which_nothing_was_sent() -> None:
    """A connection that doesn't come about costs the connect time-out, and proves that nothing was applied."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        held = [socket.socket() for _ in range(4)]
        held[0].connect(listener.getsockname())
        for one in held[1:]:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        pool = Pool(f"127.0.0.1:{listener.getsockname()[1]}", 0.3, 5.0)
        reply = pool.request("POST", "/", {}, b"x")
        for one in held:
            one.close()
    assert (reply.outcome, reply.sent) == ("timeout", False)


def test_a_connection_that_dies_after_sending_is_not_tried_again() -> None:
    """The server saw each request once: a dead keep-alive connection is a reset, never a second attempt in secret."""
    seen = []

    def handle(connection: socket.socket) -> None:
        seen.append(connection.recv(65536))
        connection.sendall(OK)
        seen.append(connection.recv(65536))

    with server(handle) as address:
        pool = Pool(address, 30.0, 30.0)
        outcomes = [pool.request("GET", f"/{number}", {}, b"").outcome for number in range(2)]
        pool.close()
    assert outcomes == ["ok", "reset"]
    assert [request.split()[1] for request in seen] == [b"/0", b"/1"]


def test_a_pool_keeps_no_more_idle_connections_than_it_may() -> None:
    """Above the cap a connection is closed after its reply."""
    with at_once(3, max_idle=1) as (pool, crowd, ends):
        for end in ends:
            end.sendall(OK)
        gevent.joinall(crowd)
        assert [one.value.outcome for one in crowd] == ["ok"] * 3
        assert len(pool._idle) == 1


@pytest.mark.parametrize(
    ("target", "value"),
    [("/a\r\nX: y", "v"), ("/a b", "v"), ("/ơ", "v"), ("/", "v\r\nX: y"), ("/", "token-của-ai"), ("/", "v\n")],
)
def test_text_that_would_break_a_request_is_not_sent(target: str, value: str) -> None:
    """A code or token from a target can't smuggle a header in, and doesn't drop the sample."""
    with server(answering(OK)) as address:
        reply = Pool(address, 30.0, 30.0).request("GET", target, {"Authorization": value}, b"")
    assert (reply.outcome, reply.sent) == ("invalid", False)


def test_a_host_name_is_resolved_and_remembered() -> None:
    """`localhost` works like 127.0.0.1, and is asked for once."""
    with server(serving(lambda _: OK)) as address:
        pool = Pool(f"http://localhost:{address.rpartition(':')[2]}", 30.0, 30.0)
        assert pool.request("GET", "/", {}, b"").outcome == "ok"
        known = pool._resolver._known
        assert pool.request("GET", "/", {}, b"").outcome == "ok"
        assert pool._resolver._known is known
        pool.close()


def test_an_unknown_host_is_refused() -> None:
    """A name that nobody knows is an outcome, and nothing was sent."""
    reply = Pool("nobody.invalid:80", 2.0, 2.0).request("GET", "/", {}, b"")
    assert (reply.outcome, reply.sent) in {("refused", False), ("timeout", False)}
    assert "nobody.invalid" in reply.detail


def test_others_go_on_while_one_waits() -> None:
    """A hundred requests to a server that takes 0.2 s each take 0.2 s together, not 20."""
    began = time.monotonic()
    with at_once(100) as (_, crowd, ends):
        gevent.sleep(0.2)
        for end in ends:
            end.sendall(OK)
        gevent.joinall(crowd)
        assert all(one.value.outcome == "ok" for one in crowd)
        assert time.monotonic() - began < 20.0
