"""Stop conditions, on what the workers have told so far."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from harness.live import Live, Requests
from model.drill import Stop
from model.plan import Plan

NATION = ""
"""The place of what is looked at all together."""
STREAK = 3
"""Failed arrivals in a row that make an interruption; fewer are chance."""
TOLD_WITHIN = 1.5
"""Seconds in which every worker has written down what has ended."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a stop condition is at.

    Attributes:
        stop: The condition.
        value: In the unit of its limit, of the worst place.
        place: Code of the province, ``NATION`` for all together.
    """

    stop: Stop
    value: float = 0.0
    place: str = NATION

    @property
    def fires(self) -> bool:
        """Whether it is above the limit."""
        return self.value > self.stop.limit


class Indicator(Protocol):
    """What a stop condition watches."""

    def take(self, t: float, live: Live) -> None:
        """Take in what the last look found, ``t`` seconds since t0."""

    def values(self, t: float) -> Mapping[str, float]:
        """Return what each place is at."""


@dataclass(slots=True)
class _Tally:
    """Requests of a place within the window."""

    failed: int = 0
    count: int = 0


class Ratio:
    """Share of failed requests among those that ended in the window, or how fast that burns an error budget.

    A request counts when it has ended, not when it was due: one that timed out was due before the window.
    """

    def __init__(self, stop: Stop, plan: Plan) -> None:
        objective = next((found for found in plan.objectives if found.name == stop.objective), None)
        self._stop = stop
        self._operations = objective.operations if objective else ()
        self._provinces = objective.provinces if objective else ()
        self._budget = 1 - objective.target if objective else 1.0
        self._known: deque[tuple[float, str, int, int]] = deque()
        self._places: dict[str, _Tally] = {}

    def take(self, t: float, live: Live) -> None:
        """Count what ended, and forget what the window has left behind."""
        for requests in live.fresh:
            if self._counts(requests):
                place = _place(self._stop, requests.province)
                failed = 0 if requests.ok else requests.count
                self._known.append((t, place, failed, requests.count))
                self._add(place, failed, requests.count)
        while self._known and self._known[0][0] < t - self._stop.window:
            _, place, failed, count = self._known.popleft()
            self._add(place, -failed, -count)

    def _counts(self, requests: Requests) -> bool:
        operation = not self._operations or requests.operation in self._operations
        return operation and (not self._provinces or requests.province in self._provinces)

    def _add(self, place: str, failed: int, count: int) -> None:
        tally = self._places.setdefault(place, _Tally())
        tally.failed += failed
        tally.count += count

    def values(self, _: float) -> Mapping[str, float]:
        """Return the ratio of every place with samples enough."""
        enough = {place: tally for place, tally in self._places.items() if tally.count >= self._stop.samples}
        return {place: tally.failed / tally.count / self._budget for place, tally in enough.items()}


@dataclass(slots=True)
class _Outage:
    """Arrivals of a place that failed and were due after the last one that succeeded."""

    success: float = float("-inf")
    failed: list[tuple[float, float]] = field(default_factory=list)


class Interruption:
    """Seconds from the first of at least three failed arrivals in a row to the latest, where none has succeeded since.

    Only what ended more than 1.5 s ago counts: by then the successes of every worker are known.
    """

    def __init__(self, stop: Stop, _: Plan) -> None:
        self._stop = stop
        self._places: dict[str, _Outage] = {}

    def take(self, _: float, live: Live) -> None:
        """Note what failed and what succeeded."""
        for arrival in live.ended:
            outage = self._places.setdefault(_place(self._stop, arrival.province), _Outage())
            if arrival.intended <= outage.success:
                continue
            if arrival.ok:
                outage.success = arrival.intended
                outage.failed = [times for times in outage.failed if times[0] > outage.success]
            else:
                outage.failed.append((arrival.intended, arrival.finished))

    def values(self, t: float) -> Mapping[str, float]:
        """Return how long each place is interrupted by now."""
        return {place: _span(outage.failed, t - TOLD_WITHIN) for place, outage in self._places.items()}


class Found:
    """Acknowledged dossiers that a look-up doesn't find."""

    def __init__(self, stop: Stop, doubts: Callable[[], Mapping[str, int]]) -> None:
        self._stop = stop
        self._doubts = doubts

    def take(self, _: float, __: Live) -> None:
        """Nothing: the look-ups are a thread's work."""

    def values(self, _: float) -> Mapping[str, float]:
        """Return the number of doubts of each place."""
        counts: dict[str, float] = {}
        for province, count in self._doubts().items():
            place = _place(self._stop, province)
            counts[place] = counts.get(place, 0.0) + count
        return counts


class Stops:
    """The stop conditions of a plan.

    Args:
        plan: The plan.
        doubts: Province -> acknowledged dossiers that a look-up didn't find.
    """

    def __init__(self, plan: Plan, doubts: Callable[[], Mapping[str, int]]) -> None:
        self._watched = [(stop, _indicator(stop, plan, doubts)) for stop in plan.stops]

    def look(self, t: float, live: Live) -> Sequence[Reading]:
        """Return what each condition is at, ``t`` seconds since t0, after ``live`` has looked."""
        for _, indicator in self._watched:
            indicator.take(t, live)
        return [_worst(stop, indicator.values(t)) for stop, indicator in self._watched]


def _indicator(stop: Stop, plan: Plan, doubts: Callable[[], Mapping[str, int]]) -> Indicator:
    match stop.indicator:
        case "error_ratio" | "burn_rate":
            return Ratio(stop, plan)
        case "interruption":
            return Interruption(stop, plan)
        case "integrity":
            return Found(stop, doubts)


def _worst(stop: Stop, values: Mapping[str, float]) -> Reading:
    if not values:
        return Reading(stop)
    place = max(sorted(values), key=lambda code: values[code])
    return Reading(stop, values[place], place)


def _place(stop: Stop, province: str) -> str:
    return province if stop.scope == "province" else NATION


def _span(failed: Sequence[tuple[float, float]], until: float) -> float:
    """Return the seconds that failed arrivals, (due, ended) each, span as far as they ended by ``until``."""
    known = [times for times in failed if times[1] <= until]
    if len(known) < STREAK:
        return 0.0
    return max(ended for _, ended in known) - min(due for due, _ in known)
