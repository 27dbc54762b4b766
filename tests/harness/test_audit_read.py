"""Reading the systems: every page, both times, and honestly where it fails."""

import csv
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from harness import audit_read
from harness.audit_read import Reader
from model.record import COLUMNS, EventLog, Record
from tests.conftest import events

ITEM = {
    "key": "k",
    "province": "01",
    "commune": "00004",
    "hash": "h",
    "state": 1,
    "sequence": 1,
    "history": [[1, 1, 2.0, 3.0]],
    "archived": False,
    "test": False,
}


def reader(tmp_path: Path, answer: Callable[[httpx.Request], httpx.Response]) -> Reader:
    found = Reader({"national": "portal", "vneid": "login"}, Record(tmp_path), EventLog(tmp_path / "events.jsonl"))
    found._client = httpx.Client(transport=httpx.MockTransport(answer))
    return found


def pages(request: httpx.Request) -> httpx.Response:
    after = int(request.url.params["after"] or 0)
    items = [{**ITEM, "code": f"c{number}"} for number in range(after, min(after + 2, 5))]
    return httpx.Response(200, json={"items": items, "next": str(after + 2) if after + 2 < 5 else None})


def test_every_page_is_read_twice(tmp_path: Path) -> None:
    """Five dossiers on three pages are five rows in each pass; a system without dossiers isn't asked."""
    reader(tmp_path, pages).read()
    for number in (1, 2):
        with (tmp_path / "reads" / f"national-{number}.csv").open(newline="") as file:
            rows = [dict(zip(COLUMNS["reads"], row, strict=True)) for row in csv.reader(file)]
        assert [row["code"] for row in rows] == ["c0", "c1", "c2", "c3", "c4"]
        assert {row["pass"] for row in rows} == {str(number)}
        assert rows[0]["history"] == "[[1,1,2.0,3.0]]"
    assert {event["system"] for event in events(tmp_path)} == {"national"}


@pytest.mark.parametrize(
    "answer",
    [
        lambda request: httpx.Response(500),
        lambda request: httpx.Response(200, text="no JSON"),
        lambda request: httpx.Response(200, json={"items": [{}], "next": None}),
        lambda request: (_ for _ in ()).throw(httpx.ReadTimeout("too slow")),
    ],
)
def test_a_failed_reading_is_incomplete(tmp_path: Path, answer: Callable[[httpx.Request], httpx.Response]) -> None:
    """Whatever goes wrong, the event says that the reading isn't complete, and the system isn't asked in vain again."""
    asked = []
    reader(tmp_path, lambda request: asked.append(request) or answer(request)).read()  # type: ignore[func-returns-value]
    found = [event for event in events(tmp_path) if event["event"] == "audit_read"]
    assert [event["complete"] for event in found] == [False, False]
    assert all(event["reason"] for event in found)
    assert len(asked) == 1


@pytest.mark.parametrize(("pending", "drained"), [(0, True), (3, False)])
def test_draining_ends_with_an_empty_backlog_or_its_time(
    tmp_path: Path, pending: int, drained: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event says how many messages were left."""
    found = reader(tmp_path, lambda request: httpx.Response(200, json={"pending": pending, "stored": 7}))
    monkeypatch.setattr(audit_read, "audited", lambda addresses: {"national": "portal"})
    found.addresses = {"national": "portal", "payment": "gate"}
    found.drain(0.3, lambda: False, lambda backlog: None)
    finished = events(tmp_path)[-1]
    assert (finished["drained"], finished["backlog"]) == (drained, 2 * pending)


def test_a_system_that_does_not_answer_is_not_drained(tmp_path: Path) -> None:
    """Silence is no empty outbox."""

    def silent(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("too slow")

    found = reader(tmp_path, silent)
    found.addresses = {"national": "portal", "payment": "gate"}
    found.drain(0.2, lambda: False, lambda backlog: None)
    assert events(tmp_path)[-1]["drained"] is False


def simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the reader's time pass in its pauses alone."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(audit_read, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))


def test_a_message_that_moved_behind_the_look_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty outboxes that were used since the last look aren't drained: what was put into them went on from there."""
    looks = iter([(0, 5), (0, 6), (1, 7), (0, 7), (0, 7)])
    simulated(monkeypatch)

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "gate":
            return httpx.Response(200, json={"pending": 0, "stored": 0})
        pending, stored = next(looks)
        return httpx.Response(200, json={"pending": pending, "stored": stored})

    found = reader(tmp_path, answer)
    found.addresses = {"national": "portal", "payment": "gate"}
    found.drain(30.0, lambda: False, lambda backlog: None)
    finished = events(tmp_path)[-1]
    assert finished["drained"] is True
    assert finished["seconds"] == pytest.approx(2 * audit_read.QUIET + audit_read.AGAIN)
    assert next(looks, None) is None


def test_outboxes_that_never_rest_are_not_drained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something is put into them all the while: they were empty by chance."""
    numbers = iter(range(1000))
    monkeypatch.setattr(audit_read, "QUIET", 0.01)
    monkeypatch.setattr(audit_read, "UNSETTLED", 0.1)
    found = reader(tmp_path, lambda request: httpx.Response(200, json={"pending": 0, "stored": next(numbers)}))
    found.addresses = {"national": "portal", "payment": "gate"}
    found.drain(0.1, lambda: False, lambda backlog: None)
    assert events(tmp_path)[-1]["drained"] is False
