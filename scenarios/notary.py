"""Notes what sessions do in the recorder, in seconds since t0."""

import math

from model.plan import Plan
from scenarios.personas import Arrival
from scenarios.recorder import Recorder
from scenarios.session import Answer


class Notary:
    """The observer of a run's sessions.

    Attributes:
        invoke: Enters a write before it is sent.
        complete: Enters what came of it.
    """

    def __init__(self, plan: Plan, recorder: Recorder, t0: float) -> None:
        self._spans = [(end, phase.name) for _, end, phase in plan.spans()]
        self._recorder = recorder
        recorder.ledger.t0 = self._t0 = t0
        self.invoke = recorder.ledger.invoke
        self.complete = recorder.ledger.complete
        self._begin = self._end = math.inf  # seconds since t0: as long as second and phase stay the same
        self._second, self._phase = 0, ""

    def request(self, arrival: Arrival, operation: str, outcome: str, intended: float, answer: Answer) -> None:
        """Note one finished request."""
        due = intended - self._t0
        if not self._begin <= due < self._end:
            self._look_at(due)
        finished = answer.finished
        times = self._recorder.times[self._second, self._phase, operation, arrival.province, outcome]
        times.append(finished - intended)
        times.append(finished - answer.began)

    def _look_at(self, due: float) -> None:
        """Find second and phase of a moment, and how long they last."""
        self._second = int(due)
        self._phase = next((name for end, name in self._spans if due < end), self._spans[-1][1])
        edges = [float(self._second), *(end for end, _ in self._spans if end <= due)]
        later = [self._second + 1.0, *(end for end, _ in self._spans if end > due)]
        self._begin, self._end = max(edges), min(later)
