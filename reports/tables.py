"""The tables of a record: sealing what a run has spooled, and opening it in DuckDB.

A table that isn't there is an empty one (the judge then says *inconclusive*); one that can't be read, or that has
other columns, is a RecordError.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from model.record import COLUMNS, Record, RecordError
from reports.sql import text

THREADS = 2
MEMORY = "1500MB"
"""Above it, intermediate results spill to the temporary directory."""
REMEDY = "the record is truncated or foreign; run the campaign again"

_HEADING = re.compile(r"CSV Error on Line|^Original Line")
_NOT_THE_RECORD = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ParserException,
    duckdb.SyntaxException,
    duckdb.OutOfMemoryException,
)
"""Errors of a query or of the machine, which say nothing about the record."""


@contextmanager
def opened(record: Record) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a record: an in-memory database with one view per table of ``model.record.COLUMNS``.

    Large intermediate results spill to the temporary directory.

    Raises:
        RecordError: A table is unreadable or has other columns; also when that shows only while it is queried.
    """
    with _database() as database:
        for name in COLUMNS:
            _view(database, name, record.table(name))
        try:
            yield database
        except _NOT_THE_RECORD:
            raise
        except duckdb.Error as error:
            raise RecordError(f"{record.directory}: unreadable tables ({_first_line(error)}); {REMEDY}") from None


def seal(record: Record) -> dict[str, int]:
    """Turn the CSV spools of a record into Parquet tables, in one step per table, and remove them.

    Rows keep the order of the spools' names and of their lines. An empty field is NULL. A spool that doesn't end in a
    newline was cut off while it was written (a killed worker): its last line is left out and counted.

    Returns:
        Torn lines left out, by table; a table without a spool folder isn't named, and stays as it is.

    Raises:
        RecordError: A complete line has other fields than its table.
    """
    spooled = [name for name in COLUMNS if (record.directory / name).is_dir()]
    with _database() as database:
        return {name: _seal(database, record, name) for name in spooled}


@contextmanager
def _database() -> Iterator[duckdb.DuckDBPyConnection]:
    with tempfile.TemporaryDirectory(prefix="thongsuot-") as spill:
        database = duckdb.connect(config={"threads": THREADS, "memory_limit": MEMORY, "temp_directory": spill})
        try:
            yield database
        finally:
            database.close()


def _view(database: duckdb.DuckDBPyConnection, name: str, path: Path) -> None:
    columns = COLUMNS[name]
    if not path.exists():
        blank = ", ".join(f'NULL::{kind} AS "{column}"' for column, kind in columns.items())
        database.execute(f"CREATE VIEW {name} AS SELECT {blank} WHERE false")
        return
    found = _columns(database, path)
    if found != columns:
        raise RecordError(f"{path}: other columns than a table of {name} has ({_difference(columns, found)}); {REMEDY}")
    chosen = ", ".join(f'"{column}"' for column in columns)
    database.execute(f"CREATE VIEW {name} AS SELECT {chosen} FROM read_parquet({text(path)})")


def _columns(database: duckdb.DuckDBPyConnection, path: Path) -> dict[str, str]:
    try:
        rows = database.execute(f"DESCRIBE SELECT * FROM read_parquet({text(path)})").fetchall()
    except duckdb.Error as error:
        raise RecordError(f"{path}: not a Parquet table ({_first_line(error)}); {REMEDY}") from None
    return {str(row[0]): str(row[1]) for row in rows}


def _difference(wanted: dict[str, str], found: dict[str, str]) -> str:
    missing = [name for name in wanted if name not in found]
    foreign = [name for name in found if name not in wanted]
    other = [f"{name} is {found[name]}, not {kind}" for name, kind in wanted.items() if found.get(name, kind) != kind]
    notes = [f"missing: {', '.join(missing)}" if missing else "", f"foreign: {', '.join(foreign)}" if foreign else ""]
    return "; ".join(note for note in (*notes, *other) if note)


def _seal(database: duckdb.DuckDBPyConnection, record: Record, name: str) -> int:
    folder = record.directory / name
    parts = sorted(folder.glob("*.csv"))
    torn = 0
    if parts or not record.table(name).exists():
        with tempfile.TemporaryDirectory(prefix="thongsuot-") as beside:
            whole = [_without_torn_line(part, Path(beside)) for part in parts]
            torn = sum(given is not kept for given, kept in zip(parts, whole, strict=True))
            _write_table(database, record.table(name), name, whole)
    _remove(folder)
    return torn


def _remove(folder: Path) -> None:
    """Remove a spool folder so that a crash in between can't leave half of it to be sealed again."""
    doomed = folder.with_name(f".{folder.name}.sealed")
    shutil.rmtree(doomed, ignore_errors=True)
    folder.rename(doomed)
    shutil.rmtree(doomed)


def _without_torn_line(part: Path, beside: Path) -> Path:
    """Return the spool itself, or where its last line is torn a copy without that line."""
    size = _whole_size(part)
    if size == part.stat().st_size:
        return part
    copy = beside / part.name
    shutil.copyfile(part, copy)
    os.truncate(copy, size)
    return copy


def _whole_size(part: Path) -> int:
    """Count the bytes up to and including the last newline."""
    with part.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - 65536)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            end = start
    return 0


def _write_table(database: duckdb.DuckDBPyConnection, path: Path, name: str, parts: list[Path]) -> None:
    draft = path.with_name(f".{path.name}.draft")
    try:
        database.execute(f"COPY ({_spools(name, parts)}) TO {text(draft)} (FORMAT parquet, COMPRESSION zstd)")
    except duckdb.Error as error:
        draft.unlink(missing_ok=True)
        raise RecordError(_csv_error(name, parts, error)) from None
    draft.replace(path)


def _spools(name: str, parts: list[Path]) -> str:
    columns = COLUMNS[name]
    if not any(part.stat().st_size for part in parts):
        blank = ", ".join(f'NULL::{kind} AS "{column}"' for column, kind in columns.items())
        return f"SELECT {blank} WHERE false"
    kinds = ", ".join(f"{text(column)}: {text(kind)}" for column, kind in columns.items())
    paths = ", ".join(text(part) for part in parts)
    return f"""
        SELECT * FROM read_csv([{paths}], columns = {{{kinds}}}, header = false, auto_detect = false,
                               delim = ',', quote = '"', escape = '"', nullstr = '')
    """


def _csv_error(name: str, parts: list[Path], error: duckdb.Error) -> str:
    message = str(error)
    line = re.search(r"CSV Error on Line: (\d+)", message)
    file = re.search(r"^\s*file ?= ?(.+)$", message, re.MULTILINE)
    place = f"{file[1].strip()}:{line[1]}" if file and line else str(parts[0].parent)
    notes = [row.strip() for row in message.splitlines() if not _HEADING.search(row)]
    return f"{place}: not a line of {name} ({next(filter(None, notes), 'malformed')}); {REMEDY}"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
