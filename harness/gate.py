"""The guard of what proofs and faults send to other people's systems: the rules of the workers' guard, for threads.

It stands in front of every probe, and of whatever switches a fault on or keeps it on. Healing passes: a fault that
stays would be worse than the request that ends it.
"""

import socket
import time
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Protocol

from faults.kinds.base import FaultError
from model.plan import Plan
from model.rate import Rate
from model.target_checks import PROBES, controlled
from model.targets import Network, Window, astray, host_and_port

LOOK_UP = 2.0
"""Seconds between two look-ups of a name [A]."""


def leads_to(url: str) -> tuple[str, ...]:
    """Return the addresses that the name in an address resolves to, each once; raises OSError or UnicodeError."""
    entries = socket.getaddrinfo(*host_and_port(url), type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in entries))


class Load(Protocol):
    """Who knows whether anything may leave.

    Attributes:
        forbidden: Why nothing may; empty while it may.
    """

    forbidden: str

    def forbid(self, reason: str) -> None:
        """Let nothing leave any more."""


class Name:
    """A name that must go on leading where it was declared to lead."""

    def __init__(self, url: str, networks: Iterable[Network]) -> None:
        self._url = url
        self._networks = tuple(networks)
        self._due = 0.0
        self._astray = ""

    def astray(self) -> str:
        """Say where else the name leads; empty: nowhere. One without an address at the moment leads nowhere."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + LOOK_UP
            self._astray = astray(host_and_port(self._url)[0], self._addresses(), self._networks)
        return self._astray

    def _addresses(self) -> tuple[str, ...]:
        try:
            return leads_to(self._url)
        except (OSError, UnicodeError):
            return ()


class Gate:
    """What the conductor may send to the targets of a plan's faults.

    Args:
        plan: Whose faults they are; of systems that aren't ours.
        load: Is told when nothing may leave any more, and tells it.
        clock: Unix seconds.
    """

    def __init__(self, plan: Plan, load: Load, clock: Callable[[], float] = time.time) -> None:
        assert plan.targets is not None
        self._targets = plan.targets
        self._load = load
        self._clock = clock
        self._lock = Lock()
        broken = {target for fault in plan.faults for target in fault.targets}
        self._rates = {target: Rate(PROBES) for target in broken}
        self._names = {target: self._names_of(target) for target in broken}
        self._windows: dict[str, Window] = {name: self._targets.control(name).window for name in controlled(plan)}

    def _names_of(self, target: str) -> list[Name]:
        """Return where requests for a fault of a link or a system go."""
        system = target.rpartition("->")[2]
        one = self._targets.target(system)
        itself = Name(one.url_for(system), one.networks)
        if system != target:
            return [itself]
        control = self._targets.control(system)
        return [itself, Name(control.url, control.networks)]

    def admit(self, target: str) -> None:
        """Let one request for a fault's target pass, when the rate allows it; raises FaultError."""
        with self._lock:
            wait = self._rates[target].reserve(time.monotonic())
        time.sleep(wait)
        reason = self._load.forbidden or self._refusal(target)
        if reason and not self._load.forbidden:
            reason = f"guard: {reason}"
            self._load.forbid(reason)
        if reason:
            raise FaultError(reason)

    def _refusal(self, target: str) -> str:
        """Say why nothing may leave at this moment; empty: it may."""
        closed = self._targets.window.closed(self._clock())
        inside = self._windows[target].closed(self._clock()) if target in self._windows else ""
        if killed := self._targets.killed():
            return killed
        if closed or inside:
            return closed or f"of faults inside {target}, {inside}"
        return next((elsewhere for name in self._names[target] if (elsewhere := name.astray())), "")
