"""Where answers to steps come from: the terminal, and files that `thongsuot ack` drops into the record."""

import json
import os
import select
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import msgspec

from harness.steps import Answer
from model.record import Record

FOLDER = "answers"
"""Folder of the record that takes answers; it is only there where the run takes them."""


class _Dropped(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of an answer's file."""

    answer: Answer


class Box:
    """Takes the answers that were dropped into a record."""

    def __init__(self, record: Record) -> None:
        self._folder = record.path(FOLDER)
        self._folder.mkdir(exist_ok=True)

    def take(self) -> Iterator[tuple[str, Answer]]:
        """Yield (step, answer) of what was dropped since the last look; what is no answer is left out."""
        for path in sorted(self._folder.glob("*.json")):
            data = path.read_bytes()
            path.unlink()
            try:
                yield path.stem, msgspec.json.decode(data, type=_Dropped).answer
            except msgspec.DecodeError:
                continue


def drop(folder: Path, step: str, answer: Answer) -> Path:
    """Drop an answer, whole or not at all; raises FileExistsError where another one lies there."""
    path = folder / f"{step}.json"
    draft = folder / f".{step}.{os.getpid()}"
    draft.write_text(json.dumps({"answer": answer}), encoding="utf-8")
    try:
        path.hardlink_to(draft)
    finally:
        draft.unlink()
    return path


class Terminal:
    """Reads lines from a terminal without ever waiting for one; nothing from what isn't a terminal."""

    def __init__(self, stream: TextIO | None = None) -> None:
        stream = sys.stdin if stream is None else stream
        self._file = stream.fileno() if stream is not None and not stream.closed and stream.isatty() else None
        self._text = b""

    @property
    def listens(self) -> bool:
        """Whether somebody can type here."""
        return self._file is not None

    def forget(self) -> None:
        """Drop what was typed before it was asked for."""
        self._text = b""
        if self._file is not None and self._ours():
            termios.tcflush(self._file, termios.TCIFLUSH)

    def lines(self) -> list[str]:
        """Return the lines that were typed since the last look."""
        while self._file is not None and self._ours() and select.select([self._file], [], [], 0)[0]:
            data = _read(self._file)
            self._file = self._file if data else None
            self._text += data
        *lines, self._text = self._text.split(b"\n")
        return [line.decode(errors="replace").strip().lower() for line in lines]

    def _ours(self) -> bool:
        """Tell whether this process may read: in the background it would be stopped."""
        assert self._file is not None
        try:
            return os.tcgetpgrp(self._file) == os.getpgrp()
        except OSError:
            return True  # not the terminal that controls this process: nobody stops it


def _read(file: int) -> bytes:
    """Read what is there; nothing from a terminal that is gone."""
    try:
        return os.read(file, 4096)
    except OSError:
        return b""
