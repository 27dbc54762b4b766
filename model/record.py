"""The run record: a directory from which everything after the load is derived. See docs/record.md.

During a run processes append lines to spools (`*.csv` below `samples/`, `ledger/`, `arrivals/`, `reads/`,
`entries/`, `processes/`); `seal` turns them into one Parquet table each. Parquet ends in a footer, so a truncated
table can't be read as a whole one.
"""

import io
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from model import plan as plans

COLUMNS: dict[str, dict[str, str]] = {
    "samples": {
        "second": "INTEGER",
        "phase": "VARCHAR",
        "operation": "VARCHAR",
        "province": "VARCHAR",
        "outcome": "VARCHAR",
        "kind": "VARCHAR",
        "bucket": "INTEGER",
        "count": "BIGINT",
    },
    "arrivals": {
        "arrival": "BIGINT",
        "worker": "INTEGER",
        "journey": "VARCHAR",
        "province": "VARCHAR",
        "commune": "VARCHAR",
        "intended": "DOUBLE",
        "started": "DOUBLE",
        "finished": "DOUBLE",
        "outcome": "VARCHAR",
    },
    "health": {
        "second": "INTEGER",
        "worker": "INTEGER",
        "delay": "DOUBLE",
        "late": "DOUBLE",
        "started": "INTEGER",
        "in_flight": "INTEGER",
        "cpu": "DOUBLE",
    },
    "processes": {
        "time": "DOUBLE",
        "process": "VARCHAR",
        "began": "DOUBLE",
        "memory": "BIGINT",
        "descriptors": "INTEGER",
        "answered": "BIGINT",
        "turned_away": "BIGINT",
    },
    "ledger": {
        "worker": "INTEGER",
        "op": "BIGINT",
        "event": "VARCHAR",
        "time": "DOUBLE",
        "operation": "VARCHAR",
        "key": "VARCHAR",
        "province": "VARCHAR",
        "commune": "VARCHAR",
        "dossier": "VARCHAR",
        "sequence": "INTEGER",
        "state": "INTEGER",
        "hash": "VARCHAR",
        "reason": "VARCHAR",
        "entries": "VARCHAR",
        "test": "BOOLEAN",
    },
    "reads": {
        "pass": "INTEGER",
        "system": "VARCHAR",
        "code": "VARCHAR",
        "key": "VARCHAR",
        "province": "VARCHAR",
        "commune": "VARCHAR",
        "hash": "VARCHAR",
        "state": "INTEGER",
        "sequence": "INTEGER",
        "history": "VARCHAR",
        "archived": "BOOLEAN",
        "test": "BOOLEAN",
    },
    "stock": {
        "moment": "VARCHAR",
        "system": "VARCHAR",
        "code": "VARCHAR",
        "key": "VARCHAR",
        "province": "VARCHAR",
        "commune": "VARCHAR",
        "hash": "VARCHAR",
        "history": "VARCHAR",
        "archived": "BOOLEAN",
        "attachments": "VARCHAR",
        "old_province": "VARCHAR",
        "new_code": "VARCHAR",
    },
    "accounts": {
        "moment": "VARCHAR",
        "system": "VARCHAR",
        "name": "VARCHAR",
        "role": "VARCHAR",
        "province": "VARCHAR",
        "commune": "VARCHAR",
        "hash": "VARCHAR",
    },
    "entries": {
        "pass": "INTEGER",
        "system": "VARCHAR",
        "book": "VARCHAR",
        "key": "VARCHAR",
        "owner": "VARCHAR",
        "value": "VARCHAR",
    },
    "attachments": {
        "pass": "INTEGER",
        "system": "VARCHAR",
        "code": "VARCHAR",
        "hash": "VARCHAR",
    },
    "lookups": {
        "code": "VARCHAR",
        "key": "VARCHAR",
        "province": "VARCHAR",
        "commune": "VARCHAR",
        "result": "VARCHAR",
        "detail": "VARCHAR",
    },
}
"""Table name -> column name -> DuckDB type. docs/record.md says what each column means."""


class RecordError(Exception):
    """A record can't be used: what is wrong with which file, and what to do."""


class Record:
    """Paths of one record, and the reading and writing of its small files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def path(self, name: str) -> Path:
        """Return the path of a file of the record."""
        return self.directory / name

    def table(self, name: str) -> Path:
        """Return the path of a sealed table."""
        return self.directory / f"{name}.parquet"

    def spool(self, table: str, part: str) -> Path:
        """Return the path of one spool of a table, its folder made."""
        folder = self.directory / table
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{part}.csv"

    def write_plan(self, plan: plans.Plan) -> None:
        """Write ``plan.json``."""
        self.path("plan.json").write_bytes(plans.encode(plan))

    def plan(self) -> plans.Plan:
        """Read ``plan.json``; raises RecordError when it isn't there or isn't a plan."""
        path = self.path("plan.json")
        data = _bytes(path, "give the folder that `thongsuot run --out` wrote")
        try:
            return plans.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RecordError(f"{path}: not a campaign plan ({error}); the record is truncated or foreign") from None

    def write_json(self, name: str, value: object) -> None:
        """Write a JSON file in one step: a reader sees the old one or the new one."""
        path = self.path(name)
        draft = path.with_name(f".{path.name}.draft")
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
        draft.replace(path)

    def json(self, name: str) -> Any:
        """Read a JSON file; raises RecordError when it isn't there or isn't JSON."""
        path = self.path(name)
        data = _bytes(path)
        try:
            return msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RecordError(f"{path}: not JSON ({error}); the record is truncated or foreign") from None

    def events(self, growing: bool = False) -> list[dict[str, Any]]:
        """Read ``events.jsonl`` in the order of time; raises RecordError when a line isn't an event.

        Of a record that is still ``growing``, the last line is left out as long as it has no end.
        """
        return sorted(self._events(growing), key=lambda event: float(event["time"]))

    def _events(self, growing: bool) -> Iterator[dict[str, Any]]:
        path = self.path("events.jsonl")
        data = _bytes(path)
        try:
            text = (data[: data.rfind(b"\n") + 1] if growing else data).decode()
        except UnicodeDecodeError as error:
            raise RecordError(f"{path}: not UTF-8 ({error}); the record is truncated or foreign") from None
        for number, line in enumerate(io.StringIO(text), 1):
            try:
                event = json.loads(line)
                float(event["time"]), float(event["t"] or 0), str(event["event"])
            except (ValueError, KeyError, TypeError) as error:
                raise RecordError(
                    f"{path}:{number}: not an event ({error}); the record is truncated or foreign"
                ) from None
            yield event


def _bytes(path: Path, remedy: str = "the record is truncated or foreign") -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise RecordError(f"{path}: not there; {remedy}") from None
    except OSError as error:
        raise RecordError(f"{path}: can't be read ({error.strerror}); {remedy}") from None


class EventLog:
    """Appends events to ``events.jsonl``: one object a line, each line one write, safe across processes.

    Attributes:
        t0: Monotonic time of the run's t0, None until it is set; until then events carry ``"t": null``.
    """

    def __init__(self, path: Path, t0: float | None = None) -> None:
        self.t0 = t0
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, event: str, **fields: object) -> dict[str, Any]:
        """Append one event, stamped with ``t`` (seconds since t0) and ``time`` (Unix seconds)."""
        entry = {
            "t": None if self.t0 is None else round(time.monotonic() - self.t0, 6),
            "time": round(time.time(), 6),
            "event": event,
            **fields,
        }
        os.write(self._file, json.dumps(entry, ensure_ascii=False).encode() + b"\n")
        return entry

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
