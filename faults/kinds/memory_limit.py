"""A process that gets no more memory."""

import socket
from functools import cached_property
from threading import Event

from faults.kinds.base import Attribute
from faults.kinds.process import ProcessKind, whole
from faults.leases import TakenLease
from faults.probe import Measurement, probe

FEW = 8  # replies of a megabyte that are asked for at a time before the fault, and read only then
MANY = 64  # the same from the fault on: more than the memory that the process keeps from before can hold
REPLY = 1_000_000  # bytes
REQUEST = f"GET /healthz?bytes={REPLY} HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n".encode()


class MemoryLimit(ProcessKind):
    """Limits the process's address space to what it has (RLIMIT_AS) and ``headroom``.

    A process that needs more fails in its own way: the mocks answer 500, or abort. The proof provokes that. Healing
    takes the limit away, and starts a process again that has died of it or gives no answer.
    """

    name = "memory-limit"
    summary = "the system's process gets headroom more memory and no more (RLIMIT_AS); one that dies of it is restarted"
    proof = (
        f"of {MANY} replies of 1 MB at a time not all come whole; before the fault all of {FEW} did, after it all do"
    )
    attributes = (Attribute("headroom", "MB", 0, 16, "what it may take beyond what it has", default=0),)
    patience = 4.0
    _begun = _limited = False

    @cached_property
    def lease(self) -> TakenLease:
        """The limit, and what it was before."""
        return self.processes.limiting(self.fault.id, self.fault.target, self.values["headroom"] * 1_000_000)

    def apply(self) -> None:
        """Set the limit."""
        self.lease.take()
        self._begun = self._limited = True

    def held(self) -> bool:
        """Ask the operating system; a process that died of the limit is broken still, also one that dies just now."""
        return (self._limited and self.lease.held()) or not self.processes.is_running(self.fault.target)

    def heal(self) -> None:
        """Take the limit away, and start a process anew that has died of it or is dying."""
        self.lease.release()
        if self._limited and not self._answers():
            if self.processes.is_running(self.fault.target):
                self.processes.kill(self.fault.target)
            self.processes.restart(self.fault.target)
        self._limited = False

    def _answers(self) -> bool:
        return all(probe(self.address, 2.0, down=REPLY).ok for _ in range(2))

    def measure(self, seconds: float, stop: Event | None = None) -> Measurement:
        """Ask for many large replies at a time, and read them only then."""
        first = probe(self.address, min(seconds, 1.0), stop=stop)
        if not first.ok:
            return first
        number = MANY if self._begun else FEW
        sizes = _burst(self.address, number, min(seconds, self.patience))
        came = sum(size > REPLY for size in sizes)
        detail = {"whole": came, "of": number}
        return Measurement("ok" if came == number else "error", first.seconds, sum(sizes), detail)

    def bites(self, seen: Measurement, healthy: Measurement | None) -> bool:
        """Tell replies that weren't whole, or a process that has died, where all came before."""
        return whole(healthy) and seen.outcome in ("error", "refused", "reset", "closed")


def _burst(address: str, number: int, seconds: float) -> list[int]:
    """Ask over many connections, then read each to its end; returns how many bytes each gave."""
    host, _, port = address.rpartition(":")
    connections = []
    try:
        for _ in range(number):
            connection = _dial(host, int(port), seconds)
            if connection:
                connections.append(connection)
        return [_drain(connection) for connection in connections]
    finally:
        for connection in connections:
            connection.close()


def _dial(host: str, port: int, seconds: float) -> socket.socket | None:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(seconds)
    try:
        connection.connect((host, port))
        connection.sendall(REQUEST)
    except OSError:
        connection.close()
        return None
    return connection


def _drain(connection: socket.socket) -> int:
    received = 0
    try:
        while chunk := connection.recv(1 << 20):
            received += len(chunk)
    except OSError:
        return received
    return received
