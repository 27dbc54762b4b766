"""The run as OpenMetrics with timestamps: what ``promtool tsdb create-blocks-from openmetrics`` loads.

Counters are cumulative, from 0 at t0, and a whole second later by what that second brought. A series exists from t0 on,
also the error series that never moves: a ratio over it is 0, not empty. A run longer than 600 s is sampled at 600 equal
steps. A sample that repeats the one before it and the one after it is only written every ``QUIET`` seconds, and every
``UNTOUCHED`` seconds of a series that never moves: a straight line between its neighbours says the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.audit import audit
from reports.facts import OUTCOMES, RULES, Facts
from reports.summary import visible
from reports.thresholds import below, edge, edges, lag_edges, thresholds

if TYPE_CHECKING:
    import duckdb

ARRIVAL_OUTCOMES = ("ok", "failed", "dropped", "unfinished")
QUIET = 20
"""Seconds in which a series that doesn't move is sampled once; PromQL looks back 5 minutes."""
UNTOUCHED = 120
"""The same of a series that never moves in the whole run."""
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
    places = facts.plan.stack.provinces
    lines = [
        *_family("thongsuot_requests", "counter", "Requests, in the second in which they were due."),
        *_requests(db, clock),
        *_family("thongsuot_arrivals", "counter", "Arrivals, in the second in which they were due."),
        *_arrivals(facts, db, clock),
        *_family(
            "thongsuot_requests_within", "counter", "Requests that succeeded within the threshold of an objective."
        ),
        *_within(db, clock, thresholds(facts.plan)),
        *_family("thongsuot_refusals", "counter", "Writes that were refused because of the reorganisation."),
        *_refusals(db, clock, places),
        *_family(
            "thongsuot_response_seconds",
            "histogram",
            "Response time; a failed request is above every bound.",
            "seconds",
        ),
        *_responses(db, clock, edges(facts.plan)),
        *_family("thongsuot_fault_active", "gauge", "1 while a fault is held."),
        *_active(facts, clock),
        *_family(
            "thongsuot_sync_lag_seconds",
            "histogram",
            "Sync lag of the steps that a province owed the portal; one that never came is above every bound.",
            "seconds",
        ),
        *_lag(facts, db, clock),
        *_family("thongsuot_drain_seconds", "gauge", "How long the outboxes took to empty after the load.", "seconds"),
        *_drain(facts, clock),
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
    quiet = max((QUIET if any(counts) else UNTOUCHED) // clock.step, 1)
    total = 0
    for i in range(clock.steps + 1):
        came = counts[i - 1] if i else 0
        total += came
        if came or i == clock.steps or counts[i] or i % quiet == 0:
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
    for journey in dict.fromkeys([*sorted(facts.plan.journeys), *(cut[0] for cut in found)]):
        for outcome in ARRIVAL_OUTCOMES:
            name = labels({"journey": journey, "outcome": outcome})
            yield from _series(f"thongsuot_arrivals_total{name}", clock, found.get((journey, outcome), nothing))


def _within(db: duckdb.DuckDBPyConnection, clock: Clock, bounds: Sequence[float]) -> Iterator[str]:
    for seconds in bounds:
        found = _table(
            db,
            f"""SELECT operation, province, greatest(second, 0) // {clock.step} AS i,
                   coalesce(sum(count) FILTER (outcome = 'ok' AND bucket <= {below(seconds)}), 0)::BIGINT
                FROM samples WHERE kind = 'response' GROUP BY ALL ORDER BY ALL""",
            clock,
        )
        for (operation, province), counts in found.items():
            name = labels({"operation": operation, "province": province, "seconds": edge(seconds)})
            yield from _series(f"thongsuot_requests_within_total{name}", clock, counts)


def _refusals(db: duckdb.DuckDBPyConnection, clock: Clock, provinces: Sequence[str]) -> Iterator[str]:
    found = _table(
        db,
        f"""SELECT operation, coalesce(province, ''), greatest(floor(time / {clock.step}), 0)::BIGINT AS i,
               count(*) FILTER (event = 'fail' AND reason = 'reorganisation')
            FROM ledger WHERE event <> 'invoke' GROUP BY ALL ORDER BY ALL""",
        clock,
    )
    nothing = [0] * clock.steps
    for operation in sorted({cut[0] for cut in found}):
        for province in sorted({*provinces, *(cut[1] for cut in found if cut[0] == operation)}):
            name = labels({"operation": operation, "province": province})
            yield from _series(f"thongsuot_refusals_total{name}", clock, found.get((operation, province), nothing))


def _responses(db: duckdb.DuckDBPyConnection, clock: Clock, bounds: Sequence[float]) -> Iterator[str]:
    ok = "outcome = 'ok'"
    counted = ", ".join(f"coalesce(sum(count) FILTER ({ok} AND bucket <= {below(at)}), 0)::BIGINT" for at in bounds)
    rows = db.execute(
        f"""SELECT operation, greatest(second, 0) // {clock.step} AS i, {counted}, sum(count)::BIGINT,
                   sum(count * ({HALF_MICROS}))::BIGINT
            FROM samples WHERE kind = 'response' GROUP BY operation, i ORDER BY operation, i"""
    ).fetchall()
    columns: dict[str, list[tuple[int, ...]]] = {}
    for operation, i, *values in rows:
        steps = columns.setdefault(operation, [(0,) * (len(bounds) + 2)] * clock.steps)
        steps[min(i, clock.steps - 1)] = tuple(values)
    for operation, steps in columns.items():
        *buckets, halves = zip(*steps, strict=True)
        cut = {"operation": operation}
        yield from _histogram("thongsuot_response_seconds", cut, clock, bounds, buckets)
        yield from _sum(f"thongsuot_response_seconds_sum{labels(cut)}", clock, halves)


def _histogram(
    metric: str, cut: Mapping[str, object], clock: Clock, bounds: Sequence[float], columns: Sequence[Sequence[int]]
) -> Iterator[str]:
    """Yield the series of a histogram: cumulative columns, the last one of them the count."""
    for at, column in zip((*map(edge, bounds), "+Inf"), columns, strict=True):
        yield from _series(f"{metric}_bucket{labels({**cut, 'le': at})}", clock, column)
    yield from _series(f"{metric}_count{labels(cut)}", clock, columns[-1])


def _sum(name: str, clock: Clock, halves: Sequence[int]) -> Iterator[str]:
    total = 0
    for i in range(clock.steps + 1):
        total += halves[i - 1] if i else 0
        yield f"{name} {total / 2e6:.6f} {clock.at(i)}"


def _active(facts: Facts, clock: Clock) -> Iterator[str]:
    for life in facts.faults:
        name = labels({"fault": life.fault.id, "kind": life.fault.kind, "target": life.fault.target})
        until = float("inf") if life.healed is None else life.healed
        for i in range(clock.steps + 1):
            held = life.applied is not None and life.applied <= i * clock.step < until
            yield f"thongsuot_fault_active{name} {int(held)} {clock.at(i)}"


def _lag(facts: Facts, db: duckdb.DuckDBPyConnection, clock: Clock) -> Iterator[str]:
    """Yield the sync lag by the second in which a province took the step; without an audit there is none."""
    if facts.audit is None:
        return
    audit(db, facts.plan.stack.provinces, [{"event": event.name, **event.fields} for event in facts.events])
    bounds = lag_edges(facts.plan)
    counted = ", ".join(f"coalesce(sum((lag <= {at!r})::INTEGER), 0)::BIGINT" for at in bounds)
    rows = db.execute(
        f"""SELECT province, greatest(floor((occurred - {facts.began!r}) / {clock.step}), 0)::BIGINT AS i,
               {counted}, count(*)
            FROM lags GROUP BY ALL ORDER BY ALL"""
    ).fetchall()
    for province in sorted({*facts.plan.stack.provinces, *(row[0] for row in rows)}):
        columns = [[0] * clock.steps for _ in (*bounds, "+Inf")]
        for _, i, *values in (row for row in rows if row[0] == province):
            for column, value in zip(columns, values, strict=True):
                column[min(i, clock.steps - 1)] += value
        yield from _histogram("thongsuot_sync_lag_seconds", {"province": province}, clock, bounds, columns)


def _drain(facts: Facts, clock: Clock) -> Iterator[str]:
    drains = [event.fields for event in facts.events if event.name == "drain_finished"]
    if drains and drains[-1].get("seconds") is not None and not drains[-1].get("backlog"):
        yield f"thongsuot_drain_seconds {float(drains[-1]['seconds']):.6f} {clock.end}"


def _dossiers(facts: Facts, clock: Clock) -> Iterator[str]:
    found = facts.verdict.integrity
    counts = {"acknowledged": found.acknowledged, "read": found.read, "unread": found.unread}
    for status, count in (counts | {rule: len(found.codes(rule)) for rule in RULES}).items():
        yield f"thongsuot_dossiers{labels({'status': status})} {count} {clock.end}"
