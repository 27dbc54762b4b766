"""Whose arrival it is: shares of the schedule, which change when a worker joins late or is lost.

Arrival k lies in slot k mod 240. A *division* says from which second on which worker owns which slot; all workers get
the same divisions, so each arrival has one owner, whoever comes and goes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

SLOTS = 240
"""Divisible by 1 to 6, 8, 10 and 12, so that so many workers get equal shares."""


@dataclass(frozen=True, slots=True)
class Division:
    """Who owns which slot, from a moment on.

    Attributes:
        start: Seconds since t0.
        workers: Indices of the workers that share the slots in turn.
    """

    start: float
    workers: tuple[int, ...]

    def owner(self, number: int) -> int | None:
        """Return the worker that owns an arrival, None where nobody is left."""
        return self.workers[number % SLOTS % len(self.workers)] if self.workers else None


class Shares:
    """The divisions so far.

    Attributes:
        divisions: In the order in which they were told.
    """

    def __init__(self, divisions: Sequence[Division] = ()) -> None:
        self.divisions = list(divisions)

    def add(self, division: Division) -> None:
        """Divide anew from ``division.start`` on."""
        self.divisions.append(division)

    def owner(self, number: int, intended: float) -> int | None:
        """Return the worker that owns an arrival: the last told division that has begun by then decides."""
        begun = (division for division in reversed(self.divisions) if division.start <= intended)
        division = next(begun, None)
        return division.owner(number) if division else None
