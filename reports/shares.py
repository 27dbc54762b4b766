"""Indicators that are shares, or quantiles decided by shares: availability, isolation, response time, sync lag.

A quantile q meets its target T when the share of requests answered well within T is at least q; so a failed request
counts as slower than any time, and quantiles are decided with the bounds of shares. Histogram buckets that straddle T
count as slower for passing and as faster for failing.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from model.histogram import bucket_of, upper_of
from model.plan import Objective
from reports.outcome import Outcome, nothing, number, seconds
from reports.selection import Evidence, conditions, overlap
from reports.sql import texts
from reports.statistics import BLOCK, Bounds, Clusters, Step, at_least, quantile, samples_needed, share_bounds

DEFAULT_QUANTILE = 0.95

SHARES = f"""
WITH blocks AS (
    SELECT {{place}} AS place, province, second // {BLOCK} AS block,
           sum(total) AS m, sum(good) AS k, sum(generous) AS g
    FROM ({{source}})
    GROUP BY ALL
)
SELECT place, count(*), sum(m), sum(k), sum(k * k), sum(k * m), sum(m * m), sum(g)
FROM blocks
GROUP BY place
ORDER BY place
"""

REQUESTS = """
SELECT province, second, count AS total,
       CASE WHEN outcome = 'ok' AND bucket < {slow} THEN count ELSE 0 END AS good,
       CASE WHEN outcome = 'ok' AND bucket < {too_slow} THEN count ELSE 0 END AS generous
FROM samples
WHERE kind = 'response' AND {where}
"""

DURATIONS = """
SELECT {place} AS place, bucket, sum(count)
FROM samples
WHERE kind = 'response' AND outcome = 'ok' AND {where}
GROUP BY ALL
ORDER BY ALL
"""

OWED = """
SELECT *, floor(t)::BIGINT AS second, 1 AS total, coalesce(lag <= {target}, false)::INTEGER AS good, good AS generous
FROM (SELECT province, occurred - {t0} AS t, lag FROM lags)
WHERE {where}
"""

LAGS = """
SELECT {place} AS place, ceil(lag * 1000)::BIGINT AS milliseconds, count(*)
FROM ({source})
WHERE lag IS NOT NULL
GROUP BY ALL
ORDER BY ALL
"""

EVERYTHING = 1 << 30
"""Above every bucket."""


class Share(NamedTuple):
    """Successes in blocks; ``generous`` also counts those in the bucket that straddles the target."""

    clusters: Clusters
    generous: int

    @property
    def bounds(self) -> Bounds:
        """One-sided 95 % bounds on the share: low by the strict count, high by the generous one."""
        n, effect = self.clusters.total, self.clusters.design_effect
        return Bounds(share_bounds(self.clusters.good, n, effect).low, share_bounds(self.generous, n, effect).high)


NONE = Share(Clusters(0, 0, 0, 0, 0, 0), 0)


def availability(objective: Objective, evidence: Evidence) -> list[Outcome]:
    """Share of requests that were answered well."""
    shares = counted(objective, evidence)
    return [_share(objective, place, shares.get(place or "", NONE)) for place in _places(objective, evidence, shares)]


def isolation(objective: Objective, evidence: Evidence) -> list[Outcome]:
    """Share of requests answered well while a fault was on, in the provinces that no fault of the campaign touches.

    Moments in which a fault between shared systems was on don't count: that one touches everyone.
    """
    shares = counted(objective, evidence)
    touched = frozenset(code for window in evidence.windows for code in window.provinces or ())
    places = [place for place in _places(objective, evidence, shares) if place not in touched]
    return [_share(objective, place, shares.get(place or "", NONE)) for place in places]


def _answered(objective: Objective, evidence: Evidence) -> str:
    return REQUESTS.format(slow=EVERYTHING, too_slow=EVERYTHING, where=_requests(objective, evidence))


def _apart(objective: Objective, evidence: Evidence) -> str:
    local = [window for window in evidence.windows if window.provinces is not None]
    touched = frozenset(code for window in local for code in window.provinces or ())
    during = " OR ".join(f"(second < {window.stop!r} AND second + 1 > {window.start!r})" for window in local) or "false"
    shared = [f"NOT ({overlap(w, 'second', 'second + 2')})" for w in evidence.windows if w.provinces is None]
    where = " AND ".join(
        [
            _requests(objective, evidence),
            f"({during})",
            f"province NOT IN {texts(touched)}" if touched else "true",
            *shared,
        ]
    )
    return REQUESTS.format(slow=EVERYTHING, too_slow=EVERYTHING, where=where)


def response_time(objective: Objective, evidence: Evidence) -> list[Outcome]:
    """Quantile of finished - intended; a failed request is slower than any time."""
    where = _requests(objective, evidence)
    rows = evidence.database.execute(DURATIONS.format(place=_place(objective), where=where)).fetchall()
    steps: dict[str, list[Step]] = defaultdict(list)
    for place, bucket, count in rows:
        steps[place].append(Step(upper_of(bucket - 1) if bucket else 0.0, upper_of(bucket), int(count)))
    return _quantiles(objective, evidence, counted(objective, evidence), steps)


def _fast(objective: Objective, evidence: Evidence) -> str:
    straddling = bucket_of(objective.target)
    return REQUESTS.format(slow=straddling, too_slow=straddling + 1, where=_requests(objective, evidence))


def sync_lag(objective: Objective, evidence: Evidence) -> list[Outcome]:
    """Quantile of applied at the portal - occurred in the province; a step that never came is slower than any time."""
    source = _owed(objective, evidence)
    steps: dict[str, list[Step]] = defaultdict(list)
    for place, milliseconds, count in evidence.database.execute(
        LAGS.format(place=_place(objective), source=source)
    ).fetchall():
        steps[place].append(Step(milliseconds / 1000, milliseconds / 1000, count))
    return _quantiles(objective, evidence, counted(objective, evidence), steps)


def _owed(objective: Objective, evidence: Evidence) -> str:
    t0 = next((float(e["time"]) - float(e["t"] or 0) for e in evidence.events if e["event"] == "t0"), None)
    where = conditions(objective, evidence, "t", "(t + coalesce(lag, 'infinity'))") if t0 is not None else "false"
    return OWED.format(target=repr(objective.target), t0=repr(t0 or 0.0), where=where)


COUNTED: dict[str, Callable[[Objective, Evidence], str]] = {
    "availability": _answered,
    "isolation": _apart,
    "response_time": _fast,
    "sync_lag": _owed,
}
"""Indicator -> SQL of (province, second, total, good, generous): what its share counts."""


def _requests(objective: Objective, evidence: Evidence) -> str:
    """Pick rows of ``samples``; a request may be in flight for a second more than the one it was due in."""
    return conditions(objective, evidence, "second", "second + 2", phase="phase", operation="operation")


def _place(objective: Objective) -> str:
    return "coalesce(province, '')" if objective.scope == "province" else "''"


def _places(objective: Objective, evidence: Evidence, seen: Mapping[str, object]) -> list[str | None]:
    places = evidence.places(objective)
    if objective.scope == "province" and not objective.provinces:
        return sorted({*places, *seen}, key=str)
    return list(places)


def counted(objective: Objective, evidence: Evidence) -> dict[str, Share]:
    """Count what an objective of ``COUNTED`` is decided by: per province, or under the empty name for the nation."""
    source = COUNTED[objective.indicator](objective, evidence)
    rows = evidence.database.execute(SHARES.format(place=_place(objective), source=source)).fetchall()
    return {place: Share(Clusters(*map(int, sums)), int(generous)) for place, *sums, generous in rows}


def _share(objective: Objective, place: str | None, share: Share) -> Outcome:
    n = share.clusters.total
    if not n:
        return nothing(place, "no samples")
    bounds, observed = share.bounds, share.clusters.good / n
    verdict = at_least(bounds, objective.target)
    notes = {
        "pass": f"observed {number(observed)} (n={n})",
        "inconclusive": f"observed {number(observed)} (n={n}) doesn't settle {number(objective.target)}: "
        f"{_between(bounds, objective.target)}",
        "fail": f"observed {number(observed)} < {number(objective.target)} (n={n})",
    }
    return Outcome(verdict, place, observed, bounds.low, bounds.high, n, notes[verdict], -observed)


def _between(bounds: Bounds, share: float) -> str:
    needed = samples_needed(share)
    takes = "no number of samples proves that" if needed is None else f"without a failure it takes n={needed}"
    return f"the share lies between {bounds.low:.4f} and {bounds.high:.4f}, {takes}"


def _quantiles(
    objective: Objective, evidence: Evidence, shares: Mapping[str, Share], steps: Mapping[str, Sequence[Step]]
) -> list[Outcome]:
    places = _places(objective, evidence, shares)
    return [_quantile(objective, place, shares.get(place or "", NONE), steps.get(place or "", ())) for place in places]


def _quantile(objective: Objective, place: str | None, share: Share, steps: Sequence[Step]) -> Outcome:
    n, q, target = share.clusters.total, objective.quantile or DEFAULT_QUANTILE, seconds(objective.target)
    if not n:
        return nothing(place, "no samples")
    observed, low, high = quantile(q, steps, n, share.clusters.design_effect)
    verdict = at_least(share.bounds, q)
    notes = {
        "pass": f"observed {seconds(observed)} (n={n})",
        "inconclusive": f"observed {seconds(observed)} (n={n}) doesn't settle {target} at the {q:.4g} quantile: "
        f"{_between(share.bounds, q)}",
        "fail": f"observed {seconds(observed)} > {target} at the {q:.4g} quantile (n={n})",
    }
    return Outcome(
        verdict, place, observed, low, high, n, notes[verdict], float("inf") if observed is None else observed
    )
