"""A small HTTP system to stand behind the proxies, and both Toxiproxy servers in front of it."""

import os
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from faults.kinds import memory_limit
from faults.kinds.slow_database import SlowDatabase
from faults.probe import Measurement
from faults.server import Server, find_real, start
from faults.toxiproxy import Proxies
from model.record import EventLog, Record
from tests.faults.calm import calm_probe

PATIENT = 20.0  # seconds that a call may take here: a machine that stands still for some seconds breaks no test


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """Let healing, its proof, servers that start and calls outlast a machine that stands still for some seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("faults.part.HEAL_PATIENCE", PATIENT)
        patch.setattr("faults.part.GONE_PATIENCE", PATIENT)
        patch.setattr("faults.control.CALL", PATIENT)
        patch.setattr("faults.server.COMES_UP", 30.0)
        patch.setattr("faults.watchdog_client.ANSWER", PATIENT)
        patch.setattr(Proxies.__init__, "__defaults__", (PATIENT,))
        yield


@pytest.fixture
def calm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no hiccup of the machine look like the effect of a fault."""
    for kind in ("base", "brownout", "cpu_limit", "flap", "memory_limit", "slow_close"):
        monkeypatch.setattr(f"faults.kinds.{kind}.probe", calm_probe)
    burst, measure = memory_limit._burst, SlowDatabase.measure

    def whole(address: str, number: int, _: float) -> list[int]:
        return burst(address, number, PATIENT)

    def quickest(*given: Any) -> Measurement:
        return min((measure(*given) for _ in range(3)), key=lambda seen: seen.seconds)

    monkeypatch.setattr(memory_limit, "_burst", whole)
    monkeypatch.setattr(SlowDatabase, "measure", quickest)


class Healthz(BaseHTTPRequestHandler):
    """Answers every GET with as many bytes of padding as it asks for."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        size = int(parse_qs(urlsplit(self.path).query).get("bytes", ["0"])[0])
        body = b'{"status": "ok", "padding": "' + b"." * size + b'"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Upstream(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Broken connections are what these tests make."""


@pytest.fixture(scope="session")
def upstream() -> Iterator[str]:
    """Give the host:port of the HTTP system."""
    with Upstream(("127.0.0.1", 0), Healthz) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


KINDS = [pytest.param("real", marks=pytest.mark.real_toxiproxy), "embedded"]


@pytest.fixture(scope="session", params=KINDS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give a Toxiproxy server of each kind; the real one must be there in CI."""
    if request.param == "real" and find_real() is None and os.environ.get("CI") != "true":
        pytest.skip("no toxiproxy-server here: `make toxiproxy` gets it")
    server = start(request.param, tmp_path_factory.mktemp("toxiproxy") / "server.log")
    yield server
    server.stop()


@pytest.fixture
def proxies(server: Server) -> Iterator[Proxies]:
    """Give the server's proxies: none before the test, none after it."""
    proxies = Proxies(server.api, PATIENT)
    yield proxies
    proxies.delete_all(proxies.all())
    proxies.close()


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return Record(tmp_path)


@pytest.fixture
def events(record: Record) -> Iterator[EventLog]:
    log = EventLog(record.path("events.jsonl"), time.monotonic())
    yield log
    log.close()


def eventually(condition: Callable[[], Any], seconds: float = 30.0) -> float:
    """Wait until a condition holds; return how many seconds it took, fail after ``seconds``."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, "it didn't happen in time"
        time.sleep(0.02)
    return time.monotonic() - start
