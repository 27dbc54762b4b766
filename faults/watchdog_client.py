"""The conductor's side of the watchdog: leases, heartbeats, and what to end when the conductor dies."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any

import psutil

from faults.leases import Lease

BEAT = 0.5  # seconds between two heartbeats
ANSWER = 6.0  # seconds that an acknowledgement may take: the watchdog may be busy healing


class WatchdogError(Exception):
    """The watchdog can't be relied on: no fault may be applied."""


class Watchdog:
    """A watchdog process and the pipe that keeps it calm. Safe to use from several threads.

    No other process may inherit the pipe (``subprocess`` sees to that, a bare ``fork`` doesn't): its end is how the
    watchdog notices that the conductor died.
    """

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._lock = Lock()
        self._number = 0
        self._closing = Event()

    @classmethod
    def start(cls, events: Path, lease: float = 5.0, log: Path | None = None) -> "Watchdog":
        """Start the process; ``lease`` is in seconds; raises WatchdogError when it doesn't come up."""
        with (log or Path(os.devnull)).open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "faults.watchdog"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                start_new_session=True,
            )
        watchdog = cls(process)
        try:
            watchdog._tell("start", events=str(events.resolve()), lease=lease)
        except WatchdogError:
            process.kill()
            process.wait()
            raise
        Thread(target=watchdog._beat, name="heartbeat", daemon=True).start()
        return watchdog

    @property
    def pid(self) -> int:
        """Process id of the watchdog."""
        return self._process.pid

    def alive(self) -> bool:
        """Tell whether the process runs."""
        return self._process.poll() is None

    def set_t0(self, t0: float) -> None:
        """Tell the monotonic time of the run's t0, for the events that the watchdog writes."""
        self._tell("t0", t0=t0)

    def add_process(self, pid: int) -> None:
        """End this process, its children and its session when the conductor dies; one that is gone is fine."""
        try:
            created = psutil.Process(pid).create_time()
        except psutil.NoSuchProcess:
            return
        leads = os.getsid(pid) == pid
        self._tell("process", pid=pid, create_time=created, session=leads)

    def watch_api(self, api: str, delete: Iterable[str] = ()) -> None:
        """Leave every proxy of this server clean when the conductor dies, and delete the proxies named ``delete``."""
        self._tell("api", api=api)
        names = list(delete)
        for start in range(0, len(names), 20):
            self._tell("proxies", api=api, names=names[start : start + 20])

    def register(self, lease: Lease) -> None:
        """Hand over a lease; when this returns, the watchdog has it."""
        self._tell("lease", **lease.as_message())

    def done(self, fault: str) -> None:
        """Take the lease of a fault back."""
        self._tell("done", fault=fault)

    def close(self) -> None:
        """Say good-bye and wait until the process has ended; live leases are left alone."""
        self._closing.set()
        try:
            self._tell("bye")
            self._process.wait(2)
        except (WatchdogError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()

    def _beat(self) -> None:
        while not self._closing.wait(BEAT):
            try:
                self._send({"message": "heartbeat"})
            except (OSError, ValueError):
                return

    def _tell(self, message: str, **fields: Any) -> None:
        """Send one message and wait for its acknowledgement; raises WatchdogError."""
        with self._lock:
            self._number += 1
            try:
                self._send({"message": message, "number": self._number, **fields})
                self._await_answer()
            except (OSError, ValueError) as error:
                raise WatchdogError(f"the watchdog (pid {self.pid}) didn't take {message!r}: {error}") from None

    def _send(self, message: dict[str, Any]) -> None:
        """Write one line in one system call: lines of several threads don't mix."""
        assert self._process.stdin
        os.write(self._process.stdin.fileno(), json.dumps(message).encode() + b"\n")

    def _await_answer(self) -> None:
        """Read lines until this message's number; raises OSError, TimeoutError or ValueError."""
        assert self._process.stdout
        deadline = monotonic() + ANSWER
        line = b""
        while not (line.endswith(b"\n") and json.loads(line)["done"] == self._number):
            line = b"" if line.endswith(b"\n") else line
            if not select.select([self._process.stdout], [], [], max(0.0, deadline - monotonic()))[0]:
                raise TimeoutError(f"no answer within {ANSWER:g} s")
            byte = os.read(self._process.stdout.fileno(), 1)
            if not byte:
                raise EOFError("it has ended")
            line += byte
