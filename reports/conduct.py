"""How a drill was conducted: was the system healthy to begin with, did a stop condition fire, did people act.

Everything comes from the events; a record without them is one of a campaign that asked for nothing of the kind.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model.drill import OperatorStep
from model.plan import Plan
from reports.outcome import number
from reports.statistics import Verdict

Events = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class SteadyState:
    """What was seen just before the first fault.

    Attributes:
        steady: Whether it was as the campaign demands.
        t: Seconds since t0.
        samples: Requests that were looked at.
        availability: Share of them that succeeded.
        response_p95: Seconds; None where it is infinite or unknown.
        reasons: Why it wasn't steady.
    """

    steady: bool
    t: float | None
    samples: int
    availability: float | None
    response_p95: float | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StopFired:
    """A stop condition that fired.

    Attributes:
        stop: Its name.
        t: Seconds since t0.
        indicator: What it watches.
        value: What was measured.
        limit: Above which it fires.
        province: In which; None: all together.
    """

    stop: str
    t: float | None
    indicator: str
    value: float | None
    limit: float | None
    province: str | None


@dataclass(frozen=True, slots=True)
class StepResult:
    """What became of a person's step.

    Attributes:
        id: Of the plan.
        text: What was to be done.
        decision: Whether it asked "go or no-go".
        timeout: Seconds in which it had to be acknowledged.
        asked: Seconds since t0, None if it never was.
        answer: ``done``, ``go`` or ``no-go``; None without one.
        by: ``terminal``, ``command`` or ``unattended``.
        seconds: From asking to answer.
        missed: Whether the time-out passed without an answer.
        verdict: Missed deed: fail; missed or negative decision, or nothing known: inconclusive.
    """

    id: str
    text: str
    decision: bool
    timeout: float
    asked: float | None
    answer: str | None
    by: str | None
    seconds: float | None
    missed: bool
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Conduct:
    """All of it.

    Attributes:
        steady_state: None where the record doesn't say.
        stops: That fired, in the order of time.
        steps: In the plan's order.
    """

    steady_state: SteadyState | None
    stops: tuple[StopFired, ...]
    steps: tuple[StepResult, ...]

    @property
    def unsteady(self) -> str:
        """Why the system wasn't healthy before the first fault; empty where it was, or nothing is known."""
        if self.steady_state is None or self.steady_state.steady:
            return ""
        return "; ".join(self.steady_state.reasons) or "it wasn't healthy"


def conduct(plan: Plan, events: Events) -> Conduct:
    """Gather how a drill was conducted."""
    return Conduct(
        next((_steady(event) for event in events if event["event"] == "steady_state"), None),
        tuple(_stop(event) for event in events if event["event"] == "stop_fired"),
        tuple(_step(step, events) for step in plan.steps),
    )


def objections(found: Conduct) -> Iterator[tuple[Verdict, str]]:
    """Yield (verdict, reason) of everything that was not as it should be."""
    for stop in found.stops:
        where = f" in province {stop.province}" if stop.province else ""
        what = f"{stop.indicator} {number(stop.value)} > {number(stop.limit)}{where} at {_moment(stop.t)}"
        yield "fail", f"stop condition {stop.stop} fired: {what}; every fault was healed"
    if found.unsteady:
        yield (
            "inconclusive",
            f"steady state: before the first fault {found.unsteady}; what is ill already shows nothing",
        )
    yield from ((step.verdict, _objection(step)) for step in found.steps if step.verdict != "pass")


def _objection(step: StepResult) -> str:
    if step.decision and (step.missed or step.answer == "no-go"):
        silence = f" (nobody answered within {number(step.timeout)} s)" if step.missed else ""
        return f"called off at step {step.id}{silence}"
    if step.missed:
        return f"step {step.id} wasn't acknowledged within {number(step.timeout)} s: {step.text}"
    if step.asked is None:
        return f"step {step.id} was never asked for"
    return f"step {step.id}: the record doesn't say whether it was acknowledged"


def _steady(event: Mapping[str, Any]) -> SteadyState:
    return SteadyState(
        event.get("steady") is True,
        _float(event.get("t")),
        int(event.get("samples") or 0),
        _float(event.get("availability")),
        _float(event.get("response_p95")),
        tuple(str(reason) for reason in event.get("reasons") or ()),
    )


def _stop(event: Mapping[str, Any]) -> StopFired:
    province = event.get("province")
    return StopFired(
        str(event.get("stop")),
        _float(event.get("t")),
        str(event.get("indicator")),
        _float(event.get("value")),
        _float(event.get("limit")),
        None if province is None else str(province),
    )


def _step(step: OperatorStep, events: Events) -> StepResult:
    own = {event["event"]: event for event in events if event.get("step") == step.id}
    answered = own.get("step_acknowledged", {})
    answer = str(answered["answer"]) if answered.get("answer") is not None else None
    missed = "step_missed" in own and answer is None
    return StepResult(
        step.id,
        step.text,
        step.decision,
        step.timeout,
        _float(own.get("step_asked", {}).get("t")),
        answer,
        str(answered["by"]) if answered.get("by") is not None else None,
        _float(answered.get("seconds")),
        missed,
        _verdict(step, answer, missed),
    )


def _verdict(step: OperatorStep, answer: str | None, missed: bool) -> Verdict:
    if missed and not step.decision:
        return "fail"
    return "pass" if answer == ("go" if step.decision else "done") else "inconclusive"


def _float(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _moment(t: float | None) -> str:
    return "an unknown time" if t is None else f"{t:.1f} s"
