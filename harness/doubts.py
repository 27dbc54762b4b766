"""Integrity while a run goes on: acknowledged dossiers are looked up, a few a second."""

import random
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Event, Thread

import httpx

from harness.tail import Tail
from model.links import province_system
from model.record import EventLog, Record

CREATED_BY = {"submit": "national", "intake": ""}
"""Write that creates a dossier -> the system that acknowledges it, empty for that of its province."""
RIPE = 1.0
"""Seconds since the acknowledgement after which a dossier must be found."""
EVERY = 1.0
"""Seconds between two rounds of look-ups."""
NEW, OLD = 5, 5
"""Look-ups a round: of what was acknowledged since the last round, and of what was before."""
REMEMBERED = 20_000
"""Dossiers that are kept to be looked up again, the latest ones."""
LOOK_TIMEOUT = 1.0
"""Seconds that a look-up may take."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A dossier that a system acknowledged.

    Attributes:
        time: Seconds since t0.
        system: Who acknowledged it.
        province: Where it was meant to go.
        code: The dossier's.
    """

    time: float
    system: str
    province: str
    code: str


class Doubts:
    """Looks acknowledged dossiers up, past the proxies, in a thread of its own.

    A dossier is in doubt from the 404 to a later look that finds it. A system that can't be reached, or breaks, has
    said nothing about it.
    """

    def __init__(self, record: Record, addresses: Mapping[str, str], events: EventLog, seed: int) -> None:
        self._tail = Tail(record, "ledger")
        self._addresses = addresses
        self._events = events
        self._random = random.Random(seed)
        self._fresh: list[Acknowledged] = []
        self._old: deque[Acknowledged] = deque(maxlen=REMEMBERED)
        self._doubted: frozenset[Acknowledged] = frozenset()
        self._over = Event()
        self._thread = Thread(target=self._run, name="integrity look-ups")

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Look no more; any number of times."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def counts(self) -> Mapping[str, int]:
        """Return province -> dossiers in doubt."""
        return Counter(found.province for found in self._doubted)

    def _run(self) -> None:
        with httpx.Client(timeout=LOOK_TIMEOUT, trust_env=False) as client:
            while not self._over.wait(EVERY):
                self.look(client, time.monotonic() - (self._events.t0 or 0.0))

    def look(self, client: httpx.Client, t: float) -> None:
        """Do one round, ``t`` seconds since t0; it takes at most about twice the seconds of a look-up's time-out."""
        self._read()
        ripe = [found for found in self._fresh if found.time <= t - RIPE]
        self._fresh = [found for found in self._fresh if found.time > t - RIPE]
        chosen = [*self._doubted, *self._some(ripe, NEW), *self._some(list(self._old), OLD)]
        self._old.extend(ripe)
        deadline = time.monotonic() + LOOK_TIMEOUT
        for one in chosen[: 2 * (NEW + OLD)]:
            if self._over.is_set() or time.monotonic() > deadline:
                return
            self._look_up(client, one)

    def _read(self) -> None:
        for entry in self._tail.entries():
            if entry["event"] == "ok" and entry["dossier"] and entry["operation"] in CREATED_BY:
                system = CREATED_BY[entry["operation"]] or province_system(entry["province"])
                self._fresh.append(Acknowledged(float(entry["time"]), system, entry["province"], entry["dossier"]))

    def _some(self, among: list[Acknowledged], number: int) -> list[Acknowledged]:
        return self._random.sample(among, min(number, len(among)))

    def _look_up(self, client: httpx.Client, one: Acknowledged) -> None:
        try:
            status = client.get(f"http://{self._addresses[one.system]}/dossiers/{one.code}").status_code
        except httpx.HTTPError:
            return
        if status == httpx.codes.NOT_FOUND:
            self._doubted |= {one}
        elif status == httpx.codes.OK:
            self._doubted -= {one}
