"""Recorded arrivals: a CSV or Parquet file read for a replay phase, and the same as text inside a plan.

The file has a row per arrival and the columns ``time`` and ``journey``; ``province`` and ``commune`` are optional.
A time is seconds from the phase's start, Unix seconds or an ISO 8601 timestamp; the latter two count from the
earliest of the file. Rows may come in any order.
"""

import csv
import glob
import io
import math
import zlib
from base64 import b64decode, b64encode
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from model import places
from model.shape import did_you_mean, shown

MAX_ARRIVALS = 1_000_000
"""Of one file [A]: a plan holds them inline, at some 6 bytes each (see ``encode``)."""

MAX_BYTES = 100_000_000
"""Of a CSV file [A]: a hundred for each arrival."""

UNIX = 1e9
"""Seconds from which on a file's earliest time is a Unix time: 9 September 2001."""

REQUIRED, OPTIONAL = ("time", "journey"), ("province", "commune")


class ReplayError(Exception):
    """A file can't be replayed: one line that says where, what is wrong and what to do."""


class Who(NamedTuple):
    """What is known of a recorded arrival.

    Attributes:
        journey: A name of the scenarios' catalogue.
        province: Code, empty where it wasn't recorded.
        commune: Code, empty where it wasn't recorded.
    """

    journey: str
    province: str
    commune: str


@dataclass(frozen=True, slots=True)
class Recording:
    """Arrivals in the order in which they came.

    Attributes:
        times: Seconds from the start, ascending, to a microsecond.
        who: Of each of them.
    """

    times: tuple[float, ...]
    who: tuple[Who, ...]


@dataclass(frozen=True, slots=True)
class _Table:
    """What a file holds, as text.

    Attributes:
        place: Of a row, from its number: ``a.csv:%d``.
        columns: Their names.
        rows: (number, cells) each.
    """

    place: str
    columns: Sequence[str]
    rows: Iterator[tuple[int, Sequence[str]]]


def read(path: Path, journeys: Collection[str], provinces: Collection[str]) -> Recording:
    """Read a file.

    Args:
        path: Of a ``.csv`` or ``.parquet`` file.
        journeys: Those that there are.
        provinces: Codes of the provinces that are part of the stack.

    Raises:
        ReplayError: It isn't there, or not such a file, or has a row that can't be replayed.
    """
    table = _opened(path)
    _check_columns(f"{path}:1" if path.suffix == ".csv" else str(path), table.columns)
    where = [table.columns.index(name) if name in table.columns else None for name in (*REQUIRED, *OPTIONAL)]
    clock, known = _Clock(), _Known(journeys, provinces)
    found: list[tuple[float, Who]] = []
    for number, cells in table.rows:
        time, *names = ("" if index is None else cells[index].strip() for index in where)
        try:
            found.append((clock.seconds(time), known.who(*names)))
        except ValueError as error:
            raise ReplayError(f"{table.place % number}: {error}") from None
        if len(found) > MAX_ARRIVALS:
            raise ReplayError(f"{path}: more than {MAX_ARRIVALS:,} arrivals; replay a part of them")
    if not found:
        raise ReplayError(f"{path}: has no arrivals; give a row for each")
    return _sorted(found, clock.zero())


def _sorted(found: list[tuple[float, Who]], zero: float) -> Recording:
    found.sort(key=lambda arrival: arrival[0])
    return Recording(tuple(round(time - zero, 6) for time, _ in found), tuple(who for _, who in found))


class _Clock:
    """Reads times: all of a file are numbers, or all are timestamps."""

    def __init__(self) -> None:
        self._stamps: bool | None = None
        self._earliest = math.inf

    def seconds(self, text: str) -> float:
        """Return a time in seconds; raises ValueError with what is wrong."""
        value, stamp = _moment(text)
        if self._stamps is None:
            self._stamps = stamp
        if stamp != self._stamps:
            raise ValueError(f"time: {shown(text)} isn't of the kind of the rows before; write all as seconds, or none")
        self._earliest = min(self._earliest, value)
        return value

    def zero(self) -> float:
        """Return what counts as 0, once all times are read."""
        return self._earliest if self._stamps or self._earliest >= UNIX else 0.0


def _moment(text: str) -> tuple[float, bool]:
    """Return a time in seconds, and whether it was a timestamp; a timestamp without a zone counts as UTC."""
    try:
        value = float(text)
    except ValueError:
        return _stamp(text), True
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"time: {text} isn't allowed; give seconds from 0 on")
    return value, False


def _stamp(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        what = f"{shown(text)} isn't a time" if text else "is empty"
        raise ValueError(f"time: {what}; give seconds, or a timestamp like 2025-07-01T08:00:00") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


class _Known:
    """Checks names, each combination of them once."""

    def __init__(self, journeys: Collection[str], provinces: Collection[str]) -> None:
        self._journeys, self._provinces = journeys, provinces
        self._seen: dict[tuple[str, str, str], Who] = {}

    def who(self, journey: str, province: str, commune: str) -> Who:
        """Return who it is; raises ValueError with what is wrong."""
        key = journey, province, commune
        if key not in self._seen:
            self._seen[key] = self._checked(*key)
        return self._seen[key]

    def _checked(self, journey: str, province: str, commune: str) -> Who:
        if journey not in self._journeys:
            raise ValueError(f"journey: unknown journey {shown(journey)}; {did_you_mean(journey, self._journeys)}")
        found = places.communes().get(commune)
        if commune and found is None:
            raise ValueError(f"commune: unknown commune {shown(commune)}; give its code of five digits, or none")
        if found and province and found.province != province:
            raise ValueError(f"commune: {commune} lies in province {found.province}; correct one of the two")
        province = found.province if found else province
        if province and province not in places.provinces():
            raise ValueError(f"province: unknown province {shown(province)}; {did_you_mean(province, self._provinces)}")
        if province and province not in self._provinces:
            raise ValueError(f"province: {province} isn't part of the stack; add it to stack.provinces")
        return Who(journey, province, commune)


def _check_columns(place: str, columns: Sequence[str]) -> None:
    for name in columns:
        if name not in (*REQUIRED, *OPTIONAL):
            remedy = did_you_mean(name, (*REQUIRED, *OPTIONAL))
            raise ReplayError(f"{place}: unknown column {shown(name)}; {remedy}")
        if columns.count(name) > 1:
            raise ReplayError(f"{place}: column {name} comes twice; keep one")
    for name in REQUIRED:
        if name not in columns:
            raise ReplayError(f"{place}: column {name} is missing; begin with a header like time,journey")


def _opened(path: Path) -> _Table:
    if path.suffix not in (".csv", ".parquet"):
        raise ReplayError(f"{path}: neither .csv nor .parquet; name it after what it is")
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1) if path.suffix == ".csv" else file.read(0)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ReplayError(f"{path}: can't be read ({reason}); give a CSV or Parquet file of arrivals") from None
    if len(content) > MAX_BYTES:
        raise ReplayError(f"{path}: longer than {MAX_BYTES:,} bytes; replay a part of it")
    return _csv(path, content) if path.suffix == ".csv" else _parquet(path)


def _csv(path: Path, content: bytes) -> _Table:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ReplayError(f"{path}:{line}: not UTF-8; save it as UTF-8") from None
    rows = _lines(path, text)
    _, header = next(rows, (1, []))
    if not header:
        raise ReplayError(f"{path}:1: is empty; begin with a header like time,journey")
    return _Table(_literal(path) + ":%d", [name.strip() for name in header], _whole(path, rows, len(header)))


def _lines(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of every row that isn't empty."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise ReplayError(f"{path}:{reader.line_num}: not CSV ({error}); correct this line") from None


def _whole(path: Path, rows: Iterator[tuple[int, list[str]]], width: int) -> Iterator[tuple[int, list[str]]]:
    for line, cells in rows:
        if len(cells) != width:
            raise ReplayError(f"{path}:{line}: has {len(cells)} cells, the header {width}; correct this line")
        yield line, cells


def _parquet(path: Path) -> _Table:
    import duckdb

    source = glob.escape(str(path))
    try:
        with duckdb.connect() as database:
            database.execute("DESCRIBE SELECT * FROM read_parquet(?)", [source])
            kinds = {str(name): str(kind) for name, kind, *_ in database.fetchall()}
            chosen = ", ".join(_as_text(name, kind) for name, kind in kinds.items())
            database.execute(f"SELECT {chosen} FROM read_parquet(?) LIMIT {MAX_ARRIVALS + 1}", [source])
            rows = database.fetchall()
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise ReplayError(f"{path}: can't be read as Parquet ({reason}); write it again, whole") from None
    return _Table(_literal(path) + ": row %d", list(kinds), enumerate(rows, 1))


def _as_text(name: str, kind: str) -> str:
    quoted = '"' + name.replace('"', '""') + '"'
    unix = f"epoch_us({quoted}) / 1000000" if kind.startswith("TIMESTAMP") else quoted
    return f"coalesce(({unix})::VARCHAR, '')"


def _literal(path: Path) -> str:
    return str(path).replace("%", "%%")


def encode(recording: Recording) -> str:
    """Write a recording as text for a plan: its rows as CSV without header, deflated, in base64."""
    rows = (f"{time:.6f},{','.join(who)}\n" for time, who in zip(recording.times, recording.who, strict=True))
    return b64encode(zlib.compress("".join(rows).encode())).decode()


def decode(text: str) -> Recording:
    """Read what ``encode`` wrote; raises ValueError for anything else."""
    try:
        rows = [row.split(",") for row in zlib.decompress(b64decode(text)).decode().splitlines()]
        known = {tuple(names): Who(*names) for _, *names in rows}
        return Recording(tuple(float(time) for time, *_ in rows), tuple(known[tuple(names)] for _, *names in rows))
    except (zlib.error, TypeError) as error:
        raise ValueError(str(error)) from None
