"""Whole runs of a short campaign: the record, the verdict, seeded defects, and what must never pass."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from model import dossier
from tests.conftest import (
    BOTH_SERVERS,
    FOR_LONG,
    LATER,
    SHORT,
    Running,
    changed,
    events,
    happened,
    members,
    thongsuot,
    wait_for,
)

pytestmark = pytest.mark.slow


def verdict(record: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((record / "verdict.json").read_text(encoding="utf-8"))
    return result


CATEGORIES = ("lost", "duplicated", "divergent", "regressed", "phantom", "resurrected", "misrouted", "misfiled")


@pytest.mark.parametrize("server", BOTH_SERVERS)
def test_a_healthy_stack_passes_and_leaves_a_whole_record(server: str, tmp_path: Path) -> None:
    """Exit 0, every file of the record, nothing lost, every fault proved and healed, no process left.

    What is judged again is the same, and without samples nothing is proved.
    """
    record = tmp_path / "record"
    ended = thongsuot("run", SHORT, "--out", record, "--toxiproxy", server, *FOR_LONG)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "pass" in ended.stdout
    assert str(record / "report.html") in ended.stdout

    found = verdict(record)
    assert found["verdict"] == "pass"
    assert not any(found["integrity"][category] for category in CATEGORIES)
    assert found["integrity"]["acknowledged"] == found["integrity"]["read"] > 50
    assert found["integrity"]["unread"] == 0
    assert found["load"]["planned"] == found["load"]["started"] > 250
    assert (found["load"]["dropped"], found["load"]["unfinished"]) == (0, 0)
    assert {(fault["id"], fault["proved"], fault["healed"]) for fault in found["faults"]} == {
        ("cut-79", True, True),
        ("slow-01", True, True),
    }
    stack = json.loads((record / "stack.json").read_text())
    assert stack["toxiproxy"]["kind"] == server
    assert stack["systems"].keys() >= {"national", "vneid", "population", "payment", "province:01", "province:79"}
    assert all(system.keys() == {"url", "direct_url", "pid"} for system in stack["systems"].values())
    for name in ("report.html", "summary.md", "junit.xml", "metrics.om", "audit.json", "samples.parquet"):
        assert (record / name).stat().st_size > 0, name
    assert not (record / "state").exists()
    assert not members(record)
    judging_again_writes_the_same_bytes(record)
    a_record_without_samples_is_inconclusive(record)


def judging_again_writes_the_same_bytes(record: Path) -> None:
    """Verdict, audit and reports are functions of the record."""
    names = ("verdict.json", "audit.json", "report.html", "summary.md", "junit.xml", "metrics.om")
    before = {name: (record / name).read_bytes() for name in names}
    for name in names:
        (record / name).unlink()
    assert thongsuot("judge", record).returncode == 0
    assert thongsuot("report", record).returncode == 0
    assert {name: (record / name).read_bytes() for name in names} == before


def a_record_without_samples_is_inconclusive(record: Path) -> None:
    """Where nothing was measured, nothing is proved; a truncated table isn't judged at all."""
    samples = record / "samples.parquet"
    whole = samples.read_bytes()
    samples.write_bytes(whole[: len(whole) // 2])
    ended = thongsuot("judge", record)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1)
    assert "samples.parquet" in ended.stderr
    samples.unlink()
    assert thongsuot("judge", record).returncode == 3
    assert verdict(record)["verdict"] == "inconclusive"


DEFECTS = [
    {"drop-sync": {"lost", "divergent", "regressed"}, "duplicate-on-retry": {"duplicated"}},
    {"ack-before-commit": {"lost"}, "collapse-status": {"divergent"}},
]
"""Two at once, and what each leads to: one by one they are what the drills look for."""
KILLS = ", ".join(
    f'{{ id = "{province}-at-{start}", kind = "kill", system = "province:{province}", start = {start}, duration = 3 }}'
    for province, start in (("79", 7), ("01", 9), ("11", 11), ("79", 14))
)
"""One kill alone may come just after a commit, when there is nothing to lose."""
MORE = {"ack-before-commit": ["phases.surge.duration=12", f"faults=[{KILLS}]"]}


@pytest.mark.parametrize("defects", DEFECTS, ids=" and ".join)
def test_seeded_defects_are_seen(defects: dict[str, set[str]], tmp_path: Path) -> None:
    """Exit 1, with the right category and the codes of the dossiers concerned."""
    record = tmp_path / "record"
    changes = [*changed("load.scale=2"), *(word for name in defects for word in ("--defect", name))]
    changes += changed(*(change for name in defects for change in MORE.get(name, [])))
    ended = thongsuot("run", SHORT, "--out", record, *changes)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    integrity = verdict(record)["integrity"]
    named = {category for category in CATEGORIES if integrity[category]}
    assert all(named & categories for categories in defects.values()), integrity
    for category in named:
        for code in integrity[category]:
            assert dossier.parse_code(code)
            assert code in (record / "audit.json").read_text(encoding="utf-8")


def test_a_system_that_hangs_never_passes(tmp_path: Path, background: Callable[..., Running]) -> None:
    """The portal's process is stopped from the surge on: the run fails, whatever came before."""
    record = tmp_path / "record"
    short = ["load.request_timeout=2.0", "load.grace=3.0", "drain.timeout=2.0", "faults=[]"]
    running = background("run", SHORT, "--out", record, *changed(*short))
    wait_for(lambda: any(event.get("phase") == "surge" for event in events(record)), 60)
    portal = psutil.Process(json.loads((record / "stack.json").read_text())["systems"]["national"]["pid"])
    portal.suspend()
    output, errors = running.process.communicate(timeout=100)
    assert running.process.returncode == 1, output + errors
    assert not members(record)


def test_a_killed_worker_never_passes(tmp_path: Path, background: Callable[..., Running]) -> None:
    """The load's worker is killed in mid-run: inconclusive, and the report says so."""
    record = tmp_path / "record"
    running = background("run", SHORT, "--out", record, *changed("phases.recovery.duration=60", *LATER))
    wait_for(lambda: happened(record, "fault_proved"), 60)
    (worker,) = [process for process in members(record) if "worker" in process.cmdline()]
    worker.kill()
    output, errors = running.process.communicate(timeout=100)
    assert running.process.returncode == 3, output + errors
    assert any("worker" in reason for reason in verdict(record)["reasons"])
    assert happened(record, "worker_lost")
    assert not members(record)
