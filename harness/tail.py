"""Spools while they grow: the rows that were appended since the last look."""

import csv
from collections.abc import Iterator
from pathlib import Path


class Tail:
    """Yields the whole lines that were appended to the spools of a folder since the last look."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._offsets: dict[Path, int] = {}

    def rows(self) -> Iterator[list[str]]:
        """Yield the new rows of every spool; a line that isn't whole yet waits for its end."""
        for path in sorted(self._folder.glob("*.csv")):
            with path.open("rb") as file:
                file.seek(self._offsets.get(path, 0))
                # A ledger ends in zeros; those before a line's end belong to a row that is being written.
                data = file.read().partition(b"\0")[0]
            whole = data.rfind(b"\n") + 1
            self._offsets[path] = self._offsets.get(path, 0) + whole
            yield from csv.reader(data[:whole].decode().splitlines())
