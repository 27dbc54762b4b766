"""The conductor's looks at the systems' processes, against a server that answers as systems do."""

import csv
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from harness import vitals
from harness.stack import Group
from harness.vitals import Vitals, row
from model.record import COLUMNS, EventLog, Record
from tests.conftest import wait_for
from tests.harness.plans import short_plan

TOLD = {"began": 5.0, "memory": 1000, "descriptors": 7, "answered": 10, "turned_away": 1}


class Answers(BaseHTTPRequestHandler):
    """Says the same at all times."""

    asked = 0

    def do_GET(self) -> None:
        Answers.asked += 1
        self.send_response(200 if self.path == "/vitals" else 404)
        self.end_headers()
        self.wfile.write(json.dumps(TOLD).encode())

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def served() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def read(record: Record) -> list[dict[str, str]]:
    with (record.path("processes") / "conductor.csv").open(newline="") as file:
        return [dict(zip(COLUMNS["processes"], line, strict=True)) for line in csv.reader(file)]


def test_the_systems_of_a_process_are_counted_together() -> None:
    group = Group("provinces-1", ("province:01", "province:79"))
    assert row(group, 2.0, [TOLD, TOLD]) == [2.0, "provinces-1", 5.0, 1000, 7, 20, 2]


def test_every_process_that_answers_has_a_row_for_each_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the portal's group doesn't answer: it has none, and the others have theirs."""
    monkeypatch.setattr(vitals, "EVERY", 0.05)
    monkeypatch.setattr(vitals, "TIMEOUT", 30.0)  # whom nobody listens for is refused at once
    plan, record = short_plan(), Record(tmp_path)
    events = EventLog(tmp_path / "events.jsonl")
    with served() as address:
        addresses = dict.fromkeys(plan.systems, address) | {"national": "127.0.0.1:1"}
        watch = Vitals(plan, addresses, record, events)
        watch.start()
        try:
            events.t0 = began = time.monotonic()
            wait_for(lambda: Answers.asked > 40, 30)
        finally:
            watch.stop()
            took = time.monotonic() - began
            events.close()
    rows = read(record)
    assert {line["process"] for line in rows} == {group.name for group in vitals.groups(plan)} - {"national"}
    assert {line["memory"] for line in rows} == {"1000"}
    assert all(0 <= float(line["time"]) <= took + 0.001 for line in rows)
