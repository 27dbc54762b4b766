"""Ctrl-C and SIGTERM: the run is asked to end, and heals, audits and reports what was measured."""

import signal
from threading import Event
from types import FrameType


class Interrupted(Exception):
    """The run was asked to end at a point where there is nothing to report yet."""


class Interrupt:
    """Set by SIGINT and SIGTERM within its ``with`` block.

    Attributes:
        requested: Whether the run was asked to end.
    """

    def __init__(self) -> None:
        self._event = Event()
        self._before: dict[int, object] = {}

    @property
    def requested(self) -> bool:
        """Whether a signal has come."""
        return self._event.is_set()

    def check(self, when: str) -> None:
        """Raise Interrupted if a signal has come."""
        if self.requested:
            raise Interrupted(f"interrupted {when}; everything that was started is stopped")

    def __enter__(self) -> "Interrupt":
        """Take the signals over."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal returned

    def _take(self, _number: int, _frame: FrameType | None) -> None:
        self._event.set()
