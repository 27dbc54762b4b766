"""What an objective looks at: fault windows, and the SQL conditions that pick its rows.

Times are seconds since t0. A row that spans a stretch of time belongs to a fault as soon as the two overlap.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from model.links import touched_province
from model.plan import PROCESS_KINDS, Fault, Objective, Plan
from reports.sql import texts

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class Window:
    """When and whom a fault hurt.

    Attributes:
        fault: Its id.
        start: Applied, seconds; as planned where the record doesn't say.
        stop: Healed, likewise.
        provinces: Those at its ends; None: everyone, since both ends are shared.
        healed: Whether the record says when it was healed.
        applied: Whether the record says when it was applied.
    """

    fault: str
    start: float
    stop: float
    provinces: frozenset[str] | None
    healed: bool = True
    applied: bool = True

    def touches(self, province: str | None) -> bool:
        """Tell whether it hurts this province; None: all of them together."""
        return self.provinces is None or province in self.provinces


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that an indicator may look at.

    Attributes:
        database: The record's tables, and ``lags`` of the audit.
        plan: The campaign.
        events: In the order of time.
        windows: One per fault of the plan, in its order.
    """

    database: duckdb.DuckDBPyConnection
    plan: Plan
    events: Sequence[Mapping[str, Any]]
    windows: tuple[Window, ...]

    def provinces(self, objective: Objective) -> tuple[str, ...]:
        """Return the provinces that an objective is about."""
        return objective.provinces or self.plan.stack.provinces

    def places(self, objective: Objective) -> tuple[str | None, ...]:
        """Return what is judged one by one: each province, or None for all together."""
        return self.provinces(objective) if objective.scope == "province" else (None,)


def windows(
    plan: Plan, events: Sequence[Mapping[str, Any]], stack: Mapping[str, Mapping[str, Any]]
) -> tuple[Window, ...]:
    """Say when and whom each fault of the plan hurt.

    Args:
        plan: The campaign.
        events: ``fault_applied`` and ``fault_healed`` count; where they are missing, the plan's times.
        stack: ``systems`` of ``stack.json``: systems of one process fall together.
    """
    return tuple(_window(fault, events, touched(fault, stack)) for fault in plan.faults)


def _window(fault: Fault, events: Sequence[Mapping[str, Any]], provinces: frozenset[str] | None) -> Window:
    own = [event for event in events if event.get("fault") == fault.id and event.get("t") is not None]
    applied = [float(event["t"]) for event in own if event["event"] == "fault_applied"]
    healed = [float(event["t"]) for event in own if event["event"] == "fault_healed"]
    start = applied[0] if applied else fault.start
    return Window(
        fault.id, start, max(start, healed[-1] if healed else fault.end), provinces, bool(healed), bool(applied)
    )


def touched(fault: Fault, stack: Mapping[str, Mapping[str, Any]]) -> frozenset[str] | None:
    """Return the provinces that a fault touches; None: everyone."""
    systems = fault.targets if fault.kind in PROCESS_KINDS else ()
    neighbours = [name for system in systems for name in cohabitants(system, stack)]
    codes = {touched_province(target) for target in (*fault.targets, *neighbours)}
    return None if None in codes else frozenset(code for code in codes if code)


def cohabitants(system: str | None, stack: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Name the systems that share a system's process, itself included."""
    pid = stack.get(system or "", {}).get("pid")
    return tuple(name for name, entry in stack.items() if pid is not None and entry.get("pid") == pid)


def conditions(
    objective: Objective, evidence: Evidence, start: str, stop: str, phase: str = "", operation: str = ""
) -> str:
    """Write the SQL condition that picks an objective's rows.

    Args:
        objective: Its ``phases``, ``provinces``, ``operations``, ``exclude_faults`` and ``settle`` count.
        evidence: The plan and the fault windows.
        start: SQL of the row's first moment, seconds; decides its phase where there is no ``phase``.
        stop: SQL of the row's last moment.
        phase: Column with the phase's name, if any.
        operation: Column with the operation, if any; without one ``operations`` doesn't apply.
    """
    parts = ["true"]
    if objective.phases:
        parts.append(
            f"{phase} IN {texts(objective.phases)}" if phase else _within(_spans(objective, evidence.plan), start)
        )
    if objective.provinces:
        parts.append(f"province IN {texts(objective.provinces)}")
    if objective.operations and operation:
        parts.append(f"{operation} IN {texts(objective.operations)}")
    if objective.exclude_faults:
        parts += [f"NOT ({overlap(window, start, stop, objective.settle)})" for window in evidence.windows]
    return " AND ".join(f"({part})" for part in parts)


def overlap(window: Window, start: str, stop: str, settle: float = 0.0) -> str:
    """Write the SQL condition that a row of a touched province overlaps a fault window."""
    hurt = "true" if window.provinces is None else f"coalesce(province IN {texts(window.provinces)}, false)"
    return f"{hurt} AND {start} < {window.stop + settle!r} AND {stop} > {window.start!r}"


def exposure(objective: Objective, plan: Plan, windows: Iterable[Window], province: str | None) -> float:
    """Return for how many seconds an objective looks at a province (None: the nation)."""
    kept = _spans(objective, plan)
    if objective.exclude_faults:
        for window in windows:
            if window.touches(province):
                kept = list(_without(kept, window.start, window.stop + objective.settle))
    return sum(stop - start for start, stop in kept)


def _spans(objective: Objective, plan: Plan) -> list[tuple[float, float]]:
    return [(a, b) for a, b, phase in plan.spans() if not objective.phases or phase.name in objective.phases]


def _within(spans: Iterable[tuple[float, float]], moment: str) -> str:
    return " OR ".join(f"({moment} >= {start!r} AND {moment} < {stop!r})" for start, stop in spans) or "false"


def _without(spans: Iterable[tuple[float, float]], start: float, stop: float) -> Iterable[tuple[float, float]]:
    for left, right in spans:
        yield from ((a, b) for a, b in ((left, min(right, start)), (max(left, stop), right)) if a < b)
