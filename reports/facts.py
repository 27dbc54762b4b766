"""What the reports show, as frozen values. Times are seconds since t0, rates are per second, shares lie in 0..1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from model.plan import Fault, Plan
from reports.alerts import AlertResult
from reports.comparison import Compared
from reports.conduct import SteadyState, StepResult, StopFired
from reports.recovery import Recovery

STRIP = 60
ERRORS = ("refused", "reset", "timeout", "http_4xx", "http_5xx", "invalid")
OUTCOMES = ("ok", *ERRORS)
RULES = ("lost", "duplicated", "divergent", "regressed", "phantom", "resurrected", "misrouted", "misfiled")


class ObjectiveResult(msgspec.Struct, frozen=True, kw_only=True):
    """One objective as ``verdict.json`` has it; numbers are None where nothing was measured."""

    name: str
    verdict: str
    indicator: str = ""
    scope: str = ""
    target: float | None = None
    observed: float | None = None
    low: float | None = None
    high: float | None = None
    samples: int | None = None
    provenance: str = ""


class Integrity(msgspec.Struct, frozen=True, kw_only=True):
    """Dossier codes per broken rule, as ``verdict.json`` has them."""

    acknowledged: int = 0
    read: int = 0
    lost: tuple[str, ...] = ()
    duplicated: tuple[str, ...] = ()
    divergent: tuple[str, ...] = ()
    regressed: tuple[str, ...] = ()
    phantom: tuple[str, ...] = ()
    resurrected: tuple[str, ...] = ()
    misrouted: tuple[str, ...] = ()
    misfiled: tuple[str, ...] = ()
    unread: int = 0

    def codes(self, rule: str) -> tuple[str, ...]:
        """Return the dossier codes that break a rule of ``RULES``."""
        result: tuple[str, ...] = getattr(self, rule)
        return result


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the generator did, as ``verdict.json`` has it."""

    planned: int = 0
    started: int = 0
    dropped: int = 0
    unfinished: int = 0
    late_p99_seconds: float | None = None


class FaultResult(msgspec.Struct, frozen=True, kw_only=True):
    """One fault as ``verdict.json`` has it."""

    id: str
    kind: str = ""
    link: str | None = None
    proved: bool = False
    healed: bool = False


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """``verdict.json``."""

    verdict: str
    reasons: tuple[str, ...] = ()
    objectives: tuple[ObjectiveResult, ...] = ()
    integrity: Integrity = Integrity()
    load: LoadResult = LoadResult()
    faults: tuple[FaultResult, ...] = ()
    steady_state: SteadyState | None = None
    stops: tuple[StopFired, ...] = ()
    steps: tuple[StepResult, ...] = ()
    recovery: tuple[Recovery, ...] = ()
    alerts: tuple[AlertResult, ...] = ()
    look_ups: str = ""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One broken rule of one dossier, as ``audit.json`` has it."""

    category: str
    code: str | None = None
    key: str | None = None
    province: str | None = None
    commune: str | None = None
    detail: str | None = None


class SyncLag(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds from a step in a province to its arrival at the portal."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None
    samples: int = 0


class SystemRead(msgspec.Struct, frozen=True, kw_only=True, rename={"pass_": "pass"}):
    """One system's reading by the audit."""

    system: str
    pass_: int = 0
    dossiers: int | None = None
    complete: bool = False


class EntryFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong with one entry of a book, as ``audit.json`` has it."""

    category: str
    book: str
    key: str = ""
    detail: str = ""


class Entries(msgspec.Struct, frozen=True, kw_only=True):
    """What ``audit.json`` says of the books besides dossiers."""

    acknowledged: dict[str, int] = {}
    unread: dict[str, int] = {}
    unread_systems: tuple[str, ...] = ()
    findings: tuple[EntryFinding, ...] = ()


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """``audit.json``."""

    counts: dict[str, int] = {}
    findings: tuple[Finding, ...] = ()
    sync_lag: SyncLag | None = None
    stale: Any = None
    recovered: Any = None
    systems: tuple[SystemRead, ...] = ()
    entries: Entries = Entries()


@dataclass(frozen=True, slots=True)
class Event:
    """One line of ``events.jsonl``.

    Attributes:
        t: Seconds since t0, None before it.
        time: Unix seconds.
        name: What happened.
        fields: The rest.
    """

    t: float | None
    time: float
    name: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FaultLife:
    """One fault from plan to proof; times are seconds since t0, None where it never came to that.

    Attributes:
        fault: As planned.
        applied: When it was switched on.
        proved: When it was seen to bite.
        bite: What was measured then, or when that failed.
        healed: When it was switched off.
        gone: When the link was seen to be whole again.
        relief: What was measured then.
        bites: The verdict's word on whether it was proved.
        heals: The verdict's word on whether it was healed.
    """

    fault: Fault
    applied: float | None
    proved: float | None
    bite: Any
    healed: float | None
    gone: float | None
    relief: Any
    bites: bool
    heals: bool


@dataclass(frozen=True, slots=True)
class Timeline:
    """The run in at most ``extent.POINTS`` slices.

    Attributes:
        width: Seconds per slice.
        end: Seconds that the axis spans.
        offered: Arrivals due, per second, by slice.
        started: Arrivals that started, per second.
        requests: Requests due, per second.
        succeeded: Those of them that succeeded.
        errors: By outcome, those that didn't; only outcomes that occurred.
        p50: Median response time in seconds, infinite for a failure, None in a slice without a request.
        p95: 95 % quantile, likewise.
    """

    width: int
    end: int
    offered: tuple[float, ...]
    started: tuple[float, ...]
    requests: tuple[float, ...]
    succeeded: tuple[float, ...]
    errors: Mapping[str, tuple[float, ...]]
    p50: tuple[float | None, ...]
    p95: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class ProvinceRow:
    """What one province saw.

    Attributes:
        code: Province code.
        arrivals: Arrivals that were planned for it.
        requests: Requests of its citizens and officers.
        ok: Those that succeeded.
        errors: The others, by outcome.
        p50: Median response time, seconds.
        p95: 95 % quantile of the response time, seconds.
        interruption: The longest, seconds; None when there was none.
        sync_p95: 95 % quantile of the sync lag, seconds.
        strip: Failing share in each of ``STRIP`` equal parts of the run, None without requests.
    """

    code: str
    arrivals: int
    requests: int
    ok: int
    errors: Mapping[str, int]
    p50: float | None
    p95: float | None
    interruption: float | None
    sync_p95: float | None
    strip: tuple[float | None, ...]

    @property
    def availability(self) -> float | None:
        """Share of requests that succeeded."""
        return self.ok / self.requests if self.requests else None


@dataclass(frozen=True, slots=True)
class OperationRow:
    """What one operation saw; durations are seconds."""

    name: str
    requests: int
    ok: int
    p50: float | None
    p95: float | None
    p99: float | None
    service_p95: float | None


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """What was seen of one of the stack's processes between t0 and the end of the load.

    Attributes:
        name: The group of systems in it.
        starts: How often it was seen newly started: 1, and 1 more for each restart.
        answered: Requests that its systems have answered, over all its lives.
        turned_away: Of these, requests of other systems answered 429 or 503.
        memory: Resident bytes, at the first look and at the last.
        descriptors: Open files and connections, likewise.
        strip: The most resident bytes in each of ``STRIP`` equal parts of the run, None without a look.
    """

    name: str
    starts: int
    answered: int
    turned_away: int
    memory: tuple[int, int]
    descriptors: tuple[int, int]
    strip: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Generator:
    """How late arrivals started, seconds; None without arrivals."""

    late_p50: float | None
    late_p99: float | None
    late_max: float | None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that the reports of one record show.

    Attributes:
        plan: The campaign.
        verdict: The judgement.
        audit: The classification of the dossiers, None when there was no audit.
        events: In the order of time.
        environment: Flat (name, value) pairs.
        began: Unix time of t0, or of the first event when the load never began.
        loaded: Whether t0 came.
        faults: In the order of the plan.
        timeline: The run in slices.
        provinces: Worst first.
        operations: By name.
        processes: By name; none where nobody looked, as at other people's systems.
        generator: How punctual the load was.
        requests: In the whole run.
        peak: Most requests that were due in one second.
        compared: Control provinces and the others; empty without control provinces.
        doubts: Why the load proves nothing; empty when it does.
    """

    plan: Plan
    verdict: Verdict
    audit: Audit | None
    events: tuple[Event, ...]
    environment: tuple[tuple[str, str], ...]
    began: float
    loaded: bool
    faults: tuple[FaultLife, ...]
    timeline: Timeline
    provinces: tuple[ProvinceRow, ...]
    operations: tuple[OperationRow, ...]
    processes: tuple[ProcessRow, ...]
    generator: Generator
    requests: int
    peak: int
    compared: tuple[Compared, ...]
    doubts: tuple[str, ...]


def audit_doubt(facts: Facts) -> str:
    """Say why an empty list of broken rules proves nothing; empty when it does."""
    if facts.audit is None:
        return "there was no audit"
    found = facts.verdict.integrity
    partial = {read.system for read in facts.audit.systems if not read.complete}
    reasons = (
        (found.acknowledged == 0, "no dossier was acknowledged"),
        (found.read == 0, "no dossier was read"),
        (bool(partial), f"{len(partial)} systems weren't read completely, twice"),
        (found.unread > 0, f"{found.unread} acknowledged dossiers couldn't be looked up"),
    )
    return next((text for doubtful, text in reasons if doubtful), "")


def rules(facts: Facts) -> tuple[str, ...]:
    """Name the rules that the audit asks about: of external systems, those that a look-up of one dossier can tell."""
    return ("lost", "duplicated", "divergent") if facts.plan.targets else RULES


def rule_verdict(facts: Facts, rule: str) -> str:
    """Return the verdict on one rule of ``RULES``: a lost worker may have attempted what looks like a phantom."""
    broken = bool(facts.verdict.integrity.codes(rule))
    excused = rule == "phantom" and any(event.name == "worker_lost" for event in facts.events)
    if broken and not excused:
        return "fail"
    return "inconclusive" if broken or audit_doubt(facts) else "pass"
