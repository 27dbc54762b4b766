"""What every kind of fault has: a specification of its attributes, and the steps of its life on one target."""

import math
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import ClassVar, Literal, Protocol

from faults.control import Answer, Stranger, ask
from faults.leases import Lease, ProxyLease, TakenLease
from faults.probe import OUR_OWN, Measurement, Question, probe
from faults.toxiproxy import Proxies
from model.paths import Paths, Table
from model.plan import Fault

CHANCE = 0.01  # chance that a fault of a share of the connections is taken for gone though it isn't


class Processes(Protocol):
    """The processes or containers of the systems, in the hands of whoever started them."""

    def kill(self, system: str) -> None:
        """End the system's process with SIGKILL and wait until it is gone."""

    def restart(self, system: str) -> None:
        """Start the system's process again, on the same port and state; returns once it accepts."""

    def is_running(self, system: str) -> bool:
        """Tell whether the system's process runs."""

    def pausing(self, fault: str, system: str) -> TakenLease:
        """Return a lease that stops the system's process. Raises OSError where it has ended."""

    def limiting(self, fault: str, system: str, headroom: int) -> TakenLease:
        """Return a lease that leaves the system ``headroom`` more bytes. Raises OSError."""

    def disconnecting(self, fault: str, system: str) -> TakenLease:
        """Return a lease that takes the system off the network. Raises OSError where it can't be."""

    def find(self, system: str) -> None:
        """Look where the system is now: its address may have changed."""


class FaultError(Exception):
    """A fault can't be applied here: one line that says why."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a kind: an integer.

    Attributes:
        name: Its key in a campaign file.
        unit: ``ms``, ``KB/s`` (1 KB = 1000 B), ``%``, …
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
    """Where faults take place.

    Attributes:
        proxies: The proxies of the links.
        processes: The processes of the systems; None where none are ours.
        addresses: ``host:port`` of each system itself, past every proxy.
        token: What opens the systems' control API; empty where there is none.
        questions: Link -> what proofs ask a system that isn't ours.
        strangers: Systems that aren't ours, and that may be broken from inside.
        paths: Where our systems serve their operations, where that isn't our own path.
        admit: Is asked before anything is sent to a link or system that isn't ours; raises FaultError where it may not.
    """

    proxies: Proxies
    processes: Processes | None = None
    addresses: Mapping[str, str] = field(default_factory=dict)
    token: str = field(default="", repr=False)
    questions: Mapping[str, Question] = field(default_factory=dict)
    strangers: Mapping[str, Stranger] = field(default_factory=dict)
    paths: Table = field(default_factory=dict)
    admit: Callable[[str], None] = lambda _: None


class Kind(ABC):
    """One fault of a kind, on one target: how to apply, read back, prove and heal it."""

    name: ClassVar[str]
    summary: ClassVar[str]
    proof: ClassVar[str]
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
        """Break it; raises ProxyError, FaultError or OSError."""

    @property
    def beat(self) -> float | None:
        """Seconds from applying it to the first ``tick``; None: there is none."""
        return None

    def tick(self) -> float | None:
        """Do what must be done while the fault is on; returns seconds until the next time, None: never again."""
        return None

    @abstractmethod
    def held(self) -> bool:
        """Read back whether it is broken; raises ProxyError or OSError."""

    @abstractmethod
    def heal(self) -> None:
        """Mend it; twice is fine. Raises ProxyError, FaultError or OSError."""

    @abstractmethod
    def bites(self, seen: Measurement, healthy: Measurement | None) -> bool:
        """Tell whether a probe's measurement proves the fault, given the one from before it."""

    def gone(self, seen: Measurement, healthy: Measurement | None) -> bool:
        """Tell whether a probe's measurement proves that the fault is gone."""
        return seen.ok and not self.bites(seen, healthy)

    @property
    def repeats(self) -> int:
        """How many probes in a row must find it gone."""
        return 1

    def measure(self, seconds: float, stop: Event | None = None) -> Measurement:
        """Probe once; raises FaultError where nothing may be sent any more."""
        question = self.site.questions.get(self.fault.target, OUR_OWN)
        if question is not OUR_OWN:
            self.site.admit(self.fault.target)
        return probe(
            self.address, min(seconds, self.patience), down=self.down, up=self.up, stop=stop, question=question
        )

    @property
    def by_hand(self) -> str:
        """How a person heals it."""
        return self.lease.by_hand if self.lease else f"start {self.fault.target} again"


class LinkKind(Kind):
    """A fault of one link: a change of its proxy."""

    @property
    def link(self) -> str:
        """The link's name, which is its proxy's."""
        return self.fault.target

    @property
    def toxic(self) -> str | None:
        """Name of the toxic that it puts on the proxy; None: it disables the proxy."""
        return None

    @property
    def lease(self) -> ProxyLease:
        """The change of the proxy."""
        return ProxyLease(self.fault.id, self.link, self.site.proxies, self.toxic)

    @property
    def address(self) -> str:
        """Where the link's proxy listens."""
        return self.site.proxies.get(self.link).listen

    def held(self) -> bool:
        """Read the proxy back."""
        return self.lease.held()

    def heal(self) -> None:
        """Undo the change of the proxy."""
        self.lease.release()


TOXICITY = Attribute("toxicity", "%", 1, 100, "share of the connections, drawn by each", default=100)


class ToxicKind(LinkKind):
    """A fault that is a toxic with attributes of the same names.

    Attributes:
        type: The toxic's type; the kind's name where it isn't given.
        always: The stream that it acts on, whatever the fault says; None: as the fault says.
    """

    type: ClassVar[str] = ""
    always: ClassVar[str | None] = None

    @property
    def toxic(self) -> str:
        """``fault-`` and the fault's id."""
        return "fault-" + re.sub(r"[^A-Za-z0-9_.-]", "-", self.fault.id)

    @property
    def toxicity(self) -> float:
        """Share of the connections that it acts on."""
        return self.values.get("toxicity", 100) / 100

    def settings(self) -> dict[str, int]:
        """Return the toxic's own attributes."""
        return {name: value for name, value in self.values.items() if name != "toxicity"}

    def apply(self) -> None:
        """Add the toxic."""
        kind = self.type or self.name
        self.site.proxies.add_toxic(
            self.link, self.toxic, kind, self.always or self.fault.stream, self.settings(), self.toxicity
        )

    @property
    def repeats(self) -> int:
        """As many probes as it takes to meet a fault of this share of the connections, but for a small chance."""
        return 1 if self.toxicity == 1 else math.ceil(math.log(CHANCE) / math.log(1 - self.toxicity))


class SystemKind(Kind):
    """A fault of one system."""

    breaks = "system"

    @property
    def address(self) -> str:
        """The system's own address, past every proxy."""
        try:
            return self.site.addresses[self.fault.target]
        except KeyError:
            raise FaultError(f"{self.name} {self.fault.target}: its own address isn't known") from None

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        """Send the system, one of ours, a request of its own interface; raises OSError."""
        return ask(self.address, method, Paths(self.fault.target, self.site.paths).asked(method, path), body)


class Timed(Kind):
    """A kind that makes whole replies come later.

    Attributes:
        share: A probe must take at least this share of what is expected.
        expected: Seconds that the fault adds to a probe.
    """

    share: ClassVar[float] = 0.8
    expected: float

    def bites(self, seen: Measurement, healthy: Measurement | None) -> bool:
        """Tell a whole reply, as late as the fault makes it, where a whole reply came before."""
        return healthy is not None and healthy.ok and seen.ok and seen.seconds >= self.bound(healthy)

    def gone(self, seen: Measurement, healthy: Measurement | None) -> bool:
        """Tell a whole reply that is sooner than the fault would let it come."""
        return seen.ok and seen.seconds < self.bound(healthy)

    def bound(self, healthy: Measurement | None) -> float:
        """Seconds that tell the fault from its absence: ``share`` of the expected, half of it above the healthy."""
        before = healthy.seconds if healthy and healthy.ok else 0.0
        return max(self.share * self.expected, before + self.expected / 2)


class TimedToxic(Timed, ToxicKind):
    """A toxic that makes whole replies come later."""

    def measure(self, seconds: float, stop: Event | None = None) -> Measurement:
        """Take the fastest of three probes where the effect is small: a hiccup isn't a fault."""
        times = 3 if self.expected < 0.5 and self.toxicity == 1 else 1
        return min((super(TimedToxic, self).measure(seconds, stop) for _ in range(times)), key=_by_speed)


def _by_speed(seen: Measurement) -> tuple[bool, float]:
    return (not seen.ok, seen.seconds)


class Alternating(Kind):
    """A fault that comes and goes: it is on for ``on`` seconds, off for ``off``, until it is healed.

    Switched from our side under one lease, which undoes it in either state. Whoever releases it while it is on ends it.

    Attributes:
        on: Seconds.
        off: Seconds.
    """

    on: float
    off: float
    _begun = _cycling = _broken = False

    @abstractmethod
    def switch_on(self) -> None:
        """Break it."""

    @property
    def change(self) -> Lease:
        """What it does while it is on, and how to undo that."""
        assert self.lease is not None
        return self.lease

    @property
    def beat(self) -> float:
        """Seconds until it is off for the first time."""
        return self.on

    def apply(self) -> None:
        """Break it for the first time."""
        self._begun = True
        self.switch_on()
        self._cycling = self._broken = True

    def tick(self) -> float | None:
        """Switch; stop where somebody else has mended it."""
        if self._broken and not self.change.held():
            self._cycling = False
            return None
        if self._broken:
            self.change.release()
        else:
            self.switch_on()
        self._broken = not self._broken
        return self.on if self._broken else self.off

    def held(self) -> bool:
        """Tell whether it still comes and goes, or is on."""
        return (self._cycling and (not self._broken or self.change.held())) or self.change.held()

    def heal(self) -> None:
        """Leave it off."""
        self._cycling = False
        self.change.release()


def pause(seconds: float, stop: Event | None) -> None:
    """Wait, unless healing is asked for."""
    if stop is None:
        time.sleep(seconds)
    else:
        stop.wait(seconds)
