"""Looking acknowledged dossiers up in external systems after the load: which ones, and the process that does it."""

import csv
import random
import time
from collections.abc import Callable, Iterator, Sequence

from harness.doubts import CREATED_BY
from harness.errors import HarnessError
from harness.processes import Child, Guardian, stop_all
from harness.tail import Tail
from model.plan import Plan, encode, fingerprint
from model.record import EventLog, Record
from model.targets import Audit

SLACK = 60.0
"""Seconds beside what the rate takes after which the look-ups are given up."""

Dossier = tuple[str, str, str, str]
"""Code, key, province, commune."""


def look_up(
    plan: Plan,
    record: Record,
    events: EventLog,
    guardian: Guardian,
    stopped: Callable[[], bool],
) -> None:
    """Look acknowledged dossiers up as the targets file says, into the record's ``lookups``.

    Args:
        plan: Whose dossiers they are.
        record: Of the run; its ledger is complete.
        events: Are told what came of it.
        guardian: Ends the process that asks when the conductor dies.
        stopped: Whether to give up.
    """
    assert plan.targets is not None
    audit = plan.targets.audit
    known = list(dict.fromkeys(acknowledged(record)))
    chosen = choose(known, audit)
    if not chosen:
        events.write("lookups_finished", mode=audit.mode, acknowledged=len(known), chosen=0, reason="")
        return
    pause(audit.wait, stopped)
    path = record.path("state/look_up.csv")
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(chosen)
    child = Child(
        "look-ups",
        ["scenarios.look_up", str(record.directory), fingerprint(encode(plan)), str(path)],
        record.path("logs/look_up.log"),
        guardian,
    )
    patience = len(chosen) * max(1 / plan.targets.rate, plan.load.request_timeout / 8) + SLACK
    try:
        reason = _follow(child, time.monotonic() + patience, stopped)
    finally:
        stop_all([child])
    events.write("lookups_finished", mode=audit.mode, acknowledged=len(known), chosen=len(chosen), reason=reason)


def _follow(child: Child, deadline: float, stopped: Callable[[], bool]) -> str:
    """Wait for the end; returns why the look-ups aren't complete, empty where they are."""
    reason = ""
    while time.monotonic() < deadline and not stopped():
        try:
            said = child.hear(0.2)
        except HarnessError as error:
            return reason or str(error)
        match said:
            case {"guarded": why}:
                reason = str(why)
            case {"finished": _}:
                return reason
    return "interrupted" if stopped() else "the look-ups took too long"


def acknowledged(record: Record) -> Iterator[Dossier]:
    """Yield every dossier that a system acknowledged."""
    for entry in Tail(record, "ledger").entries():
        if entry["event"] == "ok" and entry["operation"] in CREATED_BY:
            yield entry["dossier"], entry["key"], entry["province"], entry["commune"]


def choose(known: Sequence[Dossier], audit: Audit) -> Sequence[Dossier]:
    """Return the dossiers that are looked up: all, or a sample drawn by the audit's seed."""
    if audit.mode == "none":
        return ()
    if audit.mode == "all" or len(known) <= audit.number:
        return known
    return random.Random(audit.seed).sample(sorted(known), audit.number)


def pause(seconds: float, stopped: Callable[[], bool]) -> None:
    """Wait, unless stopped."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not stopped():
        time.sleep(0.1)
