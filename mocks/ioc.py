"""The Smart Operation Centre (IOC, trung tâm điều hành thông minh): dashboards over portal and provinces.

However many dashboards poll, the systems are asked once in ``FRESH`` seconds: reading must not starve intake.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import TypeVar

import msgspec
from prometheus_client import CollectorRegistry

from mocks import dossier_pages
from mocks.client import Client, LinkError
from mocks.outbox import Pending
from mocks.pages import Page, Rows, Shelf, Table, moment
from mocks.province import Statistics
from mocks.system import Surroundings, System
from mocks.wire import Call, Nothing, Route
from model import places
from model.links import Link, province_system
from model.paths import Paths

T = TypeVar("T")

FRESH = 1.0  # seconds that figures are shown before they are asked for again
WITHIN = 2.0  # seconds that a system has to answer


class Dashboard(msgspec.Struct):
    """What the operators see.

    ``taken``: Unix seconds; ``provinces``: code -> dossiers; ``states``: state's number -> dossiers; ``waiting``: the
    portal's messages that haven't been acknowledged, null where it doesn't say; ``silent``: provinces that don't;
    ``test``: dossiers of rehearsals, which no other figure counts.
    """

    taken: float
    provinces: dict[str, int]
    states: dict[str, int]
    waiting: int | None
    silent: list[str]
    test: int


class Ioc(System):
    """Asks portal and provinces, and adds up."""

    def __init__(self, name: str, surroundings: Surroundings, registry: CollectorRegistry) -> None:
        super().__init__(name, surroundings, registry)
        links = surroundings.links
        paths = Paths("province", surroundings.paths)
        self._national = Client(links[Link(name, "national").name], WITHIN)
        self._provinces = {
            code: Client(links[Link(name, province_system(code)).name], WITHIN, paths=paths)
            for code in surroundings.provinces
        }
        self._shown = Dashboard(0.0, {}, {}, None, list(self._provinces), 0)
        self._found: dict[str, Statistics] = {}
        self._asking = asyncio.Lock()

    def table(self) -> tuple[Route, ...]:
        """Return its routes."""
        return (Route("GET", "/dashboard", "dashboard", self.dashboard, gives=Dashboard),)

    def shelves(self) -> tuple[Shelf, ...]:
        """Return the shelf of the provinces."""
        columns = ("Mã", "Tỉnh, thành phố", "Hồ sơ")
        return (Shelf("provinces", "Tỉnh, thành phố (provinces)", columns, self._listed, self._province_page),)

    def _listed(self, after: int, limit: int) -> Rows:
        codes = [code for code in self._provinces if int(code) > after][:limit]
        rows = [(code, places.provinces()[code].name, self._total(code)) for code in codes]
        return rows, int(codes[-1]) if len(codes) == limit else None

    def _province_page(self, code: str) -> Page | None:
        if code not in self._provinces:
            return None
        states = self._found[code].states if code in self._found else {}
        rows = [(dossier_pages.state(int(number)), total) for number, total in states.items()]
        table = Table("Trạng thái (states)", ("Trạng thái", "Hồ sơ"), rows)
        return Page(f"{code} {places.provinces()[code].name}", {"Hồ sơ (dossiers)": self._total(code)}, [table])

    def _total(self, code: str) -> object:
        return self._found[code].total if code in self._found else "không trả lời (silent)"

    async def prepare_pages(self) -> None:
        """Ask for the figures."""
        await self._figures()

    def facts(self) -> Mapping[str, object]:
        """Say what the dashboard shows."""
        shown = self._shown
        return {
            "Lúc (taken at)": moment(shown.taken),
            "Hồ sơ (dossiers)": sum(shown.provinces.values()),
            **{dossier_pages.state(int(number)): count for number, count in shown.states.items()},
            f"{dossier_pages.TEST} (test)": shown.test,
            "Tin chưa được xác nhận (messages that wait)": "?" if shown.waiting is None else shown.waiting,
            "Không trả lời (silent provinces)": ", ".join(shown.silent) or "không có",
        }

    async def dashboard(self, call: Call[Nothing]) -> Dashboard:
        """Show the figures; who comes while they are asked for waits for the same answer."""
        return await self._figures()

    async def _figures(self) -> Dashboard:
        if self.surroundings.defects.on("ioc-uncached"):
            return await self._ask()
        async with self._asking:
            return await self._ask() if time.time() - self._shown.taken > FRESH else self._shown

    async def _ask(self) -> Dashboard:
        answers = await asyncio.gather(
            *(_figures(client, "/statistics", Statistics) for client in self._provinces.values())
        )
        waiting = await _figures(self._national, "/outbox", Pending)
        found = {code: answer for code, answer in zip(self._provinces, answers, strict=True) if answer is not None}
        states: dict[str, int] = {}
        for answer in found.values():
            for state, count in answer.states.items():
                states[state] = states.get(state, 0) + count
        self._found = found
        self._shown = Dashboard(
            time.time(),
            {code: answer.total for code, answer in found.items()},
            states,
            None if waiting is None else waiting.pending,
            [code for code in self._provinces if code not in found],
            sum(answer.test for answer in found.values()),
        )
        return self._shown


async def _figures(client: Client, path: str, type_: type[T]) -> T | None:
    """Ask a system for its figures; None where it doesn't answer in time."""
    try:
        received = await client.request("GET", path)
        return msgspec.json.decode(received.body, type=type_) if received.status == 200 else None
    except (LinkError, msgspec.DecodeError, UnicodeError):
        return None
