"""Quantiles of durations over the samples, as reports show them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from model.histogram import seconds_of

if TYPE_CHECKING:
    import duckdb

FOREVER = 1 << 30
"""Bucket of a failed request: as for the judge, it counts as slower than any time."""


def quantiles(
    db: duckdb.DuckDBPyConnection, group: str, kind: str, wanted: Sequence[float], where: str = "true"
) -> list[tuple[Any, ...]]:
    """Return (group, quantile, …) in seconds, by order statistics on merged buckets; failures are infinite.

    Args:
        db: Has the table ``samples``.
        group: SQL by which rows are grouped.
        kind: ``response`` or ``service``.
        wanted: Shares of the requests.
        where: SQL that picks the rows.
    """
    picks = ", ".join(f"min(slot) FILTER (upto >= ceil({q} * total))" for q in wanted)
    rows = db.execute(
        f"""WITH merged AS (SELECT {group} AS cut, CASE WHEN outcome = 'ok' THEN bucket ELSE {FOREVER} END AS slot,
                                   sum(count)::BIGINT AS n
                            FROM samples WHERE kind = ? AND {where} GROUP BY ALL),
                 summed AS (SELECT cut, slot, sum(n) OVER (PARTITION BY cut ORDER BY slot) AS upto,
                                   sum(n) OVER (PARTITION BY cut) AS total FROM merged)
            SELECT cut, {picks} FROM summed GROUP BY cut ORDER BY cut""",
        [kind],
    ).fetchall()
    return [(cut, *(math.inf if slot == FOREVER else seconds_of(slot) for slot in slots)) for cut, *slots in rows]
