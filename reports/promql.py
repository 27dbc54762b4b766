"""The objectives of a run as PromQL: queries that count over the run's own seconds.

``increase()`` and ``rate()`` extrapolate to the edges of their window, so a figure of theirs isn't a count. Here a
count is the difference of two raw values of a counter, each the last one before a moment (``last_over_time(… @)``,
which a scrape that failed at that moment doesn't hide), and a counter of a run begins at 0 at t0. A request counts in
the second in which it was due, in ``metrics.om`` as in the record; scraped live, it counts when it has ended, so live
series can't be cut by time: of these, only what the whole run says is asked.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from model.plan import Objective
from reports import selectors
from reports.selection import Evidence, Window
from reports.selectors import Ratio, Selector, none_of, one_of

Span = tuple[int, float]
"""Whole seconds since t0, [from, until); until infinity: the end of the run."""
LOOK_BACK = "5m"
"""How old a value may be."""
NOT_COUNTED = {
    "interruption": "the order of arrivals within a second decides it, and counters don't keep that",
    "dossiers": "a dossier that was sent twice is one, and counters count requests",
    "recovery_time": "the order of arrivals within a second decides it, and counters don't keep that",
    "detection_time": "the order of arrivals within a second decides it, and counters don't keep that",
    "convergence_time": "what the systems hold decides it, which is in no series",
    "memory_growth": "no scrape asks for it: it is in the record's table of processes",
    "descriptor_growth": "no scrape asks for it: it is in the record's table of processes",
    "retry_rate": "it is taken between two looks of the conductor",
}


class Unsaid(Exception):
    """An objective can't be asked of these series; says why."""


@dataclass(frozen=True, slots=True)
class Source:
    """Series of one run.

    Attributes:
        name: ``metrics.om`` or ``live``.
        matcher: Picks them.
        began: Unix time of t0.
        finish: Unix time at which every counter has its last value.
        step: Seconds between two samples.
    """

    name: str
    matcher: str
    began: float
    finish: float
    step: int = 1

    def value(self, selector: Selector, second: float = math.inf) -> str:
        """Write the values that series had at a second since t0; infinity: at the end."""
        moment = self.finish if math.isinf(second) else self.began + second
        return f"last_over_time({selector.where(self.matcher)}[{LOOK_BACK}] @ {moment:.3f})"


@dataclass(frozen=True, slots=True)
class Query:
    """An objective as expressions.

    Attributes:
        objective: Its name.
        value: Yields the figure: a share, a count or seconds; by province, or one. Empty: no second is looked at.
        samples: Yields how many samples it rests on; empty: it isn't asked.
    """

    objective: str
    value: str
    samples: str = ""


def query(objective: Objective, evidence: Evidence, source: Source) -> Query:
    """Write an objective as PromQL; raises Unsaid where these series can't tell."""
    if objective.indicator in NOT_COUNTED:
        raise Unsaid(NOT_COUNTED[objective.indicator])
    if objective.indicator == "drain_time":
        return Query(objective.name, _drain(source))
    _check(objective, evidence, source)
    if objective.indicator == "refusals":
        counted = _counted(selectors.refusals(objective), objective, evidence, source)
        return Query(objective.name, _summed(objective, counted))
    shares = selectors.ratio(objective, touched(evidence.windows))
    assert shares is not None, f"{objective.indicator} has no query"
    return _share(objective, shares, evidence, source)


def touched(windows: Sequence[Window]) -> frozenset[str]:
    """Return the provinces that a fault touches which doesn't touch everyone."""
    return frozenset(code for window in windows for code in window.provinces or ())


def _drain(source: Source) -> str:
    if source.name == "live":
        raise Unsaid("a scrape a second can't time the drain to 1 %")
    return f"max({source.value(Selector('thongsuot_drain_seconds'))})"


def _share(objective: Objective, shares: Ratio, evidence: Evidence, source: Source) -> Query:
    good, total = (_counted(part, objective, evidence, source) for part in (shares.good, shares.total))
    if not good:
        return Query(objective.name, "")
    good, total = _summed(objective, good), _summed(objective, total)
    return Query(objective.name, f"{good} / {total}", total)


def _summed(objective: Objective, counted: str) -> str:
    return f"({counted})" if objective.scope == "province" or not counted else f"sum({counted})"


def _check(objective: Objective, evidence: Evidence, source: Source) -> None:
    """Raise Unsaid where the seconds that an objective looks at can't be told apart in the series."""
    cut = bool(objective.phases) or objective.exclude_faults or objective.indicator == "isolation"
    if source.name == "live" and cut:
        raise Unsaid("it looks at a part of the run, and live series count a request when it ends, not when it is due")
    if source.name == "live" and objective.indicator == "sync_lag":
        raise Unsaid("live, the portal counts steps that have come, not those that are owed")
    if objective.exclude_faults and objective.indicator in ("sync_lag", "refusals"):
        raise Unsaid("fault windows cut it to less than a second")
    edges = [edge for _, spans in _groups(objective, evidence) for span in spans for edge in span]
    if any(math.isfinite(edge) and edge % source.step for edge in edges):
        raise Unsaid(f"it looks at parts of {source.step} s, and {source.name} has one sample in that time")


def _counted(selector: Selector, objective: Objective, evidence: Evidence, source: Source) -> str:
    """Write what a counter grew by, by province; provinces with the same seconds share a term."""
    terms = [
        " + ".join(_grown(selector.where(places), span, source) for span in spans)
        for places, spans in _groups(objective, evidence)
        if spans
    ]
    return " or ".join(terms)


def _grown(selector: Selector, span: Span, source: Source) -> str:
    last = f"sum by (province) ({source.value(selector, span[1])})"
    if span[0] <= 0:
        return last
    return f"({last} - (sum by (province) ({source.value(selector, span[0])}) or {last} * 0))"


def _groups(objective: Objective, evidence: Evidence) -> list[tuple[str, list[Span]]]:
    """Return (matcher of provinces, seconds that count) for provinces that no fault tells apart."""
    windows = evidence.windows if objective.exclude_faults or objective.indicator == "isolation" else ()
    codes = evidence.provinces(objective)
    if not any(window.provinces for window in windows) or objective.indicator == "isolation":
        return [("", list(_seconds(objective, evidence, windows, None)))]
    groups: dict[tuple[Span, ...], list[str]] = {}
    for code in codes:
        groups.setdefault(tuple(_seconds(objective, evidence, windows, code)), []).append(code)
    found = [(one_of("province", members), list(spans)) for spans, members in groups.items()]
    if not objective.provinces:
        found.append((none_of("province", codes), list(_seconds(objective, evidence, windows, None))))
    return found


def _seconds(
    objective: Objective, evidence: Evidence, windows: Sequence[Window], province: str | None
) -> Iterator[Span]:
    """Yield the seconds that count for a province; None: one that no fault touches by name."""
    kept = list(_phases(objective, evidence))
    hurt = [w for w in windows if w.provinces is None or province in w.provinces]
    if objective.indicator == "isolation":
        kept = list(_common(kept, _during([w for w in windows if w.provinces is not None])))
    settled = objective.settle if objective.exclude_faults else 0.0
    for window in hurt:
        kept = list(_without(kept, (math.floor(window.start) - 1, math.ceil(window.stop + settled))))
    yield from kept


def _phases(objective: Objective, evidence: Evidence) -> Iterator[Span]:
    spans = [*evidence.plan.spans()]
    if not objective.phases:
        yield 0, math.inf
        return
    for start, stop, phase in spans:
        if phase.name in objective.phases:
            end = math.inf if phase is spans[-1][2] else stop
            if start % 1 or (math.isfinite(end) and end % 1):
                raise Unsaid(f"phase {phase.name} doesn't begin and end with a whole second")
            yield int(start), end


def _during(windows: Sequence[Window]) -> list[Span]:
    """Return the seconds that overlap one of these windows, joined."""
    spans: list[Span] = []
    for start, stop in sorted((math.floor(w.start), math.ceil(w.stop)) for w in windows):
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], stop))
        else:
            spans.append((start, stop))
    return spans


def _common(spans: Sequence[Span], others: Sequence[Span]) -> Iterator[Span]:
    for start, stop in spans:
        yield from ((max(start, a), min(stop, b)) for a, b in others if max(start, a) < min(stop, b))


def _without(spans: Sequence[Span], hole: Span) -> Iterator[Span]:
    for start, stop in spans:
        if start < min(stop, hole[0]):
            yield start, min(stop, hole[0])
        if max(start, hole[1]) < stop:
            yield int(max(start, hole[1])), stop
