"""The load as the conductor sees it: a Locust master and its workers, here or on other hosts."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError, UsageError
from harness.ports import LOOPBACK, free_ports
from harness.processes import Child, Guardian, stop_all
from model.plan import Plan, encode, fingerprint
from model.record import EventLog, Record
from scenarios.schedule import due_times

if TYPE_CHECKING:
    from harness.compose import Compose

READY_WITHIN = 20.0
"""Seconds in which every worker of this machine must have joined."""
AWAIT_REMOTE = 120.0
"""Seconds in which every worker of other hosts must have joined."""
ARRIVALS_PER_WORKER = 400.0
"""Arrivals per second above which one more worker is started."""
LEAD, LEAD_IN_CONTAINERS = 0.2, 3.0
"""Seconds from "go" to t0: time for the word to reach every worker; Compose passes it on slowly."""
PORT = 5557
"""Where the master listens for workers of other hosts; Locust's own default."""


@dataclass(frozen=True, slots=True)
class Crew:
    """Who sends the load.

    Attributes:
        local: Workers on this machine; 0 chooses by cores and plan, unless others are expected.
        remote: Workers on other hosts that are waited for.
        bind: Address at which those reach master and systems.
        port: Port of the master; 0 takes a free one.
        compose: Where master and workers run in containers: their project.
    """

    local: int = 0
    remote: int = 0
    bind: str = LOOPBACK
    port: int = 0
    compose: "Compose | None" = None


def worker_count(plan: Plan, cores: int) -> int:
    """Return how many workers a plan gets: as it says, else by its highest rate, and never more than cores."""
    if plan.load.workers:
        return plan.load.workers
    return max(1, min(cores, -int(-plan.peak // ARRIVALS_PER_WORKER)))


@dataclass(slots=True)
class Outcome:
    """What became of the schedule.

    Attributes:
        planned: Arrivals that were due.
        started: Arrivals whose journey began.
        dropped: Arrivals above the in-flight cap.
        unfinished: Journeys cut off when the grace ended.
        broken: Journeys that ended in an exception of their own.
        errors: Those exceptions, the last ones.
    """

    planned: int = 0
    started: int = 0
    dropped: int = 0
    unfinished: int = 0
    broken: int = 0
    errors: list[str] = field(default_factory=list)


class Generator:
    """A Locust master and its workers.

    Attributes:
        crew: Who sends the load.
        forbidden: Why a guard ended the load; empty where none did.
    """

    def __init__(self, plan: Plan, record: Record, events: EventLog, guardian: Guardian, crew: Crew) -> None:
        self.crew = crew
        self.forbidden = ""
        self._plan = plan
        self._fingerprint = fingerprint(encode(plan))
        self._events = events
        self._lost: set[str] = set()
        self._outcome: Outcome | None = None
        self._ready = 0
        self._port = crew.port or next(free_ports())
        folder = str(record.directory)
        where = ["--host", crew.bind, "--port", str(self._port)]
        expected = ["--expect", str(crew.local + crew.remote), "--run", secrets.token_hex(4)]
        self._master = self._start_master(record, guardian, where, expected)
        self._workers = {
            name: Child(
                f"load worker {name}",
                ["scenarios.load", "worker", folder, *where, "--name", name, "--plan", self._fingerprint],
                record.path(f"logs/{name}.log"),
                guardian,
            )
            for name in (f"local-{number}" for number in range(crew.local))
        }

    def _start_master(self, record: Record, guardian: Guardian, where: list[str], expected: list[str]) -> Child:
        arguments, log = ["scenarios.load", "master"], record.path("logs/master.log")
        compose = self.crew.compose
        if compose is None:
            return Child("load master", [*arguments, str(record.directory), *where, *expected], log, guardian)
        command = compose.attached("master", [*arguments, "/record", *where, *expected])
        master = Child("load master", [], log, guardian, command, compose.environment)
        compose.up(["worker"], {"worker": self.crew.remote})
        return master

    def join(self, told: Callable[[str], None], stopped: Callable[[], None]) -> None:
        """Wait until every worker has joined; ``stack.json`` must be there.

        Args:
            told: Told what is waited for.
            stopped: Called again and again; raises to give up.

        Raises:
            HarnessError: One doesn't join.
            UsageError: One won't load other people's systems: it got another plan, or has no secret.
        """
        self._master.tell(stack=True)
        patience = AWAIT_REMOTE if self.crew.remote else READY_WITHIN
        if self.crew.remote and not self.crew.compose:
            address = f"{self.crew.bind}:{self._port}"
            allowed = f" --plan {self._fingerprint}" if self._plan.targets else ""
            told(f"waiting for {self.crew.remote} workers: thongsuot worker --master {address}{allowed}")
        deadline = time.monotonic() + patience
        while not self._ready:
            stopped()
            self._listen(0.1)
            for worker in self._workers.values():
                if not worker.alive():
                    said = worker.hear_if_alive(0.0) or {}
                    error = UsageError if self._plan.targets and "refused" in said else HarnessError
                    raise error(f"{worker.name} did not join: {said.get('refused') or worker.last_words()}")
            if time.monotonic() > deadline:
                raise HarnessError(f"the load's workers did not join within {patience:.0f} s; see logs/")
        self._events.write("load_ready", workers=self._ready)

    @property
    def lead(self) -> float:
        """Seconds that the word needs to reach every worker."""
        return LEAD_IN_CONTAINERS if self.crew.compose else LEAD

    def begin(self, t0: float) -> None:
        """Start the schedule at ``t0``, monotonic seconds."""
        self._master.tell(begin=t0)

    def stop(self) -> None:
        """Start no further arrival."""
        self._master.tell(stop=True)

    def poll(self, timeout: float) -> Outcome | None:
        """Return what became of the schedule once it is over; note who joins, is lost, is back.

        Raises:
            HarnessError: The master died.
        """
        for name, worker in self._workers.items():
            if name not in self._lost and not worker.alive() and worker.process.returncode:
                self._lost.add(name)
                self._master.tell(gone=name)
        self._listen(timeout)
        return self._outcome

    def _listen(self, timeout: float) -> None:
        said = self._master.hear(timeout)
        while said is not None:
            self._take(said)
            said = None if self._outcome else self._master.hear(0.0)  # after its last word it ends

    def _take(self, said: dict[str, Any]) -> None:
        """Write down what the master says."""
        match said:
            case {"ready": count}:
                self._ready = count
            case {"joined": index, "name": name, "host": host}:
                self._events.write("worker_joined", worker=index, name=name, host=host)
            case {"clock": index, "seconds": seconds, "uncertainty": uncertainty}:
                self._events.write("clock_offset", worker=index, seconds=seconds, uncertainty=uncertainty)
            case {"lost": index, "name": name}:
                self._events.write("worker_lost", worker=index, name=name)
            case {"guarded": index, "reason": reason}:
                self.forbid(str(reason), index)
            case {"declined": name, "reason": reason}:
                self._events.write("worker_declined", name=name, reason=reason)
                if not self._ready:
                    raise UsageError(f"worker {name} doesn't take part: {reason}")
            case {"back": index}:
                self._events.write("worker_back", worker=index)
            case {"division": start, "workers": workers}:
                self._events.write("shares_divided", start=round(start, 3), workers=workers)
            case {"finished": totals, "errors": errors, "halted": halted}:
                end = min(halted, default=self._plan.duration)
                planned = sum(1 for due in due_times(self._plan) if due < end)
                self._outcome = Outcome(planned=planned, **totals, errors=errors)

    def forbid(self, reason: str, worker: int | None = None) -> None:
        """Note that a guard ended the load: that of a worker, or the conductor's own."""
        self.forbidden = self.forbidden or reason
        self._events.write("load_forbidden", worker=worker, reason=reason)

    def end(self) -> None:
        """End the processes."""
        stop_all([*self._workers.values(), self._master])
