"""The verdict: what spoils it, what excuses it, and that it never changes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model.plan import Fault, Limits, Load, Objective, Phase
from model.record import Record, RecordError
from reports.judge import Judgement, exit_code, judge, write
from reports.validity import expected

Scene = Any  # tests/reports/conftest.py
Run = Callable[..., Scene]

FAULT = Fault(id="f1", kind="down", link="citizen->province:14", start=20, duration=10)
KILL = Fault(id="k1", kind="kill", system="province:14", start=20, duration=5)


def goal(indicator: str, target: float, **changes: Any) -> Objective:
    return Objective(**{"name": indicator, "indicator": indicator, "target": target, "provenance": "test", **changes})


EASY = (goal("availability", 0.5), goal("drain_time", 10.0))


def judged(scene: Scene) -> Judgement:
    return judge(scene.write())


def without(scene: Scene, *names: str) -> None:
    scene.events = [event for event in scene.events if event["event"] not in names]


def told(scene: Scene, event: str, **fields: Any) -> None:
    next(entry for entry in scene.events if entry["event"] == event).update(fields)


def test_a_healthy_run_passes(run: Run) -> None:
    result = judged(run(objectives=EASY, faults=(FAULT,)))
    assert result.verdict == "pass"
    assert result.reasons == (
        "180 arrivals and 180 requests met 2 of 2 objectives; 9 acknowledged dossiers, read twice from 4 systems: none "
        "lost, duplicated, divergent, regressed, phantom, resurrected, misrouted or misfiled; 1 of 1 faults proved and "
        "healed",
    )


def test_without_objectives_integrity_and_validity_decide(run: Run) -> None:
    result = judged(run())
    assert result.verdict == "pass"
    assert result.reasons[0] == "the campaign has no objectives: judged on integrity and validity alone"


def test_exit_codes() -> None:
    assert [exit_code(verdict) for verdict in ("pass", "fail", "inconclusive")] == [0, 1, 3]
    with pytest.raises(KeyError):
        exit_code("unknown")


# what is written


def test_verdict_json_has_its_shape(run: Run) -> None:
    scene = run(objectives=EASY[:1], faults=(FAULT,))
    scene.attempt("z", "ok", "G99")
    record = scene.write()
    write(record, judge(record))
    written = json.loads(record.path("verdict.json").read_text())
    assert list(written) == [
        *("verdict", "reasons", "failed", "objectives", "integrity", "books", "load", "faults"),
        *("steady_state", "stops", "steps", "recovery", "alerts"),
    ]
    assert written["verdict"] == "fail"
    assert written["reasons"] == ["integrity: 1 dossier lost: G99"]
    assert written["objectives"] == [
        {
            "name": "availability",
            "indicator": "availability",
            "scope": "province",
            "target": 0.5,
            "observed": 1.0,
            "low": 0.951297,
            "high": 1.0,
            "samples": 60,
            "verdict": "pass",
            "provenance": "test",
        }
    ]
    assert written["integrity"] == {
        "acknowledged": 10,
        "read": 9,
        "lost": ["G99"],
        "duplicated": [],
        "divergent": [],
        "regressed": [],
        "phantom": [],
        "resurrected": [],
        "misrouted": [],
        "misfiled": [],
        "unread": 0,
    }
    assert written["load"] == {"planned": 180, "started": 180, "dropped": 0, "unfinished": 0, "late_p99_seconds": 0.001}
    assert written["faults"] == [
        {"id": "f1", "kind": "down", "link": "citizen->province:14", "proved": True, "healed": True}
    ]


def test_judging_twice_writes_the_same_bytes(run: Run) -> None:
    objectives = tuple(
        goal(name, 5.0 if name != "availability" else 0.9, name=name)
        for name in ("availability", "response_time", "interruption", "refusals", "recovery_time", "sync_lag")
    )
    scene = run(objectives=objectives, faults=(FAULT,))
    for number in range(30):
        scene.attempt(f"lost-{number}", "ok", f"G{number}")
        scene.book("province:79", f"H{number}", f"ghost-{number}", (2,))
    record = scene.write()
    before = []
    for _ in range(3):
        write(record, judge(record))
        before.append((record.path("verdict.json").read_bytes(), record.path("audit.json").read_bytes()))
    assert before[0] == before[1] == before[2]


def test_infinite_figures_are_null(run: Run) -> None:
    scene = run(objectives=(goal("response_time", 2.0),))
    for row in scene.rows["samples"]:
        row[4] = "timeout"
    record = scene.write()
    write(record, judge(record))
    (written,) = json.loads(record.path("verdict.json").read_text())["objectives"]
    assert (written["verdict"], written["observed"], written["high"]) == ("fail", None, None)


# objectives


def test_a_failed_objective_fails_the_run_and_names_the_province(run: Run) -> None:
    scene = run(objectives=(goal("availability", 0.95),))
    for row in scene.rows["samples"]:
        row[4] = "reset" if row[3] == "14" else row[4]
    result = judged(scene)
    assert result.verdict == "fail"
    assert result.reasons[0] == "availability: province 14 observed 0 < 0.95 (n=60)"
    assert result.reasons[1:] == ()


def test_an_inconclusive_objective_is_no_pass(run: Run) -> None:
    assert judged(run(objectives=(goal("availability", 0.999),))).verdict == "inconclusive"


# integrity


def harm_lost(scene: Scene) -> None:
    scene.attempt("z", "ok", "G9")


def harm_duplicated(scene: Scene) -> None:
    scene.stored("G9", "01-a")


def harm_divergent(scene: Scene) -> None:
    next(row for row in scene.rows["reads"] if row[:3] == [2, "national", "G01-2"])[7] = 9


def harm_regressed(scene: Scene) -> None:
    scene.step("G01-2", 4, 4)


def harm_phantom(scene: Scene) -> None:
    scene.book("province:14", "H9", "z", (2,))


def harm_resurrected(scene: Scene) -> None:
    scene.attempt("z", "fail")
    scene.stored("G9", "z")


def harm_misrouted(scene: Scene) -> None:
    scene.attempt("z", "ok", "G9")
    scene.book("national", "G9", "z")
    scene.book("province:01", "G9", "z", commune="00008")


@pytest.mark.parametrize(
    "harm",
    [
        harm_lost,
        harm_duplicated,
        harm_divergent,
        harm_regressed,
        harm_phantom,
        harm_resurrected,
        harm_misrouted,
    ],
)
def test_any_harm_to_a_dossier_fails_the_run(run: Run, harm: Callable[[Scene], None]) -> None:
    scene = run()
    harm(scene)
    result = judged(scene)
    category = harm.__name__.removeprefix("harm_")
    assert result.verdict == "fail"
    assert [name for name, codes in result.audit.codes.items() if codes] == [category]
    assert result.reasons[0].startswith("integrity: ")
    assert category in result.reasons[0]


def test_stale_and_recovered_dossiers_are_no_harm(run: Run) -> None:
    scene = run()
    scene.attempt("y", "info")
    scene.stored("G8", "y")
    scene.attempt("z", "ok", "G9")
    scene.book("national", "G9", "z")
    scene.book("province:01", "G9", "z", passes=(2,))
    result = judged(scene)
    assert (result.verdict, result.audit.counts["stale"], result.audit.counts["recovered"]) == ("pass", 1, 1)


@pytest.mark.parametrize("system", ["national", "province:79"])
def test_a_system_that_was_not_read_is_inconclusive(run: Run, system: str) -> None:
    scene = run()
    for event in scene.events:
        if event.get("system") == system:
            event["complete"] = False
    result = judged(scene)
    assert result.verdict == "inconclusive"
    assert result.audit.counts["unread"] == (9 if system == "national" else 3)
    assert system in result.reasons[0]


def test_a_run_without_audit_is_inconclusive(run: Run) -> None:
    scene = run()
    without(scene, "audit_read")
    scene.rows["reads"].clear()
    result = judged(scene)
    assert (result.verdict, result.audit.codes["lost"]) == ("inconclusive", ())


def test_a_run_without_ledger_or_acknowledgement_is_inconclusive(run: Run) -> None:
    scene = run("empty")
    scene.rows["ledger"].clear()
    scene.rows["reads"].clear()
    for event in scene.events:
        if event["event"] == "audit_read":
            event["dossiers"] = 0
    assert judged(scene).verdict == "inconclusive"
    scene.attempt("a", "fail")
    result = judged(scene)
    assert result.verdict == "inconclusive"
    assert result.reasons[0] == "audit: no dossier was acknowledged, so none was put to the test"


# validity of the load


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda scene: scene.rows["samples"].clear(), "no samples"),
        (lambda scene: without(scene, "load_stopped"), "doesn't say how the load ended"),
        (lambda scene: told(scene, "load_stopped", planned=181), "1 of 181 planned arrivals never started"),
        (lambda scene: scene.rows["arrivals"].pop(), "1 of 180 planned arrivals never started"),
        (lambda scene: scene.arrival(59.5, outcome="dropped"), "1 of 181 arrivals were dropped"),
        (lambda scene: told(scene, "load_stopped", dropped=1), "1 of 180 arrivals were dropped"),
        (lambda scene: scene.arrival(59.5, outcome="unfinished"), "1 of 181 arrivals were unfinished"),
        (lambda scene: [scene.arrival(59.5, late=0.3) for _ in range(5)], "lateness p99 of arrivals was 0.3 s"),
        (lambda scene: scene.health(3, delay=0.4), "the event loop of worker 3 came up to 0.4 s late"),
        (lambda scene: scene.health(3, cpu=0.99), "worker 3 used 99% of a core"),
        (lambda scene: told(scene, "load_stopped", broken=2), "2 journeys ended in an exception of their own"),
        (lambda scene: scene.event("worker_lost", 30.0, worker=1), "a Locust worker was lost"),
        (lambda scene: scene.event("interrupted", 30.0), "the run was interrupted"),
        (lambda scene: scene.event("conductor_lost", 30.0), "the conductor was lost"),
        (lambda scene: without(scene, "run_finished"), "didn't come to its end"),
    ],
)
def test_a_load_that_proves_nothing_is_inconclusive(run: Run, spoil: Callable[[Scene], object], said: str) -> None:
    scene = run(objectives=EASY[1:])
    spoil(scene)
    result = judged(scene)
    assert result.verdict == "inconclusive"
    assert any(said in reason for reason in result.reasons)


def test_limits_are_the_plans(run: Run) -> None:
    scene = run(limits=Limits(dropped=0.1, unfinished=0.1, late_p99=1.0))
    scene.arrival(59.5, outcome="dropped")
    scene.arrival(59.5, outcome="unfinished")
    for _ in range(5):
        scene.arrival(59.5, late=0.3)
    without(scene, "load_stopped")
    scene.with_course("t0", "drain_finished", "run_finished")
    assert judged(scene).verdict == "pass"


BUSY = (Phase(name="calm", duration=30, rate=10), Phase(name="surge", duration=30, rate=10, to=30))


@pytest.mark.parametrize(
    ("silent", "verdict"), [(range(0), "pass"), (range(10, 11), "pass"), (range(10, 12), "inconclusive")]
)
def test_a_gap_in_the_record_is_inconclusive(run: Run, silent: range, verdict: str) -> None:
    """Seconds without any row, though 20 arrivals or more were due in them."""
    scene = run(phases=BUSY)
    scene.rows["samples"] = [row for row in scene.rows["samples"] if row[0] not in silent]
    scene.rows["arrivals"] = [row for row in scene.rows["arrivals"] if int(row[5]) not in silent]
    without(scene, "load_stopped")
    scene.with_course("t0", "drain_finished", "run_finished")
    result = judged(scene)
    assert result.verdict == verdict
    if verdict != "pass":
        assert "nothing was recorded from 10 s to 12 s" in result.reasons[0]


def test_expected_arrivals_are_the_integral_of_the_rate(run: Run) -> None:
    plan = run(phases=BUSY, load=Load(journeys={"a": 1}, scale=2.0)).plan
    assert expected(plan, 5) == pytest.approx(20)
    assert expected(plan, 30) == pytest.approx(2 * (10 + 1 / 3))
    assert sum(expected(plan, second) for second in range(60)) == pytest.approx(2 * (300 + 600))
    assert expected(plan, 60) == 0


def test_a_late_generator_excuses_failed_load_objectives_only(run: Run) -> None:
    """It may have caused slow responses itself, not lost dossiers, nor refusals."""
    scene = run(objectives=(goal("response_time", 0.01), goal("refusals", 0)))
    for _ in range(5):
        scene.arrival(59.5, late=0.3)
    late = judged(scene)
    assert (late.verdict, late.objectives[0].verdict) == ("inconclusive", "inconclusive")
    assert late.reasons[0].startswith("load: lateness p99")
    assert any("the generator was late and may have caused it" in reason for reason in late.reasons)
    scene.attempt("z", "fail", reason="reorganisation")
    refused = judged(scene)
    assert (refused.verdict, refused.objectives[1].verdict) == ("fail", "fail")


@pytest.mark.parametrize("event", ["worker_lost", "interrupted"])
def test_a_lost_worker_excuses_nothing(run: Run, event: str) -> None:
    scene = run(objectives=(goal("response_time", 0.01),))
    scene.event(event, 30.0)
    assert judged(scene).verdict == "fail"


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (
            "guard: the kill switch is there: /srv/STOP",
            "stopped by the kill switch at 3.0 s, nothing left any more: /srv/STOP",
        ),
        ("guard: the window is over", "aborted at 3.0 s, nothing left any more: guard: the window is over"),
    ],
)
def test_a_load_that_a_guard_ended_fails_by_integrity_alone(run: Run, reason: str, said: str) -> None:
    """What failed until then may be the beginning of what was stopped; a loss stays a loss."""
    scene = run(objectives=(goal("response_time", 0.01), goal("refusals", 0)))
    scene.attempt("z", "fail", reason="reorganisation")
    scene.event("load_forbidden", 3.0, worker=0, reason=reason)
    scene.event("load_forbidden", 3.1, worker=1, reason=reason)
    stopped = judged(scene)
    assert stopped.verdict == "inconclusive"
    assert stopped.reasons[0] == f"load: {said}"
    assert [result.verdict for result in stopped.objectives] == ["inconclusive", "inconclusive"]
    assert sum("a guard ended the load before enough was measured" in line for line in stopped.reasons) == 2
    scene.attempt("y", "ok", code="Y")
    lost = judged(scene)
    assert (lost.verdict, lost.audit.codes["lost"]) == ("fail", ("Y",))


# faults


@pytest.mark.parametrize(
    ("missing", "extra", "proved", "healed", "said"),
    [
        (("fault_proved",), "", False, True, "wasn't proved to bite"),
        ((), "fault_unproved", False, True, "wasn't proved to bite"),
        (("fault_applied", "fault_proved", "fault_healed", "fault_gone"), "", False, False, "was never applied"),
        (("fault_healed", "fault_gone"), "", True, False, "WAS NOT HEALED"),
        (("fault_gone",), "fault_not_gone", True, False, "WAS NOT HEALED"),
        (("fault_gone",), "fault_heal_failed", True, False, "WAS NOT HEALED"),
        ((), "lease_expired", True, False, "released before its time"),
        ((), "fault_released_early", True, False, "released before its time"),
    ],
)
def test_a_fault_that_did_not_live_as_planned_is_inconclusive(
    run: Run, missing: tuple[str, ...], extra: str, proved: bool, healed: bool, said: str
) -> None:
    scene = run(faults=(FAULT,))
    without(scene, *missing)
    if extra:
        scene.event(extra, 31.0, fault="f1")
    result = judged(scene)
    (fault,) = result.faults
    assert (result.verdict, fault.proved, fault.healed) == ("inconclusive", proved, healed)
    assert [reason for reason in result.reasons if said in reason]


@pytest.mark.parametrize(
    ("fields", "verdict"), [({}, "inconclusive"), ({"faults": ["f1"]}, "inconclusive"), ({"faults": []}, "pass")]
)
def test_an_expired_lease_spoils_the_faults_it_held(run: Run, fields: dict[str, Any], verdict: str) -> None:
    scene = run(faults=(FAULT,))
    scene.event("lease_expired", 25.0, **fields)
    assert judged(scene).verdict == verdict


@pytest.mark.parametrize(
    ("system", "t", "verdict"),
    [
        ("province:14", 20.5, "pass"),
        ("province:14", 40.0, "fail"),
        ("province:01", 20.5, "fail"),
        ("province:01", 120.0, "pass"),
        ("national", None, "fail"),
    ],
)
def test_a_system_that_exits_unexplained_fails_the_run(run: Run, system: str, t: float | None, verdict: str) -> None:
    """A ``kill`` fault explains its own system's exit while it is on; what ends after the audit is the shutdown."""
    scene = run(faults=(KILL,))
    scene.event("system_exited", t, system=system, status=-9)
    result = judged(scene)
    assert result.verdict == verdict
    if verdict == "fail":
        assert result.reasons[0].startswith(f"{system} exited with status -9 at ")


def test_systems_of_a_killed_process_exit_together(run: Run) -> None:
    scene = run(faults=(KILL,))
    scene.event("system_exited", 20.5, system="province:01", status=-9)
    record = scene.write()
    pids = {"province:01": {"pid": 7}, "province:14": {"pid": 7}}
    record.write_json("stack.json", {"systems": pids})
    assert judge(record).verdict == "pass"


# records that aren't records


def truncated(record: Record, name: str) -> None:
    path = record.path(name)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("name", ["plan.json", "samples.parquet", "reads.parquet"])
@pytest.mark.parametrize("how", ["truncated", "empty", "foreign"])
def test_a_truncated_or_foreign_file_is_named(run: Run, name: str, how: str) -> None:
    record = run().write()
    if how == "truncated":
        truncated(record, name)
    else:
        record.path(name).write_bytes(b"" if how == "empty" else b'{"a": 1}\n')
    with pytest.raises(RecordError, match=name.replace(".", r"\.")) as caught:
        judge(record)
    assert "\n" not in str(caught.value)


def test_a_torn_event_is_named(run: Run) -> None:
    record = run().write()
    truncated(record, "events.jsonl")
    with pytest.raises(RecordError, match=r"events\.jsonl:\d+: not an event"):
        judge(record)


def test_the_tables_of_another_record_kind_are_foreign(run: Run) -> None:
    record = run().write()
    record.table("samples").write_bytes(record.table("ledger").read_bytes())
    with pytest.raises(RecordError, match=r"samples\.parquet: other columns .*missing: second"):
        judge(record)


def test_a_folder_that_is_no_record(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"plan\.json: not there"):
        judge(Record(tmp_path))


def test_missing_tables_are_inconclusive(run: Run) -> None:
    scene = run(objectives=EASY)
    record = scene.write(tables_without=("samples", "arrivals", "ledger", "reads"))
    result = judge(record)
    assert result.verdict == "inconclusive"
    assert any("no samples" in reason for reason in result.reasons)
