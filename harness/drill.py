"""The conductor's side of a drill: steady state before the first fault, stop conditions, people's steps."""

import shlex
from collections.abc import Callable, Mapping
from typing import cast

from harness.answers import Box, Terminal
from harness.doubts import Doubts
from harness.live import Live
from harness.steady import Steady
from harness.steps import Answer, Steps, answers
from harness.stops import NATION, Reading, Stops
from harness.timeline import Timeline
from model.drill import OperatorStep
from model.plan import Plan
from model.record import EventLog, Record

STEADY = "steady state"


class Drill:
    """Decides, on each look, whether faults may be applied, and whether they must end.

    Args:
        plan: The plan.
        record: Where answers are dropped, and what was acknowledged is found.
        events: The record's events.
        timeline: The faults; not started yet.
        addresses: System name -> its own ``host:port``.
        tell: Tells people a line.
        unattended: Whether every step acknowledges itself.
        terminal: Where people may type.
    """

    def __init__(
        self,
        plan: Plan,
        record: Record,
        events: EventLog,
        timeline: Timeline,
        addresses: Mapping[str, str],
        tell: Callable[[str], None],
        *,
        unattended: bool = False,
        terminal: Terminal | None = None,
    ) -> None:
        self._record = record
        self._events = events
        self._timeline = timeline
        self._tell = tell
        self._unattended = unattended
        self._terminal = terminal or Terminal()
        self._steady = Steady(plan) if plan.faults else None
        self._doubts = Doubts(record, addresses, events, plan.seed)
        self._looks_up = any(stop.indicator == "integrity" for stop in plan.stops)
        self._stops = Stops(plan, self._doubts.counts)
        self._steps = Steps(plan.steps, events, timeline, self._ask)
        self._box = Box(record) if plan.steps and not unattended else None
        if self._steady:
            timeline.hold(STEADY, [fault.id for fault in plan.faults])

    def start(self) -> None:
        """Begin to look acknowledged dossiers up, where a stop condition asks for it."""
        if self._looks_up:
            self._doubts.start()

    def look(self, t: float, live: Live) -> None:
        """Do what is due ``t`` seconds from t0, after ``live`` has looked."""
        self._hear(t)
        self._steps.look(t)
        if self._unattended:
            self._acknowledge(t)
        self._check_steady(t, live)
        self._check_stops(t, live)
        live.open_steps = dict(self._steps.left(t))

    def close(self, *, finished: bool = False) -> None:
        """Look no more; what is still open is missed where the load came to its end."""
        self._doubts.close()
        if finished:
            self._steps.close()

    def _check_steady(self, t: float, live: Live) -> None:
        if self._steady is None:
            return
        self._steady.take(live.fresh)
        if t < self._steady.at:
            return
        found, self._steady = self._steady.judge(), None
        self._events.write(
            "steady_state",
            steady=found.steady,
            samples=found.samples,
            availability=round(found.availability, 6),
            response_p95=None if found.response_p95 is None else round(found.response_p95, 6),
            reasons=list(found.reasons),
        )
        if found.steady:
            self._timeline.release(STEADY)
        else:
            self._tell(f"not steady, no fault is applied: {'; '.join(found.reasons)}")
            self._timeline.call_off(f"not steady: {'; '.join(found.reasons)}")

    def _check_stops(self, t: float, live: Live) -> None:
        """Look at the stop conditions as long as there is something to stop."""
        readings = self._stops.look(t, live)
        live.stops = {reading.stop.name: reading.value for reading in readings}
        if live.fired or not self._timeline.pending:
            return
        fired = next((reading for reading in readings if reading.fires), None)
        if fired:
            live.fired = fired.stop.name
            self._stop(fired)

    def _stop(self, fired: Reading) -> None:
        self._events.write(
            "stop_fired",
            stop=fired.stop.name,
            indicator=fired.stop.indicator,
            value=round(fired.value, 6),
            limit=fired.stop.limit,
            province=None if fired.place == NATION else fired.place,
        )
        what = f"stop condition {fired.stop.name}: {fired.stop.indicator} {fired.value:.3g} > {fired.stop.limit:g}"
        self._tell(f"{what}; every fault ends now")
        self._timeline.call_off(what)

    def _ask(self, step: OperatorStep) -> None:
        if self._unattended:
            self._tell(f"step {step.id}: {step.text} (acknowledged: unattended)")
            return
        words = ["thongsuot", "ack", str(self._record.directory), step.id]
        ways = [f"{shlex.join([*words, '--answer', 'go'])} (or no-go)" if step.decision else shlex.join(words)]
        if self._terminal.listens:
            self._terminal.forget()
            ways.insert(0, "type go or no-go" if step.decision else "press Enter when it is done")
        self._tell(f"step {step.id}, {step.timeout:g} s: {step.text} → {', or '.join(ways)}")

    def _hear(self, t: float) -> None:
        """Take the answers that have come."""
        for name, answer in self._box.take() if self._box else ():
            self._steps.answer(t, name, answer, "command")
        for line in self._terminal.lines() if self._steps.open and not self._unattended else ():
            self._hear_line(t, line)

    def _acknowledge(self, t: float) -> None:
        """Answer every open step: done, or go."""
        for found in self._steps.open:
            self._steps.answer(t, found.step.id, answers(found.step)[0], "unattended")

    def _hear_line(self, t: float, line: str) -> None:
        """Take a line for the oldest open step that can be answered so."""
        answer = cast(Answer, line or "done")
        if not any(self._steps.answer(t, found.step.id, answer, "terminal") for found in self._steps.open):
            asked = "; ".join(f"{found.step.id}: {' or '.join(answers(found.step))}" for found in self._steps.open)
            self._tell(f"{line or 'Enter'} answers nothing; {asked or 'nothing is asked for'}")
