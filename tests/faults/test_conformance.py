"""What the real Toxiproxy server does, the embedded one does."""

import http.client
import json
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

import pytest

from faults.probe import probe
from faults.server import Server
from faults.toxiproxy import Proxies
from tests.faults.conftest import PATIENT, eventually

LINK = "citizen->province:01"
ROUTE = "/proxies/" + quote(LINK, safe="")


@dataclass(frozen=True)
class Reply:
    status: int
    type: str | None
    text: str
    headers: Any

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def call(server: Server, method: str, path: str, body: Any = None, **headers: str) -> Reply:
    connection = http.client.HTTPConnection(server.api.removeprefix("http://"), timeout=20)
    data = body if isinstance(body, str) or body is None else json.dumps(body)
    connection.request(method, path, data, headers)
    response = connection.getresponse()
    reply = Reply(response.status, response.getheader("Content-Type"), response.read().decode(), response.headers)
    connection.close()
    return reply


def error(status: int, message: str) -> tuple[int, str, str]:
    body = json.dumps({"error": message, "status": status}, separators=(",", ":"))
    return status, "text/plain; charset=utf-8", body + "\n"


def as_error(reply: Reply) -> tuple[int, str | None, str]:
    body = json.dumps(reply.json, separators=(",", ":")) + reply.text[len(reply.text.rstrip("\n")) :]
    return reply.status, reply.type, body


@pytest.fixture
def proxy(proxies: Proxies, upstream: str) -> str:
    """Give the address of a proxy named LINK."""
    return proxies.create(LINK, upstream)


@pytest.fixture
def sink() -> Iterator[socket.socket]:
    """Give a listener that is accepted from by hand."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        yield listener


def connect(address: str) -> socket.socket:
    host, port = address.split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def pair(proxies: Proxies, sink: socket.socket) -> tuple[socket.socket, socket.socket]:
    """Return both ends of a connection through a proxy named LINK: client, server.

    Without toxics a word has gone each way: what comes then, comes to a connection that is older.
    """
    if LINK not in proxies.all():
        proxies.create(LINK, f"127.0.0.1:{sink.getsockname()[1]}")
    state = proxies.get(LINK)
    client = connect(state.listen)
    accepted, _ = sink.accept()
    accepted.settimeout(20)
    for sender, receiver in ((client, accepted), (accepted, client)) if state.clean else ():
        sender.sendall(b"!")
        assert receiver.recv(1) == b"!"
    return client, accepted


def give(sender: socket.socket, data: bytes) -> None:
    """Send data, and wait until the proxy has read it."""
    sender.sendall(data)
    eventually(lambda: taken(sender))


def taken(*senders: socket.socket) -> bool:
    """Tell whether the other ends have read all that was sent: first it has left here, then their queues are empty."""
    ends = [(in_hex(sender.getsockname()), in_hex(sender.getpeername())) for sender in senders]
    return empty(0, ends) and empty(1, [(there, here) for here, there in ends])


def empty(queue: int, ends: list[tuple[str, str]]) -> bool:
    """Tell whether a queue, 0 to send or 1 to read, is empty at each of these ends (proc(5): net/tcp)."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    found = {(line[1], line[2]) for line in lines if int(line[4].split(":")[queue], 16) == 0}
    return found.issuperset(ends)


def in_hex(address: tuple[str, int]) -> str:
    return f"{int.from_bytes(socket.inet_aton(address[0]), sys.byteorder):08X}:{address[1]:04X}"


def add(proxies: Proxies, kind: str, stream: str = "downstream", **attributes: int) -> None:
    proxies.add_toxic(LINK, kind, kind, stream, attributes)


class TestApi:
    def test_version(self, server: Server) -> None:
        reply = call(server, "GET", "/version")
        assert (reply.status, reply.type) == (200, "application/json;charset=utf-8")
        assert list(reply.json) == ["version"]
        assert reply.text.endswith("}\n")

    def test_a_proxy_is_created_shown_and_deleted(self, server: Server, proxies: Proxies) -> None:
        created = call(server, "POST", "/proxies", {"name": LINK, "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1"})
        assert (created.status, created.type) == (201, "application/json")
        assert created.json == {
            "name": LINK,
            "listen": created.json["listen"],
            "upstream": "127.0.0.1:1",
            "enabled": True,
            "Logger": {},
            "toxics": [],
        }
        assert int(created.json["listen"].removeprefix("127.0.0.1:")) > 0
        assert call(server, "GET", ROUTE).json == created.json
        assert call(server, "GET", "/proxies").json == {LINK: created.json}
        deleted = call(server, "DELETE", ROUTE)
        assert (deleted.status, deleted.type, deleted.text) == (204, None, "")
        assert call(server, "GET", "/proxies").text == "{}"

    def test_answers_carry_a_request_id(self, server: Server) -> None:
        assert call(server, "GET", "/proxies").headers["X-Toxiproxy-Request-Id"]
        assert "X-Toxiproxy-Request-Id" not in call(server, "GET", "/nothing").headers

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ({"upstream": "127.0.0.1:1"}, "missing required field: name"),
            ({"name": "a"}, "missing required field: upstream"),
            ("null", "missing required field: name"),
        ],
    )
    def test_a_proxy_needs_name_and_upstream(self, server: Server, body: Any, message: str) -> None:
        assert as_error(call(server, "POST", "/proxies", body)) == error(400, message)

    @pytest.mark.parametrize("body", ["", "{", "[]", '"a"', '{"name": 1}', '{"name": "a", "enabled": 1}', "NaN"])
    def test_a_body_that_is_no_proxy_is_refused(self, server: Server, body: str) -> None:
        reply = call(server, "POST", "/proxies", body)
        assert (reply.status, reply.type) == (400, "text/plain; charset=utf-8")
        assert reply.json["error"].startswith("bad request body: ")

    def test_a_name_is_taken_once(self, server: Server, proxy: str) -> None:
        again = call(server, "POST", "/proxies", {"name": LINK, "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1"})
        assert as_error(again) == error(409, "proxy already exists")

    def test_a_port_is_taken_once(self, server: Server, proxy: str) -> None:
        reply = call(server, "POST", "/proxies", {"name": "b", "listen": proxy, "upstream": "127.0.0.1:1"})
        assert as_error(reply) == error(500, f"listen tcp {proxy}: bind: address already in use")
        assert "b" not in call(server, "GET", "/proxies").json

    def test_what_is_not_there_is_404(self, server: Server, proxy: str) -> None:
        for method, path in [("GET", ""), ("POST", ""), ("DELETE", ""), ("GET", "/toxics"), ("POST", "/toxics")]:
            assert as_error(call(server, method, f"/proxies/none{path}", {})) == error(404, "proxy not found")
        for method in ("GET", "POST", "PATCH", "DELETE"):
            assert as_error(call(server, method, f"{ROUTE}/toxics/none", {})) == error(404, "toxic not found")

    def test_unknown_paths_and_methods(self, server: Server) -> None:
        reply = call(server, "GET", "/nothing")
        assert (reply.status, reply.type, reply.text) == (404, "text/plain; charset=utf-8", "404 page not found\n")
        assert call(server, "GET", "/metrics").status == 404
        assert call(server, "PUT", "/proxies").status == 405
        assert call(server, "GET", "/reset").status == 405

    def test_browsers_are_refused(self, server: Server) -> None:
        reply = call(server, "GET", "/proxies", **{"User-Agent": "Mozilla/5.0"})
        assert (reply.status, reply.type, reply.text) == (
            403,
            "text/plain; charset=utf-8",
            "User agent not allowed\n",
        )

    @pytest.mark.parametrize("method", ["POST", "PATCH"])
    def test_a_proxy_is_disabled_and_enabled(self, server: Server, proxy: str, method: str) -> None:
        reply = call(server, method, ROUTE, {"enabled": False})
        assert (reply.status, reply.json["enabled"], reply.json["listen"]) == (200, False, proxy)
        assert probe(proxy, PATIENT).outcome == "refused"
        assert call(server, method, ROUTE, {"enabled": True}).json["listen"] == proxy
        assert probe(proxy, PATIENT).ok

    def test_another_upstream_keeps_name_port_and_toxics(
        self, server: Server, proxies: Proxies, proxy: str, upstream: str
    ) -> None:
        call(server, "POST", f"{ROUTE}/toxics", {"type": "noop"})
        reply = call(server, "POST", ROUTE, {"upstream": "127.0.0.1:1"})
        assert (reply.json["upstream"], reply.json["listen"], reply.json["enabled"]) == ("127.0.0.1:1", proxy, True)
        assert [toxic["name"] for toxic in reply.json["toxics"]] == ["noop_downstream"]
        call(server, "POST", ROUTE, {"upstream": upstream})
        assert probe(proxy, PATIENT).ok

    def test_the_keys_of_a_body_match_in_any_case_and_unknown_ones_are_ignored(
        self, server: Server, proxies: Proxies
    ) -> None:
        body = {"NAME": LINK, "Listen": "127.0.0.1:0", "UpStream": "127.0.0.1:1", "enabled": None, "else": [1]}
        reply = call(server, "POST", "/proxies", body)
        assert (reply.status, reply.json["name"], reply.json["enabled"]) == (201, LINK, True)

    def test_many_requests_on_one_connection(self, server: Server) -> None:
        connection = http.client.HTTPConnection(server.api.removeprefix("http://"), timeout=20)
        for _ in range(3):
            connection.request("GET", "/proxies")
            assert connection.getresponse().read() == b"{}"
        connection.close()


class TestHttp:
    def test_an_error_is_compact_and_ends_with_a_line(self, server: Server) -> None:
        reply = call(server, "GET", "/proxies/none")
        assert reply.text == '{"error":"proxy not found","status":404}\n'
        assert reply.headers["X-Content-Type-Options"] == "nosniff"

    def test_angle_brackets_and_ampersands_are_escaped(self, server: Server, proxies: Proxies) -> None:
        body = {"name": "a<&>\u2028\x07é", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1", "enabled": False}
        reply = call(server, "POST", "/proxies", body)
        expected = r'{"name":"a\u003c\u0026\u003e\u2028\u0007é","listen":"127.0.0.1:0","upstream":"127.0.0.1:1",'
        assert reply.text == expected + '"enabled":false,"Logger":{},"toxics":[]}'

    def test_half_of_a_surrogate_pair_is_replaced(self, server: Server, proxies: Proxies) -> None:
        body = r'{"name":"a\ud800","listen":"127.0.0.1:0","upstream":"127.0.0.1:1"}'
        assert call(server, "POST", "/proxies", body).json["name"] == "a\ufffd"

    @pytest.mark.parametrize("path", ["//version", "/x/../version", "/./version", "/%2e%2e/version"])
    def test_a_path_that_is_not_clean_is_redirected(self, server: Server, path: str) -> None:
        reply = call(server, "GET", path + "?a=b")
        assert (reply.status, reply.headers["Location"], reply.text) == (301, "/version?a=b", "")
        assert "X-Toxiproxy-Request-Id" not in reply.headers

    @pytest.mark.parametrize("path", ["/version/", "/proxies/", "/proxies/a%2Fb", "/proxies/a/b", "/%76ersion/x"])
    def test_other_paths_are_not_found(self, server: Server, path: str) -> None:
        assert call(server, "GET", path).text == "404 page not found\n"

    def test_a_path_may_be_escaped(self, server: Server) -> None:
        assert call(server, "GET", "/%76ersion").status == 200

    def test_a_bad_escape_is_a_bad_request(self, server: Server) -> None:
        reply = call(server, "GET", "/proxies/%zz")
        assert (reply.status, reply.type, reply.text) == (400, "text/plain; charset=utf-8", "400 Bad Request")

    def test_head_is_not_get(self, server: Server) -> None:
        assert call(server, "HEAD", "/proxies").status == 405

    def test_a_wrong_method_has_no_body(self, server: Server) -> None:
        reply = call(server, "PUT", "/proxies", "{}", **{"User-Agent": "Mozilla/5.0"})
        assert (reply.status, reply.type, reply.text, reply.headers["Content-Length"]) == (405, None, "", "0")

    def test_a_long_answer_comes_in_chunks(self, server: Server, proxies: Proxies) -> None:
        for number in range(20):
            proxies.create(f"{LINK}-{number}", "127.0.0.1:1")
        reply = call(server, "GET", "/proxies")
        assert (reply.headers["Transfer-Encoding"], reply.headers["Content-Length"]) == ("chunked", None)
        assert list(reply.json) == sorted(f"{LINK}-{number}" for number in range(20))

    def test_a_body_that_waits_is_asked_for(self, server: Server) -> None:
        with connect(server.api.removeprefix("http://")) as client:
            client.sendall(b"POST /populate HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.sendall(b"[]")
            assert client.recv(1000).startswith(b"HTTP/1.1 201 Created\r\n")


ADDRESSES = [
    ("abc", "address abc: missing port in address"),
    ("[::1", "address [::1: missing ']' in address"),
    ("[::1]0", "address [::1]0: missing port in address"),
    ("::1:0", "address ::1:0: too many colons in address"),
    ("127.0.0.1:99999", "address 99999: invalid port"),
    ("127.0.0.1:-1", "address -1: invalid port"),
    ("127.0.0.1:nothing", "lookup tcp/nothing: unknown port"),
    ("256.0.0.1:0", "lookup 256.0.0.1: no such host"),
    ("*:0", "lookup *: no such host"),
]


class TestAddresses:
    @pytest.mark.parametrize(("listen", "message"), ADDRESSES)
    def test_an_address_that_is_none_is_refused(
        self, server: Server, proxies: Proxies, listen: str, message: str
    ) -> None:
        body = {"name": LINK, "listen": listen, "upstream": "127.0.0.1:1"}
        assert as_error(call(server, "POST", "/proxies", body)) == error(500, f"listen tcp: {message}")
        assert call(server, "POST", "/proxies", {**body, "enabled": False}).status == 201
        assert as_error(call(server, "PATCH", ROUTE, {"listen": listen})) == error(500, message)

    @pytest.mark.parametrize(
        ("listen", "host"),
        [
            ("", "[::]"),
            (":0", "[::]"),
            ("0.0.0.0:0", "[::]"),
            ("localhost:0", "127.0.0.1"),
            ("127.0.0.1:", "127.0.0.1"),
            ("[::1]:0", "[::1]"),
            ("[::ffff:127.0.0.1]:0", "127.0.0.1"),
        ],
    )
    def test_the_address_that_is_listened_on_is_shown(
        self, server: Server, proxies: Proxies, listen: str, host: str
    ) -> None:
        body = {"name": LINK, "listen": listen, "upstream": "127.0.0.1:1"}
        assert call(server, "POST", "/proxies", body).json["listen"].rpartition(":")[0] == host

    def test_an_address_of_another_machine_is_refused(self, server: Server, proxies: Proxies) -> None:
        body = {"name": LINK, "listen": "192.0.2.1:0", "upstream": "127.0.0.1:1"}
        expected = error(500, "listen tcp 192.0.2.1:0: bind: cannot assign requested address")
        assert as_error(call(server, "POST", "/proxies", body)) == expected

    def test_a_change_to_a_port_that_is_taken_leaves_the_proxy_disabled(
        self, server: Server, proxies: Proxies, proxy: str, sink: socket.socket
    ) -> None:
        taken = f"127.0.0.1:{sink.getsockname()[1]}"
        reply = call(server, "PATCH", ROUTE, {"listen": taken})
        assert as_error(reply) == error(500, f"listen tcp {taken}: bind: address already in use")
        seen = proxies.get(LINK)
        assert (seen.listen, seen.enabled) == (taken, False)
        call(server, "PATCH", ROUTE, {"listen": proxy})

    def test_a_disabled_proxy_is_not_resolved(self, server: Server, proxies: Proxies) -> None:
        body = {"name": LINK, "listen": "localhost:0", "upstream": "nowhere", "enabled": False}
        assert call(server, "POST", "/proxies", body).json["listen"] == "localhost:0"


class TestPopulate:
    def test_proxies_are_created(self, server: Server, proxies: Proxies) -> None:
        wanted = [{"name": name, "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1"} for name in ("b", "a")]
        reply = call(server, "POST", "/populate", wanted)
        assert (reply.status, reply.type) == (201, "application/json")
        assert [proxy["name"] for proxy in reply.json["proxies"]] == ["b", "a"]

    def test_an_identical_proxy_keeps_its_toxics_and_a_differing_one_loses_them(
        self, server: Server, proxies: Proxies, proxy: str, upstream: str
    ) -> None:
        call(server, "POST", f"{ROUTE}/toxics", {"type": "noop"})
        same = {"name": LINK, "listen": proxy, "upstream": upstream, "enabled": False}
        (kept,) = call(server, "POST", "/populate", [same]).json["proxies"]
        assert (kept["enabled"], len(kept["toxics"])) == (True, 1)
        (replaced,) = call(server, "POST", "/populate", [{**same, "upstream": "127.0.0.1:1"}]).json["proxies"]
        assert (replaced["enabled"], replaced["toxics"]) == (False, [])

    def test_nothing_is_done_when_a_field_is_missing(self, server: Server, proxies: Proxies) -> None:
        reply = call(server, "POST", "/populate", [{"name": "a", "upstream": "127.0.0.1:1"}, {"name": "b"}])
        assert (reply.status, reply.type) == (400, "application/json")
        assert reply.json == {
            "error": "missing required field: upstream at proxy 2",
            "status": 400,
            "proxies": None,
        }
        assert proxies.all() == {}

    def test_what_was_done_before_an_error_is_told(self, server: Server, proxies: Proxies, proxy: str) -> None:
        wanted = [
            {"name": "a", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1"},
            {"name": "b", "listen": proxy, "upstream": "127.0.0.1:1"},
        ]
        reply = call(server, "POST", "/populate", wanted)
        assert reply.status == 500
        assert [done["name"] for done in reply.json["proxies"]] == ["a"]

    def test_unlisted_proxies_stay(self, server: Server, proxies: Proxies, proxy: str) -> None:
        call(server, "POST", "/populate", [{"name": "a", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1"}])
        assert sorted(proxies.all()) == ["a", LINK]

    def test_every_interface_always_differs(self, server: Server, proxies: Proxies) -> None:
        """The address that is shown is another than the one that was given."""
        body = {"name": LINK, "listen": "0.0.0.0:0", "upstream": "127.0.0.1:1"}
        port = call(server, "POST", "/proxies", body).json["listen"].rpartition(":")[2]
        call(server, "POST", f"{ROUTE}/toxics", {"type": "noop"})
        (replaced,) = call(server, "POST", "/populate", [{**body, "listen": f"0.0.0.0:{port}"}]).json["proxies"]
        assert replaced["toxics"] == []
        call(server, "POST", f"{ROUTE}/toxics", {"type": "noop"})
        (kept,) = call(server, "POST", "/populate", [{**body, "listen": f"[::]:{port}"}]).json["proxies"]
        assert len(kept["toxics"]) == 1

    def test_a_replacement_that_fails_leaves_the_old_one_disabled(
        self, server: Server, proxies: Proxies, proxy: str, sink: socket.socket
    ) -> None:
        call(server, "POST", f"{ROUTE}/toxics", {"type": "noop"})
        taken = f"127.0.0.1:{sink.getsockname()[1]}"
        reply = call(server, "POST", "/populate", [{"name": LINK, "listen": taken, "upstream": "127.0.0.1:1"}])
        assert (reply.status, reply.json["proxies"]) == (500, None)
        left = proxies.get(LINK)
        assert (left.enabled, left.listen, len(left.toxics)) == (False, proxy, 1)

    def test_nothing_wanted_is_null(self, server: Server) -> None:
        assert call(server, "POST", "/populate", []).json == {"proxies": None}


class TestToxics:
    def test_a_toxic_is_added_shown_changed_and_removed(self, server: Server, proxy: str) -> None:
        added = call(server, "POST", f"{ROUTE}/toxics", {"type": "latency", "attributes": {"latency": 5}})
        expected = {
            "attributes": {"latency": 5, "jitter": 0},
            "name": "latency_downstream",
            "type": "latency",
            "stream": "downstream",
            "toxicity": 1,
        }
        assert (added.status, added.type, added.json) == (200, "application/json", expected)
        route = f"{ROUTE}/toxics/latency_downstream"
        assert call(server, "GET", route).json == expected
        changed = call(server, "PATCH", route, {"attributes": {"jitter": 2}, "toxicity": 0.5, "stream": "upstream"})
        assert changed.json == {**expected, "attributes": {"latency": 5, "jitter": 2}, "toxicity": 0.5}
        assert call(server, "DELETE", route).status == 204
        assert call(server, "GET", f"{ROUTE}/toxics").json == []

    def test_upstream_toxics_come_first(self, server: Server, proxy: str) -> None:
        for stream in ("downstream", "upstream"):
            call(server, "POST", f"{ROUTE}/toxics", {"type": "noop", "stream": stream})
        streams = [toxic["stream"] for toxic in call(server, "GET", f"{ROUTE}/toxics").json]
        assert streams == ["upstream", "downstream"]

    def test_a_name_is_unique_over_both_streams(self, server: Server, proxy: str) -> None:
        for stream, status in (("downstream", 200), ("upstream", 409)):
            body = {"type": "noop", "name": "one", "stream": stream}
            assert call(server, "POST", f"{ROUTE}/toxics", body).status == status

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({"type": "none"}, error(400, "invalid toxic type")),
            ({}, error(400, "invalid toxic type")),
            (
                {"type": "noop", "stream": "sideways"},
                error(400, "stream was invalid, can be either upstream or downstream"),
            ),
        ],
    )
    def test_a_toxic_that_is_none_is_refused(self, server: Server, proxy: str, body: Any, expected: Any) -> None:
        assert as_error(call(server, "POST", f"{ROUTE}/toxics", body)) == expected

    @pytest.mark.parametrize(
        "attributes", [{"latency": "5"}, {"latency": 5.0}, {"latency": True}, {"latency": 2**63}, 5, "a", []]
    )
    def test_attributes_are_integers(self, server: Server, proxy: str, attributes: Any) -> None:
        reply = call(server, "POST", f"{ROUTE}/toxics", {"type": "latency", "attributes": attributes})
        assert reply.status == 400
        assert reply.json["error"].startswith("bad request body: ")
        assert call(server, "GET", f"{ROUTE}/toxics").json == []

    def test_an_attribute_that_is_good_is_changed_by_a_request_that_is_not(self, server: Server, proxy: str) -> None:
        call(server, "POST", f"{ROUTE}/toxics", {"type": "latency", "name": "one"})
        body = {"attributes": {"latency": 7, "jitter": "x"}, "toxicity": 0.5}
        assert call(server, "PATCH", f"{ROUTE}/toxics/one", body).status == 400
        toxic = call(server, "GET", f"{ROUTE}/toxics/one").json
        assert (toxic["attributes"], toxic["toxicity"]) == ({"latency": 7, "jitter": 0}, 1)

    @pytest.mark.parametrize(
        ("given", "shown"),
        [("0.1", "0.1"), ("0.123456789", "0.12345679"), ("-2", "-2"), ("1e-7", "1e-7"), ("1e21", "1e+21")],
    )
    def test_a_toxicity_has_32_bits_and_no_range(self, server: Server, proxy: str, given: str, shown: str) -> None:
        reply = call(server, "POST", f"{ROUTE}/toxics", f'{{"type":"noop","toxicity":{given}}}')
        assert reply.text.endswith(f'"toxicity":{shown}}}')

    def test_a_stream_is_named_in_any_case(self, server: Server, proxy: str) -> None:
        reply = call(server, "POST", f"{ROUTE}/toxics", {"type": "noop", "stream": "UpStream"})
        assert (reply.json["name"], reply.json["stream"]) == ("noop_UpStream", "UpStream")
        assert call(server, "POST", f"{ROUTE}/toxics", {"type": "noop", "stream": ""}).status == 400

    def test_the_first_error_of_several_is_told(self, server: Server, proxy: str) -> None:
        """Body, stream, type, name, attributes."""
        body: dict[str, Any] = {"name": "one", "type": "none", "stream": "x", "attributes": {"latency": "x"}}
        tell = lambda: call(server, "POST", f"{ROUTE}/toxics", body).json["error"].partition(":")[0]  # noqa: E731 - one line
        assert tell().startswith("stream was invalid")
        body["stream"] = "upstream"
        assert tell() == "invalid toxic type"
        body["type"] = "latency"
        call(server, "POST", f"{ROUTE}/toxics", {"type": "noop", "name": "one"})
        assert tell() == "toxic already exists"
        body["name"] = "two"
        assert tell() == "bad request body"

    def test_reset_enables_and_cleans(self, server: Server, proxies: Proxies, proxy: str) -> None:
        call(server, "POST", f"{ROUTE}/toxics", {"type": "latency", "attributes": {"latency": 500}})
        call(server, "POST", ROUTE, {"enabled": False})
        assert call(server, "POST", "/reset").status == 204
        assert proxies.get(LINK).clean
        assert quickest(lambda: probe(proxy, PATIENT).seconds, 0.4) < 0.4

    @pytest.mark.parametrize(
        ("kind", "attributes"),
        [
            ("bandwidth", {"rate": -1}),
            ("slicer", {}),
            ("slicer", {"average_size": 5, "size_variation": 7}),
            ("slicer", {"average_size": 5, "size_variation": -5}),
            ("bandwidth", {"rate": 2**63 - 1}),
            ("latency", {"jitter": 2**62}),
        ],
    )
    def test_what_would_crash_the_real_server_is_refused(
        self, server: Server, proxy: str, kind: str, attributes: Any
    ) -> None:
        if server.kind == "real":
            pytest.skip("it would crash")
        reply = call(server, "POST", f"{ROUTE}/toxics", {"type": kind, "attributes": attributes})
        assert (reply.status, reply.json["error"].partition(":")[0]) == (400, "bad request body")


def flood(sender: socket.socket) -> int:
    """Send until nothing more is taken for half a second; return the number of bytes."""
    sender.settimeout(0.5)
    sent = 0
    while sent < 100_000_000:
        try:
            sent += sender.send(b"." * 100_000)
        except TimeoutError:
            break
    return sent


class TestRelay:
    def test_bytes_pass_whole_in_both_directions(self, proxies: Proxies, proxy: str) -> None:
        seen = probe(proxy, 60, down=1_000_000, up=200_000)
        assert seen.ok
        assert seen.received > 50 * 1_000_000

    def test_a_slow_reader_holds_the_sender_back(self, proxies: Proxies, sink: socket.socket) -> None:
        client, server = pair(proxies, sink)
        sent = flood(server)
        assert sent < 100_000_000
        received = 0
        while received < sent:
            received += len(client.recv(1_000_000))
        assert received == sent

    def test_a_dead_upstream_is_accepted_then_closed(self, proxies: Proxies) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            address = proxies.create(LINK, f"127.0.0.1:{unused.getsockname()[1]}")
            assert probe(address, PATIENT).outcome in ("closed", "reset")

    def test_half_close_ends_the_connection(self, proxies: Proxies, sink: socket.socket) -> None:
        client, server = pair(proxies, sink)
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        assert server.recv(100) == b"question"
        assert server.recv(100) == b""
        assert client.recv(100) == b""

    def test_disabling_closes_open_connections(self, proxies: Proxies, sink: socket.socket) -> None:
        client, server = pair(proxies, sink)
        proxies.set_enabled(LINK, False)
        assert client.recv(100) == b""
        assert server.recv(100) == b""

    def test_deleting_closes_open_connections(self, proxies: Proxies, sink: socket.socket) -> None:
        client, _ = pair(proxies, sink)
        proxies.delete(LINK)
        assert client.recv(100) == b""

    def test_a_toxic_survives_disabling(self, proxies: Proxies, proxy: str) -> None:
        add(proxies, "noop")
        proxies.set_enabled(LINK, False)
        proxies.set_enabled(LINK, True)
        assert [toxic.name for toxic in proxies.get(LINK).toxics] == ["noop"]
        assert probe(proxy, PATIENT).ok


def timed(client: socket.socket, server: socket.socket, data: bytes = b"x") -> float:
    """Send data downstream; return the seconds until all of it is there."""
    start = time.monotonic()
    server.sendall(data)
    received = b""
    while len(received) < len(data):
        received += client.recv(65536)
    assert received == data
    return time.monotonic() - start


def quickest(measure: Callable[[], float], enough: float) -> float:
    """Return the first that is less than enough, or the least of ten: a busy machine delays some, a toxic each."""
    least = measure()
    for _ in range(9):
        least = least if least < enough else min(least, measure())
    return least


class TestBehaviour:
    def test_latency_acts_on_open_connections_and_one_stream(self, proxies: Proxies, sink: socket.socket) -> None:
        client, server = pair(proxies, sink)
        add(proxies, "latency", latency=200)
        assert 0.19 < quickest(lambda: timed(client, server), 2) < 2
        assert quickest(lambda: timed(server, client), 0.15) < 0.15
        proxies.remove_toxic(LINK, "latency")
        assert quickest(lambda: timed(client, server), 0.15) < 0.15

    def test_latency_keeps_the_order(self, proxies: Proxies, sink: socket.socket) -> None:
        client, server = pair(proxies, sink)
        add(proxies, "latency", latency=30, jitter=30)
        data = bytes(range(256)) * 4
        for start in range(0, len(data), 64):
            server.sendall(data[start : start + 64])
            time.sleep(0.002)
        received = b""
        while len(received) < len(data):
            received += client.recv(4096)
        assert received == data

    def test_a_removed_latency_passes_on_what_it_held(self, proxies: Proxies, sink: socket.socket) -> None:
        client, server = pair(proxies, sink)
        add(proxies, "latency", latency=60_000)
        server.sendall(b"held")
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.recv(100)
        proxies.remove_toxic(LINK, "latency")
        client.settimeout(20)
        assert client.recv(100) == b"held"

    def test_a_changed_latency_acts_at_once(self, server: Server, proxies: Proxies, sink: socket.socket) -> None:
        client, accepted = pair(proxies, sink)
        add(proxies, "latency", latency=20_000)
        call(server, "PATCH", f"{ROUTE}/toxics/latency", {"attributes": {"latency": 100}})
        assert 0.09 < quickest(lambda: timed(client, accepted), 2) < 2

    def test_timeout_drops_and_its_removal_closes(self, proxies: Proxies, sink: socket.socket) -> None:
        client, server = pair(proxies, sink)
        add(proxies, "timeout", timeout=0)
        give(server, b"lost")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(100)
        proxies.remove_toxic(LINK, "timeout")
        client.settimeout(20)
        assert client.recv(100) == b""

    def test_timeout_closes_after_its_time(self, proxies: Proxies, sink: socket.socket) -> None:
        proxies.create(LINK, f"127.0.0.1:{sink.getsockname()[1]}")
        add(proxies, "timeout", timeout=200)
        start = time.monotonic()
        client, _ = pair(proxies, sink)
        assert client.recv(100) == b""
        assert 0.19 < time.monotonic() - start < 15

    @pytest.mark.parametrize("stream", ["upstream", "downstream"])
    def test_reset_peer_resets_new_connections(self, proxies: Proxies, proxy: str, stream: str) -> None:
        add(proxies, "reset_peer", stream, timeout=100)

        def reset() -> float:
            seen = probe(proxy, PATIENT)
            assert seen.outcome == "reset"
            return seen.seconds

        assert 0.09 < quickest(reset, 1) < 1

    def test_reset_peer_waits_for_data(self, proxies: Proxies, sink: socket.socket) -> None:
        proxies.create(LINK, f"127.0.0.1:{sink.getsockname()[1]}")
        add(proxies, "reset_peer")
        client, server = pair(proxies, sink)
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)
        server.sendall(b"x")
        client.settimeout(20)
        with pytest.raises(ConnectionResetError):
            client.recv(1)

    @pytest.mark.parametrize(("stream", "down", "up"), [("downstream", 100_000, 0), ("upstream", 0, 100_000)])
    def test_bandwidth_limits_a_stream(self, proxies: Proxies, proxy: str, stream: str, down: int, up: int) -> None:
        add(proxies, "bandwidth", stream, rate=200)

        def whole() -> float:
            seen = probe(proxy, PATIENT, down=down, up=up)
            assert seen.ok
            return seen.seconds

        assert 0.4 < quickest(whole, 0.9) < 0.9

    def test_a_bandwidth_of_zero_stalls_and_drops_nothing(self, proxies: Proxies, sink: socket.socket) -> None:
        client, server = pair(proxies, sink)
        add(proxies, "bandwidth", rate=0)
        server.sendall(b"held")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(100)
        proxies.remove_toxic(LINK, "bandwidth")
        client.settimeout(20)
        assert client.recv(100) == b"held"

    def test_limit_data_closes_after_its_bytes(self, proxies: Proxies, sink: socket.socket) -> None:
        proxies.create(LINK, f"127.0.0.1:{sink.getsockname()[1]}")
        add(proxies, "limit_data", bytes=6)
        client, server = pair(proxies, sink)
        server.sendall(b"12345678")
        assert client.recv(100) == b"123456"
        assert client.recv(100) == b""

    def test_slicer_slices_and_keeps_every_byte(self, proxies: Proxies, sink: socket.socket) -> None:
        client, server = pair(proxies, sink)
        add(proxies, "slicer", average_size=100, size_variation=20, delay=10_000)
        assert timed(client, server, bytes(range(250)) * 4) > 0.05

    def test_slow_close_delays_the_end(self, proxies: Proxies, sink: socket.socket) -> None:
        client, server = pair(proxies, sink)
        add(proxies, "slow_close", delay=300)
        start = time.monotonic()
        server.sendall(b"bye")
        server.close()
        assert client.recv(100) == b"bye"
        assert client.recv(100) == b""
        assert 0.29 < time.monotonic() - start < 15

    def test_toxicity_zero_does_nothing(self, proxies: Proxies, proxy: str) -> None:
        proxies.add_toxic(LINK, "rare", "timeout", "downstream", {}, toxicity=0.0)
        assert probe(proxy, PATIENT).ok

    def test_toxics_act_one_after_the_other(self, proxies: Proxies, sink: socket.socket) -> None:
        client, server = pair(proxies, sink)
        add(proxies, "latency", latency=100)
        add(proxies, "noop")
        proxies.add_toxic(LINK, "more", "latency", "downstream", {"latency": 100})
        assert 0.19 < quickest(lambda: timed(client, server), 2) < 2
        proxies.remove_toxic(LINK, "noop")
        assert 0.19 < quickest(lambda: timed(client, server), 2) < 2

    def test_many_connections_under_a_toxic_that_comes_and_goes(self, proxies: Proxies, proxy: str) -> None:
        outcomes: list[str] = []
        threads = [
            Thread(target=lambda: outcomes.extend(probe(proxy, PATIENT, down=1000).outcome for _ in range(20)))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            add(proxies, "latency", latency=20)
            proxies.remove_toxic(LINK, "latency")
        assert outcomes == ["ok"] * 80


def silent(client: socket.socket, seconds: float = 0.15) -> bool:
    """Tell whether nothing comes, not even the end."""
    client.settimeout(seconds)
    try:
        client.recv(1)
    except TimeoutError:
        return True
    finally:
        client.settimeout(20)
    return False


def ended(sock: socket.socket) -> bool:
    """Read up to the end; tell whether it comes, one way or the other."""
    try:
        while sock.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


STREAMS = ["upstream", "downstream"]


@pytest.mark.parametrize("stream", STREAMS)
class TestBothStreams:
    """What a toxic does to a stream, it does to that one only."""

    def ends(self, stream: str, pair: tuple[socket.socket, socket.socket]) -> tuple[socket.socket, socket.socket]:
        """Return the end that sends in a stream, and the one that receives."""
        client, server = pair
        return (client, server) if stream == "upstream" else (server, client)

    def test_latency(self, proxies: Proxies, sink: socket.socket, stream: str) -> None:
        sender, receiver = self.ends(stream, pair(proxies, sink))
        add(proxies, "latency", stream, latency=150)
        assert 0.14 < quickest(lambda: timed(receiver, sender), 2) < 2
        assert quickest(lambda: timed(sender, receiver), 0.12) < 0.12

    def test_bandwidth(self, proxies: Proxies, sink: socket.socket, stream: str) -> None:
        """Not twice on one connection: what is late once, a limited stream makes up for."""
        older = [pair(proxies, sink)]
        one, other = self.ends(stream, older[0])
        add(proxies, "bandwidth", stream, rate=100)

        def limited() -> float:
            sender, receiver = self.ends(stream, older.pop() if older else pair(proxies, sink))
            return timed(receiver, sender, bytes(30_000))

        assert 0.25 < quickest(limited, 2) < 2
        assert quickest(lambda: timed(one, other, bytes(30_000)), 0.2) < 0.2

    def test_slow_close(self, proxies: Proxies, sink: socket.socket, stream: str) -> None:
        sender, receiver = self.ends(stream, pair(proxies, sink))
        add(proxies, "slow_close", stream, delay=200)
        start = time.monotonic()
        sender.close()
        assert ended(receiver)
        assert 0.19 < time.monotonic() - start < 15

    def test_timeout_is_put_off_by_data(self, proxies: Proxies, sink: socket.socket, stream: str) -> None:
        older = [pair(proxies, sink)]
        add(proxies, "timeout", stream, timeout=1000)

        def put_off() -> bool:
            """Send four bytes, each well within the time-out; tell whether the end comes a time-out after the last."""
            sender, receiver = self.ends(stream, older.pop() if older else pair(proxies, sink))
            start = time.monotonic()
            with suppress(OSError):
                for _ in range(4):
                    sender.sendall(b"x")
                    if not silent(receiver, 0.4):
                        return False
            assert ended(receiver)
            assert ended(sender)
            return 2.1 < time.monotonic() - start < 10

        assert any(put_off() for _ in range(5))  # a machine that stands still for a second ends one early

    def test_reset_peer_leaves_older_connections_without_a_reset(
        self, proxies: Proxies, sink: socket.socket, stream: str
    ) -> None:
        sender, receiver = self.ends(stream, pair(proxies, sink))
        add(proxies, "reset_peer", stream)
        sender.sendall(b"dropped")
        assert receiver.recv(100) == b""
        newer, other = self.ends(stream, pair(proxies, sink))
        newer.sendall(b"dropped")
        with pytest.raises(ConnectionResetError):
            other.recv(100)
        with pytest.raises(ConnectionResetError):
            newer.recv(100)

    def test_slicer(self, proxies: Proxies, sink: socket.socket, stream: str) -> None:
        """1000 bytes in slices of at most 100 are 16 of 62 or 63."""
        sender, receiver = self.ends(stream, pair(proxies, sink))
        add(proxies, "slicer", stream, average_size=100, delay=50_000)

        def pieces() -> int:
            sender.sendall(bytes(1000))
            ends = [0]
            while ends[-1] < 1000:
                ends.append(ends[-1] + len(receiver.recv(65536)))
            assert {end % 125 for end in ends} <= {0, 62, 63}
            return len(ends) - 1

        assert any(pieces() > 8 for _ in range(10))  # who stands still for a while gets several at once

    def test_limit_data_counts_per_connection(self, proxies: Proxies, sink: socket.socket, stream: str) -> None:
        add_later = pair(proxies, sink)
        add(proxies, "limit_data", stream, bytes=6)
        for ends in (add_later, pair(proxies, sink)):
            sender, receiver = self.ends(stream, ends)
            assert timed(receiver, sender, b"1234") < 15
            sender.sendall(b"5678")
            assert receiver.recv(100) == b"56"
            assert ended(receiver)

    def test_noop(self, proxies: Proxies, sink: socket.socket, stream: str) -> None:
        sender, receiver = self.ends(stream, pair(proxies, sink))
        add(proxies, "noop", stream)
        assert quickest(lambda: timed(receiver, sender, bytes(range(256)) * 1000), 1) < 1

    def test_the_removal_of_a_timeout_closes_the_connection(
        self, proxies: Proxies, sink: socket.socket, stream: str
    ) -> None:
        sender, receiver = self.ends(stream, pair(proxies, sink))
        add(proxies, "timeout", stream, timeout=0)
        give(sender, b"lost")
        assert silent(receiver)
        proxies.remove_toxic(LINK, "timeout")
        assert ended(receiver)
        assert ended(sender)
        sender, receiver = self.ends(stream, pair(proxies, sink))
        assert quickest(lambda: timed(receiver, sender), 0.5) < 0.5

    def test_the_removal_of_a_slow_close_ends_the_wait(
        self, proxies: Proxies, sink: socket.socket, stream: str
    ) -> None:
        sender, receiver = self.ends(stream, pair(proxies, sink))
        add(proxies, "slow_close", stream, delay=60_000)
        sender.close()
        assert silent(receiver)
        proxies.remove_toxic(LINK, "slow_close")
        assert ended(receiver)


class TestLiveChanges:
    def test_a_new_toxic_releases_the_chunk_that_the_one_before_holds(
        self, proxies: Proxies, sink: socket.socket
    ) -> None:
        client, server = pair(proxies, sink)
        add(proxies, "latency", latency=60_000)
        give(server, b"first")
        assert silent(client)
        give(server, b"second")
        assert silent(client)
        add(proxies, "noop")
        assert client.recv(100) == b"first"
        assert silent(client)
        proxies.remove_toxic(LINK, "noop")
        assert client.recv(100) == b"second"

    def test_a_changed_timeout_starts_anew(self, server: Server, proxies: Proxies, sink: socket.socket) -> None:
        client, _ = pair(proxies, sink)
        add(proxies, "timeout", timeout=0)
        assert silent(client)
        start = time.monotonic()
        call(server, "PATCH", f"{ROUTE}/toxics/timeout", {"attributes": {"timeout": 100}})
        assert ended(client)
        assert 0.09 < time.monotonic() - start < 15

    def test_a_raised_limit_lets_more_through(self, server: Server, proxies: Proxies, sink: socket.socket) -> None:
        client, accepted = pair(proxies, sink)
        add(proxies, "limit_data", bytes=6)
        assert timed(client, accepted, b"1234") < 15
        call(server, "PATCH", f"{ROUTE}/toxics/limit_data", {"attributes": {"bytes": 8}})
        accepted.sendall(b"567890")
        assert client.recv(100) == b"5678"
        assert ended(client)

    def test_a_limit_below_what_has_passed_closes_at_the_next_data(
        self, server: Server, proxies: Proxies, sink: socket.socket
    ) -> None:
        client, accepted = pair(proxies, sink)
        add(proxies, "limit_data", bytes=6)
        assert timed(client, accepted, b"1234") < 15
        call(server, "PATCH", f"{ROUTE}/toxics/limit_data", {"attributes": {"bytes": 2}})
        assert silent(client)
        accepted.sendall(b"5")
        assert client.recv(100) == b""

    def test_a_changed_bandwidth_lets_go_what_it_holds(
        self, server: Server, proxies: Proxies, sink: socket.socket
    ) -> None:
        client, accepted = pair(proxies, sink)
        add(proxies, "bandwidth", rate=0)
        accepted.sendall(b"held")
        assert silent(client)
        call(server, "PATCH", f"{ROUTE}/toxics/bandwidth", {"attributes": {"rate": 1000}})
        assert client.recv(100) == b"held"

    def test_reset_cleans_open_connections(self, server: Server, proxies: Proxies, sink: socket.socket) -> None:
        client, accepted = pair(proxies, sink)
        add(proxies, "latency", latency=60_000)
        accepted.sendall(b"held")
        assert silent(client)
        assert call(server, "POST", "/reset").status == 204
        assert client.recv(100) == b"held"
        assert quickest(lambda: timed(client, accepted), 0.15) < 0.15

    def test_toxicity_is_drawn_per_connection(self, proxies: Proxies, sink: socket.socket) -> None:
        """Of 40 connections under a toxicity of one half some carry everything and some nothing."""
        proxies.create(LINK, f"127.0.0.1:{sink.getsockname()[1]}")
        proxies.add_toxic(LINK, "half", "timeout", "downstream", {"timeout": 0}, toxicity=0.5)
        pairs = [pair(proxies, sink) for _ in range(40)]
        for _ in range(3):
            for _, accepted in pairs:
                accepted.sendall(b"x")
        eventually(lambda: taken(*(accepted for _, accepted in pairs)))
        proxies.all()  # who answers now has passed on what it had read
        time.sleep(0.2)
        received = [b""] * len(pairs)
        for client, _ in pairs:
            client.setblocking(False)

        def all_or_nothing() -> bool:
            for number, (client, _) in enumerate(pairs):
                with suppress(BlockingIOError):
                    received[number] += client.recv(100)
            return set(received) == {b"", b"xxx"}

        eventually(all_or_nothing)
        assert 5 < received.count(b"") < 35
