"""The stack in containers: a service per group of systems, each link of theirs through the stack's Toxiproxy."""

import json
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import httpx

from faults.containers import DisconnectLease, MemoryLease, PauseLease, limited
from faults.kinds.base import FaultError
from faults.server import Server
from faults.toxiproxy import Proxies, ProxyError
from faults.watchdog_client import Watchdog
from harness import prometheus
from harness.compose import Compose
from harness.errors import HarnessError
from harness.progress import Progress
from harness.stack import Group, Stack, groups
from model.links import PEOPLE, Link
from model.plan import Plan
from model.record import EventLog, Record

FIRST_PORT = 8000
"""Of a container's systems; the others follow."""
FIRST_LISTEN = 10_000
"""Of Toxiproxy's ports, one per link."""
READY_WITHIN = 60.0
"""Seconds in which every system must answer: containers start one after the other."""
LOOK = 1.0
"""Seconds between two looks at whether containers have ended."""
SERVICES = ("national", "platforms", "provinces-1", "provinces-2")
"""Systems' services of docker-compose.yml; a plan that needs others has them made like these."""


class ComposeStack(Stack):
    """Mock systems in the containers of a compose project."""

    def __init__(self, plan: Plan, record: Record, events: EventLog, compose: Compose) -> None:
        super().__init__(plan, record, events)
        self._compose = compose
        self._state = "/state"
        self._groups = groups(plan)
        self._looked, self._ended = 0.0, dict[str, int]()
        self._ports = {system: FIRST_PORT + n for group in self._groups for n, system in enumerate(group.systems)}

    def start(self, server: Server, proxies: Proxies) -> None:
        """Create the proxies, start the containers, wait until all answer; raises HarnessError."""
        self._server = server
        host = self._compose.address("toxiproxy")
        upstreams = {link.name: self._inside(link.target) for link in self._plan.links}
        listens = {name: f"{host}:{FIRST_LISTEN + n}" for n, name in enumerate(upstreams)}
        self.routes = proxies.create_all(upstreams, listens)
        for group in self._groups:
            path = self._record.path(f"state/{group.name}.json")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({**self._config(group), "host": "0.0.0.0"}), encoding="utf-8")
        self._tell_prometheus()
        self._compose.up([group.name for group in self._groups])
        deadline = time.monotonic() + READY_WITHIN
        for group in self._groups:
            self._await(group, deadline)
            for system in group.systems:
                self._events.write("system_started", system=system, pid=self.pid(system))
        self._write()
        self._events.write("stack_started", systems=len(self.addresses), links=len(self.routes))

    def _tell_prometheus(self) -> None:
        """Write what the project's Prometheus reads, where somebody starts it: whom to scrape, and the rules."""
        folder = self._record.path(prometheus.FOLDER)
        prometheus.write(self._plan, folder)
        prometheus.write_systems(folder, self.scraped)

    @property
    def scraped(self) -> Mapping[str, str]:
        """Where the project's Prometheus finds the systems."""
        return {name: self._inside(name) for name in self._plan.systems}

    def _inside(self, system: str) -> str:
        """Return where other containers find a system."""
        return f"{self._group_of[system].name}:{self._ports[system]}"

    def people_address(self, system: str) -> str:
        """Return the address at which people reach a system: its proxy's, or its own where they don't."""
        return self.routes.get(Link(PEOPLE, system).name) or self._inside(system)

    def _port(self, system: str) -> int:
        return self._ports[system]

    def _await(self, group: Group, deadline: float) -> None:
        """Wait until the systems of a container answer; note where they are."""
        self.find(group.systems[0])
        for system in group.systems:
            while not _answers(self.addresses[system]):
                if not self.is_running(system) or time.monotonic() > deadline:
                    said = self._compose.last_words(group.name)
                    raise HarnessError(f"container {group.name} did not come up: {said}")
                time.sleep(0.1)

    def kill(self, system: str) -> None:
        """End the container of a system with SIGKILL."""
        self._container(system).kill()
        self._container(system).wait(timeout=5)

    def restart(self, system: str) -> None:
        """Start the container of a system again and wait until it answers; raises FaultError."""
        group = self._group_of[system]
        self._container(system).start()
        try:
            self._await(group, time.monotonic() + READY_WITHIN)
        except HarnessError as error:
            raise FaultError(str(error)) from None
        self._write()
        self._events.write("system_restarted", system=system, pid=self.pid(system))

    def is_running(self, system: str) -> bool:
        """Tell whether the container of a system runs; a paused one does."""
        return bool(self._container(system).attrs["State"]["Running"])

    def pid(self, system: str) -> int:
        """Return the process id of a system's container, as this machine sees it."""
        return int(self._container(system).attrs["State"]["Pid"])

    def pausing(self, fault: str, system: str) -> PauseLease:
        """Return a lease that freezes the container of a system."""
        return PauseLease(fault, system, self._compose.name, self._group_of[system].name)

    def limiting(self, fault: str, system: str, headroom: int) -> MemoryLease:
        """Return a lease that leaves the container of a system so many more bytes."""
        return limited(fault, system, self._compose.name, self._group_of[system].name, headroom)

    def disconnecting(self, fault: str, system: str) -> DisconnectLease:
        """Return a lease that takes the container of a system off the network."""
        return DisconnectLease(fault, system, self._compose.name, self._group_of[system].name)

    def find(self, system: str) -> None:
        """Look where the container of a system is now: one that was off the network may have another address."""
        group = self._group_of[system]
        host = self._compose.address(group.name)
        self.addresses |= {name: f"{host}:{self._ports[name]}" for name in group.systems}

    def exited(self) -> Iterator[tuple[str, int]]:
        """Yield (system, exit status) for every system whose container has ended; looks once a second."""
        if time.monotonic() - self._looked > LOOK:
            self._looked = time.monotonic()
            states = {group: self._compose.container(group.name).attrs["State"] for group in self._groups}
            gone = {group: state for group, state in states.items() if not state["Running"]}
            self._ended = {system: int(state["ExitCode"]) for group, state in gone.items() for system in group.systems}
        yield from self._ended.items()

    def stop(self) -> None:
        """Keep what the containers have written; whoever brought the project up takes it down."""
        self._compose.keep_logs(self._record.path("logs"), ["toxiproxy", *(group.name for group in self._groups)])

    def _container(self, system: str) -> Any:
        return self._compose.container(self._group_of[system].name)


def bring_up_project(
    plan: Plan, record: Record, watchdog: Watchdog, cleanup: ExitStack, progress: Progress
) -> tuple[Compose, str]:
    """Build the image where it must be, bring network and Toxiproxy up; returns the project and Toxiproxy's API.

    Raises:
        HarnessError: It can't be built, or doesn't come up.
    """
    record.path("state").mkdir(exist_ok=True)
    name = f"thongsuot-{secrets.token_hex(4)}"
    compose = Compose(name, record.path("state"), record.directory, record.path("logs/compose.log"))
    cleanup.callback(compose.down)
    watchdog.add_project(name)
    compose.extend(further_services(plan))
    progress.step("building the image of this version, where it isn't there")
    compose.build()
    compose.up(["toxiproxy"])
    api = f"http://{compose.address('toxiproxy')}:8474"
    deadline = time.monotonic() + READY_WITHIN
    while not _speaks(api):
        if time.monotonic() > deadline:
            raise HarnessError(f"container toxiproxy did not come up: {compose.last_words('toxiproxy')}")
        time.sleep(0.1)
    return compose, api


def _speaks(api: str) -> bool:
    try:
        Proxies(api).version()
    except ProxyError:
        return False
    return True


def further_services(plan: Plan) -> dict[str, object]:
    """Return the services that a plan needs besides those of docker-compose.yml, made like them."""
    return {
        group.name: {
            "extends": {"file": "docker-compose.yml", "service": "national"},
            "command": ["mocks.serve", f"/config/{group.name}.json"],
        }
        for group in groups(plan)
        if group.name not in SERVICES
    }


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/healthz", timeout=1.0, trust_env=False).is_success
    except httpx.HTTPError:
        return False
