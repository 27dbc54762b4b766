"""The load as the conductor sees it: a Locust master and its workers, as processes."""

import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from harness.errors import HarnessError
from harness.ports import free_ports
from harness.processes import Child, Guardian, stop_all
from model.plan import Plan
from model.record import EventLog, Record

READY_WITHIN = 20.0
"""Seconds in which every worker must have joined."""
ARRIVALS_PER_WORKER = 400.0
"""Arrivals per second above which one more worker is started."""


def worker_count(plan: Plan, cores: int) -> int:
    """Return how many workers a plan gets: as it says, else by its highest rate, and never more than cores."""
    if plan.load.workers:
        return plan.load.workers
    peak = plan.load.scale * max(max(phase.rate, phase.end_rate) for phase in plan.phases)
    return max(1, min(cores, -int(-peak // ARRIVALS_PER_WORKER)))


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
        lost: Workers that told no tally.

    """

    planned: int = 0
    started: int = 0
    dropped: int = 0
    unfinished: int = 0
    broken: int = 0
    errors: list[str] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)


class Generator:
    """A Locust master and its workers.

    Attributes:
        workers: How many.

    """

    def __init__(self, plan: Plan, record: Record, events: EventLog, guardian: Guardian, workers: int) -> None:
        self.workers = workers
        self._events = events
        self._lost: set[int] = set()
        self._plan = plan
        port, run = str(next(free_ports())), secrets.token_hex(4)
        common = ["--port", port, "--workers", str(workers)]
        self._master = Child(
            "load master", ["scenarios.load", "master", *common], record.path("logs/master.log"), guardian
        )
        self._workers = [
            Child(
                f"load worker {index}",
                ["scenarios.load", "worker", str(record.directory), *common, "--index", str(index), "--run", run],
                record.path(f"logs/worker-{index}.log"),
                guardian,
            )
            for index in range(workers)
        ]

    def join(self) -> None:
        """Let the workers join, now that ``stack.json`` is there; raises HarnessError when one doesn't."""
        for worker in self._workers:
            worker.tell(stack=True)
        deadline = time.monotonic() + READY_WITHIN
        while (said := self._master.hear(0.1)) is None:
            for worker in self._workers:
                if not worker.alive():
                    raise HarnessError(f"{worker.name} did not join: {worker.last_words()}")
            if time.monotonic() > deadline:
                raise HarnessError(f"the load's workers did not join within {READY_WITHIN:.0f} s; see logs/")
        self._events.write("load_ready", workers=said["ready"])

    def begin(self, t0: float) -> None:
        """Start the schedule at ``t0``, monotonic seconds."""
        self._master.tell(begin=t0)

    def stop(self) -> None:
        """Start no further arrival."""
        self._master.tell(stop=True)

    def poll(self, timeout: float) -> Outcome | None:
        """Return what became of the schedule once it is over; note the workers that were lost.

        Raises:
            HarnessError: The master died.

        """
        for index, worker in enumerate(self._workers):
            if index not in self._lost and not worker.alive():
                self._lost.add(index)
                self._events.write("worker_lost", worker=index, status=worker.process.returncode)
        said = self._master.hear(timeout)
        return None if said is None else self._outcome(said)

    def _outcome(self, said: dict[str, Any]) -> Outcome:
        for index in set(said["lost"]) - self._lost:
            self._lost.add(index)
            self._events.write("worker_lost", worker=index, status=None)
        return Outcome(**said["finished"], errors=said["errors"], lost=said["lost"])

    def end(self) -> None:
        """End the processes."""
        stop_all([*self._workers, self._master])
