"""What a worker writes down: counts of requests, arrivals, and the ledger of writes. See docs/record.md.

Nothing is kept per request: counts are merged per (second, phase, operation, province, outcome, kind, bucket) and
flushed every second. A ledger row is the kernel's at once, so that killing the worker loses none.
"""

import mmap
import os
import re
from collections import defaultdict
from pathlib import Path

from model.histogram import bucket_of
from model.record import Record
from scenarios.health import Second
from scenarios.personas import Arrival
from scenarios.writes import Result, Write

_ODD = re.compile(r"[^\w ._:>-]|_")
"""What a row can't hold; word characters are letters and digits of any script."""

WINDOW = 1 << 20
"""Bytes of the ledger that are mapped at a time; a row is much shorter."""

SeriesKey = tuple[int, str, str, str, str]
"""Second, phase, operation, province, outcome."""


class _Spool:
    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, text: str) -> None:
        data = text.encode()
        while data:
            data = data[os.write(self._file, data) :]

    def close(self) -> None:
        os.close(self._file)


class _Mapped:
    """A spool written through memory: a row is the kernel's at once, without a system call.

    A process that is killed leaves zeros behind its last row; readers take whole lines only.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        self._open_window(os.fstat(self._file).st_size)

    def _open_window(self, end: int) -> None:
        """Map the file from the page of ``end`` on, space reserved; raises OSError when there is none left."""
        self._base = end - end % mmap.ALLOCATIONGRANULARITY
        self._at = end - self._base
        os.posix_fallocate(self._file, self._base, WINDOW)
        self._window = mmap.mmap(self._file, WINDOW, offset=self._base)

    def write(self, text: str) -> None:
        data = text.encode()
        end = self._at + len(data)
        if end > WINDOW:
            self._window.close()
            self._open_window(self._base + self._at)
            end = self._at + len(data)
        self._window[self._at : end] = data
        self._at = end

    def close(self) -> None:
        self._window.close()
        os.ftruncate(self._file, self._base + self._at)
        os.close(self._file)


class _Series:
    """Counts of one key: requests by bucket of their response and service time."""

    __slots__ = ("response", "service")

    def __init__(self) -> None:
        self.response: defaultdict[int, int] = defaultdict(int)
        self.service: defaultdict[int, int] = defaultdict(int)

    def rows(self, head: str) -> str:
        """Return the rows of samples that begin with ``head``."""
        kinds = (("response", self.response), ("service", self.service))
        return "".join(f"{head},{kind},{bucket},{n}\n" for kind, counts in kinds for bucket, n in counts.items())


class Recorder:
    """Writes one worker's spools.

    Attributes:
        worker: Number of the worker.
    """

    def __init__(self, record: Record, worker: int) -> None:
        self.worker = worker
        part = f"worker-{worker}"
        self._samples = _Spool(record.spool("samples", part))
        self._arrivals = _Spool(record.spool("arrivals", part))
        self._ledger = _Mapped(record.spool("ledger", part))
        self._health = _Spool(record.spool("health", part))
        self._series: dict[SeriesKey, _Series] = {}
        self._rows: list[str] = []
        self._operations = 0

    def sample(
        self,
        intended: float,
        phase: str,
        operation: str,
        province: str,
        outcome: str,
        response: float,
        service: float,
    ) -> None:
        """Count one request; times in seconds, ``intended`` since t0."""
        key = (int(intended), phase, operation, province, outcome)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = _Series()
        series.response[bucket_of(response)] += 1
        series.service[bucket_of(service)] += 1

    def arrival(self, arrival: Arrival, started: float | None, finished: float | None, outcome: str) -> None:
        """Note one arrival; times in seconds since t0, None where there is none."""
        begin = "" if started is None else f"{started:.6f}"
        end = "" if finished is None else f"{finished:.6f}"
        self._rows.append(
            f"{arrival.number},{self.worker},{arrival.journey},{arrival.province},{arrival.commune},"
            f"{arrival.intended:.6f},{begin},{end},{outcome}\n"
        )

    def invoke(self, seconds: float, arrival: Arrival, write: Write) -> int:
        """Write down that a write is about to be sent, ``seconds`` since t0; returns its number."""
        self._operations += 1
        row = _row(self.worker, self._operations, "invoke", seconds, arrival, write)
        self._ledger.write(f"{row},{write.dossier},0,0,{write.payload_hash},\n")
        return self._operations

    def complete(self, seconds: float, op: int, arrival: Arrival, write: Write, result: Result) -> None:
        """Write down what came of a write, ``seconds`` since t0."""
        row = _row(self.worker, op, result.event, seconds, arrival, write)
        said = f"{_plain(result.dossier)},{result.sequence},{result.state},,{_plain(result.reason)}"
        self._ledger.write(f"{row},{said}\n")

    def health(self, second: int, seen: Second, cpu: float) -> None:
        """Write down how this worker fared in one second."""
        self._health.write(
            f"{second},{self.worker},{seen.delay:.6f},{seen.late:.6f},{seen.started},{seen.in_flight},{cpu:.4f}\n"
        )

    def flush(self) -> None:
        """Append the counts and arrivals gathered since the last flush to their spools."""
        series, self._series = self._series, {}
        rows, self._rows = self._rows, []
        if series:
            self._samples.write("".join(one.rows(",".join(map(str, key))) for key, one in series.items()))
        if rows:
            self._arrivals.write("".join(rows))

    def close(self) -> None:
        """Flush and close the spools."""
        self.flush()
        for spool in (self._samples, self._arrivals, self._ledger, self._health):
            spool.close()


def _row(worker: int, op: int, event: str, seconds: float, arrival: Arrival, write: Write) -> str:
    where = f"{arrival.province},{arrival.commune}"
    return f"{worker},{op},{event},{seconds:.6f},{write.operation},{write.key},{where}"


def _plain(text: str) -> str:
    """Keep what a target said from breaking a row: a code or reason is short and has no separators."""
    return _ODD.sub("", text[:80])
