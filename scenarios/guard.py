"""The guard of external systems: nothing leaves a worker that the targets file doesn't allow.

It stands in front of every request (`scenarios.guarded`): window, rate, kill switch, and that each name still leads
where it was declared to lead. Whatever is refused ends the load of its worker for good, with one reason.
"""

import time
from collections.abc import Callable, Iterable
from typing import NoReturn

import gevent

from model.rate import Rate
from model.targets import Network, Targets, astray, host_and_port
from scenarios.connection import Failure, SocketAddress
from scenarios.names import Resolver

PATIENCE, IN_LINE = 1.0, 3
"""Seconds, or requests ahead of it, for which a request may be held back for the rate: beyond both it is no burst, the
schedule is above the rate [A]."""
LOOK = 0.2
"""Seconds between two looks at the clock and the kill switch where no request asks for one."""
LOOK_UP = 2.0
"""Seconds between two look-ups of every name [A]."""
RESOLVED_WITHIN = 2.0
"""Seconds that such a look-up may take."""


class Forbidden(gevent.GreenletExit):  # type: ignore[misc]  # gevent is untyped to us
    """The guard ended the load; the journey that met it ends unfinished, without a sample."""


class Guard:
    """What one process may send.

    Attributes:
        reason: Why nothing leaves any more; empty while it may.
        held: Requests that were held back for the rate.
    """

    def __init__(
        self, targets: Targets, rate: float, tripped: Callable[[str], None], clock: Callable[[], float] = time.time
    ) -> None:
        """Let requests pass.

        Args:
            targets: What is allowed.
            rate: This process' share of the highest rate, requests per second.
            tripped: Told the reason, once.
            clock: Unix seconds.
        """
        self.reason = ""
        self.held = 0
        self._share = rate
        self._rate = Rate(rate)
        self._tripped = tripped
        self._clock = clock
        self._targets = targets
        self._names: list[CheckedResolver] = []

    def admit(self) -> None:
        """Let one request pass, when the rate allows it; raises Forbidden."""
        self.look()
        wait = self._rate.reserve(time.monotonic())
        if wait > max(PATIENCE, IN_LINE / self._share):
            self.forbid(f"more than this worker's share of the rate was due, {self._share:g} requests/s")
        if wait > 0:
            self.held += 1
            gevent.sleep(wait)
            self.look()

    def look(self) -> None:
        """Look at clock and kill switch; raises Forbidden."""
        if self.reason:
            raise Forbidden(self.reason)
        reason = self._targets.window.closed(self._clock()) or self._targets.killed()
        if reason:
            self.forbid(reason)

    def forbid(self, reason: str) -> NoReturn:
        """Let nothing pass any more; raises Forbidden."""
        if not self.reason:
            self.reason = f"guard: {reason}"
            self._tripped(self.reason)
        raise Forbidden(self.reason)

    def resolver(self, url: str, networks: Iterable[Network]) -> "CheckedResolver":
        """Return the resolver of an address, watched from now on."""
        self._names.append(CheckedResolver(self, url, networks))
        return self._names[-1]

    def watch(self) -> None:
        """Look again and again, also while nothing is sent; ends when the guard forbids."""
        looked_up = time.monotonic()
        while True:
            gevent.sleep(LOOK)
            self.look()
            if time.monotonic() - looked_up >= LOOK_UP:
                looked_up = time.monotonic()
                for name in self._names:
                    name.look_again()


class CheckedResolver(Resolver):
    """A resolver that only takes declared addresses."""

    def __init__(self, guard: Guard, url: str, networks: Iterable[Network]) -> None:
        super().__init__(*host_and_port(url))
        self._guard = guard
        self._networks = tuple(networks)

    def addresses(self, deadline: float) -> list[SocketAddress]:
        """Return the addresses; raises Failure, or Forbidden where one of them wasn't declared."""
        found = super().addresses(deadline)
        self._check(found)
        return found

    def look_again(self) -> None:
        """Ask for the addresses anew; a name that has none at the moment keeps those that it had."""
        before = self._known
        self.forget()
        try:
            self.addresses(time.monotonic() + RESOLVED_WITHIN)
        except Failure:
            self._known = before

    def _check(self, found: Iterable[SocketAddress]) -> None:
        elsewhere = astray(self.host, (address[0] for _, address in found), self._networks)
        if elsewhere:
            self._guard.forbid(elsewhere)
