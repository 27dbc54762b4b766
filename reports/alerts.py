"""Who would have been woken: burn-rate alerts, evaluated for every second of a run, and whether they fired in time.

A request counts in the second in which its answer, or its failure, was there: due + response time, to half a second.
What a second brought is known at its end; so a firing is known to within a second.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from model.drill import Alert
from reports import burn
from reports.buckets import UPPER
from reports.outcome import number
from reports.selection import Evidence, Window
from reports.sql import texts
from reports.statistics import Verdict, worst

FIRING = f"""
WITH counted AS (
    SELECT {{place}} AS place, (second + round({UPPER}))::BIGINT AS second,
           sum(count) AS total, sum(count) FILTER (outcome <> 'ok') AS failed
    FROM samples
    WHERE kind = 'response' AND {{where}}
    GROUP BY ALL
), grid AS (
    SELECT place, unnest(range(first, last + {{long}})) AS second
    FROM (SELECT place, min(second) AS first, max(second) AS last FROM counted GROUP BY place)
), shares AS (
    SELECT place, second,
        sum(failed) OVER long / sum(total) OVER long AS over_long,
        sum(failed) OVER short / sum(total) OVER short AS over_short
    FROM grid LEFT JOIN counted USING (place, second)
    WINDOW long AS (PARTITION BY place ORDER BY second ROWS BETWEEN {{long}} - 1 PRECEDING AND CURRENT ROW),
           short AS (PARTITION BY place ORDER BY second ROWS BETWEEN {{short}} - 1 PRECEDING AND CURRENT ROW)
), firing AS (
    SELECT place, second, second - row_number() OVER (PARTITION BY place ORDER BY second) AS island
    FROM shares
    WHERE over_long > {{threshold}} AND over_short > {{threshold}}
)
SELECT place, min(second) + 1, max(second) + 2 FROM firing GROUP BY place, island ORDER BY ALL
"""

ANSWERS = "SELECT coalesce(sum(count), 0) FROM samples WHERE kind = 'response' AND {where}"


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in which an alert fired.

    Attributes:
        start: Seconds since t0 at whose end it fired first.
        stop: Seconds since t0 from which on it didn't fire any more.
        provinces: For which it fired; empty: for the nation.
        faults: That were on, or healed no longer ago than the alert's ``within``, when it began; none: it had no cause
            that the campaign knows of.
    """

    start: float
    stop: float
    provinces: tuple[str, ...]
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Expected:
    """Whether an alert fired for a fault for which it must.

    Attributes:
        fault: Its id.
        within: Seconds from its beginning in which the alert must fire.
        seconds: From its beginning to the alert; None: it stayed silent, or there is nothing to tell.
        low: The earliest that it can have been, seconds; ``seconds`` is the latest.
        verdict: On this alert for this fault.
        note: What was seen, for people.
    """

    fault: str
    within: float
    seconds: float | None
    low: float | None
    verdict: Verdict
    note: str


@dataclass(frozen=True, slots=True)
class AlertResult:
    """One alert of the plan.

    Attributes:
        name: Of the alert.
        objective: Whose error budget it watches.
        scope: ``province`` or ``nation``.
        threshold: Share of failed requests above which it fires.
        long_window: Seconds.
        short_window: Seconds.
        verdict: The worst of ``expected``; pass where nothing is expected.
        spans: In which it fired, in the order of time.
        expected: One per fault for which it must fire.
    """

    name: str
    objective: str
    scope: str
    threshold: float
    long_window: int
    short_window: int
    verdict: Verdict
    spans: tuple[Span, ...]
    expected: tuple[Expected, ...]


def results(evidence: Evidence, proved: Mapping[str, bool]) -> tuple[AlertResult, ...]:
    """Evaluate and judge every alert of the plan; ``proved`` tells of each fault whether it bit."""
    return tuple(_result(evidence, alert, proved) for alert in evidence.plan.alerts)


def missed(result: AlertResult) -> list[tuple[Verdict, str]]:
    """Return (verdict, reason) of what was expected of an alert and didn't come about."""
    return [
        (found.verdict, f"alert {result.name}: {found.note}") for found in result.expected if found.verdict != "pass"
    ]


def _result(evidence: Evidence, alert: Alert, proved: Mapping[str, bool]) -> AlertResult:
    rule = burn.rule(evidence.plan, alert)
    firing = _firing(evidence, rule)
    windows = {window.fault: window for window in evidence.windows}
    expected = tuple(_expected(evidence, alert, rule, firing, windows[name], proved[name]) for name in alert.expected)
    return AlertResult(
        rule.name,
        rule.objective,
        rule.scope,
        rule.threshold,
        rule.long_window,
        rule.short_window,
        worst([found.verdict for found in expected]) if expected else "pass",
        tuple(_spans(firing, evidence.windows, alert.within)),
        expected,
    )


Firing = tuple[str, float, float]
"""Province (empty: the nation), from, until: seconds since t0."""


def _firing(evidence: Evidence, rule: burn.Rule) -> list[Firing]:
    query = FIRING.format(
        place="coalesce(province, '')" if rule.scope == "province" else "''",
        where=_where(rule),
        long=rule.long_window,
        short=rule.short_window,
        threshold=repr(rule.threshold),
    )
    return [(place, float(start), float(stop)) for place, start, stop in evidence.database.execute(query).fetchall()]


def _where(rule: burn.Rule) -> str:
    parts = ["true"]
    if rule.provinces:
        parts.append(f"province IN {texts(rule.provinces)}")
    if rule.operations:
        parts.append(f"operation IN {texts(rule.operations)}")
    return " AND ".join(parts)


def _spans(firing: Sequence[Firing], windows: Sequence[Window], within: float) -> list[Span]:
    """Join what overlaps, over all provinces."""
    joined: list[tuple[float, float, set[str]]] = []
    for place, start, stop in sorted(firing, key=lambda fired: fired[1:]):
        if joined and start <= joined[-1][1]:
            before = joined.pop()
            joined.append((before[0], max(before[1], stop), before[2] | {place}))
        else:
            joined.append((start, stop, {place}))
    return [
        Span(start, stop, tuple(sorted(filter(None, places))), _on(windows, start, within))
        for start, stop, places in joined
    ]


def _on(windows: Sequence[Window], moment: float, after: float) -> tuple[str, ...]:
    """Name the faults that were on at a moment, or healed no longer before it."""
    return tuple(w.fault for w in windows if w.applied and w.start <= moment <= w.stop + after)


def _expected(
    evidence: Evidence, alert: Alert, rule: burn.Rule, firing: Sequence[Firing], window: Window, proved: bool
) -> Expected:
    def found(verdict: Verdict, note: str, seconds: float | None = None) -> Expected:
        low = None if seconds is None else max(0.0, seconds - 1)
        return Expected(window.fault, alert.within, seconds, low, verdict, note)

    if not window.applied or not proved:
        return found("inconclusive", f"{window.fault} wasn't {'proved to bite' if window.applied else 'applied'}")
    spans = [(start, stop) for place, start, stop in firing if not place or window.touches(place)]
    if any(start < window.start < stop for start, stop in spans):
        return found(*_already(evidence, alert, window))
    seconds = min((start - window.start for start, _ in spans if start >= window.start), default=math.inf)
    if seconds <= alert.within:
        return found("pass", f"fired {number(seconds)} s after {window.fault} began", seconds)
    if not _answers(evidence, rule, window, alert.within):
        return found("inconclusive", f"nothing was answered in {number(alert.within)} s from {window.fault} on")
    if window.start + seconds > window.stop + alert.within:
        return found("fail", f"stayed silent for {window.fault}; it must fire within {number(alert.within)} s")
    late = f"fired {number(seconds)} s after {window.fault} began, later than {number(alert.within)} s"
    return found("fail", late, seconds)


def _already(evidence: Evidence, alert: Alert, window: Window) -> tuple[Verdict, str, float | None]:
    """Judge an alert that fired when the fault began: another fault may have woken people, or nothing."""
    others = [other for other in evidence.windows if other.fault != window.fault]
    if _on(others, window.start, alert.within):
        return "pass", f"was firing already when {window.fault} began", 0.0
    return "inconclusive", f"was firing before {window.fault} began, for no fault: it shows nothing", None


def _answers(evidence: Evidence, rule: burn.Rule, window: Window, within: float) -> int:
    """Count the requests that an alert could have fired for."""
    parts = [_where(rule), f"second + 1 > {window.start!r}", f"second < {window.start + within!r}"]
    if window.provinces is not None:
        parts.append(f"province IN {texts(window.provinces)}")
    ((count,),) = evidence.database.execute(ANSWERS.format(where=" AND ".join(parts))).fetchall()
    return int(count)
