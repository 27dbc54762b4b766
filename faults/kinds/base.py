"""What every kind of fault has: a specification of its attributes, and the steps of its life."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Event
from typing import ClassVar, Literal, Protocol

from faults.leases import Lease
from faults.probe import Measurement, probe
from faults.toxiproxy import Proxies
from model.plan import Fault


class Processes(Protocol):
    """The processes of the systems, in the hands of whoever started them."""

    def kill(self, system: str) -> None:
        """End the system's process with SIGKILL and wait until it is gone."""

    def restart(self, system: str) -> None:
        """Start the system's process again, on the same port and state; returns once it accepts."""

    def is_running(self, system: str) -> bool:
        """Tell whether the system's process runs."""


class FaultError(Exception):
    """A fault can't be applied here: one line that says why."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a kind: an integer.

    Attributes:
        name: Its key in a campaign file.
        unit: ``ms``, ``KB/s`` (1 KB = 1000 B).
        low: Smallest value.
        high: Largest value.
        meaning: One line for people.
        default: Its value where none is given; None: it must be given.
    """

    name: str
    unit: str
    low: int
    high: int
    meaning: str
    default: int | None = None

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is None


@dataclass(frozen=True, slots=True)
class Site:
    """Where a fault takes place.

    Attributes:
        proxies: The proxies of the links.
        processes: The processes of the systems; None where none are ours to kill.
        address: ``host:port`` of the broken system itself, past every proxy; for process faults.
    """

    proxies: Proxies
    processes: Processes | None = None
    address: str | None = None


class Kind(ABC):
    """One fault of a kind, at its site: how to apply, read back, prove and heal it."""

    name: ClassVar[str]
    summary: ClassVar[str]
    breaks: ClassVar[Literal["link", "system"]] = "link"
    attributes: ClassVar[tuple[Attribute, ...]] = ()
    down: int = 0  # bytes of padding in a probe's reply
    up: int = 0  # bytes of a probe's requests
    patience: float = 2.0  # seconds that a probe waits

    def __init__(self, fault: Fault, site: Site) -> None:
        self.fault = fault
        self.site = site
        self.values = self.resolve(fault.attributes)

    @classmethod
    def resolve(cls, given: Mapping[str, int]) -> dict[str, int]:
        """Return every attribute's value, defaults filled in."""
        return {a.name: given.get(a.name, a.default or 0) for a in cls.attributes}

    @classmethod
    def problems(cls, fault: Fault) -> list[str]:
        """Say what is wrong with attributes that are each in their range."""
        return []

    @property
    def lease(self) -> Lease | None:
        """What the watchdog must undo when nobody else does; None where it can't."""
        return None

    @property
    @abstractmethod
    def address(self) -> str:
        """``host:port`` that a probe connects to."""

    @abstractmethod
    def apply(self) -> None:
        """Break it; raises ProxyError or FaultError."""

    @abstractmethod
    def held(self) -> bool:
        """Read back whether it is broken; raises ProxyError."""

    @abstractmethod
    def heal(self) -> None:
        """Mend it; twice is fine. Raises ProxyError or FaultError."""

    @abstractmethod
    def bites(self, seen: Measurement, healthy: Measurement | None) -> bool:
        """Tell whether a probe's measurement proves the fault, given the one from before it."""

    def gone(self, seen: Measurement, healthy: Measurement | None) -> bool:
        """Tell whether a probe's measurement proves that the fault is gone."""
        return seen.ok and not self.bites(seen, healthy)

    def measure(self, seconds: float, stop: Event | None = None) -> Measurement:
        """Probe once."""
        return probe(self.address, min(seconds, self.patience), down=self.down, up=self.up, stop=stop)

    @property
    def by_hand(self) -> str:
        """How a person heals it."""
        return self.lease.by_hand if self.lease else f"start {self.fault.target} again"


class LinkKind(Kind):
    """A fault of one link: a change of its proxy."""

    @property
    def link(self) -> str:
        """The link's name, which is its proxy's."""
        return self.fault.link or ""

    @property
    def toxic(self) -> str | None:
        """Name of the toxic that it puts on the proxy; None: it disables the proxy."""
        return None

    @property
    def lease(self) -> Lease:
        """The change of the proxy."""
        return Lease(self.fault.id, self.site.proxies.api, self.link, self.toxic, self.link)

    @property
    def address(self) -> str:
        """Where the link's proxy listens."""
        return self.site.proxies.get(self.link).listen

    def held(self) -> bool:
        """Read the proxy back."""
        return self.lease.held(self.site.proxies)

    def heal(self) -> None:
        """Undo the change of the proxy."""
        self.lease.release(self.site.proxies)


class ToxicKind(LinkKind):
    """A fault that is a toxic of the same name and attributes."""

    @property
    def toxic(self) -> str:
        """``fault-`` and the fault's id."""
        return "fault-" + re.sub(r"[^A-Za-z0-9_.-]", "-", self.fault.id)

    def apply(self) -> None:
        """Add the toxic."""
        self.site.proxies.add_toxic(self.link, self.toxic, self.name, self.fault.stream, self.values)


class TimedKind(ToxicKind):
    """A toxic that makes whole replies come later.

    Attributes:
        share: A probe must take at least this share of what is expected.
        expected: Seconds that the fault adds to a probe.
    """

    share: ClassVar[float]
    expected: float

    def bites(self, seen: Measurement, healthy: Measurement | None) -> bool:
        """Tell a whole reply, as late as the fault makes it, where a whole reply came before."""
        return healthy is not None and healthy.ok and seen.ok and seen.seconds >= self._bound(healthy)

    def gone(self, seen: Measurement, healthy: Measurement | None) -> bool:
        """Tell a whole reply that is sooner than the fault would let it come."""
        return seen.ok and seen.seconds < self._bound(healthy)

    def _bound(self, healthy: Measurement | None) -> float:
        """Seconds that tell the fault from its absence: ``share`` of the expected, half of it above the healthy."""
        before = healthy.seconds if healthy and healthy.ok else 0.0
        return max(self.share * self.expected, before + self.expected / 2)

    def measure(self, seconds: float, stop: Event | None = None) -> Measurement:
        """Take the fastest of three probes where the effect is small: a hiccup isn't a fault."""
        times = 3 if self.expected < 0.5 else 1
        return min((super(TimedKind, self).measure(seconds, stop) for _ in range(times)), key=_by_speed)


def _by_speed(seen: Measurement) -> tuple[bool, float]:
    return (not seen.ok, seen.seconds)
