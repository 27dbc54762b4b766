"""Child processes of a run: started in sessions of their own, with a log each, and ended by their id."""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from harness.errors import HarnessError

TERMINATE_WITHIN = 2.0
"""Seconds that a process gets between SIGTERM and SIGKILL."""


class Guardian(Protocol):
    """Ends processes when the conductor dies; the watchdog is one."""

    def add_process(self, pid: int) -> None:
        """Take a process under guard."""


class Child:
    """One child process with line-wise JSON on its pipes.

    Its standard input is its lifeline: it ends when the conductor, which holds the other end, does.

    Attributes:
        name: For messages to people.
        process: The running process.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        log: Path,
        guardian: Guardian,
        command: Sequence[str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start it.

        Args:
            name: For messages to people.
            arguments: A module of ours, and its arguments.
            log: File that its errors are appended to.
            guardian: Ends it when the conductor dies.
            command: What is run in place of a module of ours; its pipes speak the same.
            environment: Of the process; None: ours.
        """
        self.name = name
        self._log = log
        self._buffer = b""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                command or [sys.executable, "-m", *arguments],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                cwd=Path(__file__).parent.parent,
            )
        guardian.add_process(self.process.pid)

    @property
    def pid(self) -> int:
        """Process id."""
        return self.process.pid

    def tell(self, **message: object) -> None:
        """Write one JSON line to its standard input; a process that is gone hears nothing."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return

    def hear(self, timeout: float) -> dict[str, Any] | None:
        """Return the next JSON line of its standard output, None when none came in time.

        Raises:
            HarnessError: It ended, with the last line of its log.
        """
        assert self.process.stdout is not None
        deadline = time.monotonic() + timeout
        while b"\n" not in self._buffer:
            left = max(deadline - time.monotonic(), 0.0)
            if not select.select([self.process.stdout], [], [], left)[0]:
                return None
            chunk = os.read(self.process.stdout.fileno(), 65536)
            if not chunk:
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(TERMINATE_WITHIN)
                raise HarnessError(
                    f"{self.name} ended with status {self.process.returncode}: {self.last_words()} (log: {self._log})"
                )
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    def hear_if_alive(self, timeout: float) -> dict[str, Any] | None:
        """Like ``hear``, but None also when it has ended."""
        try:
            return self.hear(timeout)
        except HarnessError:
            return None

    def last_words(self) -> str:
        """Return the last line of its log."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "its log is empty")

    def alive(self) -> bool:
        """Tell whether it still runs."""
        return self.process.poll() is None

    def kill(self) -> None:
        """End it with SIGKILL and wait."""
        self.process.kill()
        self.process.wait()
        self._close_pipes()

    def _close_pipes(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue


def stop_all(children: Sequence[Child]) -> None:
    """End processes together: SIGTERM to all, then SIGKILL to those that stay."""
    for child in children:
        if child.alive():
            child.process.terminate()
    deadline = time.monotonic() + TERMINATE_WITHIN
    for child in children:
        try:
            child.process.wait(max(deadline - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
        child._close_pipes()
