"""A real Prometheus: on blocks of ``metrics.om``, and beside a run."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from faults.leases import lives
from harness.prometheus import Prometheus
from harness.prometheus_api import Api, PrometheusError
from harness.promql import ask
from model.plan import Fault, Objective
from model.record import Record
from reports import agreement, evidence, judge, render, tables
from reports.audit import audit
from tests.conftest import (
    NEEDS_PROMETHEUS,
    NEEDS_PROMTOOL,
    SHORT,
    Running,
    happened,
    members,
    promtool,
    thongsuot,
    wait_for,
)
from tests.reports.conftest import Scene, healthy_run

CUT = Fault(id="cut", kind="down", link="province:79->national", start=10, duration=10)
SHARED = Fault(id="shared", kind="latency", link="national->vneid", start=40, duration=5, attributes={"latency": 100})


def objectives() -> tuple[Objective, ...]:
    """One objective of every shape that can be asked, in every scope and cut of time."""
    shapes: dict[str, dict[str, Any]] = {
        "answered": {"indicator": "availability", "target": 0.9, "scope": "nation"},
        "answered in the surge, by province": {"indicator": "availability", "target": 0.9, "phases": ("surge",)},
        "answered in the calm": {"indicator": "availability", "target": 0.9, "scope": "nation", "phases": ("calm",)},
        "answered outside faults": {
            **{"indicator": "availability", "target": 0.9, "scope": "nation"},
            **{"exclude_faults": True, "settle": 3.0},
        },
        "answered outside faults, by province": {"indicator": "availability", "target": 0.9, "exclude_faults": True},
        "submitted in 14 and 79": {
            **{"indicator": "availability", "target": 0.9, "provinces": ("14", "79")},
            **{"operations": ("national.submit",), "exclude_faults": True, "phases": ("calm", "surge")},
        },
        "fast": {"indicator": "response_time", "target": 2.0, "quantile": 0.9, "scope": "nation"},
        "fast, by province": {"indicator": "response_time", "target": 0.3, "quantile": 0.9, "exclude_faults": True},
        "apart": {"indicator": "isolation", "target": 0.9, "scope": "nation"},
        "apart, by province": {"indicator": "isolation", "target": 0.9},
        "soon at the portal": {"indicator": "sync_lag", "target": 3.0, "quantile": 0.9, "scope": "nation"},
        "soon, by province": {"indicator": "sync_lag", "target": 3.0, "quantile": 0.9},
        "nobody refused": {"indicator": "refusals", "target": 0, "scope": "nation"},
        "nobody refused, by province": {"indicator": "refusals", "target": 0},
        "drained": {"indicator": "drain_time", "target": 15.0, "scope": "nation"},
        "interrupted": {"indicator": "interruption", "target": 5.0},
        "recovered": {"indicator": "recovery_time", "target": 5.0},
    }
    return tuple(Objective(name=name, provenance="test [A]", **shape) for name, shape in shapes.items())


def passing(folder: Path) -> Scene:
    """Make a run that does well: one request a second and province more than its healthy one, all fast."""
    scene = healthy_run(folder, objectives=objectives(), faults=(CUT, SHARED))
    for second in range(60):
        for province in ("01", "14", "79"):
            scene.sample(second, province, seconds=0.05 + second / 1000, count=3)
    return scene


def failing(folder: Path) -> Scene:
    """Make a run that does badly: failures at the edges of phases and faults, slow requests, a late step, a refusal."""
    scene = passing(folder)
    for second in (0, 8, 9, 10, 19, 20, 21, 22, 23, 29, 30, 31, 39, 40, 44, 45, 59):
        scene.sample(second, "79", outcome="http_5xx", count=second + 1)
        scene.sample(second, "14", outcome="timeout", seconds=9.0, count=2, operation="province.intake")
        scene.sample(second, "01", seconds=2.5, count=3)
    scene.attempt("refused", "fail", province="14", reason="reorganisation", t=12.5)
    scene.healthy("G14-late", "14-late", (1, 2, 4), "14")
    for row in scene.rows["reads"]:
        if row[2] == "G14-late" and row[1] == "national":
            row[9] = str(row[9]).replace(".5]", "9.5]")
    return scene


class Guard:
    """Ends nothing: the test does."""

    def add_process(self, pid: int) -> None:
        assert pid > 0


@pytest.fixture
def loaded(tmp_path: Path) -> Iterator[Callable[[Record], str]]:
    """Load a record's ``metrics.om`` into a Prometheus and return its address."""
    started: list[Prometheus] = []

    def load(record: Record) -> str:
        folder = tmp_path / f"tsdb-{len(started)}"
        done = promtool("tsdb", "create-blocks-from", "openmetrics", record.path("metrics.om"), folder)
        assert done.returncode == 0, done.stdout + done.stderr
        configuration = folder / "prometheus.yml"
        configuration.write_text("global: {}\n")
        started.append(Prometheus("prometheus", configuration, folder, tmp_path / "prometheus.log", Guard()))
        started[-1].wait()
        return started[-1].url

    yield load
    for prometheus in started:
        prometheus.stop()


def judged(scene: Scene) -> tuple[Record, judge.Judgement]:
    """Write, judge and report a record."""
    record = scene.write()
    judgement = judge.judge(record)
    judge.write(record, judgement)
    render.write(record)
    return record, judgement


def compared(record: Record) -> dict[str, agreement.Compared]:
    """Compare what was asked with the record, by objective."""
    with tables.opened(record) as database:
        gathered = evidence.gather(record, database)
        audit(database, gathered.plan.stack.provinces, gathered.events)
        return {found.objective: found for found in agreement.compare(record, gathered)}


@NEEDS_PROMTOOL
@NEEDS_PROMETHEUS
@pytest.mark.parametrize("make", [passing, failing])
def test_promql_and_the_record_agree_objective_by_objective(
    make: Callable[[Path], Scene], loaded: Callable[[Record], str], tmp_path: Path
) -> None:
    """Every figure of every objective that can be asked; the verdict stays what it was."""
    record, before = judged(make(tmp_path / "record"))
    (answers,) = ask(record, loaded(record))
    found = compared(record)
    assert {name: said.differences for name, said in found.items() if said.differences} == {}
    assert {name for name, said in found.items() if said.unsaid} == {"interrupted", "recovered"}
    assert all(said.figures for said in found.values() if not said.unsaid)
    by_province = {asked.objective: asked.values for asked in answers.objectives}
    assert set(by_province["answered in the surge, by province"]) == {"01", "14", "79"}
    assert judge.judge(record) == before


@NEEDS_PROMTOOL
@NEEDS_PROMETHEUS
def test_a_record_that_was_altered_no_longer_agrees(loaded: Callable[[Record], str], tmp_path: Path) -> None:
    """Samples that Prometheus never saw: a difference, by name, and an inconclusive verdict."""
    record, _ = judged(passing(tmp_path / "record"))
    url = loaded(record)
    scene = failing(tmp_path / "other")
    scene.write().table("samples").replace(record.table("samples"))
    ask(record, url)
    judgement = judge.judge(record)
    said = [reason for reason in judgement.reasons if reason.startswith("prometheus (metrics.om): answered: ")]
    assert said[0].startswith("prometheus (metrics.om): answered: the record says 0.")
    assert said[1].startswith("prometheus (metrics.om): answered: samples: the record says ")


@NEEDS_PROMTOOL
@NEEDS_PROMETHEUS
def test_a_prometheus_without_the_run_proves_nothing(loaded: Callable[[Record], str], tmp_path: Path) -> None:
    """It answers, and holds no series of this run: inconclusive."""
    record, before = judged(healthy_run(tmp_path / "record"))
    other = healthy_run(tmp_path / "other")
    for event in other.events:
        event["time"] = float(event["time"]) - 10_000_000  # type: ignore[arg-type]
    assert before.verdict == "pass"
    assert ask(record, loaded(judged(other)[0])) == ()
    judgement = judge.judge(record)
    assert judgement.verdict == "inconclusive"
    assert judgement.reasons[0] == "prometheus: it holds no series of this run"


@NEEDS_PROMTOOL
@NEEDS_PROMETHEUS
def test_a_refused_query_says_why(loaded: Callable[[Record], str], tmp_path: Path) -> None:
    record, _ = judged(passing(tmp_path / "record"))
    with pytest.raises(PrometheusError, match=r"a query was refused: .*parse error"):
        Api(loaded(record)).query("sum(", 0.0)


def test_judge_says_where_no_prometheus_answers(tmp_path: Path) -> None:
    """One line, exit 2, and the record as it was."""
    record, _ = judged(passing(tmp_path / "record"))
    done = thongsuot("judge", record.directory, "--prometheus", "http://127.0.0.1:1")
    assert done.returncode == 2
    assert done.stderr.startswith("thongsuot: --prometheus http://127.0.0.1:1: no Prometheus answers there")
    assert len(done.stderr.splitlines()) == 1
    assert not record.path("prometheus.json").exists()


def test_run_says_that_there_is_no_prometheus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, exit 2, nothing started."""
    monkeypatch.setenv("PATH", str(tmp_path))
    done = thongsuot("run", SHORT, "--prometheus", "--out", tmp_path / "run")
    assert done.returncode == 2
    assert done.stderr == (
        "thongsuot: --prometheus: there is no `prometheus` on PATH; on Debian: apt-get install prometheus\n"
    )
    assert not (tmp_path / "run").exists()


def test_data_without_a_prometheus_can_not_be_kept(tmp_path: Path) -> None:
    done = thongsuot("run", SHORT, "--keep-tsdb", "--out", tmp_path / "run")
    assert (done.returncode, done.stderr) == (
        2,
        "thongsuot: --keep-tsdb: there is no data to keep without --prometheus; give both\n",
    )


@NEEDS_PROMETHEUS
@pytest.mark.slow
def test_a_run_beside_a_prometheus_agrees_with_it(tmp_path: Path) -> None:
    """It is asked before it is stopped; its data is gone with it, its configuration stays."""
    out = tmp_path / "run"
    done = thongsuot("run", SHORT, "--prometheus", "--out", out)
    record = Record(out)
    assert "prometheus at http://127.0.0.1:" in done.stderr
    found = compared(record)
    assert {said.source for said in found.values()} == {"live"}
    assert {name: said.differences for name, said in found.items() if said.differences} == {}
    assert {name for name, said in found.items() if said.figures} == {
        "requests answered",
        "response time",
        "nobody refused because of the reorganisation",
    }
    assert "prometheus" not in " ".join(record.json("verdict.json")["reasons"])
    started = happened(out, "prometheus_started")
    assert started
    assert not lives(started["pid"])
    assert not (out / "prometheus" / "data").exists()
    assert (out / "prometheus" / "rules.yml").exists()


@NEEDS_PROMETHEUS
@pytest.mark.slow
def test_a_killed_conductor_leaves_no_prometheus(background: Callable[..., Running], tmp_path: Path) -> None:
    out = tmp_path / "run"
    conductor = background("run", SHORT, "--prometheus", "--out", out)
    started = wait_for(lambda: happened(out, "prometheus_started"), 60)
    assert lives(started["pid"])
    os.kill(conductor.process.pid, signal.SIGKILL)
    conductor.process.wait()
    wait_for(lambda: not members(out) and not lives(started["pid"]), 30)
