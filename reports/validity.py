"""Whether a run can prove anything: did the load keep to its schedule, did the faults bite and heal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from model.plan import Fault, Limits, Plan
from model.targets import KILLED
from reports.outcome import number
from reports.selection import Window, cohabitants

if TYPE_CHECKING:
    import duckdb

GAP = 20.0  # expected arrivals: that none comes has a chance of e⁻²⁰

ARRIVALS = """
SELECT
    count(*),
    count(started),
    count(*) FILTER (outcome = 'dropped'),
    count(*) FILTER (outcome = 'unfinished'),
    quantile_disc(started - intended, 0.99) FILTER (started IS NOT NULL)
FROM arrivals
"""

SECONDS = """
SELECT DISTINCT floor(intended)::BIGINT FROM arrivals
UNION
SELECT DISTINCT second::BIGINT FROM samples
"""


HEALTH = """
SELECT worker, quantile_disc(delay, 0.95), quantile_disc(cpu, 0.95)
FROM health
GROUP BY worker
ORDER BY worker
"""

PEAK = """
SELECT coalesce(max(requests), 0) FROM (
    SELECT sum(count) AS requests FROM samples WHERE kind = 'response' GROUP BY second
)
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What the generator did.

    Attributes:
        planned: Arrivals of the schedule; where the record doesn't say, those in its table.
        started: Arrivals that began.
        dropped: Arrivals above the in-flight cap.
        unfinished: Arrivals cut off after the grace.
        late_p99: Seconds from due to started, 99 % quantile; None without arrivals.
        recorded: Rows of ``arrivals``.
        broken: Journeys that ended in an exception of their own.
        stopped: Whether the record says how the load ended.
        samples: Requests counted.
        peak: Most requests that were due in one second.
        health: Per worker: its number, and of 95 % of its seconds the longest delay of its event loop, in seconds, and
            the highest share of a core that it used.
    """

    planned: int
    started: int
    dropped: int
    unfinished: int
    late_p99: float | None
    recorded: int
    broken: int
    stopped: bool
    samples: int
    peak: int
    health: tuple[tuple[int, float, float], ...]


@dataclass(frozen=True, slots=True)
class FaultResult:
    """Whether a fault bit, and whether it was healed.

    Attributes:
        id: Of the plan.
        kind: Of the fault catalogue.
        link: The link or system that it broke.
        proved: It was measured to bite.
        healed: It was healed on time, and nothing says that it stayed.
        reasons: Why not, for people.
    """

    id: str
    kind: str
    link: str
    proved: bool
    healed: bool
    reasons: tuple[str, ...]


def load(database: duckdb.DuckDBPyConnection, events: Sequence[Mapping[str, Any]]) -> Load:
    """Count what the generator did: the table, and where the ``load_stopped`` event says worse, the event."""
    ((recorded, started, dropped, unfinished, late),) = database.execute(ARRIVALS).fetchall()
    ((samples,),) = database.execute("SELECT coalesce(sum(count), 0) FROM samples WHERE kind = 'response'").fetchall()
    said = next((event for event in reversed(events) if event["event"] == "load_stopped"), None)
    told = said or {}
    return Load(
        planned=max(int(told.get("planned") or 0), recorded),
        started=started,
        dropped=max(dropped, int(told.get("dropped") or 0)),
        unfinished=max(unfinished, int(told.get("unfinished") or 0)),
        late_p99=late,
        recorded=recorded,
        broken=int(told.get("broken") or 0),
        stopped=said is not None,
        samples=int(samples),
        peak=int(database.execute(PEAK).fetchall()[0][0]),
        health=tuple(database.execute(HEALTH).fetchall()),
    )


def is_late(load: Load, limits: Limits) -> bool:
    """Tell whether the generator was so late, or its event loop so slow, that bad figures may be its own."""
    late = load.late_p99 is not None and load.late_p99 > limits.late_p99
    return late or any(delay > limits.loop_delay for _, delay, _ in load.health)


def aborted(events: Sequence[Mapping[str, Any]]) -> str:
    """Say how a guard ended the load: other people's systems weren't to be asked any more. Empty: none did."""
    forbidden = next((event for event in events if event["event"] == "load_forbidden"), None)
    if forbidden is None:
        return ""
    t, reason = forbidden.get("t"), str(forbidden.get("reason"))
    when = f"at {t:.1f} s" if isinstance(t, int | float) else "before the load began"
    switch = reason.removeprefix("guard: ").removeprefix(KILLED)
    if switch != reason.removeprefix("guard: "):
        return f"stopped by the kill switch {when}, nothing left any more: {switch}"
    return f"aborted {when}, nothing left any more: {reason}"


def doubts(
    database: duckdb.DuckDBPyConnection, plan: Plan, events: Sequence[Mapping[str, Any]], load: Load
) -> Iterator[str]:
    """Yield every reason for which the load proves nothing, and what to change."""
    if ended := aborted(events):
        yield f"load: {ended}"
    if not load.samples:
        yield "load: no samples, nothing was measured; run the campaign again"
    if not load.stopped:
        yield "load: the record doesn't say how the load ended; run the campaign again"
    yield from _shortfalls(load, plan.limits)
    if load.broken:
        yield f"load: {load.broken} journeys ended in an exception of their own, a defect of the harness; see logs/"
    yield from _accidents(events)
    for start, stop in gaps(plan, {int(row[0]) for row in database.execute(SECONDS).fetchall()}):
        yield f"load: nothing was recorded from {start} s to {stop} s, though arrivals were due; run the campaign again"


def _shortfalls(load: Load, limits: Limits) -> Iterator[str]:
    planned, missing = load.planned, load.planned - load.started - load.dropped
    if missing > 0:
        yield f"load: {missing} of {planned} planned arrivals never started; see logs/, lower the rate or add workers"
    if load.dropped > limits.dropped * planned:
        yield f"load: {load.dropped} of {planned} arrivals were dropped; raise load.max_in_flight or add workers"
    if load.unfinished > limits.unfinished * load.started:
        yield f"load: {load.unfinished} of {load.started} arrivals were unfinished; raise load.grace"
    yield from _saturation(load, limits)


def _saturation(load: Load, limits: Limits) -> Iterator[str]:
    """Yield how the generator failed to keep up, and what to change."""
    remedy = f"at up to {load.peak} requests/s; add a worker (--workers), lower the rate, or use more cores"
    if load.late_p99 is not None and load.late_p99 > limits.late_p99:
        late, limit = number(load.late_p99), number(limits.late_p99)
        yield f"load: lateness p99 of arrivals was {late} s, over {limit} s, {remedy}"
    for worker, delay, cpu in load.health:
        if delay > limits.loop_delay:
            late, limit = number(delay), number(limits.loop_delay)
            yield f"load: the event loop of worker {worker} came up to {late} s late, over {limit} s, {remedy}"
        if cpu > limits.cpu:
            yield f"load: worker {worker} used {cpu:.0%} of a core, over {limits.cpu:.0%}, {remedy}"


ACCIDENTS = {
    "worker_lost": "load: a Locust worker was lost; see logs/, then run the campaign again",
    "interrupted": "the run was interrupted; let it run to its end",
    "toxiproxy_lost": "the Toxiproxy server ended and links broke that no fault broke; run the campaign again",
    "conductor_lost": "the conductor was lost and the watchdog healed the faults; run the campaign again",
}


def _accidents(events: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    happened = {str(event["event"]) for event in events}
    yield from (reason for name, reason in ACCIDENTS.items() if name in happened)
    if "run_finished" not in happened:
        yield "the run didn't come to its end (no run_finished event); run the campaign again"


def gaps(plan: Plan, seconds: set[int]) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of stretches of whole seconds without any record, in which 20 arrivals or more were due."""
    whole = range(int(plan.duration))
    for empty, group in groupby(whole, key=lambda second: second not in seconds):
        stretch = list(group)
        if empty and sum(expected(plan, second) for second in stretch) >= GAP:
            yield stretch[0], stretch[-1] + 1


def expected(plan: Plan, second: int) -> float:
    """Return how many arrivals the plan expects from ``second`` to a second later: the integral of the rate."""
    return plan.arrivals_between(second, second + 1)


DEADLY = frozenset({"kill", "restart", "memory-limit"})
"""Kinds that end a system's process."""

EARLY = frozenset({"lease_expired", "fault_released_early"})


def fault_results(plan: Plan, events: Sequence[Mapping[str, Any]]) -> tuple[FaultResult, ...]:
    """Judge the life of every fault of the plan."""
    return tuple(_fault(fault, [event for event in events if _is_about(event, fault.id)]) for fault in plan.faults)


def _is_about(event: Mapping[str, Any], fault: str) -> bool:
    """Tell whether an event is about a fault; ``lease_expired`` names several, or none and means all."""
    if event["event"] == "lease_expired" and event.get("fault") is None:
        return fault in event.get("faults", (fault,))
    return event.get("fault") == fault


def _fault(fault: Fault, own: Sequence[Mapping[str, Any]]) -> FaultResult:
    happened = {str(event["event"]) for event in own}
    skipped = next((str(event.get("reason")) for event in own if event["event"] == "fault_skipped"), None)
    proved = "fault_proved" in happened and "fault_unproved" not in happened
    applied, early = "fault_applied" in happened, bool(happened & EARLY)
    released = "fault_healed" in happened and not happened & {"fault_not_gone", "fault_heal_failed"}
    where = f"fault {fault.id} ({fault.kind} on {fault.target})"
    reasons = (
        (f"{where} was never applied", not applied and skipped is None),
        (f"{where} was skipped: {skipped}", skipped is not None),
        (f"{where} wasn't proved to bite: what was measured under it proves nothing", applied and not proved),
        (f"{where} was released before its time, not by the plan", early),
        (f"{where} WAS NOT HEALED: check the system by hand", applied and not released),
    )
    return FaultResult(
        fault.id,
        fault.kind,
        fault.target,
        proved,
        released and not early,
        tuple(reason for reason, holds in reasons if holds),
    )


def crashes(
    plan: Plan,
    events: Sequence[Mapping[str, Any]],
    windows: Sequence[Window],
    stack: Mapping[str, Mapping[str, Any]],
) -> Iterator[str]:
    """Yield every system that exited before the audit was over, and that no ``kill`` fault explains."""
    last = max((number for number, event in enumerate(events) if event["event"] == "audit_read"), default=len(events))
    for event in events[:last]:
        if event["event"] == "system_exited" and not _killed(plan, event, windows, stack):
            status = f" with status {event['status']}" if event.get("status") is not None else ""
            yield f"{event.get('system')} exited{status} at {_moment(event)}, and no fault of the campaign explains it"


def _moment(event: Mapping[str, Any]) -> str:
    return "an unknown time" if event.get("t") is None else f"{float(event['t']):.1f} s"


def _killed(
    plan: Plan, event: Mapping[str, Any], windows: Sequence[Window], stack: Mapping[str, Mapping[str, Any]]
) -> bool:
    if event.get("t") is None:
        return False
    return any(
        fault.kind in DEADLY
        and any(event.get("system") in {system, *cohabitants(system, stack)} for system in fault.targets)
        and window.start - 1 <= float(event["t"]) <= window.stop + 1
        for fault, window in zip(plan.faults, windows, strict=True)
    )
