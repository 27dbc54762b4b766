"""What every system has: a name, neighbours, metrics, health, and its life from start to stop."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import msgspec
import psutil
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from mocks import dossier_pages, openapi, pages, register, units, wire
from mocks.attachments import Attachments
from mocks.capacity import Station
from mocks.client import Client
from mocks.control import Control
from mocks.defects import Defects
from mocks.drafts import Drafts
from mocks.keys import Keys
from mocks.metrics import Metrics
from mocks.outbox import Outbox
from mocks.store import Store
from mocks.wire import Body, Call, Nothing, Refusal, Reply, Route
from model.capacity import Capacity, capacity_of
from model.centres import ONE_LEVEL
from model.links import Link

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


class Page(msgspec.Struct):
    """Dossiers in the order of storing; ``next`` is null at the end."""

    items: list[register.Dossier]
    next: str | None


class Pending(msgspec.Struct):
    """Messages that have not been acknowledged, and all that were ever stored since the system started."""

    pending: int
    stored: int = 0


class System:
    """A system without a memory; the others build on it.

    Attributes:
        name: ``national``, ``province:01``, ...
        surroundings: What it finds around it.
        control: Faults that are on inside it.
        capacity: Its speed; None: as fast as it can be.
        routes: Its route table.
        metrics: Its series.
    """

    faults: frozenset[str] = frozenset({"error-rate", "maintenance-page", "slow-database"})

    def __init__(self, name: str, surroundings: Surroundings, registry: CollectorRegistry) -> None:
        self.name = name
        self.surroundings = surroundings
        self.capacity = capacity_of(name, surroundings.capacity)
        self.control = Control(surroundings.token, self.faults, surroundings.seed)
        self._kept: list[bytes] = []
        self.prepare()
        self.routes = (*self.table(), *self._common(), *self.control.routes())
        operations = dict.fromkeys(route.operation for route in self.routes)
        self.metrics = Metrics(registry, name, (*operations, wire.UNMATCHED))

    def prepare(self) -> None:
        """Make what the routes need."""

    def table(self) -> tuple[Route, ...]:
        """Return the routes that only this kind of system has."""
        return ()

    def application(self) -> ASGIApp:
        """Return the system as an ASGI application."""
        if self.capacity is None:
            return wire.application(self.routes, self.metrics, self.intercept)
        fair = not self.surroundings.defects.on("starves-province")
        station = Station(self.capacity, f"{self.surroundings.seed}:{self.name}:capacity", fair)
        front = wire.Front(station.served, self.capacity)
        return wire.application(self.routes, self.metrics, self.intercept, front)

    def intercept(self) -> Reply | None:
        """Return the answer that a fault gives in the system's place, before each request."""
        if self.surroundings.defects.on("soak-leak"):
            self._kept.append(b"." * KEPT)
        return self.control.intercept()

    async def start(self) -> None:
        """Start what runs beside the server."""

    async def stop(self) -> None:
        """Stop it, and keep what is known."""

    def client(self, target: str) -> Client:
        """Return a client of the link to another system; raises KeyError where there is no such link."""
        spendthrift = self.surroundings.defects.on("connections-left-open")
        address = self.surroundings.links[Link(self.name, target).name]
        return Client(address, sender=self.name, spendthrift=spendthrift)

    def _common(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/healthz", "healthz", self.health, Padding, Health, "query", spared=True),
            Route("GET", "/readyz", "readyz", self.ready, gives=Health),
            Route("GET", "/metrics", "metrics", self.exposition, spared=True, media={200: EXPOSITION}),
            Route("GET", "/vitals", "vitals", self.vitals, gives=Vitals, spared=True),
            Route("GET", "/openapi.json", "openapi", self.describe, spared=True),
            *pages.routes(self.name, self.facts, self.shelves()),
        )

    def shelves(self) -> tuple[pages.Shelf, ...]:
        """Return what its pages list."""
        return ()

    async def facts(self) -> Mapping[str, object]:
        """Return what its first page says beside the lists."""
        await self.database()
        return {}

    async def health(self, call: Call[Padding]) -> Health:
        """Say that the system answers, with as much padding as was asked for."""
        return Health("ok", self.name, "x" * call.content.bytes)

    async def ready(self, call: Call[Nothing]) -> Health:
        """Say that the system can work, its database included."""
        await self.database()
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
        return (Route("GET", "/outbox", "outbox", self.backlog, gives=Pending), *super()._common())

    async def facts(self) -> Mapping[str, object]:
        """Say how many messages wait."""
        return {**await super().facts(), "Tin chưa được xác nhận (messages that wait)": self.outbox.pending()}

    async def backlog(self, call: Call[Nothing]) -> Pending:
        """Count the messages that have not been acknowledged."""
        return Pending(self.outbox.pending(), self.outbox.stored)


class DossierSystem(MessagingSystem):
    """A system that keeps dossiers: the portal or a province.

    Attributes:
        drafts: What people have not submitted yet.
        attachments: What belongs to the dossiers.
        units: Its copy of the unit table.
    """

    faults = System.faults | {"stale-reads", "wrong-code-table"}

    def prepare(self) -> None:
        """Open the store, and what it keeps beside the dossiers."""
        super().prepare()
        self.drafts = Drafts(self.store, self.surroundings.defects)
        self.attachments = Attachments(self.store, self.surroundings.defects)
        has_codes = Link(self.name, "codes").name in self.surroundings.links
        self.units = units.Units(self.control, self.surroundings.defects, self.client("codes") if has_codes else None)

    def __init__(self, name: str, surroundings: Surroundings, registry: CollectorRegistry) -> None:
        super().__init__(name, surroundings, registry)
        self.metrics.watch_dossiers(lambda: register.count(self.store.reader))

    async def start(self) -> None:
        """Start committer, senders, and what keeps the unit table fresh."""
        await super().start()
        self.units.start()

    async def stop(self) -> None:
        """Stop them, commit what waits, close the store."""
        await self.units.stop()
        await super().stop()

    def _common(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/dossiers", "list", self.list_dossiers, PageOf, Page, "query"),
            Route("GET", "/dossiers/{code}", "look_up", self.look_up, gives=register.Dossier, refuses=(404,)),
            *units.routes(self.units),
            *super()._common(),
        )

    def shelves(self) -> tuple[pages.Shelf, ...]:
        """Return the shelf of its dossiers."""
        return (dossier_pages.shelf(lambda: self.store.reader, self.attachments),)

    async def facts(self) -> Mapping[str, object]:
        """Say how many dossiers there are in each state."""
        counted = register.by_state(self.store.reader)
        return {**await super().facts(), **{dossier_pages.state(int(key)): value for key, value in counted.items()}}

    async def look_up(self, call: Call[Nothing]) -> register.Dossier:
        """Return one dossier."""
        await self.database()
        found = register.find(self.store.reader, call.path["code"])
        seen = found and register.as_of(found, self.control.horizon())
        if seen is None:
            raise unknown_dossier()
        return self._with_attachments([seen])[0]

    async def list_dossiers(self, call: Call[PageOf]) -> Page:
        """Return dossiers in the order of storing."""
        await self.database()
        items, last = register.page(self.store.reader, int(call.content.after or 0), call.content.limit)
        horizon = self.control.horizon()
        seen = [item for dossier in items if (item := register.as_of(dossier, horizon))]
        return Page(self._with_attachments(seen), None if last is None else str(last))

    def _with_attachments(self, dossiers: list[register.Dossier]) -> list[register.Dossier]:
        held = self.attachments.held(dossier.code for dossier in dossiers)
        for dossier in dossiers:
            dossier.attachments = held.get(dossier.code, [])
        return dossiers


def unknown_dossier() -> Refusal:
    """Return the refusal of a code that nobody knows."""
    return Refusal(404, "unknown", "no dossier has this code")


def created(status: int, answer: Any) -> Reply:
    """Return an answer in the form that idempotency keys remember."""
    return Reply(status, msgspec.json.encode(answer))
