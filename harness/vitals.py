"""Looks at the processes of our own systems while the load goes on: memory, open files and connections, answers."""

import csv
import time
from collections.abc import Iterable, Mapping
from threading import Event, Thread
from typing import Any

import httpx

from harness.stack import Group, groups
from model.plan import Plan
from model.record import EventLog, Record

EVERY = 2.0
"""Seconds from one look to the next."""
TIMEOUT = 1.0
"""Seconds that a system may take to answer."""


class Vitals:
    """Writes the record's table ``processes``; does nothing where the systems are somebody else's.

    A process that doesn't answer, because it is killed or stopped, has no row for that look.

    Args:
        plan: The campaign.
        addresses: System name -> ``host:port``, past every proxy.
        record: Gets the table.
        events: Of the record; rows begin when it has a t0.
    """

    def __init__(self, plan: Plan, addresses: Mapping[str, str], record: Record, events: EventLog) -> None:
        self._groups = groups(plan) if plan.targets is None else ()
        self._addresses = addresses
        self._record = record
        self._events = events
        self._over = Event()
        self._thread = Thread(target=self._run, name="vitals")

    def start(self) -> None:
        """Begin to look."""
        if self._groups:
            self._thread.start()

    def stop(self) -> None:
        """Look no longer."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        path = self._record.spool("processes", "conductor")
        with (
            path.open("w", encoding="utf-8", newline="") as file,
            httpx.Client(timeout=TIMEOUT, trust_env=False) as client,
        ):
            rows = csv.writer(file, lineterminator="\n")
            while not self._over.wait(EVERY):
                if self._events.t0 is not None:
                    rows.writerows(self._look(client, self._events.t0))

    def _look(self, client: httpx.Client, t0: float) -> Iterable[list[object]]:
        for group in self._groups:
            now = time.monotonic() - t0
            try:
                told = [self._ask(client, system) for system in group.systems]
            except (httpx.HTTPError, ValueError):
                continue
            yield row(group, round(now, 3), told)

    def _ask(self, client: httpx.Client, system: str) -> dict[str, Any]:
        answer: dict[str, Any] = client.get(f"http://{self._addresses[system]}/vitals").raise_for_status().json()
        return answer


def row(group: Group, now: float, told: list[dict[str, Any]]) -> list[object]:
    """Return the row of a process, of what its systems told: the process is theirs together, the answers add up."""
    last = told[-1]
    counted = [sum(each[name] for each in told) for name in ("answered", "turned_away")]
    return [now, group.name, last["began"], last["memory"], last["descriptors"], *counted]
