"""What the figures of the operation centre must be, as far as those know who look at them: complete, and of today."""

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

OLDEST = 5.0
"""Seconds that figures may be old: 1 s for which they are shown, 2 s in which systems have to answer, and some [A]."""


class Figures:
    """Counts what was registered, and compares it with what a dashboard shows.

    Args:
        provinces: Those of the stack: each must be shown.
        clock: Monotonic seconds.
    """

    def __init__(self, provinces: Iterable[str] = (), clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._old = dict.fromkeys(provinces, 0)
        self._young: defaultdict[str, deque[float]] = defaultdict(deque)
        self._taken = 0.0
        self._shown: Mapping[str, int] = {}

    def register(self, province: str) -> None:
        """Note that a province has acknowledged a dossier."""
        self._old.setdefault(province, 0)
        self._young[province].append(self._clock())
        self._age(province)

    def are_right(self, dashboard: Mapping[str, Any]) -> bool:
        """Tell whether a dashboard shows every province, what it had ``OLDEST`` seconds ago at least, and never less.

        Answers may overtake each other: one is compared with those that were taken before it. A province that a fault
        has silenced isn't right either; objectives leave it out by ``exclude_faults``.
        """
        shown, taken = dashboard["provinces"], dashboard["taken"]
        if dashboard["silent"] or not shown or any(shown.get(code, -1) < self._age(code) for code in self._old):
            return False
        if taken < self._taken:
            return True
        before, self._shown, self._taken = self._shown, shown, taken
        return all(shown.get(code, -1) >= count for code, count in before.items())

    def _age(self, province: str) -> int:
        """Return how many dossiers were registered so long ago that they must be shown."""
        young, due = self._young[province], self._clock() - OLDEST
        while young and young[0] <= due:
            young.popleft()
            self._old[province] += 1
        return self._old[province]
