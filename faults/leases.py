"""A lease: one change that a fault has made, and how to undo it, by whoever notices.

The conductor undoes its changes itself; the watchdog, which holds a copy of every lease, does so when it can't.
"""

import json
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import psutil

from faults.control import Control, Endpoint
from faults.toxiproxy import Proxies, ProxyError

STANDS = 0.5  # seconds that the operating system may take to stop a process


@dataclass(frozen=True, slots=True)
class Lease(ABC):
    """One change of one link or system.

    Attributes:
        fault: The fault's id.
        target: The link or system that is changed.
    """

    name: ClassVar[str]
    breaks: ClassVar[str] = "system"

    fault: str
    target: str

    @property
    def key(self) -> str:
        """What tells it from every other lease: a fault holds one per target."""
        return f"{self.fault} on {self.target}"

    @property
    def where(self) -> dict[str, str]:
        """The link or system, as events name it."""
        return {self.breaks: self.target}

    def as_message(self) -> dict[str, Any]:
        """Return the lease as a JSON object, which ``decode`` reads."""
        return {"lease": self.name, "fault": self.fault, "target": self.target, **self._details()}

    @abstractmethod
    def held(self) -> bool:
        """Read back whether the change is on; raises ProxyError or OSError."""

    @abstractmethod
    def release(self) -> None:
        """Undo the change; twice is fine, and so is a target that is gone. Raises ProxyError or OSError."""

    @property
    @abstractmethod
    def by_hand(self) -> str:
        """The shell command that undoes the change."""

    @abstractmethod
    def _details(self) -> dict[str, Any]:
        """Return what a message must say beside fault and target."""


@dataclass(frozen=True, slots=True)
class ProxyLease(Lease):
    """A change of a link's proxy.

    Attributes:
        proxies: The server that has the proxy.
        toxic: The toxic that is put on it; None: the proxy is disabled.
    """

    name = "proxy"
    breaks = "link"

    proxies: Proxies
    toxic: str | None

    def held(self) -> bool:
        """Look for the toxic, or whether the proxy is disabled; a proxy that is gone holds nothing."""
        try:
            state = self.proxies.get(self.target)
        except ProxyError as error:
            if error.status == 404:
                return False
            raise
        return state.toxic(self.toxic) is not None if self.toxic else not state.enabled

    def release(self) -> None:
        """Remove the toxic, or enable the proxy; one that a restarted server has lost is made again, clean."""
        try:
            if self.toxic:
                self.proxies.remove_toxic(self.target, self.toxic)
            else:
                self.proxies.set_enabled(self.target, True)
        except ProxyError as error:
            if error.status != 404:
                raise
            self.proxies.restore()

    @property
    def by_hand(self) -> str:
        """A call of the Toxiproxy server."""
        url = f"{self.proxies.api}/proxies/{quote(self.target, safe='')}"
        if self.toxic:
            return f"curl -X DELETE '{url}/toxics/{quote(self.toxic, safe='')}'"
        return f"curl -X POST -d '{json.dumps({'enabled': True})}' '{url}'"

    def _details(self) -> dict[str, Any]:
        return {"api": self.proxies.api, "toxic": self.toxic}


@dataclass(frozen=True, slots=True)
class TakenLease(Lease):
    """A lease that also makes the change which it undoes."""

    @abstractmethod
    def take(self) -> None:
        """Make the change; raises OSError where the target is gone."""


@dataclass(frozen=True, slots=True)
class ProcessLease(TakenLease):
    """A change of a system's process; a process number that somebody else has by now is left alone.

    Attributes:
        pid: Process id.
        created: When the process was created, as ``born`` has it.
    """

    pid: int
    created: float

    def process(self) -> psutil.Process | None:
        """Return the process, None when it has ended."""
        try:
            process = psutil.Process(self.pid)
            return process if born(process) == self.created and lives(self.pid) else None
        except psutil.NoSuchProcess:
            return None

    def _details(self) -> dict[str, Any]:
        return {"pid": self.pid, "created": self.created}


@dataclass(frozen=True, slots=True)
class StopLease(ProcessLease):
    """A process that is stopped (SIGSTOP)."""

    name = "stop"

    def take(self) -> None:
        """Stop the process and wait until it stands; raises OSError where it has ended."""
        process = self.process()
        try:
            if process is None:
                raise ProcessLookupError(f"process {self.pid} of {self.target} has ended")
            process.send_signal(signal.SIGSTOP)
            deadline = time.monotonic() + STANDS
            while process.status() != psutil.STATUS_STOPPED and time.monotonic() < deadline:
                time.sleep(0.001)
        except psutil.NoSuchProcess:
            raise ProcessLookupError(f"process {self.pid} of {self.target} has ended") from None

    def held(self) -> bool:
        """Ask the operating system whether the process is stopped, or will be as soon as it gets a processor."""
        process = self.process()
        return process is not None and (_stop_pending(self.pid) or bool(process.status() == psutil.STATUS_STOPPED))

    def release(self) -> None:
        """Let the process go on (SIGCONT)."""
        process = self.process()
        if process is not None:
            process.resume()

    @property
    def by_hand(self) -> str:
        """A signal."""
        return f"kill -CONT {self.pid}"


@dataclass(frozen=True, slots=True)
class LimitLease(ProcessLease):
    """A process whose address space is limited (RLIMIT_AS).

    Attributes:
        before: The limits before, soft and hard, in bytes; -1: none.
        headroom: Bytes that it may take beyond what it has when the limit is set.
    """

    name = "limit"

    before: tuple[int, int]
    headroom: int

    def take(self) -> None:
        """Set the limit; raises OSError where the process has ended."""
        process = self.process()
        if process is None:
            raise ProcessLookupError(f"process {self.pid} of {self.target} has ended")
        process.rlimit(psutil.RLIMIT_AS, (process.memory_info().vms + self.headroom, self.before[1]))

    def held(self) -> bool:
        """Ask the operating system for the limit."""
        process = self.process()
        return process is not None and tuple(process.rlimit(psutil.RLIMIT_AS)) != tuple(self.before)

    def release(self) -> None:
        """Give the process its limits back."""
        process = self.process()
        if process is not None:
            process.rlimit(psutil.RLIMIT_AS, tuple(self.before))

    @property
    def by_hand(self) -> str:
        """A call of prlimit (util-linux)."""
        soft, hard = ("unlimited" if limit < 0 else limit for limit in self.before)
        return f"prlimit --pid {self.pid} --as={soft}:{hard}"

    def _details(self) -> dict[str, Any]:
        details = {"before": list(self.before), "headroom": self.headroom}
        return {"pid": self.pid, "created": self.created, **details}


@dataclass(frozen=True, slots=True)
class ControlLease(Lease):
    """A fault inside a system, switched on through its control API; there it ends by itself as well.

    Attributes:
        control: The system's control API.
    """

    name = "control"

    control: Control

    def held(self) -> bool:
        """Ask the system; one that is gone holds nothing."""
        return self.control.has(self.fault)

    def release(self) -> None:
        """Switch the fault off."""
        self.control.delete(self.fault)

    @property
    def by_hand(self) -> str:
        """Waiting: the system ends the fault itself."""
        return f"wait {self.control.lease:g} s: {self.target} ends it by itself"

    def _details(self) -> dict[str, Any]:
        return {"endpoint": asdict(self.control.endpoint)}


def stop_lease(fault: str, target: str, pid: int) -> StopLease:
    """Return a lease that stops a process; raises psutil.Error where it has ended."""
    return StopLease(fault, target, pid, born(psutil.Process(pid)))


def limit_lease(fault: str, target: str, pid: int, headroom: int) -> LimitLease:
    """Return a lease that leaves a process ``headroom`` bytes; raises psutil.Error where it has ended."""
    process = psutil.Process(pid)
    soft, hard = process.rlimit(psutil.RLIMIT_AS)
    return LimitLease(fault, target, pid, born(process), (soft, hard), headroom)


def born(process: psutil.Process) -> float:
    """Return the seconds from the machine's start to the process's: no change of the wall clock changes them."""
    return float(round(process.create_time() - psutil.boot_time(), 2))


def lives(pid: int) -> bool:
    """Tell whether a process runs: no longer once its first thread has ended, though others may take a while yet."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def decode(message: Mapping[str, Any], server: Callable[[str], Proxies]) -> Lease:
    """Read a message that ``Lease.as_message`` wrote; ``server`` returns the proxies of an API's URL."""
    fault, target = message["fault"], message["target"]
    match message["lease"]:
        case "container-pause" | "container-disconnect" | "container-memory":
            return _of_container(message)
        case "proxy":
            return ProxyLease(fault, target, server(message["api"]), message["toxic"])
        case "stop":
            return StopLease(fault, target, message["pid"], message["created"])
        case "limit":
            before = (message["before"][0], message["before"][1])
            return LimitLease(fault, target, message["pid"], message["created"], before, message["headroom"])
        case "control":
            return ControlLease(fault, target, Control(Endpoint(**message["endpoint"])))
    raise ValueError(f"no lease {message['lease']!r}")


def _of_container(message: Mapping[str, Any]) -> Lease:
    from faults import containers  # Docker's library is heavy, and few runs need it

    kinds: tuple[type[Lease], ...] = (containers.PauseLease, containers.DisconnectLease, containers.MemoryLease)
    kind = next(kind for kind in kinds if kind.name == message["lease"])
    return kind(**{name: value for name, value in message.items() if name != "lease"})


def _stop_pending(pid: int) -> bool:
    """Read /proc for a SIGSTOP that was sent and hasn't been taken yet (proc(5): ShdPnd, a mask of signals)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except FileNotFoundError:
        return False
    masks = [int(line.split()[1], 16) for line in lines if line.startswith("ShdPnd:")]
    return any(mask & 1 << (signal.SIGSTOP - 1) for mask in masks)
