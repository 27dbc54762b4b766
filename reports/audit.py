"""The audit: what became of every dossier. Classifies ledger × reads in SQL; ``reports.classify`` has the queries.

Failures: *lost* (acknowledged, then absent), *duplicated* (one key with several dossiers, or one code for several),
*divergent* (portal and province disagree, or hold other content than was sent), *regressed* (a history with a hole or
out of order, or without a step that was acknowledged), *phantom* (nobody attempted it), *resurrected* (refused, yet
there), *misrouted* (wrong province or commune), *misfiled* (a test among official dossiers, or an official one among
tests). No failures: *stale* (only the second reading found it), *recovered* (never acknowledged, yet stored). *held* (a
migration leaves it to a person). *Unread*: what couldn't be read proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from model.dossier import Channel, why_not_history
from model.links import province_system
from reports import classify, migration
from reports.screen import screen
from reports.sql import text

if TYPE_CHECKING:
    import duckdb

FAILURES = ("lost", "duplicated", "divergent", "regressed", "phantom", "resurrected", "misrouted", "misfiled")
PASSES = (1, 2)
CHANNELS = {"submit": Channel.ONLINE, "intake": Channel.DIRECT, "forward": Channel.DIRECT}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that the audit found about one dossier.

    Attributes:
        category: A key of ``classify.CATEGORIES``.
        code: The dossier's code; of a lost one the code that was acknowledged.
        key: Idempotency key of its creation, empty where a step is concerned.
        province: Province code, as the citizen meant it; of a phantom as the system has it.
        commune: Commune code, likewise.
        detail: What exactly is wrong, for people.
    """

    category: str
    code: str
    key: str
    province: str
    commune: str
    detail: str


@dataclass(frozen=True, slots=True)
class SystemRead:
    """One reading of one system.

    Attributes:
        system: ``national`` or ``province:NN``.
        number: Which pass, 1 or 2.
        dossiers: How many it said it read.
        complete: Whether it read all, and the record holds them.
    """

    system: str
    number: int
    dossiers: int
    complete: bool


@dataclass(frozen=True, slots=True)
class SyncLag:
    """Seconds from a province's step to its arrival at the portal, over the steps that did arrive; None without any."""

    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None
    samples: int


@dataclass(frozen=True, slots=True)
class Audit:
    """What became of every dossier.

    Attributes:
        counts: ``attempted``, ``acknowledged``, ``refused``, ``unknown`` keys; ``read`` codes; ``unread`` acknowledged
            dossiers; then the dossiers of each category.
        codes: Category -> codes, sorted, each once.
        findings: In the order of ``classify.CATEGORIES``, then of codes.
        sync_lag: In seconds.
        systems: Both readings of every system that should have been read.
    """

    counts: Mapping[str, int]
    codes: Mapping[str, tuple[str, ...]]
    findings: tuple[Finding, ...]
    sync_lag: SyncLag
    systems: tuple[SystemRead, ...]

    @property
    def unread_systems(self) -> tuple[str, ...]:
        """Systems of which a reading is missing or incomplete."""
        return tuple(dict.fromkeys(read.system for read in self.systems if not read.complete))


def audit(database: duckdb.DuckDBPyConnection, provinces: Iterable[str], events: Sequence[Mapping[str, Any]]) -> Audit:
    """Classify every dossier of a record opened with ``tables.opened``.

    Args:
        database: Gets temporary tables; ``lags`` is there for the indicators afterwards.
        provinces: Codes of the provinces whose systems belong to the run.
        events: Of the record; ``audit_read`` tells which readings are complete.
    """
    systems = _systems(database, ["national", *map(province_system, provinces)], events)
    _connections(database, events)
    clear = _stage(database, systems, events)
    findings = tuple(finding for category in classify.CATEGORIES for finding in _findings(database, category))
    codes = {
        category: tuple(sorted({finding.code for finding in findings if finding.category == category}))
        for category in classify.CATEGORIES
    }
    return Audit(_counts(database, clear, codes), codes, findings, _sync_lag(database), systems)


def _systems(
    database: duckdb.DuckDBPyConnection, names: Sequence[str], events: Sequence[Mapping[str, Any]]
) -> tuple[SystemRead, ...]:
    said = {(event.get("system"), event.get("pass")): event for event in events if event["event"] == "audit_read"}
    rows = database.execute('SELECT system, "pass", count(*) FROM reads GROUP BY ALL').fetchall()
    kept = {(system, number): count for system, number, count in rows}
    return tuple(
        _system(name, number, said.get((name, number), {}), kept.get((name, number), 0))
        for name in names
        for number in PASSES
    )


def _system(name: str, number: int, event: Mapping[str, Any], kept: int) -> SystemRead:
    dossiers = int(event.get("dossiers") or 0)
    return SystemRead(name, number, dossiers, event.get("complete") is True and kept >= dossiers)


def _connections(database: duckdb.DuckDBPyConnection, events: Sequence[Mapping[str, Any]]) -> None:
    """Note from when on the communes that weren't connected at first owed the portal their steps, and it them."""
    said = [event for event in events if event["event"] == "communes_unconnected"]
    rows = [f"({text(code)}, {float(event['until'])!r})" for event in said for code in event["communes"]]
    _table(database, "unconnected", "commune VARCHAR, since DOUBLE", rows)


def _stage(
    database: duckdb.DuckDBPyConnection, systems: Sequence[SystemRead], events: Sequence[Mapping[str, Any]]
) -> int:
    """Leave the tables that the findings are made of; returns how many dossiers need no look one by one."""
    unread = {read.system for read in systems if not read.complete}
    readable = sorted({read.system for read in systems} - unread)
    _table(database, "readable", "system VARCHAR", [f"({text(system)})" for system in readable])
    migration.stage(database, events)
    clear = screen(database)
    database.execute(classify.STAGES)
    paths = database.execute("SELECT states, operation FROM paths ORDER BY ALL").fetchall()
    reasons = [(states, operation, why_not_history(states, CHANNELS[operation])) for states, operation in paths]
    _table(
        database,
        "forbidden",
        "states INTEGER[], operation VARCHAR, why VARCHAR",
        [f"({states}, {text(operation)}, {text(why)})" for states, operation, why in reasons if why],
    )
    return clear


def _table(database: duckdb.DuckDBPyConnection, name: str, columns: str, rows: Sequence[str]) -> None:
    database.execute(f"CREATE TEMP TABLE {name} ({columns})")
    if rows:
        database.execute(f"INSERT INTO {name} VALUES {', '.join(rows)}")


def _findings(database: duckdb.DuckDBPyConnection, category: str) -> list[Finding]:
    rows = database.execute(f"SELECT DISTINCT * FROM ({classify.CATEGORIES[category]}) ORDER BY ALL").fetchall()
    return [Finding(category, *("" if cell is None else str(cell) for cell in row)) for row in rows]


def _counts(database: duckdb.DuckDBPyConnection, clear: int, codes: Mapping[str, Sequence[str]]) -> dict[str, int]:
    (row,) = database.execute(classify.COUNTS).fetchall()
    counted = dict(zip(("attempted", "acknowledged", "refused", "unknown", "read", "unread"), row, strict=True))
    for name in ("attempted", "acknowledged", "read"):
        counted[name] += clear
    return counted | {category: len(listed) for category, listed in codes.items()}


def _sync_lag(database: duckdb.DuckDBPyConnection) -> SyncLag:
    ((quantiles, longest, samples),) = database.execute(classify.SYNC_LAG).fetchall()
    p50, p95, p99 = quantiles or (None, None, None)
    return SyncLag(p50, p95, p99, longest, samples)
