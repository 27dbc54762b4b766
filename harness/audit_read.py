"""Draining and reading: what the audit asks the systems after the load, through the look-ups that real ones offer."""

import csv
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TextIO

import httpx

from model.links import province_of
from model.record import EventLog, Record

PAGE = 1000
"""Dossiers that one listing request asks for."""
READ_TIMEOUT = 10.0
"""Seconds that a listing request may take."""
LOOK_TIMEOUT = 1.0
"""Seconds that a look at an outbox may take: draining is bounded, and a system that hangs must not stretch it."""
AGAIN = 0.1
"""Seconds between two looks at outboxes in which something waits."""
QUIET = 0.5
"""Seconds between two looks at empty outboxes: what is on its way from one to another arrives in between."""
UNSETTLED = 10.0
"""Seconds after which outboxes that are empty, but were used since the last look, aren't looked at again."""
READERS = 8
"""Systems that are read at once."""
PASSES = (1, 2)


def audited(addresses: Mapping[str, str]) -> dict[str, str]:
    """Return the systems that hold dossiers: the portal and the provinces."""
    return {name: url for name, url in addresses.items() if name == "national" or province_of(name)}


class Outboxes(NamedTuple):
    """What one look at all outboxes found.

    Attributes:
        pending: Messages that wait; a system that doesn't answer counts as one.
        stored: Messages that each system ever put into its outbox.
    """

    pending: int
    stored: tuple[int, ...]


class Reader:
    """Reads systems past their proxies: the audit must not depend on what a fault left behind.

    Attributes:
        addresses: System name -> ``host:port``.
    """

    def __init__(self, addresses: Mapping[str, str], record: Record, events: EventLog) -> None:
        self.addresses = addresses
        self._record = record
        self._events = events
        self._unreadable: set[str] = set()
        self._client = httpx.Client(timeout=READ_TIMEOUT, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def drain(self, timeout: float, stopped: Callable[[], bool], told: Callable[[int], None]) -> None:
        """Wait until every outbox is empty and stays so, at most ``timeout`` seconds; the events say how long it took.

        A message may move from a system that wasn't looked at yet to one that was: the outboxes are empty when a second
        look finds them empty and nothing was put into one in between.

        Args:
            timeout: Seconds.
            stopped: Asked between looks: whether to give up.
            told: Told the number of messages that wait.
        """
        self._events.write("drain_started")
        began = time.monotonic()
        before, since = None, began
        while True:
            at, look = time.monotonic(), self._outboxes()
            settled = look.pending == 0 and look == before
            patience = timeout if look.pending else timeout + UNSETTLED
            if settled or at - began >= patience or (look.pending and stopped()):
                break
            before, since = look, at
            if look.pending:
                told(look.pending)
            time.sleep(AGAIN if look.pending else QUIET)
        self._events.write(
            "drain_finished",
            seconds=round((since if settled else time.monotonic()) - began, 3),
            drained=settled,
            backlog=look.pending,
        )

    def _outboxes(self) -> Outboxes:
        holders = [*audited(self.addresses), "payment"]
        with ThreadPoolExecutor(READERS) as pool:
            looks = list(pool.map(self._outbox, holders))
        return Outboxes(sum(pending for pending, _ in looks), tuple(stored for _, stored in looks))

    def _outbox(self, system: str) -> tuple[int, int]:
        try:
            answer = self._client.get(f"http://{self.addresses[system]}/outbox", timeout=LOOK_TIMEOUT)
            content = answer.raise_for_status().json()
            return int(content["pending"]), int(content["stored"])
        except (httpx.HTTPError, ValueError, KeyError):
            return 1, 0

    def read(self) -> None:
        """Read every system that holds dossiers twice, into the record's ``reads``.

        A system whose first reading failed isn't asked again: the verdict on its dossiers is settled.
        """
        for number in PASSES:
            with ThreadPoolExecutor(READERS) as pool:
                list(pool.map(lambda system, number=number: self._read_system(system, number), audited(self.addresses)))

    def _read_system(self, system: str, number: int) -> None:
        count, reason = 0, ""
        part = f"{system.replace(':', '-')}-{number}"
        with self._spool("reads", part) as file, self._spool("attachments", part) as attached:
            rows, beside = csv.writer(file, lineterminator="\n"), csv.writer(attached, lineterminator="\n")
            try:
                for item in self._dossiers(system):
                    rows.writerow(_row(number, system, item))
                    beside.writerows([number, system, item["code"], held] for held in item.get("attachments", ()))
                    count += 1
            except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
                reason = f"{type(error).__name__}: {error}"
                self._unreadable.add(system)
        self._events.write(
            "audit_read", system=system, **{"pass": number}, dossiers=count, complete=not reason, reason=reason
        )

    def read_entries(self, keepers: Iterable[str]) -> None:
        """Read every system that keeps books besides dossiers twice, into the record's ``entries``."""
        keepers = tuple(keepers)
        for number in PASSES:
            with ThreadPoolExecutor(READERS) as pool:
                list(pool.map(lambda system, number=number: self._read_books(system, number), keepers))

    def _read_books(self, system: str, number: int) -> None:
        count, reason = 0, ""
        path = self._record.spool("entries", f"{system.replace(':', '-')}-{number}")
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            try:
                for item in self._pages(system, "/entries"):
                    rows.writerow([number, system, *(item[name] for name in ("book", "key", "owner", "value"))])
                    count += 1
            except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
                reason = f"{type(error).__name__}: {error}"
        self._events.write(
            "entries_read", system=system, **{"pass": number}, entries=count, complete=not reason, reason=reason
        )

    def _spool(self, table: str, part: str) -> TextIO:
        return self._record.spool(table, part).open("w", encoding="utf-8", newline="")

    def _dossiers(self, system: str) -> Iterator[dict[str, Any]]:
        if system in self._unreadable:
            raise ValueError("not asked again, since its first reading failed")
        yield from self._pages(system, "/dossiers")

    def _pages(self, system: str, path: str) -> Iterator[dict[str, Any]]:
        cursor: str | None = ""
        while cursor is not None:
            page = self._client.get(f"http://{self.addresses[system]}{path}", params={"after": cursor, "limit": PAGE})
            content = page.raise_for_status().json()
            yield from content["items"]
            cursor = content["next"]


def _row(number: int, system: str, item: Mapping[str, Any]) -> list[object]:
    names = ("code", "key", "province", "commune", "hash", "state", "sequence")
    history = json.dumps(item["history"], separators=(",", ":"))
    return [number, system, *(item[name] for name in names), history, item["archived"], item["test"]]
