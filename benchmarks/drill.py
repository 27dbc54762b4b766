"""One run of a drill as it is seen from outside: what of it lives, what it has broken, what its record says."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil

from faults.toxiproxy import Proxies, ProxyError
from model.record import Record

PLAN = Path(__file__).with_name("kills.toml")
COMMAND = Path(sys.executable).with_name("thongsuot")
MARK = "THONGSUOT_DRILL"
"""Variable in the environment of every process of a run."""
POLL = 0.05  # seconds between two looks
ANSWERS_WITHIN = 30.0  # seconds that a server of others may take at the end: nothing is measured any more
PROGRAMS = {"watchdog": ("faults.watchdog",), "toxiproxy": ("faults.embedded", "toxiproxy-server")}
"""What the command lines of a conductor's helpers have in them."""

Event = dict[str, Any]


class Drill:
    """A run of ``thongsuot`` in the background.

    Args:
        folder: Where its record and output go.
        kind: ``real`` or ``embedded``.
        given: URL of a server of others, which the run is to use; None: it starts its own.

    Attributes:
        process: The conductor.
        record: The record's folder.
        began: Monotonic seconds of its start.
    """

    def __init__(self, folder: Path, kind: str, given: str | None) -> None:
        folder.mkdir(parents=True)
        self.record = folder / "record"
        self.began = time.monotonic()
        self._given = given
        self._mark = uuid4().hex
        choice = given or kind
        with (folder / "output").open("wb") as output:
            self.process = subprocess.Popen(
                [str(COMMAND), "run", str(PLAN), "--out", str(self.record), "--toxiproxy", choice],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, MARK: self._mark},
            )

    def events(self) -> list[Event]:
        """Read the record's events; a line that is being written is left out."""
        record = Record(self.record)
        return record.events(growing=True) if record.path("events.jsonl").exists() else []

    def names(self) -> list[str]:
        """Return the names of the events so far."""
        return [event["event"] for event in self.events()]

    def alive(self) -> list[int]:
        """Return the ids of the run's processes: those that have its mark in their environment."""
        found = []
        for number in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 - names alone are meant, many times a second
            try:
                environment = Path("/proc", number, "environ").read_bytes()
            except OSError:
                continue
            if self._mark.encode() in environment:
                found.append(int(number))
        return found

    def helper(self, victim: str) -> int | None:
        """Return the id of the conductor's watchdog or Toxiproxy server, None while there is none."""
        for number in self.alive():
            try:
                process = psutil.Process(number)
                line = " ".join(process.cmdline())
                if process.ppid() == self.process.pid and any(program in line for program in PROGRAMS[victim]):
                    return number
            except psutil.NoSuchProcess:
                continue
        return None

    def broken(self) -> list[str]:
        """Name what is broken now: proxies that aren't clean, processes that are stopped."""
        return [*self._dirty(), *(f"process {number} is stopped" for number in self.alive() if self._stopped(number))]

    def left_behind(self) -> list[str]:
        """Tell what is there after the end of the run: its processes, its proxies on a server of others."""
        alive = self.alive()
        proxies = Proxies(self._given, ANSWERS_WITHIN).all() if self._given else {}
        return [f"{len(found)} {what} left" for found, what in ((alive, "processes"), (proxies, "proxies")) if found]

    def unhealed(self) -> list[str]:
        """Name the faults that were applied and, by the record, not healed."""
        on: dict[tuple[str, str], None] = {}
        for event in self.events():
            key = (event.get("fault") or "", event.get("link") or event.get("system") or "")
            if event["event"] == "fault_applied":
                on[key] = None
            elif event["event"] == "fault_healed":
                on.pop(key, None)
        return [f"{fault} on {target} was not healed" for fault, target in on]

    def wait(self, condition: Callable[[], Any], seconds: float) -> float | None:
        """Wait until a condition holds; return the seconds that it took, None when it didn't in time."""
        start = time.monotonic()
        while not condition():
            if time.monotonic() - start > seconds:
                return None
            time.sleep(POLL)
        return time.monotonic() - start

    def over(self) -> bool:
        """Tell whether the conductor has ended."""
        return self.process.poll() is not None

    def end(self) -> None:
        """End whatever is left of the run."""
        for number in self.alive():
            try:
                psutil.Process(number).kill()
            except psutil.NoSuchProcess:
                continue
        self.process.wait()

    def _api(self) -> str | None:
        started = (event["api"] for event in self.events() if event["event"] == "toxiproxy_started")
        return next(started, None)

    def _dirty(self) -> list[str]:
        """Name the proxies that aren't clean; a server that is gone has none."""
        api = self._api()
        if api is None:
            return []
        try:
            return [f"proxy {name} is not clean" for name, state in Proxies(api, 1.0).all().items() if not state.clean]
        except ProxyError as error:
            return [str(error)] if _listens(api) else []

    def _stopped(self, number: int) -> bool:
        try:
            return number != self.process.pid and psutil.Process(number).status() == psutil.STATUS_STOPPED
        except psutil.NoSuchProcess:
            return False


def _listens(api: str) -> bool:
    host, _, port = api.removeprefix("http://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), 0.5).close()
    except ConnectionRefusedError:
        return False
    except OSError:
        return True
    return True
