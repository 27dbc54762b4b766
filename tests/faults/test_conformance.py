"""What the real Toxiproxy server does, the embedded one does."""

import http.client
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Thread
from typing import Any
from urllib.parse import quote

import pytest

from faults.probe import probe
from faults.server import Server
from faults.toxiproxy import Proxies

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
    connection = http.client.HTTPConnection(server.api.removeprefix("http://"), timeout=5)
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
        listener.settimeout(5)
        yield listener


def connect(address: str) -> socket.socket:
    host, port = address.split(":")
    return socket.create_connection((host, int(port)), timeout=5)


def pair(proxies: Proxies, sink: socket.socket) -> tuple[socket.socket, socket.socket]:
    """Return both ends of a connection through a proxy named LINK: client, server."""
    if LINK in proxies.all():
        client = connect(proxies.get(LINK).listen)
    else:
        client = connect(proxies.create(LINK, f"127.0.0.1:{sink.getsockname()[1]}"))
    accepted, _ = sink.accept()
    accepted.settimeout(5)
    return client, accepted


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
        assert probe(proxy, 2).outcome == "refused"
        assert call(server, method, ROUTE, {"enabled": True}).json["listen"] == proxy
        assert probe(proxy, 2).ok

    def test_another_upstream_keeps_name_port_and_toxics(
        self, server: Server, proxies: Proxies, proxy: str, upstream: str
    ) -> None:
        call(server, "POST", f"{ROUTE}/toxics", {"type": "noop"})
        reply = call(server, "POST", ROUTE, {"upstream": "127.0.0.1:1"})
        assert (reply.json["upstream"], reply.json["listen"], reply.json["enabled"]) == ("127.0.0.1:1", proxy, True)
        assert [toxic["name"] for toxic in reply.json["toxics"]] == ["noop_downstream"]
        call(server, "POST", ROUTE, {"upstream": upstream})
        assert probe(proxy, 2).ok

    def test_the_keys_of_a_body_match_in_any_case_and_unknown_ones_are_ignored(
        self, server: Server, proxies: Proxies
    ) -> None:
        body = {"NAME": LINK, "Listen": "127.0.0.1:0", "UpStream": "127.0.0.1:1", "enabled": None, "else": [1]}
        reply = call(server, "POST", "/proxies", body)
        assert (reply.status, reply.json["name"], reply.json["enabled"]) == (201, LINK, True)

    def test_many_requests_on_one_connection(self, server: Server) -> None:
        connection = http.client.HTTPConnection(server.api.removeprefix("http://"), timeout=5)
        for _ in range(3):
            connection.request("GET", "/proxies")
            assert connection.getresponse().read() == b"{}"
        connection.close()


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

    def test_reset_enables_and_cleans(self, server: Server, proxies: Proxies, proxy: str) -> None:
        call(server, "POST", f"{ROUTE}/toxics", {"type": "latency", "attributes": {"latency": 500}})
        call(server, "POST", ROUTE, {"enabled": False})
        assert call(server, "POST", "/reset").status == 204
        assert proxies.get(LINK).clean
        assert probe(proxy, 2).seconds < 0.4

    @pytest.mark.parametrize(
        ("kind", "attributes"),
        [
            ("bandwidth", {"rate": -1}),
            ("slicer", {}),
            ("slicer", {"average_size": 5, "size_variation": 5}),
            ("slicer", {"average_size": 5, "size_variation": -1}),
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
        seen = probe(proxy, 10, down=1_000_000, up=200_000)
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
            assert probe(address, 2).outcome in ("closed", "reset")

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
        assert probe(proxy, 2).ok


def timed(client: socket.socket, server: socket.socket, data: bytes = b"x") -> float:
    """Send data downstream; return the seconds until all of it is there."""
    start = time.monotonic()
    server.sendall(data)
    received = b""
    while len(received) < len(data):
        received += client.recv(65536)
    assert received == data
    return time.monotonic() - start


class TestBehaviour:
    def test_latency_acts_on_open_connections_and_one_stream(self, proxies: Proxies, sink: socket.socket) -> None:
        client, server = pair(proxies, sink)
        add(proxies, "latency", latency=200)
        assert 0.19 < timed(client, server) < 0.5
        assert timed(server, client) < 0.15
        proxies.remove_toxic(LINK, "latency")
        assert timed(client, server) < 0.15

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
        add(proxies, "latency", latency=20_000)
        server.sendall(b"held")
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.recv(100)
        proxies.remove_toxic(LINK, "latency")
        client.settimeout(2)
        assert client.recv(100) == b"held"

    def test_a_changed_latency_acts_at_once(self, server: Server, proxies: Proxies, sink: socket.socket) -> None:
        client, accepted = pair(proxies, sink)
        add(proxies, "latency", latency=20_000)
        call(server, "PATCH", f"{ROUTE}/toxics/latency", {"attributes": {"latency": 100}})
        assert 0.09 < timed(client, accepted) < 0.4

    def test_timeout_drops_and_its_removal_closes(self, proxies: Proxies, sink: socket.socket) -> None:
        client, server = pair(proxies, sink)
        add(proxies, "timeout", timeout=0)
        server.sendall(b"lost")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(100)
        proxies.remove_toxic(LINK, "timeout")
        assert client.recv(100) == b""

    def test_timeout_closes_after_its_time(self, proxies: Proxies, sink: socket.socket) -> None:
        proxies.create(LINK, f"127.0.0.1:{sink.getsockname()[1]}")
        add(proxies, "timeout", timeout=200)
        start = time.monotonic()
        client, _ = pair(proxies, sink)
        assert client.recv(100) == b""
        assert 0.19 < time.monotonic() - start < 1

    @pytest.mark.parametrize("stream", ["upstream", "downstream"])
    def test_reset_peer_resets_new_connections(self, proxies: Proxies, proxy: str, stream: str) -> None:
        add(proxies, "reset_peer", stream, timeout=100)
        seen = probe(proxy, 3)
        assert seen.outcome == "reset"
        assert 0.09 < seen.seconds < 1

    def test_reset_peer_waits_for_data(self, proxies: Proxies, sink: socket.socket) -> None:
        proxies.create(LINK, f"127.0.0.1:{sink.getsockname()[1]}")
        add(proxies, "reset_peer")
        client, server = pair(proxies, sink)
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)
        server.sendall(b"x")
        client.settimeout(2)
        with pytest.raises(ConnectionResetError):
            client.recv(1)

    @pytest.mark.parametrize(("stream", "down", "up"), [("downstream", 100_000, 0), ("upstream", 0, 100_000)])
    def test_bandwidth_limits_a_stream(self, proxies: Proxies, proxy: str, stream: str, down: int, up: int) -> None:
        add(proxies, "bandwidth", stream, rate=200)
        seen = probe(proxy, 5, down=down, up=up)
        assert seen.ok
        assert 0.4 < seen.seconds < 0.9

    def test_a_bandwidth_of_zero_stalls_and_drops_nothing(self, proxies: Proxies, sink: socket.socket) -> None:
        client, server = pair(proxies, sink)
        add(proxies, "bandwidth", rate=0)
        server.sendall(b"held")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(100)
        proxies.remove_toxic(LINK, "bandwidth")
        client.settimeout(2)
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
        server.sendall(b"bye")
        server.close()
        start = time.monotonic()
        assert client.recv(100) == b"bye"
        assert client.recv(100) == b""
        assert 0.25 < time.monotonic() - start < 1

    def test_toxicity_zero_does_nothing(self, proxies: Proxies, proxy: str) -> None:
        proxies.add_toxic(LINK, "rare", "timeout", "downstream", {}, toxicity=0.0)
        assert probe(proxy, 2).ok

    def test_toxics_act_one_after_the_other(self, proxies: Proxies, sink: socket.socket) -> None:
        client, server = pair(proxies, sink)
        add(proxies, "latency", latency=100)
        add(proxies, "noop")
        proxies.add_toxic(LINK, "more", "latency", "downstream", {"latency": 100})
        assert 0.19 < timed(client, server) < 0.5
        proxies.remove_toxic(LINK, "noop")
        assert 0.19 < timed(client, server) < 0.5

    def test_many_connections_under_a_toxic_that_comes_and_goes(self, proxies: Proxies, proxy: str) -> None:
        outcomes: list[str] = []
        threads = [
            Thread(target=lambda: outcomes.extend(probe(proxy, 5, down=1000).outcome for _ in range(20)))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            add(proxies, "latency", latency=20)
            proxies.remove_toxic(LINK, "latency")
        assert outcomes == ["ok"] * 80
