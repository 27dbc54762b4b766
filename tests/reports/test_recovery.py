"""The course of every fault: how soon it showed, and how all came back, with what the record can't tell."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from model.drill import Alert
from model.plan import Fault, Objective
from reports import tables
from reports.audit import audit
from reports.figure import Figure
from reports.indicators import measure
from reports.judge import judge, write
from reports.outcome import Outcome
from reports.recovery import Recovery
from reports.selection import Evidence, windows

Run = Callable[..., Any]  # of tests/reports/conftest.py

T0 = 1_750_000_000.0
FAULT = Fault(id="f1", kind="down", link="province:14->national", start=20, duration=10)
GOAL = Objective(name="goal", indicator="availability", target=0.95, provenance="test")
ALERT = Alert(name="page", objective="goal", burn_rate=10, long_window=4, short_window=2)


def goal(indicator: str, target: float, **changes: Any) -> Objective:
    return Objective(**{"name": indicator, "indicator": indicator, "target": target, "provenance": "test", **changes})


def failing(scene: Any, seconds: Iterable[int], province: str = "14") -> None:
    for row in scene.rows["samples"]:
        if row[3] == province and row[0] in seconds:
            row[4] = "http_5xx"
    for row in scene.rows["arrivals"]:
        if row[3] == province and int(row[5]) in seconds:
            row[8] = "failed"


def crossing(scene: Any, number: int, occurred: float, applied: float | None, province: str = "14") -> None:
    """Let a dossier that a province opened reach the portal at its time, or never."""
    code, key, at = f"X{province}-{number}", f"x{province}-{number}", T0 + occurred
    scene.attempt(key, "ok", code, province, "intake", t=occurred)
    scene.book(f"province:{province}", code, key, (2,), history=[[1, 2, at, at]])
    if applied is not None:
        scene.book("national", code, key, (2,), province=province, history=[[1, 2, at, T0 + applied]])


def quiet(scene: Any) -> Any:
    """Let 20 steps of province 14 cross before the fault, each within 0.5 s, and nothing else."""
    scene.rows["ledger"], scene.rows["reads"] = [], []
    for number in range(20):
        crossing(scene, number, 0.5 * number, 0.5 * number + 0.5)
    return scene


def course(scene: Any) -> Recovery:
    scene.events = [event for event in scene.events if event["event"] != "audit_read"]
    scene.with_readings()
    (result,) = judge(scene.write()).recovery
    return result


def measured(scene: Any, objective: Objective) -> Outcome:
    scene.events = [event for event in scene.events if event["event"] != "audit_read"]
    scene.with_readings()
    record = scene.write()
    events = record.events()
    with tables.opened(record) as database:
        audit(database, scene.plan.stack.provinces, events)
        return measure(objective, Evidence(database, scene.plan, events, windows(scene.plan, events, {})))


# to detect


def test_detection_lies_between_the_edges_of_second_and_bucket(run: Run) -> None:
    """Failed after 0.1 s, due in second 23: after 3.1 to 4.1 s."""
    scene = run(faults=(FAULT,))
    failing(scene, range(23, 30))
    found = course(scene).detect
    assert (found.low, found.high, found.seconds) == (pytest.approx(3.1, 0.01), pytest.approx(4.1, 0.01), found.high)


def test_a_failure_around_the_application_may_have_been_before_it(run: Run) -> None:
    """Applied at 20.5 s: a request due in second 20 may have failed before it, one due in second 21 did after."""
    scene = run(faults=(FAULT,))
    failing(scene, range(20, 30))
    scene.events = [event | {"t": 20.5} if event["event"] == "fault_applied" else event for event in scene.events]
    found = course(scene).detect
    assert (found.low, found.high) == (0.0, pytest.approx(1.6, 0.01))


def test_failures_of_others_or_outside_the_fault_are_not_its_detection(run: Run) -> None:
    scene = run(faults=(FAULT,))
    failing(scene, range(20, 30), "79")
    failing(scene, [*range(10), *range(30, 40)], "14")
    assert course(scene).detect == Figure(None, None, None, "no request failed while it was on (n=10)", never=True)


@pytest.mark.parametrize(
    ("target", "verdict"), [(5.0, "pass"), (3.5, "inconclusive"), (3.0, "fail")], ids=["above", "between", "below"]
)
def test_detection_time_is_judged_by_its_bounds(run: Run, target: float, verdict: str) -> None:
    scene = run(faults=(FAULT,))
    failing(scene, range(23, 30))
    assert measured(scene, goal("detection_time", target)).verdict == verdict


def test_a_fault_that_does_not_show_is_not_detected(run: Run) -> None:
    assert measured(run(faults=(FAULT,)), goal("detection_time", 5.0)).verdict == "fail"
    assert measured(run("short", faults=(FAULT,)), goal("detection_time", 15.0)).verdict == "inconclusive"


def test_the_worst_fault_decides_on_detection(run: Run) -> None:
    later = Fault(id="f2", kind="down", link="province:79->national", start=40, duration=10)
    scene = run(faults=(FAULT, later))
    failing(scene, range(20, 30))
    failing(scene, range(48, 50), "79")
    found = measured(scene, goal("detection_time", 5.0))
    assert (found.verdict, found.place) == ("fail", "79")
    assert found.reason.startswith("province 79 f2 showed after 8.")


def test_the_first_alert_is_known_to_a_second(run: Run) -> None:
    scene = run(faults=(FAULT,), objectives=(GOAL,), alerts=(ALERT,))
    failing(scene, range(20, 30))
    assert course(scene).alert == Figure(3.0, 2.0, 3.0, "page")


def test_without_alerts_nobody_is_woken(run: Run) -> None:
    assert course(run(faults=(FAULT,))).alert.why == "the campaign has no alerts"
    scene = run("silent", faults=(FAULT,), objectives=(GOAL,), alerts=(ALERT,))
    assert course(scene).alert.never


# to recover


def test_recovery_agrees_with_the_objective(run: Run) -> None:
    """Healed at 30 s, the last of the failed arrivals due at 34 s, the next success there at 35.2 s."""
    scene = run(faults=(FAULT,))
    failing(scene, range(20, 35))
    found = course(scene).recover
    assert (found.low, found.high, found.why) == (4.0, pytest.approx(5.201), "province 14")
    assert measured(scene, goal("recovery_time", 6.0)).observed == found.seconds


def test_a_province_that_never_comes_back_is_named(run: Run) -> None:
    scene = run(faults=(FAULT,))
    failing(scene, range(20, 60))
    found = course(scene).recover
    assert (found.seconds, found.never, found.why) == (None, True, "province 14 saw no lasting success")


# to drain and to converge


def test_what_waited_drains_after_the_healing(run: Run) -> None:
    """Two steps waited; the last is applied 4 s after the healing, and one taken later is nobody's backlog."""
    scene = quiet(run(faults=(FAULT,)))
    crossing(scene, 100, 21, 33)
    crossing(scene, 101, 29, 34)
    crossing(scene, 102, 31, 38)
    found = course(scene)
    assert (found.drain.seconds, found.drain.why) == (4.0, "2 steps waited at the healing")
    assert (found.converge.seconds, found.converge.why) == (8.0, "normal: a step waits for 0.5 s")


def test_a_registration_that_its_province_never_got_never_drains(run: Run) -> None:
    scene = quiet(run(faults=(FAULT,)))
    scene.attempt("x", "ok", "G14", "14", "submit", t=21)
    scene.book("national", "G14", "x", (1,), province="14", history=[[1, 1, T0 + 21, T0 + 21]])
    assert course(scene).drain.never


def test_what_unconnected_communes_owe_is_due_from_their_connection(run: Run) -> None:
    """A step and a registration, taken at 21 s; connected at 50 s: nobody's backlog of the healing, and in time."""
    scene, there = quiet(run(faults=(FAULT,))), {"province": "14", "commune": "03649"}
    for code, operation, state, holders in (
        ("G14", "submit", 1, ("national", "province:14")), ("H14", "intake", 2, ("province:14", "national"))
    ):  # fmt: skip
        scene.attempt(code, "ok", code, operation=operation, t=21, **there)
        for system, applied in zip(holders, (21, 50.3), strict=True):
            scene.book(system, code, code, (state,), history=[[1, state, T0 + 21, T0 + applied]], **there)
    scene.event("communes_unconnected", communes=["03649"], until=T0 + 50)
    found = course(scene)
    assert (found.drain.seconds, found.drain.why, found.converge.seconds) == (0.0, "0 steps waited at the healing", 0.0)


def test_nothing_waited_is_no_time(run: Run) -> None:
    found = course(quiet(run(faults=(FAULT,))))
    assert (found.drain.seconds, found.converge.seconds) == (0.0, 0.0)


def test_a_step_within_the_grace_is_no_divergence(run: Run) -> None:
    """Normal is 0.5 s, grace 2 s: 2.4 s are within, 2.6 s beyond."""
    scene = quiet(run(faults=(FAULT,)))
    crossing(scene, 100, 40, 42.4)
    assert course(scene).converge.seconds == 0.0
    scene = quiet(run("beyond", faults=(FAULT,)))
    crossing(scene, 100, 40, 42.6)
    assert course(scene).converge.seconds == pytest.approx(12.6)


def test_other_provinces_and_the_next_fault_do_not_count(run: Run) -> None:
    later = Fault(id="f2", kind="down", link="province:14->national", start=45, duration=5)
    scene = quiet(run(faults=(FAULT, later)))
    crossing(scene, 100, 25, 31)
    crossing(scene, 101, 46, 55)
    crossing(scene, 1, 25, 40, "79")
    scene.events = [event for event in scene.events if event["event"] != "audit_read"]
    scene.with_readings()
    first, second = judge(scene.write()).recovery
    assert (first.drain.seconds, first.converge.seconds) == (1.0, 1.0)
    assert (second.drain.seconds, second.converge.seconds) == (5.0, 5.0)


def test_a_step_that_never_arrives_never_drains(run: Run) -> None:
    scene = quiet(run(faults=(FAULT,)))
    crossing(scene, 100, 25, None)
    found = course(scene)
    assert found.drain == found.converge == Figure(None, None, None, "1 step never arrived", never=True)
    assert measured(scene, goal("convergence_time", 60.0)).verdict == "fail"


def test_a_registration_on_its_way_to_the_province_is_waited_for(run: Run) -> None:
    fault = Fault(id="f1", kind="down", link="national->province:14", start=20, duration=10)
    scene = quiet(run(faults=(fault,)))
    scene.attempt("k", "ok", "G1", "14", t=22.0)
    scene.book("national", "G1", "k", (1,), province="14", history=[[1, 1, T0 + 22, T0 + 22]])
    scene.book("province:14", "G1", "k", (1,), history=[[1, 1, T0 + 22, T0 + 36]])
    assert course(scene).drain.seconds == 6.0


def test_what_was_not_read_tells_nothing(run: Run) -> None:
    scene = run(faults=(FAULT,))
    for event in scene.events:
        if event["event"] == "audit_read" and event["system"] == "province:14":
            event["complete"] = False
    record = scene.write()
    (found,) = judge(record).recovery
    assert found.drain.why == found.converge.why == "not read completely, twice"


def test_without_steps_before_the_fault_nothing_is_normal(run: Run) -> None:
    scene = run(faults=(FAULT,))
    scene.rows["ledger"], scene.rows["reads"] = [], []
    crossing(scene, 1, 25, 31)
    found = course(scene)
    assert found.drain.seconds == 1.0
    assert found.converge.why == "no step arrived before the first fault: what is normal isn't known"


@pytest.mark.parametrize(("target", "verdict"), [(5.0, "pass"), (3.0, "fail")])
def test_convergence_time_is_judged(run: Run, target: float, verdict: str) -> None:
    scene = quiet(run(faults=(FAULT,)))
    crossing(scene, 100, 25, 34)
    found = measured(scene, goal("convergence_time", target, scope="nation"))
    assert (found.verdict, found.observed) == (verdict, 4.0)


# what is written


@pytest.mark.parametrize("without", ["fault_applied", "fault_healed"])
def test_what_the_record_does_not_say_is_unknown(run: Run, without: str) -> None:
    scene = run(faults=(FAULT,))
    scene.events = [event for event in scene.events if event["event"] != without]
    found = course(scene)
    assert (found.recover.seconds, found.drain.seconds, found.converge.seconds) == (None, None, None)
    assert (found.applied is None, found.healed is None) == (without == "fault_applied", without == "fault_healed")


def test_the_course_is_written_down(run: Run) -> None:
    scene = quiet(run(faults=(FAULT,)))
    crossing(scene, 100, 25, 34)
    failing(scene, range(20, 32))
    scene.events = [event for event in scene.events if event["event"] != "audit_read"]
    scene.with_readings()
    record = scene.write()
    write(record, judge(record))
    (written,) = json.loads(record.path("verdict.json").read_text())["recovery"]
    assert list(written) == [
        *("fault", "applied", "healed", "provinces"),
        *("detect", "alert", "recover", "drain", "converge"),
    ]
    assert written["provinces"] == ["14"]
    assert written["drain"] == {
        "seconds": 4.0,
        "low": 4.0,
        "high": 4.0,
        "why": "1 step waited at the healing",
        "never": False,
    }
