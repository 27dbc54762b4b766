"""A campaign's migration: reads the stock before it, starts each province's job on the clock, reads what came of it."""

import csv
import json
import time
from collections.abc import Callable, Iterator, Mapping
from threading import Event, Thread
from typing import Any, TextIO

import httpx

from model import hamlets, places
from model.links import province_system
from model.plan import Plan
from model.record import EventLog, Record

PAGE = 1000
"""Dossiers that one listing request asks for."""
TIMEOUT = 5.0
"""Seconds that a request may take."""
PATHS = {"before": "staged", "after": "moved"}
"""What a province lists, before and after."""
AGAIN = 0.25
"""Seconds after which a system that can't be reached is asked again."""


def stock(plan: Plan) -> dict[str, int]:
    """Return province code -> legacy dossiers that it starts with."""
    if plan.migration is None:
        return {}
    return {code: plan.migration.dossiers for code, _ in plan.migration.starts(plan.stack.provinces)}


class Migration:
    """The migration of one run; does nothing where the plan has none.

    Args:
        plan: The campaign.
        addresses: System name -> ``host:port``, past every proxy.
        token: What opens the systems' control API.
        record: Gets the table ``stock``.
        events: Of the record.
    """

    def __init__(self, plan: Plan, addresses: Mapping[str, str], token: str, record: Record, events: EventLog) -> None:
        self._plan = plan
        self._starts = [*plan.migration.starts(plan.stack.provinces)] if plan.migration else []
        self._addresses = addresses
        self._token = token
        self._record = record
        self._events = events
        self._over = Event()
        self._threads: list[Thread] = []

    def read_before(self) -> None:
        """Read what there is before anything moves."""
        for code, _ in self._starts:
            self._read("before", province_system(code))

    def begin(self, t0: float) -> None:
        """Start each province's job when it is due; ``t0`` in monotonic seconds."""
        for code, start in self._starts:
            self._threads.append(Thread(target=self._run, args=(province_system(code), t0 + start)))
        for thread in self._threads:
            thread.start()

    def end(self, timeout: float, stopped: Callable[[], bool]) -> None:
        """Wait until every job is done, at most ``timeout`` seconds or until ``stopped``; read what there is after."""
        deadline = time.monotonic() + timeout
        while any(thread.is_alive() for thread in self._threads) and time.monotonic() < deadline and not stopped():
            time.sleep(0.1)
        self.stop()
        for code, _ in self._starts:
            self._read("after", province_system(code))

    def stop(self) -> None:
        """Wait no longer; jobs that run go on."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, system: str, due: float) -> None:
        """Order one province's job, and follow it to its end."""
        if self._over.wait(max(due - time.monotonic(), 0.0)):
            return
        assert self._plan.migration is not None
        order = {"rate": self._plan.migration.rate, "batch": self._plan.migration.batch}
        with httpx.Client(timeout=TIMEOUT, trust_env=False) as client:
            ordered = self._until(client, "POST", system, "/control/migration", "running", order)
            if ordered:
                self._events.write("migration_started", system=system, **ordered)
            finished = ordered and self._until(client, "GET", system, "/migration", "done")
            if finished:
                self._events.write("migration_finished", system=system, **finished)

    def _until(
        self, client: httpx.Client, method: str, system: str, path: str, state: str, body: object = None
    ) -> dict[str, Any] | None:
        """Ask until the job is in a state, or past it; None when everything is over before."""
        headers = {"Authorization": f"Bearer {self._token}"}
        while not self._over.is_set():
            try:
                url = f"http://{self._addresses[system]}{path}"
                said: dict[str, Any] = client.request(method, url, json=body, headers=headers).raise_for_status().json()
            except (httpx.HTTPError, ValueError):
                said = {}
            if said.get("state") in (state, "done"):
                return said
            self._over.wait(AGAIN)
        return None

    def _read(self, moment: str, system: str) -> None:
        """Write one listing of a province into the record, and its counts and hash into an event."""
        count, accounts, reason, holdings = 0, 0, "", {}
        with self._spool("stock", moment, system) as file, self._spool("accounts", moment, system) as people:
            try:
                with httpx.Client(timeout=TIMEOUT, trust_env=False) as client:
                    base = f"http://{self._addresses[system]}/migration"
                    count = _write(file, moment, system, _listed(client, f"{base}/{PATHS[moment]}"))
                    accounts = _write_accounts(
                        people, moment, system, _listed(client, f"{base}/{PATHS[moment]}-accounts")
                    )
                    holdings = client.get(f"{base}/holdings").raise_for_status().json()[moment]
            except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
                reason = f"{type(error).__name__}: {error}"
        self._events.write(
            "migration_read",
            system=system,
            moment=moment,
            dossiers=count,
            accounts=accounts,
            complete=not reason,
            reason=reason,
            holdings=holdings,
        )

    def _spool(self, table: str, moment: str, system: str) -> TextIO:
        path = self._record.spool(table, f"{system.replace(':', '-')}-{moment}")
        return path.open("w", encoding="utf-8", newline="")


def _listed(client: httpx.Client, address: str) -> Iterator[dict[str, Any]]:
    cursor: str | None = ""
    while cursor is not None:
        page = client.get(address, params={"after": cursor, "limit": PAGE}).raise_for_status().json()
        yield from page["items"]
        cursor = page["next"]


def _write(file: TextIO, moment: str, system: str, items: Iterator[dict[str, Any]]) -> int:
    rows, count = csv.writer(file, lineterminator="\n"), 0
    for item in items:
        commune = item["commune"] if moment == "after" else expected(item["legacy_commune"], item["hamlet"])
        names = ("hash", "state", "sequence", "archived")
        attachments = json.dumps(item["attachments"], separators=(",", ":"), sort_keys=True)
        unit = (item["code"], item["key"], item["province"], commune)
        rows.writerow([moment, system, *unit, *(item[name] for name in names), attachments])
        count += 1
    return count


def _write_accounts(file: TextIO, moment: str, system: str, items: Iterator[dict[str, Any]]) -> int:
    rows, count = csv.writer(file, lineterminator="\n"), 0
    for item in items:
        commune = item["commune"] if moment == "after" else expected(item["legacy_commune"], item["hamlet"])
        rows.writerow([moment, system, item["name"], item["role"], item["province"], commune, item["hash"]])
        count += 1
    return count


def expected(legacy_commune: str, hamlet: str) -> str:
    """Return the commune that a dossier or officer belongs to now, by the official table; empty where nobody knows."""
    unit = places.successors(legacy_commune)
    return (hamlets.successor(unit, hamlet) if unit else None) or ""
