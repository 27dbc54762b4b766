"""What every system has: a name, neighbours, metrics, health, and its life from start to stop."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import msgspec
import psutil
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from mocks import openapi, pages, wire
from mocks.capacity import Station
from mocks.client import TIMEOUT, Client
from mocks.control import Control
from mocks.defects import Defects
from mocks.keys import Keys
from mocks.messages import callers, credential
from mocks.metrics import Metrics
from mocks.outbox import Outbox, Pending, Refusals
from mocks.store import Store, cursor
from mocks.wire import Body, Call, Nothing, Reply, Route
from model.capacity import Capacity, capacity_of
from model.centres import ONE_LEVEL
from model.links import PEOPLE, Link
from model.paths import Paths, Table

EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"

KEPT = 16_384
"""Bytes that the defect ``soak-leak`` keeps of each request."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a system finds around it.

    Attributes:
        state: Folder of the SQLite files.
        links: Link name -> ``host:port``.
        provinces: Codes of the provinces of the stack.
        defects: Seeded defects that are on.
        seed: Of random choices.
        token: What opens the control API; empty: there is none.
        stock: Province code -> legacy dossiers that wait for migration there.
        capacity: System name or kind -> its speed; those without are as fast as they can be.
        one_level: Provinces whose service centre has one level.
        paths: Where systems serve their operations, where that isn't our own path.
        unconnected: Communes that aren't connected to the portal until a moment that the control API is told.
        timeout: Seconds that a system has to answer another one.
    """

    state: Path
    links: Mapping[str, str] = field(default_factory=dict)
    provinces: Sequence[str] = ()
    defects: Defects = field(default_factory=Defects)
    seed: int = 0
    token: str = ""
    stock: Mapping[str, int] = field(default_factory=dict)
    capacity: Mapping[str, Capacity] = field(default_factory=dict)
    one_level: Sequence[str] = ONE_LEVEL
    paths: Table = field(default_factory=dict)
    unconnected: Sequence[str] = ()
    timeout: float = TIMEOUT


class Padding(Body):
    """Query of the health check: how many bytes of padding to add."""

    bytes: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0


class Health(msgspec.Struct, omit_defaults=True):
    """The system answers."""

    status: str
    system: str
    padding: str = ""


class Vitals(msgspec.Struct):
    """How the process of a system fares, and what the system has answered since its process began.

    Attributes:
        began: When the process began, Unix seconds.
        memory: Resident bytes of the process.
        descriptors: Files and connections that the process has open.
        answered: Requests that this system has answered.
        turned_away: Of these, requests of other systems that it answered 429 or 503.
    """

    began: float
    memory: int
    descriptors: int
    answered: int
    turned_away: int


class PageOf(Body):
    """Query of the listing: where to go on, how many at most."""

    after: Annotated[str, msgspec.Meta(pattern="^[0-9]*$", max_length=18)] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100


class System:
    """A system without a memory; the others build on it.

    Attributes:
        name: ``national``, ``province:01``, ...
        surroundings: What it finds around it.
        control: Faults that are on inside it.
        capacity: Its speed; None: as fast as it can be.
        paths: Where it serves its operations.
        routes: Its route table.
        metrics: Its series.
    """

    faults: frozenset[str] = frozenset({"error-rate", "maintenance-page", "slow-database"})
    durable = False

    def __init__(self, name: str, surroundings: Surroundings, registry: CollectorRegistry) -> None:
        self.name = name
        self.surroundings = surroundings
        self.capacity = capacity_of(name, surroundings.capacity)
        self.control = Control(surroundings.token, self.faults, surroundings.seed)
        self._kept: list[bytes] = []
        self.paths = Paths(name, surroundings.paths)
        self.prepare()
        routes = (*self.table(), *self._common(), *self.control.routes())
        self.routes = tuple(self._served(route) for route in routes)
        operations = dict.fromkeys(route.operation for route in self.routes)
        self.metrics = Metrics(registry, name, (*operations, wire.UNMATCHED))

    def prepare(self) -> None:
        """Make what the routes need."""

    def table(self) -> tuple[Route, ...]:
        """Return the routes that only this kind of system has."""
        return ()

    def _served(self, route: Route) -> Route:
        """Return a route at its place; what only looks something up waits for the database."""
        placed = replace(route, path=self.paths.served(route.method, route.path))
        if route.method != "GET" or route.spared or route.transacts:
            return placed

        async def handler(call: Call[Any]) -> Any:
            await self.database()
            return await route.handler(call)

        return replace(placed, handler=handler)

    def application(self) -> ASGIApp:
        """Return the system as an ASGI application."""
        front, failed = None, partial(pages.failure, self.name)
        if self.capacity is not None:
            fair = not self.surroundings.defects.on("starves-province")
            station = Station(self.capacity, f"{self.surroundings.seed}:{self.name}:capacity", fair)
            front = wire.Front(station.served, self.capacity, callers(self.surroundings.provinces))
        return wire.application(self.routes, self.metrics, self.intercept, front, failed)

    def intercept(self) -> Reply | None:
        """Return the answer that a fault gives in the system's place, before each request."""
        if self.surroundings.defects.on("soak-leak"):
            self._kept.append(b"." * KEPT)
        return self.control.intercept()

    async def start(self) -> None:
        """Start what runs beside the server."""

    async def stop(self) -> None:
        """Stop it, and keep what is known."""

    def client(self, target: str, timeout: float | None = None) -> Client:
        """Return a client of the link to another system; raises KeyError without a link.

        Args:
            target: The other system.
            timeout: Seconds a try; None: as long as systems have to answer one another.
        """
        spendthrift = self.surroundings.defects.on("connections-left-open")
        address = self.surroundings.links[Link(self.name, target).name]
        paths = Paths(target, self.surroundings.paths)
        within = self.surroundings.timeout if timeout is None else timeout
        return Client(address, within, credential(self.name), spendthrift=spendthrift, paths=paths)

    def reached(self, target: str) -> str:
        """Return ``host:port`` at which people reach a system, empty where they don't."""
        return self.surroundings.links.get(Link(PEOPLE, target).name, "")

    def _common(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/healthz", "healthz", self.health, Padding, Health, "query", spared=True),
            Route("GET", "/readyz", "readyz", self.ready, gives=Health, transacts=self.durable),
            Route("GET", "/metrics", "metrics", self.exposition, spared=True, media={200: EXPOSITION}),
            Route("GET", "/vitals", "vitals", self.vitals, gives=Vitals, spared=True),
            Route("GET", "/openapi.json", "openapi", self.describe, spared=True),
            *pages.routes(self.name, self.prepare_pages, self.facts, self.shelves()),
        )

    def shelves(self) -> tuple[pages.Shelf, ...]:
        """Return what its pages list."""
        return ()

    async def prepare_pages(self) -> None:
        """Make ready what pages show."""

    def facts(self) -> Mapping[str, object]:
        """Return what its first page says beside the lists."""
        return {}

    async def health(self, call: Call[Padding]) -> Health:
        """Say that the system answers, with as much padding as was asked for."""
        return Health("ok", self.name, "x" * call.content.bytes)

    async def ready(self, call: Call[Nothing]) -> Health:
        """Say that the system can work, its database included."""
        return Health("ok", self.name)

    async def database(self) -> None:
        """Reach the database and back: what every look-up waits for."""
        delay = self.control.delay()
        if delay:
            await asyncio.sleep(delay)

    async def exposition(self, call: Call[Nothing]) -> Reply:
        """Return the metrics."""
        return Reply(200, self.metrics.text(), {"content-type": EXPOSITION})

    async def vitals(self, call: Call[Nothing]) -> Vitals:
        """Say how the process fares."""
        process, counted = psutil.Process(), self.metrics
        with process.oneshot():
            memory, began = process.memory_info().rss, process.create_time()
        return Vitals(began, memory, process.num_fds(), counted.answered, counted.turned_away)

    async def describe(self, call: Call[Nothing]) -> Reply:
        """Return the OpenAPI document."""
        return Reply(200, msgspec.json.encode(openapi.document(self.name, self.routes)))


class DurableSystem(System):
    """A system with a store.

    Attributes:
        schema: Its tables.
        store: Its SQLite file.
    """

    durable = True
    schema = ""

    def prepare(self) -> None:
        """Open the store."""
        self.store = self.open_store(self.surroundings.state / f"{self.name.replace(':', '-')}.sqlite")
        self.store.delay = self.control.delay

    def open_store(self, path: Path) -> Store:
        """Open the system's SQLite file."""
        return Store(path, self.schema)

    async def start(self) -> None:
        """Start the committer."""
        self.store.start()

    async def ready(self, call: Call[Nothing]) -> Health:
        """Say that the system can work: a transaction that changes nothing comes through."""
        await self.store.write(lambda _: None)
        return Health("ok", self.name)

    async def stop(self) -> None:
        """Commit what waits and close the store."""
        await self.store.close()


class MessagingSystem(DurableSystem):
    """A system with a store and an outbox.

    Attributes:
        outbox: What it has to tell others.
        keys: Idempotency keys that it has answered.
    """

    def __init__(self, name: str, surroundings: Surroundings, registry: CollectorRegistry) -> None:
        super().__init__(name, surroundings, registry)
        self.outbox = Outbox(self.store, self.metrics, surroundings.seed, surroundings.defects)
        self.keys = Keys(surroundings.defects.on("duplicate-on-retry"))

    async def start(self) -> None:
        """Start committer and senders."""
        await super().start()
        await self.outbox.start()

    async def stop(self) -> None:
        """Stop the senders, commit what waits, close the store."""
        await self.outbox.stop()
        await super().stop()

    def _common(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/outbox", "outbox", self.backlog, gives=Pending),
            Route("GET", "/outbox/refused", "refused", self.refusals, PageOf, Refusals, "query"),
            *super()._common(),
        )

    def facts(self) -> Mapping[str, object]:
        """Say how many messages wait, and how many were refused."""
        return {
            **super().facts(),
            "Tin chưa được xác nhận (messages that wait)": self.outbox.pending(),
            "Tin bị từ chối hẳn (messages refused for good)": self.outbox.refused(),
        }

    async def backlog(self, call: Call[Nothing]) -> Pending:
        """Count the messages that have not been acknowledged, and those that never will be."""
        return Pending(self.outbox.pending(), self.outbox.stored, self.outbox.refused())

    async def refusals(self, call: Call[PageOf]) -> Refusals:
        """Return the messages that were refused for good, with the reasons."""
        items, last = self.outbox.refusals(int(call.content.after or 0), call.content.limit)
        return Refusals(items, cursor(last))


def created(status: int, answer: Any) -> Reply:
    """Return an answer in the form that idempotency keys remember."""
    return Reply(status, msgspec.json.encode(answer))
