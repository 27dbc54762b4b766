"""The judge: record -> verdict. Pure: the same record gives the same bytes, at any time, on any machine.

A run passes when every objective is met, no dossier came to harm, everything was read, the load kept to its schedule,
every fault was proved and healed, no stop condition fired, people did what the campaign asks of them, and every alert
that was expected came. The worst wins: pass < inconclusive < fail.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from model.books import BOOKS
from model.plan import Objective, Plan
from model.record import Record
from reports import agreement, alerts, conduct, lookups, migration, recovery, tables, validity
from reports.alerts import AlertResult
from reports.audit import FAILURES, Audit, audit
from reports.conduct import Conduct
from reports.entries import CATEGORIES as ENTRY_FAILURES
from reports.entries import Entries, audit_entries
from reports.evidence import systems
from reports.failed import failed_checks
from reports.indicators import OF_LOAD, measure
from reports.lookups import LookUps
from reports.outcome import Outcome
from reports.recovery import Recovery
from reports.selection import Evidence, windows
from reports.statistics import Verdict, worst
from reports.validity import FaultResult, Load

if TYPE_CHECKING:
    import duckdb

EXIT_CODES: dict[str, int] = {"pass": 0, "fail": 1, "inconclusive": 3}
NAMED = 5  # dossiers that a reason names
ENDED = "a guard ended the load before enough was measured"
NO_ENTRIES = Entries({}, {}, (), ())
"""Of systems that keep no books that could be read."""


@dataclass(frozen=True, slots=True)
class ObjectiveResult:
    """An objective, judged; figures are in the unit of ``target``, None where infinite or unknown."""

    name: str
    indicator: str
    scope: str
    target: float
    observed: float | None
    low: float | None
    high: float | None
    samples: int
    verdict: Verdict
    provenance: str
    reason: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on a run and all that it rests on.

    Attributes:
        verdict: The worst of its parts.
        reasons: Failures first, then what is inconclusive; of a pass, one sentence that says what was shown.
        objectives: In the plan's order.
        audit: What became of every dossier.
        entries: What became of every entry of the other books: documents, verifications, calls, alerts, reports.
        load: What the generator did.
        faults: In the plan's order.
        conduct: Steady state, stop conditions, people's steps.
        recovery: One per fault, in the plan's order.
        alerts: In the plan's order.
        look_ups: What was looked up in external systems; None where the systems are ours.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    objectives: tuple[ObjectiveResult, ...]
    audit: Audit
    entries: Entries
    load: Load
    faults: tuple[FaultResult, ...]
    conduct: Conduct
    recovery: tuple[Recovery, ...]
    alerts: tuple[AlertResult, ...]
    look_ups: LookUps | None = None


Reason = tuple[Verdict, str]
Excuses = tuple[str, str]


def judge(record: Record) -> Judgement:
    """Judge a sealed record.

    Raises:
        RecordError: The record is truncated or foreign.
    """
    plan, events, stack = record.plan(), record.events(), systems(record)
    conducted, faults = conduct.conduct(plan, events), validity.fault_results(plan, events)
    with tables.opened(record) as database:
        evidence = Evidence(database, plan, events, windows(plan, events, stack))
        audited = audit(database, plan.stack.provinces, events)  # what follows uses its tables, empty ones too
        audited = lookups.audit(database) if plan.targets else audited
        entries = NO_ENTRIES if plan.targets else audit_entries(database, plan.stack, events)
        looked = lookups.look_ups(database, plan.targets, events) if plan.targets else None
        load = validity.load(database, events)
        ended = ENDED if validity.aborted(events) else ""
        excuses = _excuses(load, plan, conducted, ended)
        objectives = tuple(_objective(objective, evidence, excuses) for objective in plan.objectives)
        fired = alerts.results(evidence, {fault.id: fault.proved for fault in faults})
        course = recovery.table(evidence, fired)
        reasons = [
            *(lookups.integrity(audited, looked) if looked else _integrity(database, audited)),
            *_entries_integrity(entries),
            *_verdicts("fail", validity.crashes(plan, events, evidence.windows, stack)),
            *conduct.objections(conducted),
            *_verdicts("inconclusive", validity.doubts(database, plan, events, load)),
            *_verdicts("inconclusive", migration.doubts(database, plan, events)),
            *((result.verdict, f"{result.name}: {result.reason}") for result in objectives),
            *(_unless(ended, reason) for result in fired for reason in alerts.missed(result)),
            *_verdicts("inconclusive", (reason for fault in faults for reason in fault.reasons)),
            *_verdicts("inconclusive", agreement.doubts(record, evidence)),
        ]
    verdict, said = worst([verdict for verdict, _ in reasons]), _reasons(plan, reasons, audited, entries, load, looked)
    return Judgement(verdict, said, objectives, audited, entries, load, faults, conducted, course, fired, looked)


def write(record: Record, judgement: Judgement) -> None:
    """Write ``audit.json`` and ``verdict.json``."""
    record.write_json("audit.json", audit_json(judgement.audit) | {"entries": entries_json(judgement.entries)})
    record.write_json("verdict.json", verdict_json(judgement))


def exit_code(verdict: str) -> int:
    """Return the exit code that stands for a verdict: 0 pass, 1 fail, 3 inconclusive."""
    return EXIT_CODES[verdict]


def verdict_json(judgement: Judgement) -> dict[str, Any]:
    """Return what ``verdict.json`` holds; docs/record.md has its shape."""
    load = judgement.load
    return {
        "verdict": judgement.verdict,
        "reasons": list(judgement.reasons),
        "failed": list(failed_checks(judgement.objectives, judgement.audit, judgement.entries, judgement.alerts)),
        "objectives": [_without(asdict(result), "reason") for result in judgement.objectives],
        "integrity": {
            "acknowledged": judgement.audit.counts["acknowledged"],
            "read": judgement.audit.counts["read"],
            **{category: list(judgement.audit.codes[category]) for category in FAILURES},
            "unread": judgement.audit.counts["unread"],
        },
        "books": {
            category: sorted({item.key for item in judgement.entries.findings if item.category == category})
            for category in ENTRY_FAILURES
        },
        "load": {
            "planned": load.planned,
            "started": load.started,
            "dropped": load.dropped,
            "unfinished": load.unfinished,
            "late_p99_seconds": _rounded(load.late_p99),
        },
        "faults": [_without(asdict(fault), "reasons") for fault in judgement.faults],
        **_tidy(asdict(judgement.conduct)),
        "recovery": _tidy([asdict(course) for course in judgement.recovery]),
        "alerts": _tidy([asdict(result) for result in judgement.alerts]),
        **({"look_ups": judgement.look_ups.sentence} if judgement.look_ups else {}),
    }


def audit_json(audited: Audit) -> dict[str, Any]:
    """Return what ``audit.json`` holds."""
    return {
        "counts": dict(audited.counts),
        "findings": [asdict(finding) for finding in audited.findings],
        "sync_lag": {name: _rounded(value) for name, value in asdict(audited.sync_lag).items()},
        "stale": audited.counts["stale"],
        "recovered": audited.counts["recovered"],
        "systems": [
            {"system": read.system, "pass": read.number, "dossiers": read.dossiers, "complete": read.complete}
            for read in audited.systems
        ],
    }


def entries_json(entries: Entries) -> dict[str, Any]:
    """Return what ``audit.json`` holds of the books besides dossiers."""
    return {
        "acknowledged": dict(entries.acknowledged),
        "unread": dict(entries.unread),
        "unread_systems": list(entries.unread_systems),
        "findings": [asdict(finding) for finding in entries.findings],
    }


def _objective(objective: Objective, evidence: Evidence, excuses: Excuses) -> ObjectiveResult:
    outcome = measure(objective, evidence)
    verdict, reason = _excused(objective, outcome, excuses)
    return ObjectiveResult(
        objective.name,
        objective.indicator,
        objective.scope,
        objective.target,
        _rounded(outcome.observed),
        _rounded(outcome.low),
        _rounded(outcome.high),
        outcome.samples,
        verdict,
        objective.provenance,
        reason,
    )


def _excuses(load: Load, plan: Plan, conducted: Conduct, ended: str) -> Excuses:
    """Say why failed objectives may prove nothing: of the load's alone, and of any."""
    late = "the generator was late and may have caused it" if validity.is_late(load, plan.limits) else ""
    return late, ended or ("it wasn't healthy before the first fault" if conducted.unsteady else "")


def _unless(excuse: str, reason: Reason) -> Reason:
    """Take a failure back that has an excuse."""
    verdict, said = reason
    return ("inconclusive", f"{said}; {excuse}") if excuse and verdict == "fail" else reason


def _excused(objective: Objective, outcome: Outcome, excuses: Excuses) -> tuple[Verdict, str]:
    """Take a failure back that a late generator, an illness before the first fault or an early end may have caused."""
    late, ill = excuses
    return _unless(ill or (late if objective.indicator in OF_LOAD else ""), (outcome.verdict, outcome.reason))


def _integrity(database: duckdb.DuckDBPyConnection, audited: Audit) -> Iterator[Reason]:
    for category in FAILURES:
        if audited.codes[category]:
            yield "fail", f"integrity: {_named(category, audited.codes[category])}"
    if audited.unread_systems:
        names = ", ".join(audited.unread_systems[:NAMED]) + (", …" if len(audited.unread_systems) > NAMED else "")
        yield "inconclusive", f"audit: not read completely, twice: {names}; see audit.json and the audit_read events"
    if audited.counts["unread"]:
        yield "inconclusive", f"audit: {audited.counts['unread']} acknowledged dossiers couldn't be looked up"
    ((rows,),) = database.execute("SELECT count(*) FROM ledger").fetchall()
    if not rows:
        yield "inconclusive", "audit: the ledger is empty, so no dossier was put to the test"
    elif audited.counts["attempted"] and not audited.counts["acknowledged"]:
        yield "inconclusive", "audit: no dossier was acknowledged, so none was put to the test"


def _entries_integrity(entries: Entries) -> Iterator[Reason]:
    for category in ENTRY_FAILURES:
        for name, book in BOOKS.items():
            keys = entries.keys(category, name)
            if keys:
                shown = ", ".join(keys[:NAMED]) + (", …" if len(keys) > NAMED else "")
                detail = next(
                    item.detail for item in entries.findings if (item.category, item.book) == (category, name)
                )
                yield "fail", f"integrity: {book.entries}: {len(keys)} {category}: {shown} ({detail})"
    if entries.unread_systems:
        yield "inconclusive", f"audit: books not read completely, twice: {', '.join(entries.unread_systems[:NAMED])}"


def _named(category: str, codes: Sequence[str]) -> str:
    shown = ", ".join(codes[:NAMED]) + (", …" if len(codes) > NAMED else "")
    return f"{len(codes)} dossier{'s' * (len(codes) > 1)} {category}: {shown}"


def _verdicts(verdict: Verdict, reasons: Iterator[str]) -> list[Reason]:
    return [(verdict, reason) for reason in reasons]


def _reasons(
    plan: Plan, reasons: Sequence[Reason], audited: Audit, entries: Entries, load: Load, looked: LookUps | None
) -> tuple[str, ...]:
    said = [reason for wanted in ("fail", "inconclusive") for verdict, reason in reasons if verdict == wanted]
    bare = [] if plan.objectives else ["the campaign has no objectives: judged on integrity and validity alone"]
    if said:
        return tuple(said + bare)
    return (*bare, _shown_outside(plan, looked, load) if looked else _shown(plan, audited, entries, load))


def _shown_outside(plan: Plan, looked: LookUps, load: Load) -> str:
    objectives, faults = len(plan.objectives), len(plan.faults)
    return (
        f"{load.started} arrivals and {load.samples} requests met {objectives} of {objectives} objectives; "
        f"{looked.sentence}; {faults} of {faults} faults proved and healed"
    )


def _shown(plan: Plan, audited: Audit, entries: Entries, load: Load) -> str:
    objectives, faults, systems = len(plan.objectives), len(plan.faults), len(audited.systems) // 2
    kept = ", ".join(f"{count} {BOOKS[book].entries}" for book, count in entries.acknowledged.items() if count)
    books = f"{kept}: none lost, duplicated, divergent, misrouted, phantom or unfounded; " if kept else ""
    return (
        f"{load.started} arrivals and {load.samples} requests met {objectives} of {objectives} objectives; "
        f"{audited.counts['acknowledged']} acknowledged dossiers, read twice from {systems} systems: "
        "none lost, duplicated, divergent, regressed, phantom, resurrected, misrouted or misfiled; "
        f"{books}{migration.shown(plan, audited.counts['held'])}{faults} of {faults} faults proved and healed"
    )


def _without(fields: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != name}


def _tidy(value: Any) -> Any:
    """Round every number of nested dictionaries and lists."""
    if isinstance(value, dict):
        return {key: _tidy(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_tidy(inner) for inner in value]
    return _rounded(value) if isinstance(value, float) else value


def _rounded(value: float | None) -> float | int | None:
    """Keep 6 significant digits; whole numbers stay whole, infinity is None."""
    if value is None or isinstance(value, int):
        return value
    return None if value in (float("inf"), float("-inf")) or value != value else float(f"{value:.6g}")  # noqa: PLR0124  # NaN
