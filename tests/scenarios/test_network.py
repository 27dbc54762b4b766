"""Redirects stay within the allow-list, cookies stay with their host."""

import socket
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.cookies import MAX_COOKIES, Jar
from scenarios.network import MAX_HOPS, Network, Visitor
from tests.scenarios.servers import OK, server, serving


class Site:
    """Answers by path; keeps the heads that it saw."""

    def __init__(self, replies: Mapping[str, bytes]) -> None:
        self.replies = dict(replies)
        self.seen: list[str] = []

    def handle(self, connection: socket.socket) -> None:
        serving(self._reply)(connection)

    def _reply(self, head: bytes) -> bytes:
        self.seen.append(head.decode())
        return self.replies.get(head.split()[1].decode(), OK)


def moved(location: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


def test_a_redirect_is_not_followed_unless_asked_to() -> None:
    """The journey sees the 302 itself."""
    site = Site({"/a": moved("/b")})
    with server(site.handle) as address:
        network = Network({"x": address}, 30.0, 30.0)
        reply = network.send("x", "GET", "/a", {}, b"")
        network.close()
    assert (reply.status, reply.headers["location"], len(site.seen)) == (302, "/b", 1)


@pytest.mark.parametrize("location", ["/b?c=1", "b?c=1", "http://{address}/b?c=1", "//{address}/b?c=1#d"])
def test_a_redirect_within_the_system_is_followed(location: str) -> None:
    """Absolute and relative, with its query and without its fragment; the time is that of both hops."""
    site = Site({})
    with server(site.handle) as address:
        site.replies["/a"] = moved(location.format(address=address))
        network = Network({"x": address}, 30.0, 30.0)
        reply = network.follow("x", "POST", "/a", {}, b"body")
        network.close()
    assert reply.json() == {"a": 1}
    assert site.seen[1].startswith("GET /b?c=1 HTTP/1.1\r\n")
    assert "Content-Length" not in site.seen[1]


def test_307_keeps_method_and_body() -> None:
    """A POST that is sent on stays a POST."""
    site = Site({"/a": moved("/b", 307)})
    with server(site.handle) as address:
        network = Network({"x": address}, 30.0, 30.0)
        assert network.follow("x", "POST", "/a", {}, b"body").outcome == "ok"
        network.close()
    assert site.seen[1].startswith("POST /b ")
    assert site.seen[1].endswith("\r\n\r\nbody")


def test_another_host_needs_to_be_allowed_and_gets_no_token() -> None:
    """Outside the list nobody is asked; inside, the Authorization stays behind."""
    first, second = Site({}), Site({})
    with server(first.handle) as here, server(second.handle) as there:
        first.replies["/a"] = moved(f"http://{there}/b")
        network = Network({"x": here}, 30.0, 30.0)
        refused = network.follow("x", "GET", "/a", {"Authorization": "Bearer t"}, b"")
        network.close()
        assert (refused.outcome, second.seen) == ("invalid", [])
        assert refused.detail == f"redirected outside the allowed hosts: 'http://{there}/b'"
        network = Network({"x": here}, 30.0, 30.0, hosts=[there])
        reply = network.follow("x", "GET", "/a", {"Authorization": "Bearer t"}, b"")
        network.close()
    assert reply.outcome == "ok"
    assert "Authorization" in first.seen[0]
    assert "Authorization" not in second.seen[0]


@pytest.mark.parametrize(
    "location", ["https://{address}/b", "http://u:p@{address}/b", "http://[/", "ftp://x/", "http://h:99999/"]
)
def test_another_scheme_or_a_broken_location_is_invalid(location: str) -> None:
    """Https at another port is another origin; what isn't an address isn't asked."""
    site = Site({})
    with server(site.handle) as address:
        site.replies["/a"] = moved(location.format(address=address))
        network = Network({"x": address}, 30.0, 30.0)
        reply = network.follow("x", "GET", "/a", {}, b"")
        network.close()
    assert (reply.outcome, len(site.seen)) == ("invalid", 1)


def test_a_loop_ends_after_five_hops() -> None:
    """Six requests, then it is invalid."""
    site = Site({"/a": moved("/a")})
    with server(site.handle) as address:
        network = Network({"x": address}, 30.0, 30.0)
        reply = network.follow("x", "GET", "/a", {}, b"")
        network.close()
    assert (reply.outcome, len(site.seen)) == ("invalid", MAX_HOPS + 1)


def test_cookies_are_a_visitors_own() -> None:
    """What one persona was given goes back with its requests, and with nobody else's."""
    site = Site({"/in": OK.replace(b"\r\n\r\n", b"\r\nSet-Cookie: s=1; Path=/\r\nSet-Cookie: t=2\r\n\r\n")})
    with server(site.handle) as address:
        network = Network({"x": address}, 30.0, 30.0)
        one, other = Visitor(network), Visitor(network)
        one.send("x", "GET", "/in", {}, b"")
        one.send("x", "GET", "/y", {}, b"")
        other.send("x", "GET", "/y", {}, b"")
        network.close()
    assert ["Cookie: s=1; t=2\r\n" in head for head in site.seen] == [False, True, False]


def test_a_cookie_set_by_a_redirect_is_sent_to_where_it_leads() -> None:
    """Logging in by redirect works."""
    site = Site({"/in": moved("/home").replace(b"\r\n\r\n", b"\r\nSet-Cookie: s=1\r\n\r\n")})
    with server(site.handle) as address:
        network = Network({"x": address}, 30.0, 30.0)
        assert Visitor(network, follow=True).send("x", "GET", "/in", {}, b"").outcome == "ok"
        network.close()
    assert "Cookie: s=1\r\n" in site.seen[1]


@pytest.mark.parametrize(
    ("target", "line", "asked", "header"),
    [
        ("/a/b", b"n=v", "/a/c?q", "n=v"),
        ("/a/b", b"n=v", "/ab", ""),
        ("/a/b", b"n=v; Path=/", "/z", "n=v"),
        ("/a/b", b"n=v; Path=/a", "/a", "n=v"),
        ("/", b"n=v; Domain=elsewhere.vn; Secure; HttpOnly", "/z", "n=v"),
        ("/", b"n=v; Max-Age=0", "/", ""),
        ("/", b'n="a b"', "/", 'n="a b"'),
        ("/", b"\xff\x00", "/", ""),
        ("/", b"", "/", ""),
    ],
)
def test_a_cookie_goes_back_to_its_path(target: str, line: bytes, asked: str, header: str) -> None:
    """Path matching as RFC 6265 has it; what isn't a cookie is ignored."""
    jar = Jar()
    jar.store("h", target, [line])
    assert jar.header("h", asked) == header
    assert jar.header("other", asked) == ""


def test_a_later_cookie_replaces_and_removes() -> None:
    """Same name, host and path: the last one counts, and an ended one is gone."""
    jar = Jar()
    jar.store("h", "/", [b"n=1", b"n=2"])
    assert jar.header("h", "/") == "n=2"
    jar.store("h", "/", [b"n=; Max-Age=-1"])
    assert jar.header("h", "/") == ""


def test_a_host_cannot_fill_the_memory_with_cookies() -> None:
    """Further cookies are ignored."""
    jar = Jar()
    jar.store("h", "/", [b"n%d=v" % number for number in range(1000)])
    assert len(jar.header("h", "/").split("; ")) == MAX_COOKIES


@given(st.binary(max_size=60))
def test_any_cookie_line_makes_a_header_that_can_be_sent(line: bytes) -> None:
    """Whatever a server sets, the Cookie header is printable ASCII."""
    jar = Jar()
    jar.store("h", "/", [line])
    header = jar.header("h", "/")
    assert header.isascii()
    assert header == "" or header.isprintable()
