"""What stands in for faults and systems where only the conductor's decisions are tested."""

import time
from collections.abc import Iterable
from pathlib import Path
from threading import Event
from typing import Any, cast

from faults.life import Life
from harness.live import Ended, Live, Requests
from harness.timeline import Timeline
from model.histogram import bucket_of
from model.plan import Fault
from model.record import EventLog, Record
from tests.conftest import events
from tests.harness.plans import short_plan


class FakeLife:
    """A fault that breaks nothing; it heals at once, or when ``may_heal`` is set."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.healed = False
        self.applied: float | None = None
        self.ended: float | None = None
        self.may_heal = Event()
        self.may_heal.set()

    def prepare(self) -> None:
        pass

    def apply(self) -> bool:
        self.applied = time.monotonic()
        return True

    def heal(self) -> None:
        assert self.may_heal.wait(60)
        self.healed = True
        if self.ended is None:
            self.ended = time.monotonic()


def fault(name: str, start: float, duration: float, system: str = "province:79") -> Fault:
    return Fault(id=name, kind="pause", system=system, start=start, duration=duration)


def timeline_of(lives: Iterable[FakeLife], log: EventLog, excess: Any = lambda _: None) -> Timeline:
    log.t0 = time.monotonic()
    return Timeline(cast("list[Life]", list(lives)), log.t0, excess, log)


def written(folder: Path, name: str) -> list[dict[str, Any]]:
    """Return the fields of the events of a name, of whole lines."""
    return [
        {key: value for key, value in event.items() if key not in ("t", "time", "event")}
        for event in events(folder)
        if event["event"] == name
    ]


def requests(second: int, count: int, ok: bool = True, province: str = "01", seconds: float = 0.01) -> Requests:
    return Requests(second, "national.track", province, ok, bucket_of(seconds), count)


def live_of(tmp_path: Path, *fresh: Requests, ended: Iterable[Ended] = ()) -> Live:
    """Return a live view whose last look found this."""
    live = Live(short_plan(), Record(tmp_path))
    live.fresh, live.ended = list(fresh), list(ended)
    return live
