"""What goes on right now: read from the spools that the workers write every second, shown and exported live."""

import time
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass

from harness.counts import Counts
from harness.tail import Tail
from model.histogram import seconds_of
from model.plan import Plan
from model.record import Record

WINDOW = 10
"""Seconds that live rates and quantiles look back."""


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests that are alike, as a worker counted them.

    Attributes:
        second: Whole second, since t0, in which they were due.
        operation: What they do.
        province: Whose citizens or officers sent them.
        ok: Whether they succeeded.
        bucket: Of their response time: ``model.histogram``.
        count: How many.
    """

    second: int
    operation: str
    province: str
    ok: bool
    bucket: int
    count: int


@dataclass(frozen=True, slots=True)
class Ended:
    """An arrival whose journey has ended.

    Attributes:
        province: Whose citizen or officer it was.
        intended: When it was due, seconds since t0.
        finished: When it ended, seconds since t0; when it was due where it never began.
        ok: Whether every request succeeded.
    """

    province: str
    intended: float
    finished: float
    ok: bool


class Live:
    """Running totals and a sliding window over the record's spools.

    Attributes:
        counts: Everything that is counted from 0 at t0.
        requests: (operation, outcome) -> requests so far.
        arrivals: outcome -> arrivals so far.
        faults: ids of the faults that are on.
        backlog: Messages that wait in outboxes, while draining.
        fresh: Requests that the last look found.
        ended: Arrivals that the last look found.
        stops: Name of a stop condition -> what it is at.
        fired: Name of the stop condition that has fired, None where none has.
        open_steps: Step that waits for somebody -> seconds that are left.
    """

    def __init__(self, plan: Plan, record: Record) -> None:
        self.plan = plan
        self.requests: Counter[tuple[str, str]] = Counter()
        self.arrivals: Counter[str] = Counter()
        self.counts = Counts(plan, record)
        self.faults: set[str] = set()
        self.backlog = 0
        self.fresh: list[Requests] = []
        self.ended: list[Ended] = []
        self.stops: dict[str, float] = {}
        self.fired: str | None = None
        self.open_steps: dict[str, float] = {}
        self._samples = Tail(record, "samples")
        self._ends = Tail(record, "arrivals")
        self._seconds: dict[int, Counter[tuple[str, bool]]] = defaultdict(Counter)
        self._recent: deque[tuple[float, str, int, int]] = deque()

    def look(self) -> None:
        """Read what the workers have written since the last look."""
        self.fresh, self.ended = [], []
        for entry in self._samples.entries():
            if entry["kind"] == "response":
                self._count(entry)
        for entry in self._ends.entries():
            self._end(entry)
        self.counts.look()
        self._forget()

    def _count(self, entry: dict[str, str]) -> None:
        count, bucket, ok = int(entry["count"]), int(entry["bucket"]), entry["outcome"] == "ok"
        self.requests[entry["operation"], entry["outcome"]] += count
        self.counts.request(entry)
        self._seconds[int(entry["second"])][entry["province"], ok] += count
        if ok:
            self._recent.append((time.monotonic(), entry["province"], bucket, count))
        self.fresh.append(Requests(int(entry["second"]), entry["operation"], entry["province"], ok, bucket, count))

    def _end(self, entry: dict[str, str]) -> None:
        intended, outcome = float(entry["intended"]), entry["outcome"]
        self.arrivals[outcome] += 1
        self.ended.append(Ended(entry["province"], intended, float(entry["finished"] or intended), outcome == "ok"))

    def _forget(self) -> None:
        while self._recent and self._recent[0][0] < time.monotonic() - WINDOW:
            self._recent.popleft()
        for second in [second for second in self._seconds if second < max(self._seconds) - WINDOW]:
            del self._seconds[second]

    def offered(self, t: float) -> float:
        """Return the planned arrivals per second at ``t``."""
        return self.plan.rate_at(t)

    def rate(self) -> float:
        """Return requests per second over the window's whole seconds."""
        whole = sorted(self._seconds)[:-1]
        return sum(sum(self._seconds[second].values()) for second in whole) / len(whole) if whole else 0.0

    def errors(self) -> int:
        """Count the failed requests so far."""
        return sum(count for (_, outcome), count in self.requests.items() if outcome != "ok")

    def quantile(self, q: float) -> float | None:
        """Return a response-time quantile of the window in seconds, successes only; None without any."""
        return _quantile(q, self._buckets())

    def _buckets(self, province: str | None = None) -> Mapping[int, int]:
        counts: Counter[int] = Counter()
        for _, where, bucket, count in self._recent:
            if province in (None, where):
                counts[bucket] += count
        return counts

    def failing(self, number: int = 3) -> list[tuple[str, float]]:
        """Return the provinces with the highest share of failed requests in the window, with the share."""
        good: Counter[str] = Counter()
        bad: Counter[str] = Counter()
        for counts in self._seconds.values():
            for (province, ok), count in counts.items():
                (good if ok else bad)[province] += count
        shares = [(province, bad[province] / (good[province] + bad[province])) for province in bad]
        return sorted(shares, key=lambda pair: -pair[1])[:number]

    def slowest(self, number: int = 3) -> list[tuple[str, float]]:
        """Return the provinces with the longest p95 in the window, with it in seconds."""
        times = [
            (province, _quantile(0.95, self._buckets(province)) or 0.0)
            for province in {where for _, where, _, _ in self._recent}
        ]
        return sorted(times, key=lambda pair: -pair[1])[:number]


def _quantile(q: float, counts: Mapping[int, int]) -> float | None:
    wanted = q * sum(counts.values())
    for bucket in sorted(counts):
        wanted -= counts[bucket]
        if wanted <= 0:
            return seconds_of(bucket)
    return None
