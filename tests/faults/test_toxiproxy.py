"""The wrapper around toxiproxy-python, and the finding and starting of servers."""

import socket
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Thread

import pytest

from faults import server as servers
from faults.probe import probe
from faults.server import Server, ToxiproxyMissing, start
from faults.toxiproxy import Proxies, ProxyError
from model.links import links
from tests.faults.conftest import PATIENT, Upstream

LINK = "citizen->province:01"


class Failing(BaseHTTPRequestHandler):
    """A server that answers every request with 503 and no JSON."""

    def do_GET(self) -> None:
        self.send_error(503)

    do_POST = do_DELETE = do_GET


def test_all_links_of_the_country_are_created_at_once(proxies: Proxies, upstream: str) -> None:
    """170 and more proxies are there in less than a second, each on its own port."""
    upstreams = {link.name: upstream for link in links([f"{code:02}" for code in range(1, 35)])}
    took = []
    while len(took) < 10 and not (took and took[-1] < 1):  # a busy machine delays some of them
        proxies.delete_all(upstreams)
        start = time.monotonic()
        listens = proxies.create_all(upstreams)
        took.append(time.monotonic() - start)
    assert min(took) < 1
    assert len(set(listens.values())) == len(upstreams) == 177
    assert probe(listens[LINK], PATIENT).ok
    proxies.delete_all(listens)
    assert proxies.all() == {}


def test_a_name_that_is_taken_is_refused_and_keeps_its_toxics(proxies: Proxies, upstream: str) -> None:
    proxies.create(LINK, upstream)
    proxies.add_toxic(LINK, "one", "latency", "downstream", {"latency": 1})
    with pytest.raises(ProxyError, match="exists already"):
        proxies.create_all({LINK: upstream, "other": upstream})
    with pytest.raises(ProxyError, match="already exists"):
        proxies.create(LINK, upstream)
    assert len(proxies.get(LINK).toxics) == 1
    assert list(proxies.all()) == [LINK]


def test_errors_are_one_line_and_carry_the_status(server: Server, proxies: Proxies) -> None:
    with pytest.raises(ProxyError, match=r"^toxiproxy http://.*404 proxy not found$") as caught:
        proxies.set_enabled("none", False)
    assert caught.value.status == 404
    proxies.create(LINK, "127.0.0.1:1")
    with pytest.raises(ProxyError, match="400 invalid toxic type"):
        proxies.add_toxic(LINK, "one", "none", "downstream", {})


def test_what_is_gone_may_be_removed_again(proxies: Proxies, upstream: str) -> None:
    proxies.create(LINK, upstream)
    proxies.add_toxic(LINK, "a b?c", "noop", "upstream", {})
    for _ in range(2):
        proxies.remove_toxic(LINK, "a b?c")
    for _ in range(2):
        proxies.delete(LINK)
    proxies.delete_all([LINK])


def test_two_servers_are_used_at_once(server: Server, proxies: Proxies, tmp_path: Path) -> None:
    """Host and port belong to the object, not to the library's class."""
    other = start("embedded", tmp_path / "other.log")
    try:
        elsewhere = Proxies(other.api, PATIENT)
        elsewhere.create("there", "127.0.0.1:1")
        proxies.create("here", "127.0.0.1:1")
        assert (list(proxies.all()), list(elsewhere.all())) == (["here"], ["there"])
    finally:
        other.stop()


def test_a_proxy_environment_is_ignored(proxies: Proxies, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert proxies.version()


def test_every_status_but_2xx_is_an_error() -> None:
    with Upstream(("127.0.0.1", 0), Failing) as broken:
        Thread(target=broken.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        proxies = Proxies(f"http://127.0.0.1:{broken.server_address[1]}", PATIENT)
        with pytest.raises(ProxyError, match="503"):
            proxies.create(LINK, "127.0.0.1:1")
        with pytest.raises(ProxyError, match="503"):
            proxies.add_toxic(LINK, "one", "noop", "downstream", {})
        with pytest.raises(ProxyError, match="503"):
            proxies.set_enabled(LINK, False)
        broken.shutdown()


def test_a_server_that_hangs_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        proxies = Proxies(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.2)
        with pytest.raises(ProxyError, match=r"no answer within 0\.2 s"):
            proxies.version()


def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(ProxyError, match=r"^toxiproxy http://127.0.0.1:1: GET /version: no connection \(.*refused\)$"):
        Proxies("http://127.0.0.1:1").version()


def test_the_port_of_a_disabled_proxy_is_not_given_away(proxies: Proxies, upstream: str) -> None:
    """No connection or server that lets the system choose its port gets one that a proxy needs back."""
    address = proxies.create(LINK, upstream)
    proxies.set_enabled(LINK, False)
    taken = []
    for _ in range(2000):
        other = socket.socket()
        other.bind(("127.0.0.1", 0))
        taken.append(other)
    ports = {other.getsockname()[1] for other in taken}
    for other in taken:
        other.close()
    assert int(address.split(":")[1]) not in ports
    proxies.set_enabled(LINK, True)
    assert probe(address, PATIENT).ok


def test_a_given_server_is_not_stopped(server: Server, proxies: Proxies, tmp_path: Path) -> None:
    given = start(server.api + "/", tmp_path / "unused.log")
    assert (given.api, given.kind, given.ours) == (server.api, server.kind, False)
    given.stop()
    assert proxies.version()


def test_a_missing_real_server_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("THONGSUOT_TOXIPROXY", str(tmp_path / "none"))
    monkeypatch.setattr(servers, "CHECKOUT", tmp_path)
    with pytest.raises(ToxiproxyMissing, match="make toxiproxy"):
        start("real", tmp_path / "log")
    automatic = start("auto", tmp_path / "log")
    automatic.stop()
    automatic.stop()
    assert automatic.kind == "embedded"


def test_the_variable_names_the_binary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    binary = tmp_path / "any-name"
    binary.write_text("#!/bin/sh\nexit 3\n")
    binary.chmod(0o755)
    monkeypatch.setenv("THONGSUOT_TOXIPROXY", str(binary))
    assert servers.find_real() == binary
    with pytest.raises(ProxyError, match="didn't come up: see"):
        start("real", tmp_path / "log")


@pytest.mark.parametrize("choice", ["http://127.0.0.1:1", "reel"])
def test_a_choice_that_leads_nowhere_is_one_clear_line(choice: str, tmp_path: Path) -> None:
    with pytest.raises(ProxyError, match=r"^[^\n]+$"):
        start(choice, tmp_path / "log")
