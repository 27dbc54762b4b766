"""A campaign's migration: reads the stock before it, starts each province's job on the clock, reads what came of it."""

import csv
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Event, Thread
from typing import Any

import httpx

from model import centres, hamlets, places, procedures
from model.links import province_system
from model.plan import Plan
from model.record import EventLog, Record

PAGE = 1000
"""Dossiers that one listing request asks for."""
TIMEOUT = 5.0
"""Seconds that a request may take."""
COUNTING = 60.0
"""Seconds that counting and hashing all that there is may take: 6 s for 100,000 dossiers on an idle machine."""
LISTINGS = {
    "before": (("stock", "before", "staged"), ("accounts", "before", "staged-accounts")),
    "after": (
        ("stock", "held", "held"),
        ("accounts", "after", "moved-accounts"),
        ("accounts", "held", "held-accounts"),
    ),
}
"""What a province lists before and after: table of the record, moment in it, name of the listing.

The dossiers that it has moved aren't asked for: the audit finds them where anybody looks a dossier up. Those with a
code that several have are looked up besides, by their code and their old province.
"""
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
        record: Gets the tables ``stock`` and ``accounts``.
        events: Of the record.
    """

    def __init__(self, plan: Plan, addresses: Mapping[str, str], token: str, record: Record, events: EventLog) -> None:
        self._plan = plan
        self._starts = [*plan.migration.starts(plan.stack.provinces)] if plan.migration else []
        self._addresses = addresses
        self._token = token
        self._record = record
        self._events = events
        self._shared: dict[str, list[tuple[str, str]]] = {}
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
        """Write a province's listings into the record, and its counts and hashes into an event."""
        counts, reason, holdings = Counter[str](), "", {}
        base = f"http://{self._addresses[system]}/migration"
        try:
            with httpx.Client(timeout=TIMEOUT, trust_env=False) as client:
                for table, label, name in LISTINGS[moment]:
                    items = _listed(client, f"{base}/{name}")
                    noted = self._noted(system, items) if name == "staged" else items
                    counts[table] += self._copy(table, label, system, noted)
                if moment == "after":
                    counts["stock"] += self._copy("stock", "found", system, self._found(client, system, base))
                answer = client.get(f"{base}/holdings", timeout=COUNTING)
                holdings = answer.raise_for_status().json()[moment]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            reason = f"{type(error).__name__}: {error}"
        self._events.write(
            "migration_read",
            system=system,
            moment=moment,
            dossiers=counts["stock"],
            accounts=counts["accounts"],
            complete=not reason,
            reason=reason,
            holdings=holdings,
        )

    def _noted(self, system: str, items: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Pass on what there was, and note which dossiers have a code that another old province issued as well."""
        issued: dict[str, list[str]] = defaultdict(list)
        for item in items:
            issued[item["code"]].append(item["old_province"])
            yield item
        self._shared[system] = [(code, home) for code, homes in issued.items() if len(homes) > 1 for home in homes]

    def _found(self, client: httpx.Client, system: str, base: str) -> Iterator[dict[str, Any]]:
        """Look those up, each by its code and the old province that issued it; yields what is found."""
        for code, home in self._shared.get(system, ()):
            answer = client.get(f"{base}/dossiers/{code}", params={"old_province": home})
            if answer.status_code != httpx.codes.NOT_FOUND:
                found = answer.raise_for_status().json()
                yield {**found, "code": code, "old_province": home, "new_code": found["code"]}

    def _copy(self, table: str, moment: str, system: str, items: Iterator[dict[str, Any]]) -> int:
        """Write a row for each item: its fields, and the place that it is in or belongs to; returns how many."""
        path, count = self._record.spool(table, f"{system.replace(':', '-')}-{moment}"), 0
        fields = _dossier if table == "stock" else _account
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            for item in items:
                place = item["commune"] if moment in ("after", "found") else expected(item)
                rows.writerow([moment, system, *fields(item, place)])
                count += 1
        return count


def _listed(client: httpx.Client, address: str) -> Iterator[dict[str, Any]]:
    cursor: str | None = ""
    while cursor is not None:
        page = client.get(address, params={"after": cursor, "limit": PAGE}).raise_for_status().json()
        yield from page["items"]
        cursor = page["next"]


def _dossier(item: dict[str, Any], place: str) -> Sequence[object]:
    history, attachments = (
        json.dumps(item[name], separators=(",", ":"), sort_keys=True) for name in ("history", "attachments")
    )
    content = item["hash"], history, item["archived"], attachments
    return item["code"], item["key"], item["province"], place, *content, item["old_province"], item.get("new_code", "")


def _account(item: dict[str, Any], place: str) -> Sequence[object]:
    return item["name"], item["role"], item["province"], place, item["hash"]


def expected(item: Mapping[str, Any]) -> str:
    """Return where a dossier or officer belongs now, by the official table; empty where nobody knows.

    That is a commune, or the province's centre: for what was filed with a district for a procedure that the province
    decides now.
    """
    if item["district"] and "procedure" in item and procedures.procedures()[item["procedure"]].level == "tỉnh":
        return centres.centre(item["province"])
    unit = places.successors(item["legacy_commune"])
    return (hamlets.successor(unit, item["hamlet"]) if unit else None) or ""
