"""Reads what a report shows from the record, once: small files as they are, tables through DuckDB SQL.

Pure: no clock, no network. Times are seconds since t0, rates are per second, shares lie in 0..1. Sums are kept in
integers, so the number of threads can't change a digit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from model.plan import Fault, Plan
from model.record import Record, RecordError
from reports import validity
from reports.comparison import compared
from reports.extent import extent, length
from reports.facts import (
    ERRORS,
    STRIP,
    Audit,
    Event,
    Facts,
    FaultLife,
    Generator,
    OperationRow,
    ProcessRow,
    ProvinceRow,
    Timeline,
    Verdict,
)
from reports.outages import INTERRUPTIONS
from reports.quantiles import quantiles

if TYPE_CHECKING:
    import duckdb

Cut = Sequence[Any]
T = TypeVar("T")


def read(record: Record, db: duckdb.DuckDBPyConnection) -> Facts:
    """Read everything that the reports show; raises RecordError when a file isn't what it should be."""
    plan = record.plan()
    verdict = _shaped(record, "verdict.json", Verdict)
    told = record.events()
    events = tuple(map(_event, told))
    zero = next((event.time - (event.t or 0.0) for event in events if event.name == "t0"), None)
    line = timeline(db, plan)
    return Facts(
        plan=plan,
        verdict=verdict,
        audit=_shaped(record, "audit.json", Audit) if record.path("audit.json").exists() else None,
        events=events,
        environment=_environment(record),
        began=zero if zero is not None else (events[0].time if events else 0.0),
        loaded=zero is not None,
        faults=tuple(_life(fault, events, verdict) for fault in plan.faults),
        timeline=line,
        provinces=provinces(db, plan, line.end),
        operations=operations(db),
        processes=processes(db, line.end),
        generator=generator(db),
        requests=sum(row[1] for row in _counts(db, "kind")),
        peak=_peak(db),
        compared=compared(db, plan, verdict.recovery),
        doubts=tuple(validity.doubts(db, plan, told, validity.load(db, told))),
    )


def _shaped(record: Record, name: str, kind: type[T]) -> T:
    try:
        return msgspec.convert(record.json(name), kind)
    except msgspec.ValidationError as error:
        raise RecordError(f"{record.path(name)}: {error}; the record is truncated or foreign") from None


def _event(entry: Mapping[str, Any]) -> Event:
    fields = {key: value for key, value in entry.items() if key not in {"t", "time", "event"}}
    t = entry["t"]
    return Event(None if t is None else float(t), float(entry["time"]), str(entry["event"]), fields)


def _environment(record: Record) -> tuple[tuple[str, str], ...]:
    if not record.path("environment.json").exists():
        return ()
    return tuple(flat(record.json("environment.json")))


def flat(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield (dotted name, text) of every leaf of a JSON value, lists joined by commas."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, list):
        yield prefix, ", ".join(text for item in value for _, text in flat(item))
    else:
        yield prefix, "" if value is None else str(value)


def _life(fault: Fault, events: Sequence[Event], verdict: Verdict) -> FaultLife:
    own = {event.name: event for event in events if event.fields.get("fault") == fault.id}
    judged = next((result for result in verdict.faults if result.id == fault.id), None)

    def at(name: str) -> float | None:
        return own[name].t if name in own else None

    def measured(*names: str) -> Any:
        return next((own[name].fields.get("measured") for name in names if name in own), None)

    return FaultLife(
        fault=fault,
        applied=at("fault_applied"),
        proved=at("fault_proved"),
        bite=measured("fault_proved", "fault_unproved"),
        healed=at("fault_healed"),
        gone=at("fault_gone"),
        relief=measured("fault_gone", "fault_not_gone"),
        bites=judged is not None and judged.proved,
        heals=judged is not None and judged.healed,
    )


def timeline(db: duckdb.DuckDBPyConnection, plan: Plan) -> Timeline:
    """Cut the run in slices of whole seconds, at most ``extent.POINTS`` of them."""
    end, (width, slices) = length(db, plan), extent(db, plan)
    slot = f"greatest(second, 0) // {width}"
    by_outcome = _slots(_counts(db, f"outcome, {slot}"), slices, width)
    spread = {row[0]: row[1:] for row in quantiles(db, slot, "response", (0.5, 0.95))}
    offered, started = (_arrivals(db, column, slices, width) for column in ("intended", "started"))
    zero = (0.0,) * slices
    ok = by_outcome.get("ok", zero)
    errors = {outcome: by_outcome[outcome] for outcome in ERRORS if outcome in by_outcome}
    return Timeline(
        width=width,
        end=end,
        offered=offered,
        started=started,
        requests=tuple(map(sum, zip(*(by_outcome.values() or [zero]), strict=True))),
        succeeded=ok,
        errors=errors,
        p50=tuple(spread[i][0] if i in spread else None for i in range(slices)),
        p95=tuple(spread[i][1] if i in spread else None for i in range(slices)),
    )


def _counts(db: duckdb.DuckDBPyConnection, group: str) -> list[tuple[Any, ...]]:
    return db.execute(
        f"SELECT {group}, sum(count)::BIGINT FROM samples WHERE kind = 'response' GROUP BY ALL ORDER BY ALL"
    ).fetchall()


def _slots(rows: Sequence[Cut], slices: int, width: int) -> dict[str, tuple[float, ...]]:
    found: dict[str, list[float]] = defaultdict(lambda: [0.0] * slices)
    for name, slot, count in rows:
        found[name][slot] = count / width
    return {name: tuple(values) for name, values in found.items()}


def _arrivals(db: duckdb.DuckDBPyConnection, column: str, slices: int, width: int) -> tuple[float, ...]:
    rates = [0.0] * slices
    slot = f"greatest(floor({column} / {width}), 0)::BIGINT"
    query = f"SELECT {slot} AS i, count(*) FROM arrivals WHERE {column} IS NOT NULL GROUP BY i"
    for i, count in db.execute(query).fetchall():
        if i < slices:
            rates[i] = count / width
    return tuple(rates)


def provinces(db: duckdb.DuckDBPyConnection, plan: Plan, end: int) -> tuple[ProvinceRow, ...]:
    """Return what every province of the plan or the tables saw, worst first; untouched ones last."""
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for code, outcome, count in _counts(db, "province, outcome"):
        counts[code][outcome] = count
    arrivals = dict(db.execute("SELECT province, count(*) FROM arrivals GROUP BY ALL").fetchall())
    spread = {row[0]: row[1:] for row in quantiles(db, "province", "response", (0.5, 0.95))}
    interruptions, lags = _interruptions(db, plan.duration), _lags(db)
    strips = _strips(
        db,
        f"""SELECT province, greatest(second, 0) * {STRIP} // {end} AS slot,
                   (sum(count) FILTER (outcome <> 'ok')) / sum(count) AS failing
            FROM samples WHERE kind = 'response' GROUP BY ALL""",
    )
    codes = {code for code in {*plan.stack.provinces, *counts, *arrivals} if code}
    rows = [
        ProvinceRow(
            code=code,
            arrivals=arrivals.get(code, 0),
            requests=sum(counts[code].values()),
            ok=counts[code].get("ok", 0),
            errors={outcome: counts[code][outcome] for outcome in ERRORS if outcome in counts[code]},
            p50=spread.get(code, (None, None))[0],
            p95=spread.get(code, (None, None))[1],
            interruption=interruptions.get(code),
            sync_p95=lags.get(code),
            strip=strips.get(code, (None,) * STRIP),
        )
        for code in codes
    ]
    return tuple(sorted(rows, key=_badness))


def _badness(row: ProvinceRow) -> tuple[float, float, float, str]:
    availability = 2.0 if row.availability is None else row.availability
    return availability, -(row.interruption or 0.0), -(row.p95 or 0.0), row.code


def _interruptions(db: duckdb.DuckDBPyConnection, end: float) -> dict[str, float]:
    """Return the longest interruption of each province in seconds, as the judge counts it, faults included."""
    query = INTERRUPTIONS.format(
        place="province", segment="0", cap="'infinity'::DOUBLE", where="province IS NOT NULL", end=repr(end)
    )
    return {province: seconds for province, _, seconds in db.execute(query).fetchall() if seconds > 0}


def _lags(db: duckdb.DuckDBPyConnection) -> dict[str, float]:
    """Return the 95 % quantile of the sync lag of each province, over the steps that did arrive from there."""
    return dict(
        db.execute(
            """WITH steps AS (SELECT province, unnest(json_transform(history, '[["DOUBLE"]]')) AS step FROM reads
                              WHERE system = 'national' AND json_valid(history)
                                AND pass = (SELECT max(pass) FROM reads WHERE system = 'national'))
               SELECT province, quantile_disc(greatest(step[4] - step[3], 0), 0.95) AS lag FROM steps
               WHERE step[4] IS NOT NULL AND step[3] IS NOT NULL AND (step[1] > 1 OR step[2] = 2) GROUP BY province"""
        ).fetchall()
    )


def _strips(db: duckdb.DuckDBPyConnection, query: str) -> dict[str, tuple[float | None, ...]]:
    """Return the strip of each name, from a query of (name, part of the run, value)."""
    found: dict[str, list[float | None]] = defaultdict(lambda: [None] * STRIP)
    for name, slot, value in db.execute(query).fetchall():
        found[name][slot] = float(value or 0)
    return {name: tuple(values) for name, values in found.items()}


def operations(db: duckdb.DuckDBPyConnection) -> tuple[OperationRow, ...]:
    """Return what every operation saw, by name."""
    response = {row[0]: row[1:] for row in quantiles(db, "operation", "response", (0.5, 0.95, 0.99))}
    service = {row[0]: row[1] for row in quantiles(db, "operation", "service", (0.95,))}
    ok = {name: count for name, outcome, count in _counts(db, "operation, outcome") if outcome == "ok"}
    rows = []
    for name, total in _counts(db, "operation"):
        p50, p95, p99 = response.get(name, (None, None, None))
        rows.append(OperationRow(name, total, ok.get(name, 0), p50, p95, p99, service.get(name)))
    return tuple(rows)


def processes(db: duckdb.DuckDBPyConnection, end: int) -> tuple[ProcessRow, ...]:
    """Return what was seen of every process, by name."""
    slot = f"least(floor(time * {STRIP} / {end})::BIGINT, {STRIP - 1})"
    strips = _strips(db, f"SELECT process, {slot} AS slot, max(memory) FROM processes WHERE time >= 0 GROUP BY ALL")
    rows = db.execute(
        """WITH lives AS (
               SELECT process, began, max(answered) AS answered, max(turned_away) AS turned_away,
                      min_by((memory, descriptors), time) AS first, max_by((memory, descriptors), time) AS last
               FROM processes WHERE time >= 0 GROUP BY ALL)
           SELECT process, count(*), sum(answered)::BIGINT, sum(turned_away)::BIGINT,
                  min_by(first, began), max_by(last, began)
           FROM lives GROUP BY process ORDER BY process"""
    ).fetchall()
    return tuple(
        ProcessRow(
            name=name,
            starts=starts,
            answered=answered,
            turned_away=turned_away,
            memory=(first[0], last[0]),
            descriptors=(first[1], last[1]),
            strip=strips[name],
        )
        for name, starts, answered, turned_away, first, last in rows
    )


def generator(db: duckdb.DuckDBPyConnection) -> Generator:
    """Return how late the arrivals started."""
    late = "greatest(started - intended, 0)"
    row = db.execute(
        f"SELECT quantile_disc({late}, 0.5), quantile_disc({late}, 0.99), max({late}) FROM arrivals"
        " WHERE started IS NOT NULL"
    ).fetchall()[0]
    return Generator(*row)


def _peak(db: duckdb.DuckDBPyConnection) -> int:
    per_second = "SELECT sum(count)::BIGINT AS n FROM samples WHERE kind = 'response' GROUP BY second"
    return int(db.execute(f"SELECT coalesce(max(n), 0) FROM ({per_second})").fetchall()[0][0])
