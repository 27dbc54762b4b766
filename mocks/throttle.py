"""Throttling: an account that submits in a burst is told to wait; others don't notice."""

import math
import time
from collections.abc import Callable

from mocks.defects import Defects
from mocks.wire import Refusal

BURST = 30  # submissions that an account may send at once [A]
REFILL = 1.0  # submissions per second that it may go on with [A]
REMEMBERED = 100_000  # accounts; beyond it, those whose allowance is full again are forgotten


class Throttle:
    """A token bucket for each account.

    Args:
        defects: ``no-throttle`` admits everybody.
        clock: Monotonic seconds.
    """

    def __init__(self, defects: Defects, clock: Callable[[], float] = time.monotonic) -> None:
        self._defects = defects
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}

    def admit(self, account: str) -> None:
        """Count one submission of an account; raises Refusal 429, with Retry-After, beyond its allowance."""
        now = self._clock()
        left, since = self._left.get(account, (float(BURST), now))
        left = min(float(BURST), left + (now - since) * REFILL)
        if left < 1 and not self._defects.on("no-throttle"):
            wait = math.ceil((1 - left) / REFILL)
            raise Refusal(429, "throttled", "too many submissions from one account", {"retry-after": str(wait)})
        self._left[account] = (left - 1, now)
        if len(self._left) > REMEMBERED:
            self._forget(now)

    def _forget(self, now: float) -> None:
        full = BURST / REFILL
        self._left = {account: entry for account, entry in self._left.items() if now - entry[1] < full}
