"""The open-model arrival engine of one Locust worker: a greenlet per arrival, on schedule, whatever the replies."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import gevent
from gevent.pool import Group

from model.plan import Plan
from scenarios.catalogue import JOURNEYS, Memory
from scenarios.network import Network
from scenarios.personas import Arrival, Crowd
from scenarios.recorder import Recorder
from scenarios.session import Answer, JourneyFailed, Session
from scenarios.writes import Result, Write


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
    """What became of a worker's share of the schedule.

    Attributes:
        planned: Arrivals that were due.
        started: Arrivals whose journey began.
        dropped: Arrivals above the in-flight cap, or due after a stop.
        unfinished: Journeys cut off when the grace ended.
        broken: Journeys that ended in an exception of their own: a defect of the harness.

    """

    planned: int = 0
    started: int = 0
    dropped: int = 0
    unfinished: int = 0
    broken: int = 0
    errors: list[str] = field(default_factory=list)


class Engine:
    """Runs one worker's share of a plan.

    Attributes:
        tally: What became of the arrivals so far.

    """

    def __init__(
        self,
        plan: Plan,
        recorder: Recorder,
        addresses: Mapping[str, str],
        run: str,
        worker: int,
        workers: int,
    ) -> None:
        self.tally = Tally()
        self._plan = plan
        self._recorder = recorder
        self._network = Network(addresses, plan.load.connect_timeout, plan.load.request_timeout)
        self._share = Crowd(plan).arrivals(worker, workers)
        self._run = run
        self._memory = Memory()
        self._group = Group()
        self._stopped = False

    def run(self, t0: float) -> Tally:
        """Start every arrival when it is due, wait for the journeys within the grace, and return the tally.

        Args:
            t0: Monotonic seconds.

        """
        flusher = gevent.spawn(self._flush_every_second, t0)
        notary = Notary(self._plan, self._recorder, t0)
        for arrival in self._share:
            self._wait_until(t0 + arrival.intended)
            if self._stopped:
                break
            self.tally.planned += 1
            if len(self._group) >= self._plan.load.max_in_flight:
                self._drop(arrival)
            else:
                self.tally.started += 1
                self._group.spawn(self._live, arrival, notary, t0)
        self._wait_until(t0 + self._plan.duration)
        self._finish()
        flusher.kill()
        self._recorder.flush()
        self._network.close()
        return self.tally

    def stop(self) -> None:
        """Start no further arrival; journeys in flight get the grace."""
        self._stopped = True

    def _wait_until(self, moment: float) -> None:
        while not self._stopped:
            left = moment - time.monotonic()
            if left <= 0:
                return
            gevent.sleep(min(left, 0.5))

    def _finish(self) -> None:
        self._group.join(timeout=self._plan.load.grace)
        self._group.kill()

    def _drop(self, arrival: Arrival) -> None:
        self.tally.dropped += 1
        self._recorder.arrival(arrival, None, None, "dropped")

    def _live(self, arrival: Arrival, notary: Notary, t0: float) -> None:
        started = time.monotonic() - t0
        session = Session(arrival, self._network, notary, t0 + arrival.intended, self._run)
        outcome = "unfinished"
        try:
            JOURNEYS[arrival.journey][0](session, self._memory)
            outcome = "ok"
        except JourneyFailed:
            outcome = "failed"
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

    def _flush_every_second(self, t0: float) -> None:
        due = t0
        while True:
            due += 1.0
            gevent.sleep(max(due - time.monotonic(), 0.0))
            self._recorder.flush()
