"""The indicators: what an objective can be about, and how it is judged."""

from collections.abc import Callable
from dataclasses import replace

from model.plan import Objective, Plan
from reports.convergence import convergence_time
from reports.detection import detection_time
from reports.outages import arrivals_needed, interruption, recovery_time
from reports.outcome import Outcome, exact, nothing, number, worst_of
from reports.processes import descriptor_growth, memory_growth, retry_rate
from reports.screen import CREATIONS
from reports.selection import Evidence, conditions, exposure, windows
from reports.shares import DEFAULT_QUANTILE, availability, isolation, response_time, sync_lag
from reports.statistics import samples_needed as samples_for

REFUSALS = """
SELECT coalesce(province, ''), count(*), count(*) FILTER (event = 'fail' AND reason = 'reorganisation')
FROM (
    SELECT province, operation, event, reason, time FROM ledger WHERE event <> 'invoke'
) WHERE {where}
GROUP BY ALL
"""


def refusals(objective: Objective, evidence: Evidence) -> list[Outcome]:
    """Count the writes refused because of the reorganisation; ``target`` is how many may be.

    A province without writes refused none; without any write at all nothing is shown.
    """
    where = conditions(objective, evidence, "time", "time", operation="operation")
    rows = evidence.database.execute(REFUSALS.format(where=where)).fetchall()
    if not rows:
        return [nothing(None, "no writes")]
    places = sorted({row[0] for row in rows}) if objective.scope == "province" else [None]
    return [_refusals(objective, place, [row for row in rows if place in (None, row[0])]) for place in places]


DOSSIERS = f"""
SELECT coalesce(province, ''), count(DISTINCT key) FILTER (event = 'ok')
FROM ledger WHERE operation IN {CREATIONS} AND {{where}} GROUP BY ALL
"""


def dossiers(objective: Objective, evidence: Evidence) -> list[Outcome]:
    """Count the dossiers that were acknowledged; ``target`` is how many must be. One that was sent twice is one.

    Where nobody tried, nothing is shown.
    """
    where = conditions(objective, evidence, "time", "time", operation="operation")
    found = dict(evidence.database.execute(DOSSIERS.format(where=where)).fetchall())
    if not found:
        return [nothing(None, "no writes")]
    if objective.scope == "nation":
        return [_dossiers(objective, None, sum(found.values()))]
    places = objective.provinces or evidence.plan.stack.provinces
    return [_dossiers(objective, place, found.get(place, 0)) for place in places]


def drain_time(objective: Objective, evidence: Evidence) -> list[Outcome]:
    """How long the outboxes took to empty after the load; the same everywhere, so there is one outcome."""
    finished = [event for event in evidence.events if event["event"] == "drain_finished"]
    if not finished or finished[-1].get("seconds") is None:
        return [nothing(None, "the record has no drain")]
    seconds, backlog = float(finished[-1]["seconds"]), finished[-1].get("backlog")
    if finished[-1].get("drained") is False or backlog:
        note = f"not drained after {number(seconds)} s: {backlog} messages left"
        return [exact("fail", None, None, 1, note)]
    if seconds > objective.target:
        return [exact("fail", None, seconds, 1, f"took {number(seconds)} s > {number(objective.target)} s")]
    return [exact("pass", None, seconds, 1, f"took {number(seconds)} s")]


INDICATORS: dict[str, Callable[[Objective, Evidence], list[Outcome]]] = {
    "availability": availability,
    "response_time": response_time,
    "interruption": interruption,
    "refusals": refusals,
    "dossiers": dossiers,
    "sync_lag": sync_lag,
    "detection_time": detection_time,
    "recovery_time": recovery_time,
    "drain_time": drain_time,
    "convergence_time": convergence_time,
    "isolation": isolation,
    "memory_growth": memory_growth,
    "descriptor_growth": descriptor_growth,
    "retry_rate": retry_rate,
}
"""Name -> one outcome per province, or one for the nation."""

OF_LOAD = frozenset(
    {"availability", "response_time", "interruption", "isolation", "detection_time", "recovery_time", "dossiers"}
)
"""What a late generator can spoil by itself."""


def measure(objective: Objective, evidence: Evidence) -> Outcome:
    """Return the outcome that decides an objective: of the worst province, or of the nation."""
    return worst_of(INDICATORS[objective.indicator](objective, evidence))


def samples_needed(objective: Objective, plan: Plan) -> int | None:
    """Return how many samples an objective needs at least, per province (or nation), if nothing fails.

    Requests for shares and response times, steps for the sync lag, arrivals for interruptions, 1 otherwise; None where
    no number suffices: a share of 1 can't be proved.
    """
    if objective.indicator in ("availability", "isolation"):
        return samples_for(objective.target)
    if objective.indicator in ("response_time", "sync_lag"):
        return samples_for(objective.quantile or DEFAULT_QUANTILE)
    if objective.indicator == "interruption":
        cuts = windows(plan, (), {})
        places = (objective.provinces or plan.stack.provinces) if objective.scope == "province" else (None,)
        return max(arrivals_needed(objective, exposure(objective, plan, cuts, place)) for place in places)
    return 1


def _dossiers(objective: Objective, place: str | None, count: int) -> Outcome:
    enough = count >= objective.target
    note = f"{count} dossiers acknowledged" + ("" if enough else f" < {number(objective.target)}")
    return replace(exact("pass" if enough else "fail", place, count, count, note), badness=-count)


def _refusals(objective: Objective, place: str | None, rows: list[tuple[str, int, int]]) -> Outcome:
    answered, refused = sum(row[1] for row in rows), sum(row[2] for row in rows)
    if refused > objective.target:
        note = f"refused {refused} > {number(objective.target)} for the reorganisation (n={answered})"
        return exact("fail", place, refused, answered, note)
    return exact("pass", place, refused, answered, f"refused {refused} for the reorganisation (n={answered})")
