"""How the control provinces, which no fault may touch, fared against the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from model.plan import Plan
from reports.quantiles import quantiles
from reports.recovery import Recovery
from reports.sql import texts

if TYPE_CHECKING:
    import duckdb

GROUPS = ("control", "touched by a fault", "others")
MOMENTS = ("while a fault was on", "at other times")


@dataclass(frozen=True, slots=True)
class Compared:
    """What a group of provinces saw.

    Attributes:
        group: Of ``GROUPS``.
        moment: Of ``MOMENTS``.
        requests: That were due then.
        availability: Share of them that succeeded.
        p95: Seconds, 95 % quantile of the response time; a failed request is slower than any time.
    """

    group: str
    moment: str
    requests: int
    availability: float
    p95: float


def compared(db: duckdb.DuckDBPyConnection, plan: Plan, course: Sequence[Recovery]) -> tuple[Compared, ...]:
    """Compare groups of provinces while faults were on and at other times; nothing without control provinces."""
    if not plan.control:
        return ()
    touched = {
        code for fault in course for code in fault.provinces or plan.stack.provinces if fault.applied is not None
    }
    group = f"""CASE WHEN province IN {texts(plan.control)} THEN 0
                     WHEN province IN {texts(touched - set(plan.control))} THEN 1 ELSE 2 END"""
    moment = f"CASE WHEN {_on(course)} THEN 0 ELSE 1 END"
    cut = f"{group} * {len(MOMENTS)} + {moment}"
    counts = db.execute(
        f"""SELECT {cut} AS cut, sum(count)::BIGINT, (sum(count) FILTER (outcome = 'ok'))::BIGINT
            FROM samples WHERE kind = 'response' AND province <> '' GROUP BY cut ORDER BY cut"""
    ).fetchall()
    p95 = dict(quantiles(db, cut, "response", (0.95,), "province <> ''"))
    return tuple(
        Compared(GROUPS[cut // len(MOMENTS)], MOMENTS[cut % len(MOMENTS)], total, (ok or 0) / total, p95[cut])
        for cut, total, ok in counts
    )


def _on(course: Sequence[Recovery]) -> str:
    spans = [
        f"(second + 1 > {fault.applied!r} AND second < {fault.healed!r})"
        if fault.healed is not None
        else f"second + 1 > {fault.applied!r}"
        for fault in course
        if fault.applied is not None
    ]
    return " OR ".join(spans) or "false"
