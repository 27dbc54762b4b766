"""When arrivals are due: a pure function of the plan and its seed.

The rate of a phase is a straight line from a to b over d seconds, so its integral is Λ(x) = a·x + (b - a)·x²/(2d):

      rate
        b ┤      ╱      arrival k is due where Λ reaches y_k;
        a ┤   ╱         y_k = k + ½ (constant gaps), or a sum of k unit exponentials (Poisson)
          └───┴──┴─ x

Every worker walks the same sequence and runs the arrivals that are its own, so that the multiset of arrivals doesn't
depend on the number of workers.
"""

import math
import random
from collections.abc import Iterator

from model.plan import Phase, Plan


def arrivals_within(phase: Phase, seconds: float, scale: float = 1.0) -> float:
    """Return Λ: expected arrivals in the first ``seconds`` of a phase."""
    slope = (phase.end_rate - phase.rate) / phase.duration
    return scale * (phase.rate * seconds + slope * seconds * seconds / 2)


def moment_of(phase: Phase, arrivals: float, scale: float = 1.0) -> float:
    """Return the inverse of ``arrivals_within``: seconds into the phase at which so many arrivals were due."""
    wanted = arrivals / scale
    slope = (phase.end_rate - phase.rate) / phase.duration
    root = math.sqrt(max(phase.rate * phase.rate + 2 * slope * wanted, 0.0))
    divisor = phase.rate + root
    return min(2 * wanted / divisor, phase.duration) if divisor > 0 else 0.0


def due_times(plan: Plan) -> Iterator[float]:
    """Yield the seconds from t0 at which each arrival is due, ascending; the same for the same plan and seed."""
    spans = list(plan.spans())
    draw = _gaps(plan)
    due = next(draw)
    passed = 0.0
    for start, _, phase in spans:
        whole = plan.load.scale * phase.arrivals
        while due < passed + whole:
            yield start + moment_of(phase, due - passed, plan.load.scale)
            due += next(draw)
        passed += whole


def _gaps(plan: Plan) -> Iterator[float]:
    if plan.load.gaps == "constant":
        yield 0.5
        while True:
            yield 1.0
    rng = random.Random(plan.seed)
    while True:
        yield rng.expovariate(1.0)
