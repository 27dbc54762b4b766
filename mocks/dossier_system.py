"""What the portal and the provinces have in common: dossiers, drafts, attachments, a unit table, look-ups."""

import time
from collections.abc import Mapping
from itertools import count

import msgspec
from prometheus_client import CollectorRegistry

from mocks import dossier_pages, pages, register, units
from mocks.attachments import Attachments
from mocks.connection import Connection
from mocks.drafts import Drafts
from mocks.store import cursor
from mocks.system import MessagingSystem, PageOf, Surroundings, System
from mocks.wire import Call, Nothing, Refusal, Route
from model.links import Link

COPY_LAG = 5.0
"""Seconds by which the copy of the defect ``stale-read`` lags behind; it knows every dossier at once [A]."""


class Page(msgspec.Struct):
    """Dossiers in the order of storing; ``next`` is null at the end."""

    items: list[register.Dossier]
    next: str | None


class DossierSystem(MessagingSystem):
    """A system that keeps dossiers: the portal or a province.

    Attributes:
        drafts: What people have not submitted yet.
        attachments: What belongs to the dossiers.
        units: Its copy of the unit table.
        connection: Communes that wait for their connection to the portal.
    """

    faults = System.faults | {"stale-reads", "wrong-code-table"}

    def prepare(self) -> None:
        """Open the store, and what it keeps beside the dossiers."""
        super().prepare()
        self.connection = Connection(self.surroundings.unconnected, self.store)
        self.drafts = Drafts(self.store, self.surroundings.defects)
        self.attachments = Attachments(self.store, self.surroundings.defects)
        has_codes = Link(self.name, "codes").name in self.surroundings.links
        self.units = units.Units(self.control, self.surroundings.defects, self.client("codes") if has_codes else None)

    def __init__(self, name: str, surroundings: Surroundings, registry: CollectorRegistry) -> None:
        super().__init__(name, surroundings, registry)
        self.metrics.watch_dossiers(lambda: register.count(self.store.reader))
        self._looks = count()
        self.outbox.holds = self.connection.holds

    async def start(self) -> None:
        """Start committer, senders, and what keeps the unit table fresh."""
        await super().start()
        if not self.surroundings.defects.on("held-for-good"):
            self.connection.start(self.outbox.release)
        self.units.start()

    async def stop(self) -> None:
        """Stop them, commit what waits, close the store."""
        await self.units.stop()
        await self.connection.stop()
        await super().stop()

    def _common(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/dossiers", "list", self.list_dossiers, PageOf, Page, "query"),
            Route("GET", "/dossiers/{code}", "look_up", self.look_up, gives=register.Dossier, refuses=(404,)),
            *units.routes(self.units),
            *self.connection.routes(self.control.check if self.surroundings.token else None),
            *super()._common(),
        )

    def shelves(self) -> tuple[pages.Shelf, ...]:
        """Return the shelf of its dossiers."""
        return (dossier_pages.shelf(self.find, self.listed, self._word),)

    def _word(self, code: str) -> str:
        return self.connection.word(self.store.reader, code)

    def facts(self) -> Mapping[str, object]:
        """Say how many official dossiers there are in each state, and how many tests."""
        official, tests = self.by_state()
        counted = {dossier_pages.state(int(key)): value for key, value in official.items()}
        return {**super().facts(), **counted, f"{dossier_pages.TEST} (test)": tests}

    async def look_up(self, call: Call[Nothing]) -> register.Dossier:
        """Return one dossier."""
        found = self.find(call.path["code"])
        if found is None:
            raise unknown_dossier()
        return found

    def find(self, code: str) -> register.Dossier | None:
        """Return a dossier as look-ups show it, with its attachments; None where they show none."""
        found = register.find(self.store.reader, code)
        seen = found and register.as_of(found, self._horizon(found))
        return self._with_attachments([seen])[0] if seen else None

    def by_state(self) -> tuple[dict[str, int], int]:
        """Count the official dossiers of each state, by its number, and apart from them the tests, as look-ups do."""
        return register.by_state(self.store.reader, self.control.horizon())

    def _horizon(self, dossier: register.Dossier) -> float | None:
        """Return the moment (Unix seconds) whose state a look-up shows; None: this one."""
        if self.surroundings.defects.on("stale-read") and next(self._looks) % 2:
            return max(time.time() - COPY_LAG, dossier.history[0][3])
        return self.control.horizon()

    async def list_dossiers(self, call: Call[PageOf]) -> Page:
        """Return dossiers in the order of storing."""
        seen, last = self.listed(int(call.content.after or 0), call.content.limit)
        return Page(self._with_attachments(seen), cursor(last))

    def listed(self, after: int, limit: int) -> tuple[list[register.Dossier], int | None]:
        """Return dossiers as listings show them, without their attachments, and where to go on; None at the end."""
        items, last = register.page(self.store.reader, after, limit)
        horizon = self.control.horizon()
        return [item for dossier in items if (item := register.as_of(dossier, horizon))], last

    def _with_attachments(self, dossiers: list[register.Dossier]) -> list[register.Dossier]:
        held = self.attachments.held(dossier.code for dossier in dossiers)
        for dossier in dossiers:
            dossier.attachments = held.get(dossier.code, [])
        return dossiers


def unknown_dossier() -> Refusal:
    """Return the refusal of a code that nobody knows."""
    return Refusal(404, "unknown", "no dossier has this code")
