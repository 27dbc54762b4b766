"""What the load has done so far, counted as Prometheus counts: by operation, province and outcome, from 0 at t0."""

from collections import Counter, defaultdict
from collections.abc import Mapping

from harness.tail import Tail
from model.histogram import seconds_of
from model.plan import Plan
from model.record import Record
from reports.thresholds import below, edge, edges, thresholds

REORGANISATION = "reorganisation"
HEALTH = ("delay", "late", "in_flight", "cpu")
"""Columns of the table ``health`` that are shown live."""


class Counts:
    """Running totals over the record's spools.

    Attributes:
        requests: (operation, province, outcome) -> requests.
        within: (operation, province, threshold) -> requests that succeeded within an objective's threshold.
        buckets: (operation, edge) -> requests that succeeded within it; failures are above every edge.
        seconds: Operation -> the sum of all response times.
        refusals: (operation of the ledger, province) -> writes refused because of the reorganisation.
        health: Worker -> what its last second was like: ``HEALTH``.
    """

    def __init__(self, plan: Plan, record: Record) -> None:
        self.requests: Counter[tuple[str, str, str]] = Counter()
        self.within: Counter[tuple[str, str, str]] = Counter()
        self.buckets: Counter[tuple[str, str]] = Counter()
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.refusals: Counter[tuple[str, str]] = Counter()
        self.health: dict[str, tuple[float, ...]] = {}
        self._thresholds = {edge(at): below(at) for at in thresholds(plan)}
        self._edges = {edge(at): below(at) for at in edges(plan)}
        self._writes = Tail(record, "ledger")
        self._health = Tail(record, "health")

    def look(self) -> None:
        """Read what the workers have written about writes and themselves since the last look."""
        for entry in self._writes.entries():
            if entry["event"] == "fail" and entry["reason"] == REORGANISATION:
                self.refusals[entry["operation"], entry["province"]] += 1
        for entry in self._health.entries():
            self.health[entry["worker"]] = tuple(float(entry[name]) for name in HEALTH)

    def request(self, entry: Mapping[str, str]) -> None:
        """Count a row of ``samples`` about response times."""
        operation, province, outcome = entry["operation"], entry["province"], entry["outcome"]
        bucket, count = int(entry["bucket"]), int(entry["count"])
        self.requests[operation, province, outcome] += count
        self.seconds[operation] += seconds_of(bucket) * count
        if outcome != "ok":
            return
        for at, last in self._thresholds.items():
            self.within[operation, province, at] += count * (bucket <= last)
        for at, last in self._edges.items():
            self.buckets[operation, at] += count * (bucket <= last)
