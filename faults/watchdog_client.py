"""The conductor's side of the watchdog: leases, heartbeats, and what to end when the conductor dies."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Event, RLock, Thread
from time import monotonic
from typing import Any

import psutil

from faults.leases import Lease, born
from model.record import EventLog

BEAT = 0.5  # seconds between two heartbeats
ANSWER = 6.0  # seconds that an acknowledgement may take: the watchdog may be busy healing
COMES_UP = 20.0  # seconds that the first one may take, on a machine that is busy


class WatchdogError(Exception):
    """The watchdog can't be relied on: no fault may be applied."""


class Watchdog:
    """A watchdog process and the pipe that keeps it calm. Safe to use from several threads.

    One that dies or hangs is replaced: the new one is told everything that the old one knew, and the record says so.
    No other process may inherit the pipe (``subprocess`` sees to that, a bare ``fork`` doesn't): its end is how the
    watchdog notices that the conductor died.
    """

    def __init__(self, events: Path, lease: float, log: Path | None) -> None:
        self._path = events.resolve()
        self._log = log or Path(os.devnull)
        self._lock = RLock()
        self._number = 0
        self._closing = Event()
        self._known: dict[str, dict[str, Any]] = {"start": {"message": "start", "lease": lease}}
        self._known["start"]["events"] = str(self._path)
        self._process = self._spawn()

    @classmethod
    def start(cls, events: Path, lease: float = 5.0, log: Path | None = None) -> "Watchdog":
        """Start the process; ``lease`` is in seconds; raises WatchdogError when it doesn't come up."""
        watchdog = cls(events, lease, log)
        try:
            watchdog._repeat()
        except (OSError, ValueError) as error:
            watchdog._end()
            raise WatchdogError(f"the watchdog (pid {watchdog.pid}) didn't come up: {error}") from None
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
        self._tell("t0", remember="t0", t0=t0)

    def add_process(self, pid: int) -> None:
        """End this process, its children and its session when the conductor dies; one that is gone is fine."""
        try:
            created, leads = born(psutil.Process(pid)), os.getsid(pid) == pid
        except (psutil.NoSuchProcess, ProcessLookupError):
            return
        self._tell("process", remember=f"process {pid} {created}", pid=pid, created=created, session=leads)

    def add_project(self, name: str) -> None:
        """Remove every container, network and volume of this compose project when the conductor dies."""
        self._tell("project", remember=f"project {name}", name=name)

    def watch_api(self, api: str, delete: Iterable[str] = ()) -> None:
        """Leave every proxy of this server clean when the conductor dies, and delete the proxies named ``delete``."""
        self._tell("api", remember=f"api {api}", api=api)
        names = list(delete)
        for start in range(0, len(names), 20):
            self._tell("proxies", remember=f"proxies {api} {start}", api=api, names=names[start : start + 20])

    def register(self, lease: Lease) -> None:
        """Hand over a lease; when this returns, the watchdog has it."""
        self._tell("lease", remember=f"lease {lease.key}", **lease.as_message())

    def done(self, key: str) -> None:
        """Take a lease back, by its key."""
        with self._lock:
            self._known.pop(f"lease {key}", None)
            self._tell("done", key=key)

    def close(self) -> None:
        """Say good-bye and wait until the process has ended; live leases are left alone."""
        self._closing.set()
        try:
            self._tell("bye")
            self._process.wait(2)
        except (WatchdogError, subprocess.TimeoutExpired):
            pass
        self._end()

    def _spawn(self) -> "subprocess.Popen[bytes]":
        with self._log.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "faults.watchdog"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                start_new_session=True,
            )

    def _end(self) -> None:
        """End the process where it hasn't ended, and close the pipes."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()

    def _beat(self) -> None:
        """Keep the watchdog calm, and look after it in turn."""
        while not self._closing.wait(BEAT):
            try:
                self._tell("heartbeat")
            except WatchdogError:
                continue

    def _tell(self, message: str, remember: str = "", **fields: Any) -> None:
        """Send one message and wait until it is taken, by another watchdog where this one fails; raises WatchdogError.

        What is told under a name to ``remember`` is told to every further watchdog.
        """
        with self._lock:
            content = {"message": message, **fields}
            if remember:
                self._known[remember] = content
            try:
                self._exchange(content, ANSWER)
            except (OSError, ValueError) as error:
                if self._closing.is_set():
                    raise WatchdogError(f"the watchdog (pid {self.pid}) didn't take {message!r}: {error}") from None
                self._replace(str(error))

    def _replace(self, reason: str) -> None:
        """Start another watchdog that knows what the last one knew; raises WatchdogError."""
        self._note("watchdog_lost", pid=self.pid, reason=reason)
        self._end()
        self._process = self._spawn()
        try:
            self._repeat()
        except (OSError, ValueError) as error:
            self._end()  # it knows a part only: the next message starts another one
            raise WatchdogError(f"the watchdog (pid {self.pid}) didn't come up: {error}") from None
        self._note("watchdog_started", pid=self.pid)

    def _repeat(self) -> None:
        for content in self._known.values():
            self._exchange(content, COMES_UP if content["message"] == "start" else ANSWER)

    def _note(self, event: str, **fields: object) -> None:
        log = EventLog(self._path, self._known.get("t0", {}).get("t0"))
        log.write(event, **fields)
        log.close()

    def _exchange(self, content: Mapping[str, Any], patience: float) -> None:
        """Send one message and wait for its acknowledgement; raises OSError or ValueError."""
        self._number += 1
        self._send({**content, "number": self._number})
        self._await_answer(patience)

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin
        os.write(self._process.stdin.fileno(), json.dumps(message).encode() + b"\n")

    def _await_answer(self, patience: float) -> None:
        """Read lines until this message's number; raises OSError or ValueError."""
        assert self._process.stdout
        deadline = monotonic() + patience
        line = b""
        while not (line.endswith(b"\n") and json.loads(line)["done"] == self._number):
            line = b"" if line.endswith(b"\n") else line
            if not select.select([self._process.stdout], [], [], max(0.0, deadline - monotonic()))[0]:
                raise TimeoutError(f"no answer within {patience:g} s")
            byte = os.read(self._process.stdout.fileno(), 1)
            if not byte:
                raise ConnectionResetError("it has ended")
            line += byte
