"""What the judge looks at, gathered from a record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from model.record import Record
from reports.selection import Evidence, windows

if TYPE_CHECKING:
    import duckdb


def gather(record: Record, database: duckdb.DuckDBPyConnection) -> Evidence:
    """Gather the evidence of a record opened with ``tables.opened``; raises RecordError."""
    plan, events = record.plan(), record.events()
    return Evidence(database, plan, events, windows(plan, events, systems(record)))


def systems(record: Record) -> Mapping[str, Mapping[str, Any]]:
    """Return the systems of ``stack.json``; a run that broke before the stack was up has none."""
    if not record.path("stack.json").exists():
        return {}
    stack = record.json("stack.json")
    found = stack.get("systems") if isinstance(stack, dict) else None
    return {name: entry for name, entry in (found or {}).items() if isinstance(entry, dict)}
