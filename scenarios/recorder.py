"""What a worker writes down: counts of requests, arrivals, its health, and the ledger of writes. See docs/record.md.

Nothing is kept per request: times wait for a moment in arrays, are counted in bulk, and the counts per (second, phase,
operation, province, outcome, kind, bucket) are flushed every second. A ledger row is the kernel's at once, so that
killing the worker loses none.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterator

from model.histogram import counts_of
from model.record import Record
from scenarios.health import Second
from scenarios.ledger import Ledger
from scenarios.personas import Arrival
from scenarios.spools import Spool

SLICE = 256
"""Rows that are written at a time: longer pieces of work would make an arrival late."""

SeriesKey = tuple[int, str, str, str, str]
"""Second, phase, operation, province, outcome."""
KINDS = ("response", "service")
"""Of the two times of each request, in their order."""


class Times(defaultdict[SeriesKey, "array[float]"]):
    """Seconds of requests that aren't counted yet: response and service time of each in turn."""

    def __init__(self) -> None:
        super().__init__(lambda: array("d"))


Counts = dict[tuple[SeriesKey, str], dict[int, int]]
"""Requests by series and kind, then by bucket."""


class Recorder:
    """Writes one worker's spools.

    Attributes:
        worker: Number of the worker.
        times: Of requests; who has one appends its two times. Replaced whenever they are counted.
        ledger: The ledger of writes.
    """

    def __init__(self, record: Record, worker: int) -> None:
        self.worker = worker
        part = f"worker-{worker}"
        self.times = Times()
        self.ledger = Ledger(record.spool("ledger", part), worker)
        self._samples = Spool(record.spool("samples", part))
        self._arrivals = Spool(record.spool("arrivals", part))
        self._health = Spool(record.spool("health", part))
        self._counts: Counts = {}
        self._rows: list[str] = []

    def arrival(self, arrival: Arrival, started: float | None, finished: float | None, outcome: str) -> None:
        """Note one arrival; times in seconds since t0, None where there is none."""
        begin = "" if started is None else f"{started:.6f}"
        end = "" if finished is None else f"{finished:.6f}"
        self._rows.append(
            f"{arrival.number},{self.worker},{arrival.journey},{arrival.province},{arrival.commune},"
            f"{arrival.intended:.6f},{begin},{end},{outcome}\n"
        )
        if len(self._rows) >= SLICE:
            self._write_arrivals()

    def _write_arrivals(self) -> None:
        rows, self._rows = self._rows, []
        if rows:
            self._arrivals.write("".join(rows))

    def health(self, second: int, seen: Second, cpu: float) -> None:
        """Write down how this worker fared in one second."""
        self._health.write(
            f"{second},{self.worker},{seen.delay:.6f},{seen.late:.6f},{seen.started},{seen.in_flight},{cpu:.4f}\n"
        )

    def count(self) -> None:
        """Count the times that have gathered since the last call."""
        times, self.times = self.times, Times()
        for series, both in times.items():
            for number, kind in enumerate(KINDS):
                known = self._counts.setdefault((series, kind), {})
                for bucket, count in counts_of(both[number::2]).items():
                    known[bucket] = known.get(bucket, 0) + count

    def flush(self) -> None:
        """Append the counts and arrivals gathered since the last flush to their spools."""
        for _ in self.flushing():
            pass

    def flushing(self) -> Iterator[None]:
        """Flush in slices; between two of them others may work, and whoever gives up there loses nothing."""
        self._write_arrivals()
        self.count()
        rows: list[str] = []
        for series, kind in list(self._counts):
            head = ",".join(map(str, series))
            buckets = self._counts.pop((series, kind))
            rows += [f"{head},{kind},{bucket},{count}\n" for bucket, count in buckets.items()]
            if len(rows) >= SLICE:
                self._samples.write("".join(rows))
                rows = []
                yield
        if rows:
            self._samples.write("".join(rows))

    def close(self) -> None:
        """Flush and close the spools."""
        self.flush()
        for spool in (self._samples, self._arrivals, self.ledger, self._health):
            spool.close()
