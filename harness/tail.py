"""Spools while they grow: the rows that were appended since the last look."""

import csv
from collections.abc import Iterator
from pathlib import Path

from model.record import COLUMNS, Record


class Tail:
    """Yields what was appended to the spools of a table since the last look."""

    def __init__(self, record: Record, table: str) -> None:
        self._folder = record.path(table)
        self._columns = tuple(COLUMNS[table])
        self._offsets: dict[Path, int] = {}

    def entries(self) -> Iterator[dict[str, str]]:
        """Yield the new rows of every spool by column; a line that isn't whole yet waits for its end."""
        for path in sorted(self._folder.glob("*.csv")):
            with path.open("rb") as file:
                file.seek(self._offsets.get(path, 0))
                # A ledger ends in zeros; those before a line's end belong to a row that is being written.
                data = file.read().partition(b"\0")[0]
            whole = data.rfind(b"\n") + 1
            self._offsets[path] = self._offsets.get(path, 0) + whole
            for row in csv.reader(data[:whole].decode().splitlines()):
                yield dict(zip(self._columns, row, strict=True))
