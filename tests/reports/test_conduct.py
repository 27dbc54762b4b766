"""How a drill was conducted, as the judge sees it: steady state, skipped faults, stop conditions, people's steps."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from model.drill import OperatorStep
from model.plan import Fault, Objective
from reports.judge import Judgement, judge, write

Run = Callable[..., Any]  # of tests/reports/conftest.py

FAULT = Fault(id="f1", kind="down", link="citizen->province:14", start=20, duration=10)
DEED = OperatorStep(id="hotline", text="announce the outage on the hotline", at=25, timeout=15)
DECISION = OperatorStep(id="go", text="break it?", at=5, timeout=10, decision=True, guards=("f1",))
STRICT = Objective(name="all", indicator="availability", target=0.9, provenance="test")
ILL = {
    "steady": False,
    "samples": 40,
    "availability": 0.8,
    "response_p95": None,
    "reasons": ["availability 0.8 < 0.95"],
}


def judged(scene: Any) -> Judgement:
    return judge(scene.write())


def spoil(scene: Any) -> None:
    """Let every request of province 14 fail."""
    for row in scene.rows["samples"]:
        row[4] = "reset" if row[3] == "14" else row[4]


def skipped(run: Run, reason: str, **changes: Any) -> Any:
    """Make a run whose only fault was never applied, and why."""
    scene = run(faults=(FAULT,), **changes)
    scene.events = [event for event in scene.events if not str(event["event"]).startswith("fault_")]
    scene.event("fault_skipped", 20.0, fault="f1", reason=reason)
    return scene


def test_a_run_that_was_not_steady_is_inconclusive_and_its_objectives_are_taken_back(run: Run) -> None:
    scene = skipped(run, "the system wasn't steady", objectives=(STRICT,))
    spoil(scene)
    scene.event("steady_state", 19.0, **ILL)
    result = judged(scene)
    assert result.verdict == "inconclusive"
    assert result.objectives[0].verdict == "inconclusive"
    assert result.objectives[0].reason.endswith("it wasn't healthy before the first fault")
    assert result.reasons[0] == (
        "steady state: before the first fault availability 0.8 < 0.95; what is ill already shows nothing"
    )
    assert any("was skipped: the system wasn't steady" in reason for reason in result.reasons)


def test_a_loss_is_a_loss_though_the_run_was_not_steady(run: Run) -> None:
    scene = skipped(run, "the system wasn't steady")
    scene.event("steady_state", 19.0, **ILL)
    scene.attempt("z", "ok", "G99")
    assert judged(scene).verdict == "fail"


def test_a_steady_run_judges_its_objectives_as_ever(run: Run) -> None:
    scene = run(faults=(FAULT,), objectives=(STRICT,))
    scene.event("steady_state", 19.0, **{**ILL, "steady": True, "reasons": []})
    assert judged(scene).verdict == "pass"
    scene = run("spoilt", faults=(FAULT,), objectives=(STRICT,))
    spoil(scene)
    scene.event("steady_state", 19.0, **{**ILL, "steady": True, "reasons": []})
    assert judged(scene).verdict == "fail"


def test_a_skipped_fault_is_inconclusive_with_its_reason(run: Run) -> None:
    result = judged(skipped(run, "2 provinces at once, 1 allowed"))
    assert result.verdict == "inconclusive"
    said = "fault f1 (down on citizen->province:14) was skipped: 2 provinces at once, 1 allowed"
    assert said in result.reasons
    assert not any("never applied" in reason for reason in result.reasons)


@pytest.mark.parametrize(
    ("province", "where"), [("14", " in province 14"), (None, "")], ids=["one province", "the nation"]
)
def test_a_stop_condition_that_fired_fails_the_run(run: Run, province: str | None, where: str) -> None:
    scene = run(faults=(FAULT,))
    fired = {"indicator": "error_ratio", "value": 0.62, "limit": 0.5, "province": province}
    scene.event("stop_fired", 31.4, stop="too many errors", **fired)
    result = judged(scene)
    assert result.verdict == "fail"
    assert result.reasons[0] == (
        f"stop condition too many errors fired: error_ratio 0.62 > 0.5{where} at 31.4 s; every fault was healed"
    )


def test_a_missed_deed_fails_the_run(run: Run) -> None:
    scene = run(steps=(DEED,))
    scene.event("step_asked", 25.0, step="hotline", text=DEED.text, decision=False, timeout=15)
    scene.event("step_missed", 40.0, step="hotline")
    result = judged(scene)
    assert result.verdict == "fail"
    said = "step hotline wasn't acknowledged within 15 s: announce the outage on the hotline"
    assert said in result.reasons


def test_an_acknowledged_deed_passes(run: Run) -> None:
    scene = run(steps=(DEED,))
    scene.event("step_asked", 25.0, step="hotline", text=DEED.text, decision=False, timeout=15)
    scene.event("step_acknowledged", 31.0, step="hotline", answer="done", by="terminal", seconds=6.0)
    result = judged(scene)
    (step,) = result.conduct.steps
    assert result.verdict == "pass"
    assert (step.asked, step.answer, step.by, step.seconds) == (25.0, "done", "terminal", 6.0)


@pytest.mark.parametrize("missed", [True, False], ids=["silence", "no-go"])
def test_a_decision_against_it_is_inconclusive(run: Run, missed: bool) -> None:
    scene = skipped(run, "called off at step go", steps=(DECISION,))
    scene.event("step_asked", 5.0, step="go", text="break it?", decision=True, timeout=10)
    if missed:
        scene.event("step_missed", 15.0, step="go")
    else:
        scene.event("step_acknowledged", 9.0, step="go", answer="no-go", by="command", seconds=4.0)
    result = judged(scene)
    assert result.verdict == "inconclusive"
    silence = " (nobody answered within 10 s)" if missed else ""
    assert f"called off at step go{silence}" in result.reasons


def test_a_decision_for_it_passes(run: Run) -> None:
    scene = run(faults=(FAULT,), steps=(DECISION,))
    scene.event("step_asked", 5.0, step="go", text="break it?", decision=True, timeout=10)
    scene.event("step_acknowledged", 5.0, step="go", answer="go", by="unattended", seconds=0.0)
    assert judged(scene).verdict == "pass"


def test_a_step_that_nobody_asked_for_is_inconclusive(run: Run) -> None:
    result = judged(run(steps=(DEED,)))
    assert result.verdict == "inconclusive"
    assert "step hotline was never asked for" in result.reasons


def test_a_step_whose_end_is_unknown_is_inconclusive(run: Run) -> None:
    scene = run(steps=(DEED,))
    scene.event("step_asked", 25.0, step="hotline", text=DEED.text, decision=False, timeout=15)
    assert judged(scene).verdict == "inconclusive"


def test_the_conduct_is_written_down(run: Run) -> None:
    scene = run(faults=(FAULT,), steps=(DEED,))
    scene.event("steady_state", 19.0, **ILL)
    scene.event("stop_fired", 31.4, stop="s", indicator="integrity", value=3, limit=0, province=None)
    scene.event("step_asked", 25.0, step="hotline", text=DEED.text, decision=False, timeout=15)
    record = scene.write()
    write(record, judge(record))
    written = json.loads(record.path("verdict.json").read_text())
    assert written["steady_state"] == {"t": 19.0, **ILL}
    assert written["stops"] == [
        {"stop": "s", "t": 31.4, "indicator": "integrity", "value": 3.0, "limit": 0.0, "province": None}
    ]
    assert written["steps"] == [
        {
            "id": "hotline",
            "text": "announce the outage on the hotline",
            "decision": False,
            "timeout": 15.0,
            "asked": 25.0,
            "answer": None,
            "by": None,
            "seconds": None,
            "missed": False,
            "verdict": "inconclusive",
        }
    ]
