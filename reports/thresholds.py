"""Where histograms have their edges: on the thresholds of a campaign's objectives, and on a few of their own.

Response times are kept in log-linear buckets (``model.histogram``). An edge counts the buckets that lie wholly at or
below it, as the judge's strict count of an objective does.
"""

from model.histogram import LAG_EDGES, bucket_of, upper_of
from model.plan import Plan

EDGES = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds, of response times."""


def thresholds(plan: Plan) -> tuple[float, ...]:
    """Return the targets of a plan's response-time objectives, seconds."""
    return _targets(plan, "response_time")


def edges(plan: Plan) -> tuple[float, ...]:
    """Return the edges of a plan's response-time histogram, seconds."""
    return tuple(sorted({*EDGES, *thresholds(plan)}))


def lag_edges(plan: Plan) -> tuple[float, ...]:
    """Return the edges of a plan's sync-lag histogram, seconds."""
    return tuple(sorted({*LAG_EDGES, *_targets(plan, "sync_lag")}))


def edge(seconds: float) -> str:
    """Write an edge as it stands in a label."""
    return str(float(seconds))


def below(seconds: float) -> int:
    """Return the last bucket that lies wholly at or below an edge in seconds."""
    bucket = bucket_of(seconds)
    while bucket >= 0 and upper_of(bucket) > seconds * (1 + 1e-9):
        bucket -= 1
    return bucket


def _targets(plan: Plan, indicator: str) -> tuple[float, ...]:
    return tuple(sorted({float(found.target) for found in plan.objectives if found.indicator == indicator}))
