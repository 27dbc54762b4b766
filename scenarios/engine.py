"""The open-model arrival engine of one Locust worker: a greenlet per arrival, on schedule, whatever the replies."""

import random
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import gevent
from gevent.pool import Group

from model.plan import Plan
from scenarios.catalogue import JOURNEYS, Memory
from scenarios.health import Health
from scenarios.journeys import hotline
from scenarios.network import Network
from scenarios.personas import Arrival, Crowd
from scenarios.recorder import Recorder
from scenarios.schedule import due_times
from scenarios.session import Answer, JourneyFailed, Session
from scenarios.shares import Shares
from scenarios.writes import Result, Write

LATE_START = 0.5
"""Seconds in the past from which a worker that joins late still takes its arrivals."""

COMPLAINERS = frozenset({"submit-online", "track", "data-only"})
"""Journeys of citizens, who call the hotline when they fail; officers have other ways."""

BREATH = 8
"""Arrivals in a row that may start behind their time before replies are read."""


class Notary:
    """Notes what a session does in the recorder, in seconds since t0."""

    def __init__(self, plan: Plan, recorder: Recorder, t0: float) -> None:
        self._plan = plan
        self._recorder = recorder
        self._t0 = t0

    def request(self, arrival: Arrival, operation: str, outcome: str, intended: float, answer: Answer) -> None:
        """Count one finished request."""
        due = intended - self._t0
        self._recorder.sample(
            due,
            self._plan.phase_at(due),
            operation,
            arrival.province,
            outcome,
            answer.finished - intended,
            answer.finished - answer.began,
        )

    def invoke(self, arrival: Arrival, write: Write) -> int:
        """Enter a write before it is sent."""
        return self._recorder.invoke(time.monotonic() - self._t0, arrival, write)

    def complete(self, arrival: Arrival, op: int, write: Write, result: Result) -> None:
        """Enter what came of a write."""
        self._recorder.complete(time.monotonic() - self._t0, op, arrival, write, result)


@dataclass(slots=True)
class Tally:
    """What became of the arrivals that a worker owned.

    Attributes:
        started: Arrivals whose journey began.
        dropped: Arrivals above the in-flight cap.
        unfinished: Journeys cut off when the grace ended.
        broken: Journeys that ended in an exception of their own: a defect of the harness.
        errors: The last of those exceptions.
        halted: Seconds since t0 at which the engine was told to stop, None if it wasn't.
    """

    started: int = 0
    dropped: int = 0
    unfinished: int = 0
    broken: int = 0
    errors: list[str] = field(default_factory=list)
    halted: float | None = None


class Engine:
    """Runs one worker's shares of a plan.

    Attributes:
        tally: What became of the arrivals so far.
        shares: Who owns which arrival; may change while the engine runs.
        suspended: While true, arrivals pass by: the master isn't heard and may have given them to others.
    """

    def __init__(self, plan: Plan, recorder: Recorder, addresses: Mapping[str, str], run: str) -> None:
        self.tally = Tally()
        self.shares = Shares()
        self.suspended = False
        self._plan = plan
        self._recorder = recorder
        self._network = Network(addresses, plan.load.connect_timeout, plan.load.request_timeout)
        self._crowd = Crowd(plan)
        self._run = run
        self._health = Health()
        self._memory = Memory()
        self._group = Group()
        self._stopped = False
        self._behind = 0
        self._t0 = 0.0

    def run(self, t0: float) -> Tally:
        """Start every arrival of this worker's when it is due, wait for the journeys within the grace.

        Args:
            t0: Monotonic seconds; arrivals that were due before now are passed over.
        """
        self._t0 = t0
        watchers = [gevent.spawn(self._health.watch), gevent.spawn(self._flush_every_second, t0)]
        notary = Notary(self._plan, self._recorder, t0)
        joined = time.monotonic() - t0
        for number, due in enumerate(due_times(self._plan)):
            if due < joined - LATE_START:
                continue
            self._wait_until(t0 + due)
            if self._stopped:
                break
            if not self.suspended and self.shares.owner(number, due) == self._recorder.worker:
                self._start(self._crowd.arrival(number, due), notary, t0)
        self._wait_until(t0 + self._plan.duration)
        self._finish()
        gevent.killall(watchers)
        self._recorder.flush()
        self._network.close()
        return self.tally

    def stop(self) -> None:
        """Start no further arrival; journeys in flight get the grace."""
        self._stopped = True
        self.tally.halted = time.monotonic() - self._t0

    def _wait_until(self, moment: float) -> None:
        """Sleep until a monotonic moment; when behind, let the journeys in flight read their replies now and then."""
        left = moment - time.monotonic()
        if left <= 0:
            self._behind += 1
            if self._behind % BREATH == 0:
                gevent.sleep(0)
        while left > 0 and not self._stopped:
            gevent.sleep(min(left, 0.5))
            left = moment - time.monotonic()

    def _start(self, arrival: Arrival, notary: Notary, t0: float) -> None:
        if len(self._group) >= self._plan.load.max_in_flight:
            self.tally.dropped += 1
            self._recorder.arrival(arrival, None, None, "dropped")
            return
        self.tally.started += 1
        self._group.spawn(self._live, arrival, notary, t0)

    def _live(self, arrival: Arrival, notary: Notary, t0: float) -> None:
        started = time.monotonic() - t0
        self._health.arrival(started - arrival.intended, len(self._group))
        due, patience = t0 + arrival.intended, self._plan.load.patience
        session = Session(arrival, self._network, notary, due, self._run, patience, gevent.sleep)
        outcome = "unfinished"
        try:
            JOURNEYS[arrival.journey][0](session, self._memory)
            outcome = "ok"
        except JourneyFailed:
            outcome = "failed"
            self._complain(session)
        except gevent.GreenletExit:
            self.tally.unfinished += 1
        except Exception as error:
            outcome = "failed"
            self.tally.broken += 1
            self.tally.errors = [*self.tally.errors[-9:], f"{arrival.journey}: {error!r}"]
            raise
        finally:
            finished = None if outcome == "unfinished" else time.monotonic() - t0
            self._recorder.arrival(arrival, started, finished, outcome)

    def _complain(self, session: Session) -> None:
        """Let a citizen whose journey failed call the hotline, as often as the plan says: by the arrival's own seed."""
        arrival = session.arrival
        lucky = random.Random(f"{arrival.seed}:complaint").random() >= self._plan.load.complaints
        if not lucky and arrival.journey in COMPLAINERS:
            with suppress(JourneyFailed):
                hotline.complain(session)

    def _finish(self) -> None:
        self._group.join(timeout=self._plan.load.grace)
        self._group.kill()

    def _flush_every_second(self, t0: float) -> None:
        second = int(time.monotonic() - t0)
        while True:
            second += 1
            gevent.sleep(max(t0 + second - time.monotonic(), 0.0))
            seen, cpu = self._health.take()
            self._recorder.health(second - 1, seen, cpu)
            self._recorder.flush()
