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
from mocks.pages import moment
from mocks.province import Statistics
from mocks.system import Pending, Surroundings, System
from mocks.wire import Call, Nothing, Route
from model.links import Link, province_system

T = TypeVar("T")

FRESH = 1.0  # seconds that figures are shown before they are asked for again
WITHIN = 2.0  # seconds that a system has to answer


class Dashboard(msgspec.Struct):
    """What the operators see.

    ``taken``: Unix seconds; ``provinces``: code -> dossiers; ``states``: state's number -> dossiers; ``waiting``: the
    portal's messages that haven't been acknowledged, null where it doesn't say; ``silent``: provinces that don't.
    """

    taken: float
    provinces: dict[str, int]
    states: dict[str, int]
    waiting: int | None
    silent: list[str]


class Ioc(System):
    """Asks portal and provinces, and adds up."""

    def __init__(self, name: str, surroundings: Surroundings, registry: CollectorRegistry) -> None:
        super().__init__(name, surroundings, registry)
        links = surroundings.links
        self._national = Client(links[Link(name, "national").name], WITHIN)
        self._provinces = {
            code: Client(links[Link(name, province_system(code)).name], WITHIN) for code in surroundings.provinces
        }
        self._shown: Dashboard | None = None
        self._asking = asyncio.Lock()

    def table(self) -> tuple[Route, ...]:
        """Return its routes."""
        return (Route("GET", "/dashboard", "dashboard", self.dashboard, gives=Dashboard),)

    async def facts(self) -> Mapping[str, object]:
        """Say what the dashboard shows."""
        shown = await self._figures()
        return {
            "Lúc (taken at)": moment(shown.taken),
            "Hồ sơ (dossiers)": sum(shown.provinces.values()),
            **{dossier_pages.state(int(number)): count for number, count in shown.states.items()},
            "Tin chưa được xác nhận (messages that wait)": "?" if shown.waiting is None else shown.waiting,
            "Không trả lời (silent provinces)": ", ".join(shown.silent) or "không có",
        }

    async def dashboard(self, call: Call[Nothing]) -> Dashboard:
        """Show the figures; who comes while they are asked for waits for the same answer."""
        return await self._figures()

    async def _figures(self) -> Dashboard:
        await self.database()
        async with self._asking:
            if self._shown is None or time.time() - self._shown.taken > FRESH:
                self._shown = await self._ask()
            return self._shown

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
        return Dashboard(
            time.time(),
            {code: answer.total for code, answer in found.items()},
            states,
            None if waiting is None else waiting.pending,
            [code for code in self._provinces if code not in found],
        )


async def _figures(client: Client, path: str, type_: type[T]) -> T | None:
    """Ask a system for its figures; None where it doesn't answer in time."""
    try:
        received = await client.request("GET", path)
        return msgspec.json.decode(received.body, type=type_) if received.status == 200 else None
    except (LinkError, msgspec.DecodeError, UnicodeError):
        return None
