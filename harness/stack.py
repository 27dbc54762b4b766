"""The local stack: mock systems as processes on loopback, each link of theirs through a Toxiproxy proxy.

Provincial systems share a few processes; a system that the plan kills has one of its own, so that nobody dies with it.
"""

import json
import secrets
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from faults.control import Stranger, ask
from faults.kinds.base import FaultError
from faults.leases import LimitLease, StopLease, TakenLease, limit_lease, lives, stop_lease
from faults.probe import Question
from faults.server import Server
from faults.toxiproxy import Proxies
from harness.errors import HarnessError
from harness.migration import stock
from harness.ports import LOOPBACK, free_ports
from harness.processes import Child, Guardian, stop_all
from model.links import PEOPLE, SHARED_SYSTEMS, Link, province_system
from model.plan import PROCESS_KINDS, Plan
from model.record import EventLog, Record

READY_WITHIN = 20.0
"""Seconds in which every system must accept connections."""
TOLD_WITHIN = 10.0
"""Seconds in which a system must take what the clock holds for it."""


@dataclass(frozen=True, slots=True)
class Group:
    """Systems that share one process.

    Attributes:
        name: For logs and messages.
        systems: Names of the systems.
    """

    name: str
    systems: tuple[str, ...]


def groups(plan: Plan) -> tuple[Group, ...]:
    """Divide the systems of a plan over processes."""
    alone = {name for fault in plan.faults if fault.kind in PROCESS_KINDS for name in fault.targets}
    provinces = [province_system(code) for code in plan.stack.provinces]
    shared = [name for name in provinces if name not in alone]
    shared_systems = (*SHARED_SYSTEMS, *plan.stack.platforms)
    count = plan.stack.province_processes
    parts = [
        Group("national", ("national",)),
        Group("platforms", tuple(name for name in shared_systems if name != "national" and name not in alone)),
        *(Group(f"provinces-{index + 1}", tuple(shared[index::count])) for index in range(count)),
        *(Group(name.replace(":", "-"), (name,)) for name in sorted(alone - {"national"})),
    ]
    return tuple(group for group in parts if group.systems)


class Stack(ABC):
    """The systems of a run, wherever they are; those that are ours behind proxies.

    Attributes:
        addresses: System name -> its own ``host:port``.
        routes: Link name -> ``host:port`` of its proxy.
        token: What opens the systems' control API.
    """

    def __init__(self, plan: Plan, record: Record, events: EventLog) -> None:
        self._plan = plan
        self._record = record
        self._events = events
        self._group_of = {system: group for group in groups(plan) for system in group.systems}
        self.addresses: dict[str, str] = {}
        self.routes: dict[str, str] = {}
        self.token = secrets.token_hex(16)
        self._server: Server | None = None
        self._state = ""

    def questions(self) -> dict[str, Question]:
        """Return what proofs of faults ask at links to systems that aren't ours; ours have a question of their own."""
        return {}

    @property
    def scraped(self) -> Mapping[str, str]:
        """Where a Prometheus finds the systems."""
        return self.addresses

    def strangers(self) -> dict[str, Stranger]:
        """Return the systems that aren't ours and may be broken from inside: of ours, none."""
        return {}

    @abstractmethod
    def start(self, server: Server, proxies: Proxies) -> None:
        """Create the proxies, start the systems, wait until all accept, write ``stack.json``.

        Raises:
            HarnessError: A system didn't come up.
        """

    @abstractmethod
    def _port(self, system: str) -> int:
        """Return the port on which a system listens."""

    @abstractmethod
    def kill(self, system: str) -> None:
        """End the process of a system with SIGKILL."""

    @abstractmethod
    def restart(self, system: str) -> None:
        """Start the process of a system again, on its old state, and wait until it accepts; raises FaultError."""

    @abstractmethod
    def is_running(self, system: str) -> bool:
        """Tell whether the process of a system runs."""

    @abstractmethod
    def pid(self, system: str) -> int:
        """Return the process id of a system."""

    @abstractmethod
    def pausing(self, fault: str, system: str) -> TakenLease:
        """Return a lease that stops a system."""

    @abstractmethod
    def limiting(self, fault: str, system: str, headroom: int) -> TakenLease:
        """Return a lease that leaves a system so many more bytes."""

    @abstractmethod
    def disconnecting(self, fault: str, system: str) -> TakenLease:
        """Return a lease that takes a system off the network; raises FaultError where it can't be."""

    @abstractmethod
    def find(self, system: str) -> None:
        """Look where a system is now."""

    @abstractmethod
    def exited(self) -> Iterator[tuple[str, int]]:
        """Yield (system, exit status) for every system whose process has ended."""

    @abstractmethod
    def stop(self) -> None:
        """End every process."""

    def announce_cutover(self, t0: float) -> None:
        """Tell the provinces when their old interfaces close, and the register of codes; raises HarnessError otherwise.

        Args:
            t0: Monotonic seconds.
        """
        if self._plan.cutover is None:
            return
        content = {"at": _on_the_wall(t0) + self._plan.cutover.at, "redirect": self._plan.cutover.redirect}
        told = [province_system(code) for code in self._plan.stack.provinces]
        for system in (*told, *({"codes"} & self.addresses.keys())):
            self._tell(system, "cutover", content, "T_cutover")

    def announce_connection(self, t0: float) -> None:
        """Tell portal and provinces when the unconnected communes are connected; raises HarnessError otherwise.

        Args:
            t0: Monotonic seconds.
        """
        stack = self._plan.stack
        if not stack.unconnected:
            return
        at = _on_the_wall(t0) + (self._plan.duration if stack.connected_at is None else stack.connected_at)
        for system in ("national", *(province_system(code) for code in stack.provinces)):
            self._tell(system, "connection", {"at": at}, "when communes are connected")
        self._events.write("communes_unconnected", communes=list(stack.unconnected), until=at)

    def _tell(self, system: str, what: str, content: Mapping[str, float], name: str) -> None:
        """Tell a system what the clock holds for it; raises HarnessError where it doesn't take it."""
        headers = {"Authorization": f"Bearer {self.token}"}
        try:
            answer = ask(self.addresses[system], "PUT", f"/control/{what}", content, headers, TOLD_WITHIN)
        except OSError as error:
            raise HarnessError(f"{system} didn't take {name}: {error}") from None
        if answer.status != 200:
            raise HarnessError(f"{system} didn't take {name}: {answer.status} {answer.body[:200]!r}")

    def _config(self, group: Group) -> dict[str, object]:
        """Return what ``mocks.serve`` reads."""
        people = {Link(PEOPLE, system).name: self.people_address(system) for system in self._plan.systems}
        return {
            "systems": [{"name": name, "port": self._port(name)} for name in group.systems],
            "provinces": self._plan.stack.provinces,
            "state": self._state,
            "links": {**people, **self.routes},
            "defects": self._plan.defects,
            "seed": self._plan.seed,
            "control": self.token,
            "stock": stock(self._plan),
            "capacity": msgspec.to_builtins(self._plan.stack.capacity),
            "one_level": self._plan.stack.one_level,
            "paths": self._plan.stack.paths,
            "unconnected": self._plan.stack.unconnected,
        }

    def people_address(self, system: str) -> str:
        """Return the address at which people reach a system: its proxy's, or its own where they don't."""
        return self.routes.get(Link(PEOPLE, system).name, self.addresses[system])

    def _write(self) -> None:
        assert self._server is not None
        toxiproxy = {"api": self._server.api, "kind": self._server.kind}
        content = {"toxiproxy": toxiproxy, "systems": self._systems(), "links": self.routes}
        self._record.write_json("stack.json", content)

    def _systems(self) -> dict[str, dict[str, object]]:
        """Return what ``stack.json`` says of each system."""
        return {
            name: {
                "url": f"http://{self.people_address(name)}",
                "direct_url": f"http://{address}",
                "pid": self.pid(name),
            }
            for name, address in self.addresses.items()
        }


def _on_the_wall(t0: float) -> float:
    """Return a moment on the monotonic clock in Unix seconds."""
    return time.time() - time.monotonic() + t0


class LocalStack(Stack):
    """Mock systems as processes of this machine.

    Attributes:
        addresses: System name -> its own ``host:port``.
    """

    def __init__(self, plan: Plan, record: Record, events: EventLog, guardian: Guardian, bind: str = LOOPBACK) -> None:
        super().__init__(plan, record, events)
        self._bind = bind
        self._guardian = guardian
        self._children: dict[str, Child] = {}
        self._state = str(record.path("state"))
        ports = free_ports()
        self.addresses = {system: f"127.0.0.1:{next(ports)}" for system in plan.systems}

    def start(self, server: Server, proxies: Proxies) -> None:
        """Create the proxies, start the processes, wait until all accept, write ``stack.json``.

        Raises:
            HarnessError: A system didn't come up.
        """
        people = [link.name for link in self._plan.links if link.source == PEOPLE]
        hosts = dict.fromkeys(people, self._bind) if self._bind != LOOPBACK else {}
        upstreams = {link.name: self.addresses[link.target] for link in self._plan.links}
        self.routes = proxies.create_all(upstreams, hosts)
        for group in groups(self._plan):
            self._launch(group)
        deadline = time.monotonic() + READY_WITHIN
        for group in groups(self._plan):
            self._await(group, deadline)
        self._server = server
        self._write()
        self._events.write("stack_started", systems=len(self.addresses), links=len(self.routes))

    def _port(self, system: str) -> int:
        return int(self.addresses[system].rpartition(":")[2])

    def _launch(self, group: Group) -> None:
        config = self._record.path(f"state/{group.name}.json")
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(json.dumps(self._config(group)), encoding="utf-8")
        log = self._record.path(f"logs/{group.name}.log")
        self._children[group.name] = Child(
            f"mock systems {group.name}", ["mocks.serve", str(config)], log, self._guardian
        )

    def _await(self, group: Group, deadline: float) -> None:
        child = self._children[group.name]
        if child.hear(max(deadline - time.monotonic(), 0.0)) is None:
            raise HarnessError(f"{child.name} did not come up within {READY_WITHIN:.0f} s; see logs/{group.name}.log")
        for system in group.systems:
            self._events.write("system_started", system=system, pid=child.pid)

    def kill(self, system: str) -> None:
        """End the process of a system with SIGKILL."""
        self._children[self._group_of[system].name].kill()

    def pid(self, system: str) -> int:
        """Return the process id of a system."""
        return self._children[self._group_of[system].name].pid

    def restart(self, system: str) -> None:
        """Start the process of a system again, on its old port and state, and wait until it accepts.

        What is left of the process before has ended when this one starts.

        Raises:
            FaultError: It didn't come up.
        """
        group = self._group_of[system]
        self._children[group.name].kill()
        self._launch(group)
        try:
            self._await(group, time.monotonic() + READY_WITHIN)
        except HarnessError as error:
            raise FaultError(str(error)) from None
        self._write()
        self._events.write("system_restarted", system=system, pid=self._children[group.name].pid)

    def is_running(self, system: str) -> bool:
        """Tell whether the process of a system runs; one that is ending doesn't."""
        child = self._children[self._group_of[system].name]
        return child.alive() and lives(child.pid)

    def pausing(self, fault: str, system: str) -> StopLease:
        """Return a lease that stops the process of a system."""
        return stop_lease(fault, system, self.pid(system))

    def limiting(self, fault: str, system: str, headroom: int) -> LimitLease:
        """Return a lease that leaves the process of a system so many more bytes of address space."""
        return limit_lease(fault, system, self.pid(system), headroom)

    def disconnecting(self, fault: str, system: str) -> TakenLease:
        """Raise FaultError: a process has no network of its own."""
        raise FaultError(f"disconnect {system}: only containers can be taken off a network (--stack compose)")

    def find(self, system: str) -> None:
        """Do nothing: processes keep their addresses."""

    def exited(self) -> Iterator[tuple[str, int]]:
        """Yield (system, exit status) for every system whose process has ended."""
        for system, group in self._group_of.items():
            status = self._children[group.name].process.poll()
            if status is not None:
                yield system, status

    def stop(self) -> None:
        """End every process."""
        stop_all(list(self._children.values()))


def remove_state(record: Record) -> Sequence[Path]:
    """Delete the systems' databases: the audit has read them into the record."""
    removed = sorted(path for path in record.path("state").rglob("*") if path.is_file())
    shutil.rmtree(record.path("state"))
    return removed
