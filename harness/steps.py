"""What people do on the run's clock: asked for, acknowledged, or missed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.timeline import Timeline
from model.drill import OperatorStep
from model.record import EventLog

Answer = Literal["done", "go", "no-go"]
By = Literal["terminal", "command", "unattended"]


def answers(step: OperatorStep) -> tuple[Answer, ...]:
    """Return how a step may be answered."""
    return ("go", "no-go") if step.decision else ("done",)


@dataclass(frozen=True, slots=True)
class Open:
    """A step that waits for somebody.

    Attributes:
        step: What it is.
        since: Seconds from t0 at which it was asked for.
    """

    step: OperatorStep
    since: float

    @property
    def until(self) -> float:
        """Seconds from t0 until which it may be answered."""
        return self.since + self.step.timeout


class Steps:
    """The steps of a plan: each is asked for once, and ends acknowledged or missed.

    A fault that a decision guards is held back until the answer is "go".

    Args:
        steps: The plan's.
        events: The record's events.
        timeline: Whose faults decisions guard.
        asked: Told when a step is asked for.
    """

    def __init__(
        self,
        steps: Sequence[OperatorStep],
        events: EventLog,
        timeline: Timeline,
        asked: Callable[[OperatorStep], None],
    ) -> None:
        self._waiting = sorted(steps, key=lambda step: step.at)
        self._open: dict[str, Open] = {}
        self._events = events
        self._timeline = timeline
        self._asked = asked
        for step in steps:
            timeline.hold(_hold(step), step.guards)

    @property
    def open(self) -> Sequence[Open]:
        """The steps that wait for somebody, the oldest first."""
        return tuple(self._open.values())

    def left(self, t: float) -> Mapping[str, float]:
        """Return open step -> seconds in which it may still be answered."""
        return {name: max(found.until - t, 0.0) for name, found in self._open.items()}

    def look(self, t: float) -> None:
        """Ask for what is due at ``t`` seconds from t0, and miss what nobody has done in time."""
        for found in self.open:
            if t >= found.until:
                self._miss(found.step)
        while self._waiting and t >= self._waiting[0].at:
            step = self._waiting.pop(0)
            self._open[step.id] = Open(step, t)
            self._events.write("step_asked", step=step.id, text=step.text, decision=step.decision, timeout=step.timeout)
            self._asked(step)

    def answer(self, t: float, name: str, answer: Answer, by: By) -> bool:
        """Take an answer; False where the step isn't open or isn't answered so."""
        found = self._open.get(name)
        if found is None or answer not in answers(found.step):
            return False
        del self._open[name]
        self._events.write("step_acknowledged", step=name, answer=answer, by=by, seconds=round(t - found.since, 3))
        if answer == "no-go":
            self._timeline.call_off(f"{name}: no-go", found.step.guards)
        else:
            self._timeline.release(_hold(found.step))
        return True

    def close(self) -> None:
        """Miss what is still open: the load is over."""
        for found in self.open:
            self._miss(found.step)

    def _miss(self, step: OperatorStep) -> None:
        del self._open[step.id]
        self._events.write("step_missed", step=step.id)
        if step.decision:
            self._timeline.call_off(f"{step.id}: nobody said go", step.guards)


def _hold(step: OperatorStep) -> str:
    return f"step {step.id}"
