"""Flags, config file and metrics are the same on the real Toxiproxy server and on the embedded one."""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from faults.embedded.api import Answer, Api
from faults.server import find_real
from harness.ports import free_ports
from tests.conftest import NEEDS_PROMTOOL, promtool
from tests.faults.conftest import KINDS, PATIENT, eventually

Start = Callable[..., str]
SAMPLE = re.compile(r"^(toxiproxy_\w+)\{([^}]*)\} (\S+)$", re.MULTILINE)


@pytest.fixture(params=KINDS)
def command(request: pytest.FixtureRequest) -> list[str]:
    """Give the command of each server; the real one must be there in CI."""
    if request.param == "embedded":
        return [sys.executable, "-m", "faults.embedded"]
    real = find_real()
    if real is None and os.environ.get("CI") != "true":
        pytest.skip("no toxiproxy-server here: `make toxiproxy` gets it")
    return [str(real)]


@pytest.fixture
def start(command: list[str]) -> Iterator[Start]:
    """Give a function that starts the server with flags and returns its API's address."""
    with ExitStack() as stack:

        def begin(*flags: str) -> str:
            port = next(free_ports())
            process = stack.enter_context(
                subprocess.Popen([*command, "-host", "127.0.0.1", f"-port={port}", *flags], stdout=subprocess.DEVNULL)
            )
            stack.callback(process.terminate)
            eventually(lambda: answers(port))
            return f"http://127.0.0.1:{port}"

        yield begin


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def samples(api: str) -> dict[tuple[str, str], str]:
    """Return the proxies' counters, by name and labels."""
    return {
        (name, labels): value
        for name, labels, value in SAMPLE.findall(requests.get(f"{api}/metrics", timeout=PATIENT).text)
    }


def proxies(api: str) -> Any:
    return requests.get(f"{api}/proxies", timeout=PATIENT).json()


def create(api: str, name: str, upstream: str) -> str:
    body = {"name": name, "listen": "127.0.0.1:0", "upstream": upstream}
    return str(requests.post(f"{api}/proxies", json=body, timeout=PATIENT).json()["listen"])


def carry(listen: str, sink: socket.socket, up: int, down: int) -> None:
    """Open a connection, send bytes in both directions, close it."""
    host, port = listen.split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENT) as client:
        accepted, _ = sink.accept()
        with accepted:
            client.sendall(bytes(up))
            accepted.sendall(bytes(down))
            for end, number in ((accepted, up), (client, down)):
                with end.makefile("rb") as reader:
                    assert len(reader.read(number)) == number


@pytest.fixture
def sink() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENT)
        yield listener


def test_bytes_are_counted_when_a_connection_ends(start: Start, sink: socket.socket) -> None:
    """Received and sent, by direction, proxy, listener and upstream; numbers as Prometheus' Go library writes them."""
    api = start("-proxy-metrics")
    upstream = f"127.0.0.1:{sink.getsockname()[1]}"
    listen = create(api, 'a"b\\', upstream)
    assert samples(api) == {}
    carry(listen, sink, 100, 1_234_567)
    carry(listen, sink, 23, 0)
    labels = f'listener="{listen}",proxy="a\\"b\\\\",upstream="{upstream}"'
    expected = {
        (f"toxiproxy_proxy_{what}_bytes_total", f'direction="{direction}",{labels}'): value
        for what in ("received", "sent")
        for direction, value in (("upstream", "123"), ("downstream", "1.234567e+06"))
    }
    eventually(lambda: samples(api) == expected)


@NEEDS_PROMTOOL
def test_promtool_only_misses_the_help_texts_that_upstream_leaves_out(start: Start, sink: socket.socket) -> None:
    """Two counters of a proxy's bytes have no help text in the real server, so they have none in ours."""
    api = start("-proxy-metrics", "-runtime-metrics")
    host, port = create(api, "a", f"127.0.0.1:{sink.getsockname()[1]}").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENT) as client:
        accepted, _ = sink.accept()
        client.sendall(b"some")
        assert accepted.recv(100) == b"some"
        accepted.close()
    counters = ("toxiproxy_proxy_received_bytes_total", "toxiproxy_proxy_sent_bytes_total")
    eventually(lambda: {name for name, _ in samples(api)} == {*counters})
    text = requests.get(f"{api}/metrics", timeout=PATIENT).text
    done = promtool("check", "metrics", given=text)
    assert (done.stdout + done.stderr).splitlines() == [f"{name} no help text" for name in counters]


def test_a_toxic_makes_received_and_sent_differ(start: Start, sink: socket.socket) -> None:
    api = start("-proxy-metrics", "-runtime-metrics")
    listen = create(api, "a", f"127.0.0.1:{sink.getsockname()[1]}")
    body = {"type": "limit_data", "stream": "downstream", "attributes": {"bytes": 10}}
    requests.post(f"{api}/proxies/a/toxics", json=body, timeout=PATIENT)
    host, port = listen.split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENT) as client:
        accepted, _ = sink.accept()
        accepted.sendall(bytes(25))
        assert client.recv(100) == bytes(10)
        assert client.recv(100) == b""
        accepted.close()
    eventually(lambda: len(samples(api)) == 4)
    values = {name + labels.partition(",")[0]: value for (name, labels), value in samples(api).items()}
    assert values['toxiproxy_proxy_received_bytes_totaldirection="downstream"'] == "25"
    assert values['toxiproxy_proxy_sent_bytes_totaldirection="downstream"'] == "10"


@pytest.mark.parametrize("flag", ["-proxy-metrics", "--runtime-metrics", "-proxy-metrics=true"])
def test_a_flag_shows_metrics(start: Start, flag: str) -> None:
    reply = requests.get(f"{start(flag)}/metrics", timeout=PATIENT)
    assert (reply.status_code, reply.headers["Content-Type"].split(";")[0]) == (200, "text/plain")
    assert 'promhttp_metric_handler_errors_total{cause="gathering"} 0\n' in reply.text
    assert ("process_resident_memory_bytes" in reply.text) is ("runtime" in flag)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_metrics_take_any_method(start: Start, method: str) -> None:
    assert requests.request(method, f"{start('--proxy-metrics')}/metrics", timeout=PATIENT).status_code == 200


@pytest.mark.parametrize("flags", [[], ["-proxy-metrics=false"], ["-seed", "5"]])
def test_without_a_flag_there_are_no_metrics(start: Start, flags: list[str]) -> None:
    assert requests.get(f"{start(*flags)}/metrics", timeout=PATIENT).status_code == 404


def test_a_config_file_creates_its_proxies(start: Start, tmp_path: Path) -> None:
    config = tmp_path / "proxies.json"
    wanted = [{"name": name, "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1"} for name in ("a", "b")]
    config.write_text(json.dumps([*wanted, {**wanted[0], "name": "c", "enabled": False}]))
    there = proxies(start("-config", str(config)))
    assert {name: proxy["enabled"] for name, proxy in there.items()} == {"a": True, "b": True, "c": False}


@pytest.mark.parametrize("text", [None, "{", '[{"name": "a"}]'])
def test_a_bad_config_file_is_no_reason_to_stop(start: Start, tmp_path: Path, text: str | None) -> None:
    config = tmp_path / "proxies.json"
    if text is not None:
        config.write_text(text)
    assert proxies(start("-config", str(config))) == {}


def test_the_version_is_printed(command: list[str]) -> None:
    done = subprocess.run([*command, "-version"], capture_output=True, text=True, timeout=60, check=True)
    assert re.fullmatch(r"toxiproxy-server version \S+\n", done.stdout)


def test_an_unknown_flag_is_refused(command: list[str]) -> None:
    done = subprocess.run([*command, "-nothing"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "-nothing" in done.stderr


def test_a_request_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After 25 s, which are shortened here: the real one's answer was seen by hand, it can't be shortened."""
    monkeypatch.setattr("faults.embedded.api.TIMEOUT", 0.01)
    done: list[str] = []
    given_up = asyncio.Event()

    async def slow(_: bytes) -> Answer:
        await given_up.wait()
        done.append("done")
        return Answer(200)

    async def ask() -> Answer:
        api = Api()
        api.routes = (("GET", "/slow", slow),)
        answer = await api.answer("GET", "/slow", "", b"")
        given_up.set()
        await asyncio.sleep(0.1)
        return answer

    answer = asyncio.run(ask())
    assert (answer.status, answer.type, answer.matched) == (503, "text/html; charset=utf-8", True)
    assert answer.body == b"<html><head><title>Timeout</title></head><body><h1>Timeout</h1></body></html>"
    assert done == ["done"]
