"""The watchdog process: heals the faults of a conductor that died (``kill -9``) or stalled, and ends its processes.

``python -m faults.watchdog`` reads one JSON object a line from standard input and acknowledges those that have a
``number``: ``start {events, lease}`` · ``t0 {t0}`` · ``api {api}`` · ``proxies {api, names}`` ·
``lease`` with what ``faults.leases.decode`` reads · ``done {key}`` · ``process {pid, created, session}`` ·
``project {name}`` (of containers) · ``heartbeat`` · ``bye``.

- Input ends without ``bye``: the conductor is dead. Heal every lease, leave every known server clean, delete the
  proxies that it has to, end the processes, go on healing what a server that isn't ours didn't let go of yet, exit.
- No message for ``lease`` seconds: the conductor stalls. Heal every lease, go on watching; leases stay, since it may
  apply its fault when it wakes up.

Signals that a terminal or a container sends to everybody are ignored: it lives exactly as long as its input.
"""

import json
import os
import select
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from faults.leases import Lease, born, decode
from faults.toxiproxy import Proxies, ProxyError
from model.record import EventLog

PATIENCE = 3.0  # seconds that healing is tried for
LONG_PATIENCE = 30.0  # seconds that it is tried for on servers that outlive the conductor
PAUSE = 0.1  # seconds between two tries
GRACE = 1.0  # seconds from SIGTERM to SIGKILL
CALL = 1.0  # seconds that a server may take to answer


class Watch:
    """What the watchdog knows about its conductor, and what it does about it."""

    def __init__(self, events: EventLog, lease: float) -> None:
        self.lease = lease  # seconds
        self.stalled = False
        self._events = events
        self._leases: dict[str, Lease] = {}
        self._releasing: set[str] = set()  # keys whose release began; it may have worked without our knowing
        self._servers: dict[str, Proxies] = {}
        self._delete: dict[str, list[str]] = {}
        self._processes: list[tuple[int, float, bool]] = []
        self._projects: list[str] = []

    def take(self, message: dict[str, Any]) -> None:
        """Act on one message of the conductor."""
        self.stalled = False
        match message.pop("message"):
            case "t0":
                self._events.t0 = message["t0"]
            case "api":
                self._server(message["api"])
            case "proxies":
                self._delete.setdefault(message["api"], []).extend(message["names"])
            case "lease":
                lease = decode(message, self._server)
                self._leases[lease.key] = lease
            case "done":
                self._leases.pop(message["key"], None)
                self._releasing.discard(message["key"])
            case "project":
                self._projects.append(message["name"])
            case "process":
                self._processes.append((message["pid"], message["created"], message["session"]))

    def expire(self) -> None:
        """Heal the faults of a conductor that stalls; it may wake up."""
        self.stalled = True
        self._events.write("lease_expired", faults=self._faults, seconds=self.lease)
        self._give_up(_persist(self._healing(), PATIENCE))

    def lost(self) -> None:
        """Leave nothing behind of a conductor that died."""
        self._events.write("conductor_lost", faults=self._faults, processes=len(self._processes))
        steps = self._healing() | {f"server {api}": partial(self._clean, api) for api in self._servers}
        reasons = _persist(steps, 0.0 if self._projects else PATIENCE)
        end_processes(self._processes)
        if self._projects:  # their containers take every fault with them
            steps = {f"project {name}": partial(_sweep, name) for name in self._projects}
            reasons = _persist(steps, PATIENCE)
        self._give_up(_persist({name: steps[name] for name in reasons}, LONG_PATIENCE if self._delete else 0.0))

    @property
    def _faults(self) -> list[str]:
        return list(dict.fromkeys(lease.fault for lease in self._leases.values()))

    def _server(self, api: str) -> Proxies:
        return self._servers.setdefault(api, Proxies(api, CALL))

    def _healing(self) -> dict[str, Callable[[], None]]:
        return {key: partial(self._release, lease) for key, lease in self._leases.items()}

    def _release(self, lease: Lease) -> None:
        if not lease.held() and lease.key not in self._releasing:
            return
        self._releasing.add(lease.key)
        lease.release()
        if lease.held():
            raise ProxyError("it reads back as still on")
        self._releasing.remove(lease.key)
        self._events.write("fault_healed", fault=lease.fault, **lease.where, by="watchdog")

    def _clean(self, api: str) -> None:
        """Delete our proxies of a server that isn't ours; of one that is, leave every proxy clean."""
        proxies = self._server(api)
        if api in self._delete:
            return proxies.delete_all(self._delete[api])
        for name, state in proxies.all().items():
            for toxic in state.toxics:
                proxies.remove_toxic(name, toxic.name)
            if not state.enabled:
                proxies.set_enabled(name, True)
        return None

    def _give_up(self, reasons: Mapping[str, str]) -> None:
        """Write down what couldn't be healed."""
        for key, reason in reasons.items():
            lease = self._leases.get(key)
            where = {**lease.where, "by_hand": lease.by_hand} if lease else {"link": None}
            name = lease.fault if lease else key
            self._events.write("fault_heal_failed", fault=name, reason=reason, by="watchdog", **where)


def _sweep(project: str) -> None:
    from faults.containers import sweep  # Docker's library is heavy, and few runs need it

    sweep(project)


def _persist(steps: Mapping[str, Callable[[], None]], patience: float) -> dict[str, str]:
    """Try steps until they succeed, for so many seconds; returns why those that don't fail, by name."""
    deadline = time.monotonic() + patience
    reasons = dict.fromkeys(steps, "")
    while True:
        reasons = {name: reason for name in reasons if (reason := _failure(steps[name]))}
        if not reasons or time.monotonic() > deadline:
            return reasons
        time.sleep(PAUSE)


def _failure(step: Callable[[], None]) -> str:
    """Try a step; return why it failed, nothing when it didn't."""
    try:
        step()
    except (ProxyError, OSError, psutil.Error) as error:
        return str(error) or repr(error)
    return ""


def end_processes(processes: list[tuple[int, float, bool]]) -> None:
    """End processes, given as (pid, ``born``, leads a session), their children and sessions: SIGTERM, SIGKILL."""
    doomed = list(_family(processes))
    for process in doomed:
        _signal(process, signal.SIGTERM)
    for process in psutil.wait_procs(doomed, GRACE)[1]:
        _signal(process, signal.SIGKILL)
    for process in _family(processes):
        _signal(process, signal.SIGKILL)


def _family(processes: list[tuple[int, float, bool]]) -> Iterator[psutil.Process]:
    """Yield those of the processes that are still the same, their children, and all members of their sessions."""
    sessions = {pid for pid, _, leads in processes if leads}
    for pid, created, _ in processes:
        try:
            process = psutil.Process(pid)
            if born(process) == created:
                yield from process.children(recursive=True)
                yield process
        except psutil.NoSuchProcess:
            continue
    for pid in psutil.pids():
        if _session(pid) in sessions:
            with suppress(psutil.NoSuchProcess):
                yield psutil.Process(pid)


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


class Lines:
    """The lines of standard input, each with a deadline."""

    def __init__(self) -> None:
        self._ready: deque[bytes] = deque()
        self._rest = b""

    def next(self, seconds: float | None) -> bytes | None:
        """Return the next line, None when there is none within ``seconds``; raises EOFError at the end."""
        while not self._ready:
            if not select.select([0], [], [], seconds)[0]:
                return None
            data = os.read(0, 65536)
            if not data:
                raise EOFError
            *lines, self._rest = (self._rest + data).split(b"\n")
            self._ready.extend(lines)
        return self._ready.popleft()


def _acknowledge(message: dict[str, Any]) -> None:
    """Answer a message that has a number; a conductor that is dead needs none."""
    if "number" not in message:
        return
    try:
        os.write(1, json.dumps({"done": message.pop("number")}).encode() + b"\n")
    except OSError:
        return


def watch(lines: Lines) -> None:
    """Follow the conductor until it says good-bye or dies."""
    start = json.loads(lines.next(None) or b"{}")
    watching = Watch(EventLog(Path(start["events"])), start["lease"])
    _acknowledge(start)
    try:
        while _follow(lines, watching):
            pass
    except EOFError:
        watching.lost()


def _follow(lines: Lines, watching: Watch) -> bool:
    """Act on the next message, or on its absence; False after the good-bye."""
    line = lines.next(None if watching.stalled else watching.lease)
    if line is None:
        watching.expire()
        return True
    message = json.loads(line)
    watching.take({key: value for key, value in message.items() if key != "number"})
    _acknowledge(message)
    return bool(message["message"] != "bye")


def main() -> int:
    """Run the watchdog on standard input and output."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    watch(Lines())
    return 0


if __name__ == "__main__":
    sys.exit(main())
