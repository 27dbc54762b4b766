"""How soon a fault shows: from its application to the first failed request of those whom it touches.

The samples give the second in which a request was due, and the bucket of its response time. So the moment of its
failure lies between the second's beginning plus the bucket's lower edge and the second's end plus the upper one.
"""

from model.plan import Objective
from reports.buckets import LOWER, UPPER
from reports.figure import Figure, unknown
from reports.outcome import Outcome, exact, nothing, number
from reports.selection import Evidence, Window
from reports.sql import texts

FIRST_FAILURE = f"""
SELECT
    coalesce(sum(count) FILTER (second + 1 > {{start}}), 0),
    min(second + {LOWER}) FILTER (outcome <> 'ok' AND second + 1 + {UPPER} > {{start}}),
    min(second + 1 + {UPPER}) FILTER (outcome <> 'ok' AND second + {LOWER} >= {{start}})
FROM samples
WHERE kind = 'response' AND second < {{stop}} AND {{where}}
"""


def first_failure(evidence: Evidence, window: Window, place: str | None = None) -> Figure:
    """Return the time from a fault's application to the first failed request; None: of all that it touches."""
    if not window.applied:
        return unknown(f"{window.fault} wasn't applied")
    provinces = window.provinces if place is None else {place}
    where = "true" if provinces is None else f"province IN {texts(provinces)}"
    query = FIRST_FAILURE.format(start=repr(window.start), stop=repr(window.stop), where=where)
    ((requests, low, high),) = evidence.database.execute(query).fetchall()
    if not requests:
        return unknown("no requests while it was on")
    if low is None:
        return Figure(None, None, None, f"no request failed while it was on (n={requests})", never=True)
    low = max(0.0, low - window.start)
    if high is None:
        return Figure(None, low, None, "the only failure may have been before it")
    return Figure(high - window.start, low, high - window.start)


def detection_time(objective: Objective, evidence: Evidence) -> list[Outcome]:
    """Time from a fault's application to the first failed request, per fault and province that it touches.

    The bounds are those of the record's resolution. No failed request while it was on: fail, or inconclusive where it
    was on for a shorter time than the target.
    """
    return [
        _outcome(objective, window, place, first_failure(evidence, window, place))
        for window in evidence.windows
        for place in evidence.places(objective)
        if place is None or window.touches(place)
    ]


def _outcome(objective: Objective, window: Window, place: str | None, found: Figure) -> Outcome:
    target, held = objective.target, window.stop - window.start
    if found.never and held >= target:
        return exact("fail", place, None, 1, f"{window.fault} didn't show: {found.why}")
    if found.low is None or found.high is None:
        return nothing(place, f"{window.fault}: {found.why}")
    note = f"{window.fault} showed after {number(found.low)} to {number(found.high)} s"
    if found.high <= target:
        return Outcome("pass", place, found.seconds, found.low, found.high, 1, note, found.high)
    if found.low > target:
        return Outcome(
            "fail", place, found.seconds, found.low, found.high, 1, f"{note} > {number(target)} s", found.high
        )
    settles = f"{note}, which doesn't settle {number(target)} s"
    return Outcome("inconclusive", place, found.seconds, found.low, found.high, 1, settles, found.high)
