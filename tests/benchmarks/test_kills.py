"""Runs that are hit at a random moment, and that the tool which hits them sees what they leave behind.

THONGSUOT_KILLS says how many runs there are for each victim (1); servers take turns.
"""

import os
from pathlib import Path

import psutil
import pytest

from benchmarks.drill import PLAN, Drill
from benchmarks.kills import KINDS, SIGNALS, Outcome, draw, markdown, series
from faults.server import start
from tests.conftest import real_toxiproxy, wait_for

RUNS = int(os.environ.get("THONGSUOT_KILLS", "1"))
LENGTH = 13.0  # seconds from a run's first event to its end, on a quiet machine


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait longer than the benchmark, which asks for a quiet machine."""
    monkeypatch.setattr("benchmarks.kills.WITHIN", 30.0)
    monkeypatch.setattr("benchmarks.kills.ENDS_WITHIN", 90.0)
    monkeypatch.setattr("faults.server.COMES_UP", 30.0)


@pytest.mark.slow
@pytest.mark.timeout(60 + 60 * RUNS)
@pytest.mark.parametrize("victim", SIGNALS)
def test_a_run_that_is_hit_is_clean_in_time(victim: str, tmp_path: Path) -> None:
    """Whatever is hit, with whatever signal, whenever: nothing stays broken, nothing is left behind."""
    servers = KINDS if real_toxiproxy() else KINDS[1:]
    first = list(SIGNALS).index(victim)
    hits = [draw(7, first + number, victim, servers) for number in range(RUNS)]
    outcomes = series(hits, LENGTH, 2, tmp_path, lambda _: None)
    assert [outcome for outcome in outcomes if outcome.problems] == []
    assert len(outcomes) == RUNS


def held(folder: Path) -> Path:
    """Write the drill with faults that begin later, on a busy machine as well, and last while they are looked at."""
    text = PLAN.read_text(encoding="utf-8")
    for old, new in (
        ("duration = 9\n", "duration = 60\n"),
        ("samples = 5\n", "samples = 1\navailability = 0.1\nresponse_p95 = 60\n"),
        ("start = 2.5\nduration = 5\n", "start = 8\nduration = 50\n"),
        ("start = 3\n", "start = 8\n"),
        ("start = 4.5\n", "start = 8\n"),
        ("start = 3.5\nduration = 2.5\n", "start = 8\nduration = 50\n"),
        ("start = 5.5\n", "start = 8\n"),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (folder / "held.toml").write_text(text, encoding="utf-8")
    return folder / "held.toml"


@pytest.mark.slow
def test_what_a_run_has_broken_and_leaves_behind_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its toxics, its stopped system, its processes, its proxies on a server of others."""
    monkeypatch.setattr("benchmarks.drill.PLAN", held(tmp_path))
    given = start("embedded", tmp_path / "toxiproxy.log")
    drill = Drill(tmp_path / "drill", "embedded", given.api)
    try:
        wait_for(lambda: "slow on citizen->province:01 was not healed" in drill.unhealed(), 60)
        proxy = "proxy citizen->province:01 is not clean"
        wait_for(lambda: proxy in drill.broken() and any("stopped" in line for line in drill.broken()), 30)
        watchdog = drill.helper("watchdog")
        assert watchdog
        assert {drill.process.pid, watchdog} < set(drill.alive())
        assert drill.helper("toxiproxy") is None
        psutil.Process(watchdog).suspend()  # else it may heal before it is ended, too
        drill.end()
        wait_for(lambda: not drill.alive(), 30)
        assert drill.left_behind() == ["22 proxies left"]
        wait_for(lambda: proxy in drill.broken(), 30)
    finally:
        drill.end()
        given.stop()
    assert drill.broken() == []


def test_a_seed_decides_what_hits_which_run() -> None:
    """The same seed draws the same hits, another one others; every signal comes up, on both servers."""
    hits = [draw(1, number, "conductor", KINDS) for number in range(100)]
    assert hits == [draw(1, number, "conductor", KINDS) for number in range(100)]
    assert hits != [draw(2, number, "conductor", KINDS) for number in range(100)]
    assert {hit.signal for hit in hits} == {"SIGKILL", "SIGSTOP", "SIGTERM", "SIGINT"}
    assert {hit.server for hit in hits} == set(KINDS)
    assert all(0 <= hit.share < 1 for hit in hits)


def test_a_series_counts_the_runs_that_were_clean() -> None:
    """One line for each server and signal, the longest times among them."""
    hit = draw(1, 0, "watchdog", ("embedded",))
    outcomes = [Outcome(hit, healed=0.5, gone=3.0, code=0), Outcome(hit, code=4, problems=["exit code 4"])]
    text = markdown(outcomes)
    assert "| SIGKILL | 2 | 1 | 0.50 | 0.50 | 3.00 | 3.00 |" in text
    assert "1 of 2 runs were clean." in text
