"""How long the backlog that a fault left took to drain, and when portal and province were the same again.

A *crossing* is a step that one book owes the other: a province's step to the portal, the portal's registration to the
province. The histories say when it occurred, and when the other side applied it. Until then it waits.

*Drained*: every crossing that occurred before the healing is applied. *Converged*: that, and from then on no crossing
waits for longer than is normal and ``GRACE`` seconds; normal is the 95 % quantile of the waits that ended before the
first fault.
"""

from typing import NamedTuple

from model.links import province_system
from model.plan import Objective
from reports.figure import Figure, precise, unknown
from reports.outcome import Outcome, exact, nothing, number
from reports.screen import FINAL
from reports.selection import Evidence, Window
from reports.sql import text, texts

GRACE = 2.0
"""Seconds beyond the normal wait from which on a crossing is overdue [A]."""

CROSSINGS = f"""
CREATE TEMP TABLE IF NOT EXISTS crossings AS
SELECT province, occurred - {{zero}} AS occurred, occurred - {{zero}} + lag AS applied FROM lags
UNION ALL
SELECT
    portal.province, greatest(portal.occurred[1], since) - {{zero}},
    CASE WHEN province.applied[1] IS NOT NULL
         THEN greatest(province.applied[1], portal.occurred[1], since) - {{zero}} END
FROM (FROM ({FINAL}) ANTI JOIN legacy USING (key) WHERE system = 'national') portal
LEFT JOIN (FROM ({FINAL}) ANTI JOIN legacy USING (key) WHERE system <> 'national') province
    ON coalesce(province.key, '') = coalesce(portal.key, '') AND province.code = portal.code
LEFT JOIN unconnected ON unconnected.commune = portal.commune
WHERE portal.states[1] = 1 AND portal.occurred[1] IS NOT NULL
"""

NORMAL = "SELECT quantile_disc(applied - occurred, 0.95) FROM crossings WHERE applied < {first} AND {where}"

WAITING = """
SELECT
    count(*) FILTER (occurred < {healed}),
    count(*) FILTER (occurred < {healed} AND applied IS NULL),
    count(*) FILTER (occurred < {healed} AND applied > {healed}),
    max(applied) FILTER (occurred < {healed}),
    count(*) FILTER (applied IS NULL),
    max(applied) FILTER (applied - occurred > {overdue})
FROM crossings
WHERE occurred < {horizon} AND {where}
"""


class Waiting(NamedTuple):
    """What waited between portal and provinces around a healing; seconds since t0.

    Attributes:
        before: Crossings that occurred before the healing.
        stuck: Those of them that were never applied.
        backlog: Those of them that were applied after it.
        drained: When the last of them was applied.
        missing: Crossings up to the next fault that were never applied.
        overdue: When the last of those that were overdue was applied.
    """

    before: int
    stuck: int
    backlog: int
    drained: float | None
    missing: int
    overdue: float | None


def drain(evidence: Evidence, window: Window) -> Figure:
    """Return the time from the healing until everything that occurred before it was applied."""
    doubt = _doubt(evidence, window, None)
    if doubt:
        return unknown(doubt)
    found = _waiting(evidence, window, None, 0.0)
    if not found.before:
        return unknown("no step was taken before it was healed")
    if found.stuck:
        return Figure(None, None, None, _steps(found.stuck, "never arrived"), never=True)
    return precise(max(0.0, (found.drained or 0.0) - window.stop), _steps(found.backlog, "waited at the healing"))


def converge(evidence: Evidence, window: Window, place: str | None = None) -> Figure:
    """Return the time from the healing until portal and provinces were the same; None: all that the fault touches."""
    doubt = _doubt(evidence, window, place)
    if doubt:
        return unknown(doubt)
    normal = _normal(evidence, window)
    if normal is None:
        return unknown("no step arrived before the first fault: what is normal isn't known")
    found = _waiting(evidence, window, place, normal + GRACE)
    if not found.before:
        return unknown("no step was taken before it was healed")
    if found.missing:
        return Figure(None, None, None, _steps(found.missing, "never arrived"), never=True)
    note = f"normal: a step waits for {number(normal)} s"
    return precise(max(0.0, (found.drained or 0.0) - window.stop, (found.overdue or 0.0) - window.stop), note)


def convergence_time(objective: Objective, evidence: Evidence) -> list[Outcome]:
    """Time from a fault's healing until portal and province were the same, per fault and province that it touches."""
    return [
        _outcome(objective, window, place, converge(evidence, window, place))
        for window in evidence.windows
        for place in evidence.places(objective)
        if place is None or window.touches(place)
    ]


def _outcome(objective: Objective, window: Window, place: str | None, found: Figure) -> Outcome:
    if found.never:
        return exact("fail", place, None, 1, f"didn't converge after {window.fault}: {found.why}")
    if found.seconds is None:
        return nothing(place, f"{window.fault}: {found.why}")
    took = f"took {number(found.seconds)} s"
    if found.seconds > objective.target:
        note = f"{took} > {number(objective.target)} s to converge after {window.fault}"
        return exact("fail", place, found.seconds, 1, note)
    return exact("pass", place, found.seconds, 1, f"{took} to converge after {window.fault}")


def _doubt(evidence: Evidence, window: Window, place: str | None) -> str:
    """Say why the histories tell nothing about a fault; empty where they do."""
    if not window.applied:
        return f"{window.fault} wasn't applied"
    if not window.healed:
        return f"the record doesn't say when {window.fault} was healed"
    if _zero(evidence) is None:
        return "the load never began"
    provinces = window.provinces or evidence.plan.stack.provinces
    systems = {"national", *map(province_system, (place,) if place else provinces)}
    query = f"SELECT count(*) FROM readable WHERE system IN {texts(systems)}"
    ((read,),) = evidence.database.execute(query).fetchall()
    return "" if read == len(systems) else "not read completely, twice"


def _zero(evidence: Evidence) -> float | None:
    """Return the Unix time of t0."""
    return next((float(e["time"]) - float(e["t"] or 0) for e in evidence.events if e["event"] == "t0"), None)


def _where(window: Window, place: str | None) -> str:
    if place is not None:
        return f"province = {text(place)}"
    return "true" if window.provinces is None else f"province IN {texts(window.provinces)}"


def _normal(evidence: Evidence, window: Window) -> float | None:
    """Return the 95 % quantile of the waits, over all that a fault touches, before anything was broken."""
    _stage(evidence)
    first = min(other.start for other in evidence.windows if other.applied)
    query = NORMAL.format(first=repr(first), where=_where(window, None))
    ((normal,),) = evidence.database.execute(query).fetchall()
    return None if normal is None else float(normal)


def _waiting(evidence: Evidence, window: Window, place: str | None, overdue: float) -> Waiting:
    _stage(evidence)
    later = [w.start for w in evidence.windows if w.start > window.stop and (place is None or w.touches(place))]
    query = WAITING.format(
        healed=repr(window.stop),
        horizon=repr(min(later)) if later else "'infinity'::DOUBLE",
        overdue=repr(overdue),
        where=_where(window, place),
    )
    (row,) = evidence.database.execute(query).fetchall()
    return Waiting(*row)


def _stage(evidence: Evidence) -> None:
    evidence.database.execute(CROSSINGS.format(zero=repr(_zero(evidence))))


def _steps(count: int, did: str) -> str:
    return f"{count} step{'s' * (count != 1)} {did}"
