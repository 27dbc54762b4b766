"""Acknowledged dossiers are looked up while a run goes on: a 404 is a doubt, silence is none."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import httpx
import pytest

from harness.doubts import EVERY, NEW, Doubts
from harness.ports import free_ports
from model.record import EventLog, Record
from tests.conftest import wait_for


class System(BaseHTTPRequestHandler):
    """Answers look-ups with the status that a code has, 200 where it has none."""

    statuses: ClassVar[dict[str, int]] = {}
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        code = self.path.rpartition("/")[2]
        System.asked.append(code)
        self.send_response(System.statuses.get(code, 200))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr("harness.doubts.LOOK_TIMEOUT", 30.0)
    System.statuses, System.asked = {}, []
    server = HTTPServer(("127.0.0.1", 0), System)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def acknowledged(tmp_path: Path, *codes: str, operation: str = "submit", at: float = 1.0, event: str = "ok") -> None:
    """Write a worker's ledger as it is while it runs: rows, then zeros."""
    rows = "".join(f"0,1,{event},{at},{operation},key,79,27000,{code},1,1,,,,false\n" for code in codes)
    path = Record(tmp_path).spool("ledger", "worker-0")
    before = path.read_bytes().rstrip(b"\0") if path.exists() else b""
    path.write_bytes(before + rows.encode() + b"\0" * 5000)


def doubts_of(tmp_path: Path, address: str) -> Doubts:
    (tmp_path / "e").touch()
    events = EventLog(tmp_path / "e", time.monotonic() - 100)
    return Doubts(Record(tmp_path), {"national": address, "province:79": address}, events, 1)


def looked(doubts: Doubts, t: float = 10.0) -> dict[str, int]:
    with httpx.Client(trust_env=False, timeout=30) as client:
        doubts.look(client, t)
    return dict(doubts.counts())


def test_a_dossier_that_is_not_found_is_in_doubt_until_it_is(tmp_path: Path, address: str) -> None:
    """Of the province where it was meant to go."""
    acknowledged(tmp_path, "H-1", "H-2")
    doubts = doubts_of(tmp_path, address)
    System.statuses["H-2"] = 404
    assert looked(doubts) == {"79": 1}
    assert sorted(System.asked) == ["H-1", "H-2"]
    System.statuses.clear()
    assert looked(doubts) == {}


@pytest.mark.parametrize("status", [500, 503, 429, 403])
def test_a_system_that_breaks_says_nothing_about_a_dossier(status: int, tmp_path: Path, address: str) -> None:
    """Neither is a doubt raised nor one taken back."""
    acknowledged(tmp_path, "H-1")
    doubts = doubts_of(tmp_path, address)
    System.statuses["H-1"] = status
    assert looked(doubts) == {}
    System.statuses["H-1"] = 404
    assert looked(doubts) == {"79": 1}
    System.statuses["H-1"] = status
    assert looked(doubts) == {"79": 1}


def test_a_system_that_is_gone_says_nothing(tmp_path: Path) -> None:
    """A refused connection is no doubt."""
    acknowledged(tmp_path, "H-1")
    assert looked(doubts_of(tmp_path, f"127.0.0.1:{next(free_ports())}")) == {}


def test_only_what_created_a_dossier_a_while_ago_is_looked_up(tmp_path: Path, address: str) -> None:
    """Not what is younger than a second, not a refusal, not a step of a dossier; the young one later."""
    acknowledged(tmp_path, "OLD", operation="intake")
    acknowledged(tmp_path, "YOUNG", at=9.5)
    acknowledged(tmp_path, "STEP", operation="accept")
    acknowledged(tmp_path, "REFUSED", event="fail")
    doubts = doubts_of(tmp_path, address)
    looked(doubts)
    assert System.asked == ["OLD"]
    looked(doubts, 11.0)
    assert set(System.asked) == {"OLD", "YOUNG"}


def test_a_round_is_small_and_comes_back_to_what_was_acknowledged_before(tmp_path: Path, address: str) -> None:
    """However many dossiers there are."""
    acknowledged(tmp_path, *(f"H-{number}" for number in range(500)))
    doubts = doubts_of(tmp_path, address)
    looked(doubts)
    assert len(System.asked) == NEW
    looked(doubts)
    assert NEW < len(System.asked) <= 20


def test_the_thread_looks_by_itself_and_ends(tmp_path: Path, address: str) -> None:
    """As long as the run goes on."""
    acknowledged(tmp_path, "H-1")
    System.statuses["H-1"] = 404
    doubts = doubts_of(tmp_path, address)
    doubts.start()
    wait_for(lambda: doubts.counts() == {"79": 1}, 30 * EVERY)
    doubts.close()
    asked = len(System.asked)
    doubts.close()
    assert len(System.asked) == asked
