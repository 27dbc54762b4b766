"""The run as OpenMetrics with timestamps: what ``promtool tsdb create-blocks-from openmetrics`` loads.

Counters are cumulative, from 0 at t0, and a whole second later by what that second brought. A series exists from t0 on,
also the error series that never moves: a ratio over it is 0, not empty. A run longer than 600 s is sampled at 600 equal
steps; a series that never moves only every ``QUIET`` steps and at the end, which halves the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from model.histogram import bucket_of, upper_of
from reports.facts import OUTCOMES, RULES, Facts
from reports.summary import visible

EDGES = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
ARRIVAL_OUTCOMES = ("ok", "failed", "dropped", "unfinished")
QUIET = 10
HALF_MICROS = """CASE WHEN bucket < 128 THEN 2 * bucket::BIGINT
    ELSE ((2 * ((bucket & 63) + 64) + 1)::BIGINT << ((bucket >> 6) - 1)::BIGINT) END"""
"""Twice a bucket's midpoint in microseconds, whole: sums of it don't depend on their order."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The moments at which series are sampled.

    Attributes:
        began: Unix time of t0.
        step: Seconds between two samples.
        steps: How many follow the first.
    """

    began: float
    step: int
    steps: int

    def at(self, i: int) -> str:
        """Return the timestamp of the i-th sample, Unix seconds with milliseconds."""
        return f"{self.began + i * self.step:.3f}"

    @property
    def end(self) -> str:
        """The timestamp of the last sample."""
        return self.at(self.steps)


def text(facts: Facts, db: duckdb.DuckDBPyConnection) -> str:
    """Return ``metrics.om``."""
    clock = Clock(facts.began, facts.timeline.width, len(facts.timeline.requests))
    lines = [
        *_family("thongsuot_requests", "counter", "Requests, in the second in which they were due."),
        *_requests(db, clock),
        *_family("thongsuot_arrivals", "counter", "Arrivals, in the second in which they were due."),
        *_arrivals(facts, db, clock),
        *_family(
            "thongsuot_response_seconds",
            "histogram",
            "Response time; a failed request is above every bound.",
            "seconds",
        ),
        *_responses(db, clock),
        *_family("thongsuot_fault_active", "gauge", "1 while a fault is held."),
        *_active(facts, clock),
        *_family(
            "thongsuot_sync_lag_seconds", "gauge", "Sync lag from a province to the portal, whole run.", "seconds"
        ),
        *_lag(facts, clock),
        *_family("thongsuot_dossiers", "gauge", "Dossiers by what the audit found."),
        *_dossiers(facts, clock),
        "# EOF",
    ]
    return "\n".join(lines) + "\n"


def _family(name: str, kind: str, help_text: str, unit: str = "") -> list[str]:
    lines = [f"# TYPE {name} {kind}", f"# HELP {name} {help_text}"]
    return [lines[0], f"# UNIT {name} {unit}", lines[1]] if unit else lines


def labels(pairs: Mapping[str, object]) -> str:
    """Write a label set, values escaped: backslash, quote and line feed."""
    escaped = (
        (key, visible(str(value)).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n"))
        for key, value in pairs.items()
    )
    return "{" + ",".join(f'{key}="{value}"' for key, value in escaped) + "}"


def _series(name: str, clock: Clock, counts: Sequence[int]) -> Iterator[str]:
    """Yield the samples of one counter: 0 at t0, then the running sum of ``counts``."""
    quiet = not any(counts)
    total = 0
    for i in range(clock.steps + 1):
        total += counts[i - 1] if i else 0
        if not quiet or i % QUIET == 0 or i == clock.steps:
            yield f"{name} {total} {clock.at(i)}"


def _table(db: duckdb.DuckDBPyConnection, query: str, clock: Clock) -> dict[tuple[str, ...], list[int]]:
    """Run a query that returns (label, …, step, count) and return counts per step by labels, in order."""
    found: dict[tuple[str, ...], list[int]] = {}
    for *cut, i, count in db.execute(query).fetchall():
        counts = found.setdefault(tuple(cut), [0] * clock.steps)
        counts[min(i, clock.steps - 1)] += count
    return found


def _requests(db: duckdb.DuckDBPyConnection, clock: Clock) -> Iterator[str]:
    found = _table(
        db,
        f"""SELECT operation, province, outcome, greatest(second, 0) // {clock.step} AS i, sum(count)::BIGINT
            FROM samples WHERE kind = 'response' GROUP BY ALL ORDER BY ALL""",
        clock,
    )
    nothing = [0] * clock.steps
    for operation, province in dict.fromkeys(cut[:2] for cut in found):
        for outcome in OUTCOMES:
            name = labels({"operation": operation, "province": province, "outcome": outcome})
            counts = found.get((operation, province, outcome), nothing)
            yield from _series(f"thongsuot_requests_total{name}", clock, counts)


def _arrivals(facts: Facts, db: duckdb.DuckDBPyConnection, clock: Clock) -> Iterator[str]:
    found = _table(
        db,
        f"""SELECT journey, outcome, greatest(floor(intended / {clock.step}), 0)::BIGINT AS i, count(*)
            FROM arrivals WHERE intended IS NOT NULL GROUP BY ALL ORDER BY ALL""",
        clock,
    )
    nothing = [0] * clock.steps
    for journey in dict.fromkeys([*sorted(facts.plan.load.journeys), *(cut[0] for cut in found)]):
        for outcome in ARRIVAL_OUTCOMES:
            name = labels({"journey": journey, "outcome": outcome})
            yield from _series(f"thongsuot_arrivals_total{name}", clock, found.get((journey, outcome), nothing))


def below(edge: float) -> int:
    """Return the last bucket that lies wholly at or below an edge in seconds."""
    bucket = bucket_of(edge)
    while bucket >= 0 and upper_of(bucket) > edge * (1 + 1e-9):
        bucket -= 1
    return bucket


def _responses(db: duckdb.DuckDBPyConnection, clock: Clock) -> Iterator[str]:
    ok = "outcome = 'ok'"
    counted = ", ".join(f"coalesce(sum(count) FILTER ({ok} AND bucket <= {below(edge)}), 0)::BIGINT" for edge in EDGES)
    rows = db.execute(
        f"""SELECT operation, greatest(second, 0) // {clock.step} AS i, {counted}, sum(count)::BIGINT,
                   sum(count * ({HALF_MICROS}))::BIGINT
            FROM samples WHERE kind = 'response' GROUP BY operation, i ORDER BY operation, i"""
    ).fetchall()
    columns: dict[str, list[tuple[int, ...]]] = {}
    for operation, i, *values in rows:
        steps = columns.setdefault(operation, [(0,) * (len(EDGES) + 2)] * clock.steps)
        steps[min(i, clock.steps - 1)] = tuple(values)
    for operation, steps in columns.items():
        yield from _histogram(operation, clock, list(zip(*steps, strict=True)))


def _histogram(operation: str, clock: Clock, columns: Sequence[Sequence[int]]) -> Iterator[str]:
    *buckets, counts, halves = columns
    for edge, column in zip((*map(str, EDGES), "+Inf"), (*buckets, counts), strict=True):
        name = labels({"operation": operation, "le": edge})
        yield from _series(f"thongsuot_response_seconds_bucket{name}", clock, column)
    name = labels({"operation": operation})
    yield from _series(f"thongsuot_response_seconds_count{name}", clock, counts)
    total = 0
    for i in range(clock.steps + 1):
        total += halves[i - 1] if i else 0
        yield f"thongsuot_response_seconds_sum{name} {total / 2e6:.6f} {clock.at(i)}"


def _active(facts: Facts, clock: Clock) -> Iterator[str]:
    for life in facts.faults:
        name = labels({"fault": life.fault.id, "kind": life.fault.kind, "link": life.fault.target})
        until = float("inf") if life.healed is None else life.healed
        for i in range(clock.steps + 1):
            held = life.applied is not None and life.applied <= i * clock.step < until
            yield f"thongsuot_fault_active{name} {int(held)} {clock.at(i)}"


def _lag(facts: Facts, clock: Clock) -> Iterator[str]:
    lag = facts.audit.sync_lag if facts.audit else None
    for quantile, value in {"0.5": lag.p50, "0.95": lag.p95, "0.99": lag.p99, "1": lag.max}.items() if lag else ():
        if value is not None:
            yield f"thongsuot_sync_lag_seconds{labels({'quantile': quantile})} {value:.6f} {clock.end}"


def _dossiers(facts: Facts, clock: Clock) -> Iterator[str]:
    found = facts.verdict.integrity
    counts = {"acknowledged": found.acknowledged, "read": found.read, "unread": found.unread}
    for status, count in (counts | {rule: len(found.codes(rule)) for rule in RULES}).items():
        yield f"thongsuot_dossiers{labels({'status': status})} {count} {clock.end}"
