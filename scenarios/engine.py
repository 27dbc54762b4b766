"""The open-model arrival engine of one Locust worker: a greenlet per arrival, on schedule, whatever the replies."""

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import gevent
from gevent import Greenlet
from gevent.event import Event
from gevent.pool import Group

from model.plan import Plan
from scenarios.adapter import Adapter
from scenarios.catalogue import JOURNEYS, Memory
from scenarios.figures import Figures
from scenarios.guarded import GuardedNetwork
from scenarios.health import Health
from scenarios.journeys import hotline
from scenarios.network import Network
from scenarios.notary import Notary
from scenarios.pacer import Due, Pacer
from scenarios.personas import Arrival, Crowd
from scenarios.recorder import Recorder
from scenarios.schedule import due_times
from scenarios.session import JourneyFailed, Session
from scenarios.shares import Shares

LATE_START, LATE_OUTSIDE = 10.0, 0.5
"""Seconds in the past from which a worker that begins late still takes the arrivals that are its own; the second, of
other people's systems, at which no backlog is thrown."""
COUNTING = 0.1
"""Seconds after which the times that have gathered are counted: little at a time."""


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
        certain: Whether ``shares`` are known to be the last ones; while they aren't, arrivals wait.
    """

    def __init__(
        self,
        plan: Plan,
        recorder: Recorder,
        addresses: Mapping[str, str],
        run: str,
        external: GuardedNetwork | None = None,
    ) -> None:
        """Prepare.

        Args:
            plan: Whose arrivals are run.
            recorder: Takes note of them.
            addresses: System -> its address, as people reach it.
            run: Prefix of idempotency keys, unique to the run.
            external: The way into other people's systems, in place of ``addresses``.
        """
        self.tally = Tally()
        self.shares = Shares()
        self.certain: Callable[[], bool] = lambda: True
        self._plan = plan
        self._recorder = recorder
        self._network = external or _network(plan, addresses)
        self._journeys = {name: perform for name, (perform, _) in JOURNEYS.items()}
        if external is not None and plan.targets is not None:
            self._journeys = dict(Adapter(plan.targets, external).journeys)
        self._crowd = Crowd(plan)
        self._run = run
        self._health = Health()
        self._memory = Memory(plan.cutover, figures=Figures(plan.stack.provinces))
        self._group = Group()
        self._halted = Event()
        self._pacer = Pacer(self._arrivals(), self._owns, self._crowd.arrival, self._start, self._may_go_on)
        self._t0 = 0.0
        self._notary: Notary | None = None

    def run(self, t0: float) -> Tally:
        """Start every arrival of this worker's when it is due, wait for the journeys within the grace.

        Args:
            t0: Monotonic seconds; arrivals that were due long before now are passed over.
        """
        gc.freeze()  # what is there now stays: collections needn't look at it, which would make arrivals late
        self._t0 = t0
        watchers = [gevent.spawn(self._health.watch), gevent.spawn(self._keep_books)]
        self._notary = Notary(self._plan, self._recorder, t0)
        self._pacer.run(t0)
        self._halted.wait(max(t0 + self._plan.duration - time.monotonic(), 0.0))
        self._finish()
        gevent.killall(watchers)
        self._recorder.flush()
        self._network.close()
        return self.tally

    def stop(self) -> None:
        """Start no further arrival; journeys in flight get the grace."""
        self.tally.halted = time.monotonic() - self._t0
        self._halted.set()
        self._pacer.stop()

    def _arrivals(self) -> Iterator[Due]:
        """Yield the schedule from shortly before it is first asked for."""
        late = LATE_OUTSIDE if isinstance(self._network, GuardedNetwork) else LATE_START
        since = time.monotonic() - self._t0 - late
        for number, due in enumerate(due_times(self._plan)):
            if due >= since:
                yield number, due

    def _owns(self, number: int, due: float) -> bool:
        return self.shares.owner(number, due) == self._recorder.worker

    def _may_go_on(self) -> bool:
        """Tell whether arrivals needn't wait; those whose owner isn't known by the end of the schedule never start."""
        certain = self.certain()
        if not certain and time.monotonic() - self._t0 > self._plan.duration:
            self._pacer.stop()
        return certain

    def _start(self, arrival: Arrival) -> None:
        """Begin a journey; it runs at once, until it waits for the first time."""
        if len(self._group) >= self._plan.load.max_in_flight:
            self.tally.dropped += 1
            self._recorder.arrival(arrival, None, None, "dropped")
            return
        self.tally.started += 1
        journey = Greenlet(self._live, arrival)
        self._group.add(journey)
        journey.switch()

    def _live(self, arrival: Arrival) -> None:
        t0, notary = self._t0, self._notary
        assert notary is not None
        started = time.monotonic() - t0
        self._health.arrival(started - arrival.intended, len(self._group))
        due, patience = t0 + arrival.intended, self._plan.load.patience
        session = Session(arrival, self._network, notary, due, self._run, patience, gevent.sleep)
        outcome = "unfinished"
        try:
            self._journeys[arrival.journey](session, self._memory)
            outcome = "ok"
        except JourneyFailed:
            outcome = "failed"
            if hotline.complains(arrival, self._plan.load.complaints):
                with suppress(JourneyFailed):
                    hotline.complain(session)
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

    def _finish(self) -> None:
        self._group.join(timeout=self._plan.load.grace)
        self._group.kill()

    def _keep_books(self) -> None:
        """Count ten times a second, and flush and look at the health every second."""
        second = int(time.monotonic() - self._t0)
        while True:
            second += 1
            while (left := self._t0 + second - time.monotonic()) > 0:
                gevent.sleep(min(left, COUNTING))
                self._recorder.count()
            seen, cpu = self._health.take()
            self._recorder.health(second - 1, seen, cpu)
            for _ in self._recorder.flushing():
                gevent.sleep(0)


def _network(plan: Plan, addresses: Mapping[str, str]) -> Network:
    """Return the way to our own systems."""
    load, paths = plan.load, plan.stack.paths
    timeouts = load.connect_timeout, load.request_timeout
    return Network(addresses, *timeouts, first_byte_timeout=load.first_byte_timeout, paths=paths)
