"""The conductor's parts, each alone."""

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from harness import ports
from harness.defects import with_triggers
from harness.generator import worker_count
from harness.live import Live
from harness.metrics import RunCollector
from harness.plan_view import expected_samples
from harness.ports import free_ports
from harness.stack import groups
from model.campaign import CampaignError
from model.histogram import bucket_of
from model.record import Record
from reports import thresholds
from scenarios.catalogue import OPERATIONS
from tests.conftest import NEEDS_PROMTOOL, promtool
from tests.harness.plans import short_plan


def test_ports_are_not_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where there are few blocks to choose from: what is given back is the oldest."""
    monkeypatch.setattr(ports, "_LOWEST", 13_000)  # a range of the test's own
    monkeypatch.setattr(ports, "_HIGHEST", 13_000 + 12 * ports._BLOCK)
    monkeypatch.setattr(ports, "_BLOCKS", ports._Blocks())
    given = free_ports()
    assert len({next(given) for _ in range(850)}) == 850
    assert len([next(given) for _ in range(850)]) == 850


def test_two_processes_never_choose_the_same_port() -> None:
    """What one process has been given, and hasn't bound yet, no other is given."""
    code = (
        "from harness.ports import free_ports; ports = free_ports()\n"
        "print(*(next(ports) for _ in range(60)), flush=True); input()"
    )
    command = [sys.executable, "-c", code]
    with ExitStack() as living:
        started = [
            living.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            for _ in range(4)
        ]
        given = [port for process in started if process.stdout for port in process.stdout.readline().split()]
        for process in started:
            process.communicate("\n")
    assert len(set(given)) == len(given) == 240


def test_a_system_that_is_killed_has_a_process_of_its_own() -> None:
    """Nobody dies with the system that a fault kills."""
    plan = with_triggers(short_plan("defects=['ack-before-commit']"))
    (kill,) = [fault for fault in plan.faults if fault.kind == "kill"]
    (alone,) = [group for group in groups(plan) if kill.system in group.systems]
    assert alone.systems == (kill.system,)
    assert sorted(name for group in groups(plan) for name in group.systems) == sorted(plan.systems)


@pytest.mark.parametrize(
    ("radius", "said"),
    [
        ("blast_radius.provinces=0", "0 allowed"),
        ("blast_radius.citizens=0.01", "1.0% allowed"),
        ("blast_radius.protected=['province:*']", "which is protected"),
    ],
)
def test_the_kill_that_a_defect_needs_stays_within_the_blast_radius(radius: str, said: str) -> None:
    """One line, before anything starts."""
    with pytest.raises(CampaignError, match=said):
        with_triggers(short_plan("faults=[]", "defects=['ack-before-commit']", radius))


def test_workers_follow_rate_and_cores() -> None:
    """One worker for a small campaign, more for a large one, never more than cores, and as many as it says."""
    assert worker_count(short_plan(), 8) == 1
    assert worker_count(short_plan("phases.surge.rate=1500"), 8) == 4
    assert worker_count(short_plan("phases.surge.rate=1500"), 2) == 2
    assert worker_count(short_plan("load.workers=3"), 2) == 3


def test_expected_samples_follow_the_rate() -> None:
    """Twice the rate gives twice the samples; 99 % needs 299."""
    once, twice = (short_plan(f"load.scale={scale}") for scale in (1, 2))
    (few, needed), (many, _) = (expected_samples(plan, plan.objectives[0]) for plan in (once, twice))
    assert abs(many - 2 * few) < 1e-6
    assert needed == 299


def spooled(tmp_path: Path, *rows: str) -> Live:
    record = Record(tmp_path)
    record.spool("samples", "worker-0").write_text("".join(row + "\n" for row in rows))
    record.spool("arrivals", "worker-0").write_text("0,0,track,01,00004,0.1,0.1,0.2,ok\n")
    live = Live(short_plan(), record)
    live.look()
    return live


def test_live_counts_what_the_workers_wrote(tmp_path: Path) -> None:
    """Requests by outcome, the window's p95, and the worst province."""
    slow, fast = bucket_of(1.0), bucket_of(0.01)
    live = spooled(
        tmp_path,
        f"0,baseline,national.track,01,ok,response,{fast},90",
        f"0,baseline,national.track,01,ok,service,{fast},90",
        f"1,baseline,national.track,79,ok,response,{slow},10",
        f"1,baseline,national.track,79,timeout,response,{slow},30",
    )
    assert live.requests["national.track", "ok"] == 100
    assert live.errors() == 30
    assert live.failing() == [("79", 0.75)]
    assert [province for province, _ in live.slowest()] == ["79", "01"]
    p95 = live.quantile(0.95)
    assert p95 is not None
    assert abs(p95 - 1.0) < 0.01
    assert live.arrivals == {"ok": 1}


def test_live_reads_only_what_is_new_and_whole(tmp_path: Path) -> None:
    """A torn last line waits for its end; nothing is counted twice."""
    live = spooled(tmp_path, f"0,baseline,national.track,01,ok,response,{bucket_of(0.1)},5")
    spool = tmp_path / "samples" / "worker-0.csv"
    with spool.open("a") as file:
        file.write(f"0,baseline,national.track,01,ok,response,{bucket_of(0.1)}")
    live.look()
    assert live.requests["national.track", "ok"] == 5
    with spool.open("a") as file:
        file.write(",7\n")
    live.look()
    assert live.requests["national.track", "ok"] == 12


def test_every_error_series_exists_before_the_first_request(tmp_path: Path) -> None:
    """A ratio over series that don't exist is empty, and a gate on it vacuous."""
    registry = CollectorRegistry()
    registry.register(RunCollector(Live(short_plan(), Record(tmp_path)), OPERATIONS))
    text = generate_latest(registry).decode()
    assert 'thongsuot_requests_total{operation="national.submit",outcome="http_5xx",province="79"} 0.0' in text
    assert 'thongsuot_fault_active{fault="cut-79",kind="down",target="province:79->national"} 0.0' in text
    assert f'thongsuot_response_seconds_bucket{{le="{thresholds.EDGES[0]}",operation="national.submit"}} 0.0' in text
    assert 'thongsuot_requests_within_total{operation="national.submit",province="79",seconds="8.0"} 0.0' in text
    assert 'thongsuot_refusals_total{operation="submit",province="79"} 0.0' in text


@NEEDS_PROMTOOL
def test_promtool_has_no_complaint_about_the_conductors_metrics(tmp_path: Path) -> None:
    """Names, units, help texts and labels, with a request, a refusal and a worker's health counted."""
    live = spooled(tmp_path, f"0,baseline,national.track,01,ok,response,{bucket_of(0.1)},5")
    (tmp_path / "health").mkdir()
    (tmp_path / "health" / "worker-0.csv").write_text("0,0,0.01,0.002,3,2,0.4\n")
    (tmp_path / "ledger").mkdir()
    row = "0,1,fail,1.5,submit,k,01,00004,,0,0,h,reorganisation,,false\n"
    (tmp_path / "ledger" / "worker-0.csv").write_text(row)
    live.look()
    registry = CollectorRegistry()
    registry.register(RunCollector(live, OPERATIONS))
    text = generate_latest(registry).decode()
    assert 'thongsuot_refusals_total{operation="submit",province="01"} 1.0' in text
    assert 'thongsuot_worker_cpu_ratio{worker="0"} 0.4' in text
    assert 'thongsuot_requests_within_total{operation="national.track",province="01",seconds="8.0"} 5.0' in text
    done = promtool("check", "metrics", given=text)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_shipped_package_owns_its_top_level_names() -> None:
    """No other distribution installs a package of the same name."""
    from importlib.metadata import packages_distributions

    owners = packages_distributions()
    for package in ("model", "scenarios", "mocks", "faults", "reports", "harness"):
        assert set(owners.get(package, ["thongsuot"])) == {"thongsuot"}
    assert json.dumps(sorted(OPERATIONS))
