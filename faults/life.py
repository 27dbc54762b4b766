"""The life of one fault, on all its targets at once."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import msgspec

from faults.kinds.base import Site
from faults.part import HealFailed, Leases, Part
from model.plan import Fault
from model.record import EventLog

__all__ = ["HealFailed", "Leases", "Life"]

AT_ONCE = 16  # targets that are changed at a time
PROVED_ON = 40  # targets that a fault is proved on, at a time; of more, a sample evenly spread

T = TypeVar("T")


class Life:
    """One fault, from its leases to the proof that it is gone.

    ``apply`` and ``heal`` may be called from different threads at any time, ``heal`` any number of times.

    Args:
        fault: What to break; ``faults.catalogue.validate`` has nothing to say about it.
        site: Where.
        watchdog: Who heals when the conductor can't.
        events: The record's events.
    """

    def __init__(self, fault: Fault, *, site: Site, watchdog: Leases, events: EventLog) -> None:
        self.fault = fault
        self._events = events
        self._parts = [Part(_single(fault, target), site, watchdog, events) for target in fault.targets]
        self._sample = _spread(self._parts)

    @property
    def proved(self) -> bool:
        """Whether it was seen to bite, wherever it was looked at."""
        return all(part.proved for part in self._sample)

    @property
    def healed(self) -> bool:
        """Whether nothing of it is left."""
        return all(part.healed for part in self._parts)

    @property
    def gone(self) -> bool:
        """Whether its absence was seen, wherever it was looked at."""
        return all(part.gone for part in self._sample)

    def prepare(self) -> None:
        """Measure the healthy targets (up to 4 s), shortly before the fault is due, so that it is in time."""
        _each(Part.prepare, self._sample, PROVED_ON)

    def apply(self) -> bool:
        """Break it and prove that it bites; returns whether it did, the reasons are in the record. Never raises."""
        self.prepare()
        deadline = time.monotonic() + self.fault.duration
        broken = dict(zip(self._parts, _each(Part.apply, self._parts, AT_ONCE), strict=True))
        if len(self._sample) < len(self._parts):
            self._events.write(
                "fault_sampled", fault=self.fault.id, targets=len(self._parts), proved_on=len(self._sample)
            )
        _each(lambda part: part.prove(deadline), [part for part in self._sample if broken[part]], PROVED_ON)
        return self.proved

    def heal(self) -> None:
        """Mend it and prove that it is gone; raises HealFailed when some of it can't be mended within 10 s."""
        looked_at = set(self._sample)

        def heal(part: Part) -> str:
            try:
                part.heal(part in looked_at)
            except HealFailed as failure:
                return str(failure)
            return ""

        failures = [failure for failure in _each(heal, self._parts, PROVED_ON) if failure]
        if failures:
            raise HealFailed("; ".join(failures))


def _single(fault: Fault, target: str) -> Fault:
    """Return the fault on one of its targets."""
    return msgspec.structs.replace(fault, resolved=(target,))


def _spread(parts: Sequence[Part]) -> list[Part]:
    """Choose the parts that are proved: all, or a sample evenly spread."""
    count = min(len(parts), PROVED_ON)
    return [parts[index * len(parts) // count] for index in range(count)]


def _each(call: Callable[[Part], T], parts: Sequence[Part], at_once: int) -> list[T]:
    """Call something for every part, many at a time; returns what it returned, in the order of the parts."""
    if len(parts) < 2:
        return [call(part) for part in parts]
    with ThreadPoolExecutor(min(len(parts), at_once)) as pool:
        return list(pool.map(call, parts))
