"""When arrivals are due: a pure function of the plan and its seed.

      rate
        ┤    ╱╲ ╭─      arrival k is due where the integral Λ of the rate reaches y_k;
        ┤ ╭─╯  ╰╯       y_k = k + ½ (constant gaps), or a sum of k unit exponentials (Poisson):
        └─┴──┴─┴┴─ x    a time change makes a process of rate λ(x) of one of rate 1

What is replayed comes as it was recorded; the sequence of y stands still meanwhile.

Every worker walks the same sequence and runs the arrivals that are its own, so that the multiset of arrivals doesn't
depend on the number of workers.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from model.curves import Recorded
from model.plan import Plan, Replay
from model.replay import Who


def due_times(plan: Plan) -> Iterator[float]:
    """Yield the seconds from t0 at which each arrival is due, ascending; the same for the same plan and seed."""
    return (due for _, due in _walk(plan))


def per_phase(plan: Plan) -> Counter[int]:
    """Count the arrivals of each phase, by its place in the plan; takes a walk along the schedule."""
    return Counter(index for index, _ in _walk(plan))


@dataclass(frozen=True, slots=True)
class Replayed:
    """The arrivals of a schedule that a replay phase gives.

    Attributes:
        numbers: Their numbers in the schedule.
        curve: The phase's.
        who: The recorded arrivals.
        scale: Of the plan.
    """

    numbers: range
    curve: Recorded
    who: tuple[Who, ...]
    scale: float

    def __getitem__(self, number: int) -> Who:
        """Return who comes as arrival ``number`` of the schedule."""
        return self.who[self.curve.index((number - self.numbers.start + 0.5) / self.scale)]


def replayed(plan: Plan) -> tuple[Replayed, ...]:
    """Find the replayed arrivals of a schedule; takes a walk along it where the plan has any."""
    if not any(isinstance(phase.curve, Replay) for phase in plan.phases):
        return ()
    counts = per_phase(plan)
    found, first = [], 0
    for index, phase in enumerate(plan.phases):
        numbers = range(first, first + counts[index])
        if isinstance(phase.curve, Replay) and isinstance(phase.flow, Recorded):
            found.append(Replayed(numbers, phase.flow, phase.curve.recording.who, plan.load.scale))
        first = numbers.stop
    return tuple(found)


def _walk(plan: Plan) -> Iterator[tuple[int, float]]:
    """Yield (index of the phase, seconds from t0) of each arrival."""
    gaps, scale = _gaps(plan), plan.load.scale
    due, passed = next(gaps), 0.0
    for index, (start, _, phase) in enumerate(plan.spans()):
        inverse, whole = phase.flow.inverse, scale * phase.arrivals
        if isinstance(phase.curve, Replay):
            yield from ((index, start + inverse(y)) for y in _halves(whole, scale))
            continue
        while due < passed + whole:
            yield index, start + inverse((due - passed) / scale)
            due += next(gaps)
        passed += whole


def _halves(whole: float, scale: float) -> Iterator[float]:
    """Yield (k + ½)/scale for every k + ½ below ``whole``."""
    due = 0.5
    while due < whole:
        yield due / scale
        due += 1.0


def _gaps(plan: Plan) -> Iterator[float]:
    if plan.load.gaps == "constant":
        yield 0.5
        while True:
            yield 1.0
    rng = random.Random(plan.seed)
    while True:
        yield rng.expovariate(1.0)
