"""The hotline agrees with a small model: lines, the queue before them, and alerts that need neither."""

import asyncio
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from mocks import hotline
from tests.mocks.machines import Machine, answers, finds, refuses, run

LINES, WAITING = 2, 2
TURNS = 100  # of the event loop: more than a call takes until it is turned away, or waits
KEYS = st.integers(1, 6).map(lambda number: {"Idempotency-Key": f"g-{number}"})
CALLS = st.builds(
    lambda province, text: {"province": province, "subject": "hồ sơ chậm", "text": text},
    st.sampled_from(["01", "79"]), st.sampled_from(["", "đã ba ngày"]),
)  # fmt: skip
ALERTS = st.builds(
    lambda severity, text: {"province": "01", "source": "province:01", "severity": severity, "text": text},
    st.sampled_from(["page", "ticket"]), st.sampled_from(["mất kết nối", "chậm"]),
)  # fmt: skip


async def turns():
    """Let whoever can go on do so."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def cancelled(tasks):
    """Wait until tasks that nobody needs have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Hotline(Machine):
    """Citizens call, talk and hang up; operators are alerted whatever the lines are."""

    names = platforms = ("hotline",)
    patience = 30.0  # seconds that an alert may take

    def prepare(self):
        self.said = {}  # key -> (path, content, code)
        self.notes = []  # (book, key, content, code), in the order of storing
        self.calling = []  # [task, headers, content] of who is on a line, then of who waits
        self.begun = []  # every task
        self.talks = []  # what ends each call on a line
        talking = SimpleNamespace(Semaphore=asyncio.Semaphore, sleep=self.talk)
        self.undo.enter_context(patch.object(hotline, "asyncio", talking))
        self.undo.callback(self.nobody_waits)

    async def talk(self, seconds):
        self.talks.append(asyncio.Event())
        await self.talks[-1].wait()

    def nobody_waits(self):
        self.inside.loop.run_until_complete(cancelled(self.begun))

    def begin(self, path, headers, content):
        asked = self.inside.answer("hotline", "POST", path, json=content, headers=headers)
        self.begun.append(self.inside.loop.create_task(asked))
        return self.begun[-1]

    @rule(calls=st.lists(st.tuples(KEYS, CALLS), min_size=1, max_size=3))
    def call(self, calls):
        for headers, content in calls:
            self.call_once(headers, content)

    def call_once(self, headers, content):
        task = self.begin("/calls", headers, content)
        self.inside.loop.run_until_complete(turns())
        if len(self.calling) < LINES + WAITING:
            self.calling.append([task, headers, content])
            return
        assert task.done()
        refuses(task.result(), 503, "busy")
        assert int(task.result().headers["retry-after"]) > 0

    @precondition(lambda self: self.calling)
    @rule(line=st.integers(0, LINES - 1))
    def hang_up(self, line):
        self.talks.pop(line % len(self.talks)).set()
        task, headers, content = self.calling.pop(line % min(LINES, len(self.calling)))
        self.judge("/calls", headers, content, self.inside.loop.run_until_complete(task))
        self.inside.loop.run_until_complete(turns())

    def settle(self):
        while self.calling:
            self.hang_up(0)

    @rule(headers=KEYS, content=ALERTS)
    def alert(self, headers, content):
        task = self.begin("/alerts", headers, content)
        self.inside.loop.run_until_complete(asyncio.wait([task], timeout=self.patience))
        assert task.done()
        self.judge("/alerts", headers, content, task.result())

    def judge(self, path, headers, content, answer):
        key = headers["Idempotency-Key"]
        code = answer.json().get("code")
        known = self.said.setdefault(key, (path, content, code))
        if known[:2] != (path, content):
            refuses(answer, 422, "validation")
            return
        answers(answer, 201, {"code": known[2], "sequence": 1, "error_code": 0})
        if key not in [note[1] for note in self.notes]:
            assert code not in [note[3] for note in self.notes]
            self.notes.append((path.strip("/s"), key, content, code))

    @rule(change=st.sampled_from([{"severity": "low"}, {"province": "1"}, {"source": ""}, {"more": 1}]))
    def what_is_no_alert(self, change):
        content = {"province": "01", "source": "x", "severity": "page", "text": "x", **change}
        refuses(self.inside.post("hotline", "/alerts", content, headers=self.key()), 422, "validation")

    @invariant()
    def lines_are_busy(self):
        assert len(self.talks) == min(LINES, len(self.calling))
        assert not any(task.done() for task, *_ in self.calling)

    @invariant()
    def operators_see_all(self):
        alerts = [{**content, "code": code} for book, _, content, code in self.notes if book == "alert"]
        assert self.inside.get("hotline", "/alerts").json() == {"items": alerts, "next": None}
        listed = self.inside.get("hotline", "/entries").json()["items"]
        expected = [(book, key, content["province"]) for book, key, content, _ in self.notes]
        assert [(item["book"], item["key"], item["owner"]) for item in listed] == expected


class InHaste(Hotline):
    patience = 0.2


@pytest.fixture(autouse=True)
def few_lines(monkeypatch):
    """All lines are busy soon."""
    monkeypatch.setattr(hotline, "LINES", LINES)
    monkeypatch.setattr(hotline, "WAITING", WAITING)


def test_the_hotline_agrees_with_the_model():
    run(Hotline, examples=15, steps=20)


def test_the_machine_finds_that_a_repeated_call_is_noted_twice():
    finds(Hotline, defects=["duplicate-on-retry"])


def test_the_machine_finds_alerts_that_wait_behind_callers():
    finds(InHaste, defects=["hotline-shares-queue"])


def test_the_machine_finds_that_nobody_is_turned_away(monkeypatch):
    monkeypatch.setattr(hotline, "WAITING", 1000)
    finds(Hotline)
