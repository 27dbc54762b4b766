"""Files that a worker only ever appends to, whole lines each."""

import mmap
import os
from pathlib import Path

NEWLINE = ord("\n")
WINDOW = 1 << 20
"""Bytes of a mapped spool that are mapped at a time; a row is much shorter."""


class Spool:
    """A spool that is written in large pieces."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, text: str) -> None:
        """Append lines."""
        data = text.encode()
        while data:
            data = data[os.write(self._file, data) :]

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


class MappedSpool:
    """A spool written through memory: a row is the kernel's at once, without a system call.

    A row is given as a JSON array of numbers and texts without quotes or backslashes: between its brackets it is CSV,
    and no formatting in Python is as fast. A process that is killed leaves zeros behind its last row; readers take
    whole lines only.
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

    def write(self, array: bytes) -> None:
        """Append a row."""
        row = array[1:]
        end = self._at + len(row)
        if end > WINDOW:
            self._window.close()
            self._open_window(self._base + self._at)
            end = self._at + len(row)
        self._window[self._at : end] = row
        self._window[end - 1] = NEWLINE
        self._at = end

    def close(self) -> None:
        """Cut the file behind its last row and close it."""
        self._window.close()
        os.ftruncate(self._file, self._base + self._at)
        os.close(self._file)
