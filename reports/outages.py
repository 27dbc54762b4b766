"""Indicators on the order of arrivals: the longest interruption of a province, and how fast it recovers after a fault.

Three failed arrivals in a row, in the order in which they were due, are an outage; fewer are chance. An arrival fails
when it failed, was dropped, or was left unfinished.
"""

import math
from typing import NamedTuple

from model.plan import Objective
from reports.outcome import Outcome, exact, nothing, number
from reports.selection import Evidence, Window, conditions, exposure
from reports.sql import texts

STREAK = 3  # consecutive failed arrivals

LAST_MOMENT = "coalesce(finished, CASE outcome WHEN 'unfinished' THEN 'infinity'::DOUBLE ELSE intended END)"

INTERRUPTIONS = f"""
WITH chosen AS (
    SELECT {{place}} AS place, arrival, intended, finished, outcome = 'ok' AS good,
           {{segment}} AS segment, {{cap}} AS cap
    FROM arrivals
    WHERE {{where}}
), marked AS (
    SELECT *,
        sum(good::INTEGER) OVER (
            PARTITION BY place, segment ORDER BY intended, arrival ROWS UNBOUNDED PRECEDING) AS successes,
        min(CASE WHEN good THEN finished END) OVER (
            PARTITION BY place ORDER BY intended, arrival ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS success
    FROM chosen
), outages AS (
    SELECT place, greatest(least(coalesce(min(success), {{end}}), min(cap)) - min(intended), 0) AS seconds
    FROM marked
    WHERE NOT good
    GROUP BY place, segment, successes
    HAVING count(*) >= {STREAK}
)
SELECT place, count(*), coalesce((SELECT max(seconds) FROM outages WHERE outages.place = chosen.place), 0)
FROM chosen
GROUP BY place
"""

RECOVERY = f"""
WITH later AS (
    SELECT arrival, intended, finished, outcome = 'ok' AS good
    FROM arrivals
    WHERE {{where}} AND intended < {{horizon}}
        AND (intended >= {{healed}} OR (outcome = 'ok' AND finished >= {{healed}}))
), marked AS (
    SELECT *, sum(good::INTEGER) OVER (ORDER BY intended, arrival ROWS UNBOUNDED PRECEDING) AS successes
    FROM later WHERE intended >= {{healed}}
), outages AS (
    SELECT max(intended) AS last FROM marked WHERE NOT good GROUP BY successes HAVING count(*) >= {STREAK}
)
SELECT count(*), max(intended),
       min(finished) FILTER (good AND intended > coalesce((SELECT max(last) FROM outages), '-infinity'::DOUBLE)),
       (SELECT max(last) FROM outages)
FROM later
"""


class Comeback(NamedTuple):
    """How arrivals fared after a fault was healed; seconds since t0.

    Attributes:
        arrivals: That there were, up to the next fault.
        last: When the last of them was due, None without any.
        success: When the first success had finished from which on no outage follows, None without one.
        failing: When the last arrival of the last outage was due, None without one.
    """

    arrivals: int
    last: float | None
    success: float | None
    failing: float | None


def interruption(objective: Objective, evidence: Evidence) -> list[Outcome]:
    """Longest time from the first of at least three consecutive failed arrivals to the next success.

    That is from the moment the first was due to the earliest finish of a later successful arrival, or the end of the
    schedule; excluded fault windows end it. A place with fewer than three arrivals due per ``target`` seconds on
    average shows nothing shorter than its gaps: inconclusive, unless it fails.
    """
    by_province = objective.scope == "province"
    rows = evidence.database.execute(
        INTERRUPTIONS.format(
            place="province" if by_province else "''",
            segment=_segment(objective, evidence),
            cap=_cap(objective, evidence),
            where=conditions(objective, evidence, "intended", LAST_MOMENT),
            end=repr(evidence.plan.duration),
        )
    ).fetchall()
    found = {place: (count, seconds) for place, count, seconds in rows}
    return [
        _interruption(objective, evidence, place, *found.get(place or "", (0, 0.0)))
        for place in evidence.places(objective)
    ]


def arrivals_needed(objective: Objective, seconds: float) -> int:
    """Return how many arrivals in so many seconds an interruption of ``target`` seconds can be seen with."""
    return max(STREAK, math.ceil(STREAK * seconds / objective.target)) if objective.target else STREAK


def recovery_time(objective: Objective, evidence: Evidence) -> list[Outcome]:
    """Time from a fault's healing to the finish of the first success from which on no outage follows.

    Per fault and province that it touches, until the next fault that touches it. No such success: fail, or
    inconclusive where the arrivals end before the target has passed. No arrivals: inconclusive.
    """
    return [
        _recovery(objective, evidence, window, place)
        for window in evidence.windows
        for place in evidence.places(objective)
        if place is None or window.touches(place)
    ]


def _windows(objective: Objective, evidence: Evidence) -> list[Window]:
    """Return the windows that cut a place's time: of the nation only those that touch everyone."""
    if not objective.exclude_faults:
        return []
    return [w for w in evidence.windows if objective.scope == "province" or w.provinces is None]


def _segment(objective: Objective, evidence: Evidence) -> str:
    cuts = [
        f"({_hurt(window)} AND intended >= {window.stop + objective.settle!r})::INTEGER"
        for window in _windows(objective, evidence)
    ]
    return " + ".join(["0", *cuts])


def _cap(objective: Objective, evidence: Evidence) -> str:
    starts = [
        f"CASE WHEN {_hurt(window)} AND intended <= {window.start!r} THEN {window.start!r} END"
        for window in _windows(objective, evidence)
    ]
    return f"least({', '.join(starts)}, 'infinity'::DOUBLE)" if starts else "'infinity'::DOUBLE"


def _hurt(window: Window) -> str:
    return "true" if window.provinces is None else f"province IN {texts(window.provinces)}"


def _interruption(
    objective: Objective, evidence: Evidence, place: str | None, arrivals: int, seconds: float
) -> Outcome:
    if seconds > objective.target:
        note = f"interrupted for {number(seconds)} s > {number(objective.target)} s (n={arrivals})"
        return exact("fail", place, seconds, arrivals, note)
    watched = exposure(objective, evidence.plan, evidence.windows, place)
    needed = arrivals_needed(objective, watched)
    if arrivals < needed:
        note = f"has too few arrivals to tell (n={arrivals}; it takes {needed} to see {number(objective.target)} s)"
        return exact("inconclusive", place, seconds, arrivals, note)
    return exact("pass", place, seconds, arrivals, f"longest interruption {number(seconds)} s (n={arrivals})")


def comeback(evidence: Evidence, window: Window, place: str | None) -> Comeback:
    """Look for the first success after a healing from which on no outage follows; None: of all that it touches."""
    later = [w.start for w in evidence.windows if w.start > window.stop and (place is None or w.touches(place))]
    provinces = window.provinces if place is None else {place}
    where = "true" if provinces is None else f"province IN {texts(provinces)}"
    (row,) = evidence.database.execute(
        RECOVERY.format(where=where, horizon=f"'{min(later, default=math.inf)}'::DOUBLE", healed=repr(window.stop))
    ).fetchall()
    return Comeback(*row)


def _recovery(objective: Objective, evidence: Evidence, window: Window, place: str | None) -> Outcome:
    if not window.healed:
        return nothing(place, f"the record doesn't say when {window.fault} was healed")
    return _recovered(objective, window, place, comeback(evidence, window, place))


def _recovered(objective: Objective, window: Window, place: str | None, found: Comeback) -> Outcome:
    arrivals, last, success = found.arrivals, found.last, found.success
    if last is None:
        return nothing(place, f"no arrivals after {window.fault} was healed")
    if success is None and last - window.stop < objective.target:
        return nothing(place, f"arrivals end too early after {window.fault} to tell (n={arrivals})", arrivals)
    if success is None:
        return exact("fail", place, None, arrivals, f"didn't recover from {window.fault} (n={arrivals})")
    seconds = max(0.0, success - window.stop)
    if seconds > objective.target:
        note = f"took {number(seconds)} s > {number(objective.target)} s to recover from {window.fault} (n={arrivals})"
        return exact("fail", place, seconds, arrivals, note)
    return exact("pass", place, seconds, arrivals, f"recovered from {window.fault} in {number(seconds)} s")
