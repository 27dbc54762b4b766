"""A bound on how often something may happen."""

from collections import deque


class Rate:
    """A bound on requests: at most so many in any period, never more than the rate on average."""

    def __init__(self, per_second: float) -> None:
        count = max(1, int(per_second))
        self._period = count / per_second
        self._slots = deque([float("-inf")] * count, maxlen=count)

    def reserve(self, now: float) -> float:
        """Take the next free moment; returns the seconds until then."""
        moment = max(now, self._slots[0] + self._period)
        self._slots.append(moment)
        return moment - now
