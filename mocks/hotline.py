"""The hotline (đường dây nóng): callers wait for one of a few lines; alerts to the operators have a way of their own.

A call keeps its line for ``TALK`` seconds. Callers beyond lines and queue are turned away: 503 with Retry-After. Alerts
never take a line, so they reach the operators however many callers there are.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Literal

import msgspec
from prometheus_client import CollectorRegistry

from mocks import entries, keys
from mocks.entries import Entry
from mocks.keys import Keys
from mocks.messages import ProvinceCode, Text
from mocks.pages import Page, Rows, Shelf
from mocks.store import cursor, listed, row_id
from mocks.system import DurableSystem, PageOf, Surroundings, created
from mocks.wire import Body, Call, Refusal, Reply, Route

LINES = 8  # calls at a time [A]
WAITING = 16  # callers who may wait [A]
TALK = 0.5  # seconds that a call takes: 90 s of a real one, scaled [A]
RETRY_AFTER = 2  # seconds, for who is turned away


class HotlineCall(Body):
    """A citizen calls: a question or a complaint."""

    province: ProvinceCode
    subject: Text
    text: Annotated[str, msgspec.Meta(max_length=2000)] = ""


class Alert(Body):
    """A system, or who looks after it, tells the operators that something is wrong."""

    province: ProvinceCode
    source: Text
    severity: Literal["page", "ticket"]
    text: Annotated[str, msgspec.Meta(max_length=2000)]


class Noted(msgspec.Struct):
    """A call or an alert was noted under this code."""

    code: str
    sequence: int = 1
    error_code: int = 0


class AlertItem(msgspec.Struct):
    """An alert as operators see it."""

    code: str
    province: str
    source: str
    severity: str
    text: str


class Alerts(msgspec.Struct):
    """Alerts in the order of arrival; ``next`` is null at the end."""

    items: list[AlertItem]
    next: str | None


class Hotline(DurableSystem):
    """Notes calls and alerts."""

    schema = f"""{keys.SCHEMA}
        CREATE TABLE IF NOT EXISTS notes(
            id INTEGER PRIMARY KEY AUTOINCREMENT, book TEXT NOT NULL, key TEXT NOT NULL, province TEXT NOT NULL,
            content BLOB NOT NULL);
    """

    def __init__(self, name: str, surroundings: Surroundings, registry: CollectorRegistry) -> None:
        super().__init__(name, surroundings, registry)
        self._keys = Keys(surroundings.defects.on("duplicate-on-retry"))
        self._shared = surroundings.defects.on("hotline-shares-queue")
        self._lines = asyncio.Semaphore(LINES)
        self._callers = 0

    def table(self) -> tuple[Route, ...]:
        """Return its routes."""
        return (
            Route("POST", "/calls", "call", self.answer, HotlineCall, Noted, status=201, keyed=True),
            Route("POST", "/alerts", "alert", self.alert, Alert, Noted, status=201, keyed=True),
            Route("GET", "/alerts", "alerts", self.alerts, PageOf, Alerts, "query"),
            entries.route(self.page),
        )

    def shelves(self) -> tuple[Shelf, ...]:
        """Return the shelf of its notes."""
        columns = ("Số", "Loại", "Tỉnh", "Việc")
        return (Shelf("notes", "Cuộc gọi và cảnh báo (calls and alerts)", columns, self._notes, self._note_page),)

    def _notes(self, after: int, limit: int) -> Rows:
        statement = "SELECT id, book, province, content FROM notes WHERE id > ? ORDER BY id LIMIT ?"
        return listed(
            self.store.reader, statement, after, limit, lambda row: (*row[:3], _subject(msgspec.json.decode(row[3])))
        )

    def _note_page(self, number: str) -> Page | None:
        statement = "SELECT book, content FROM notes WHERE id = ?"
        row = self.store.reader.execute(statement, (row_id(number),)).fetchone()
        return None if row is None else Page(f"{row[0]}-{int(number):08d}", msgspec.json.decode(row[1]))

    async def answer(self, call: Call[HotlineCall]) -> Reply:
        """Answer a call when a line is free."""
        async with self._line() as turned_away:
            return turned_away or await self._note(call, "call")

    async def alert(self, call: Call[Alert]) -> Reply:
        """Take an alert at once."""
        if not self._shared:
            return await self._note(call, "alert")
        async with self._line() as turned_away:
            return turned_away or await self._note(call, "alert")

    @asynccontextmanager
    async def _line(self) -> AsyncIterator[Reply | None]:
        """Hold a line for the time of a call; yields the refusal where even the queue is full."""
        if self._callers >= LINES + WAITING:
            refusal = Refusal(503, "busy", "all lines are busy (đường dây bận)").reply()
            yield Reply(refusal.status, refusal.body, {"retry-after": str(RETRY_AFTER)})
            return
        self._callers += 1
        try:
            async with self._lines:
                await asyncio.sleep(TALK)
                yield None
        finally:
            self._callers -= 1

    async def _note(self, call: Call[HotlineCall] | Call[Alert], book: str) -> Reply:
        def change(connection: sqlite3.Connection) -> Reply:
            statement = "INSERT INTO notes(book, key, province, content) VALUES(?, ?, ?, ?)"
            values = (book, call.key, call.content.province, msgspec.json.encode(call.content))
            number = connection.execute(statement, values).lastrowid
            return created(201, Noted(f"{book}-{number:08d}"))

        return await self._keys.once(self.store, call, change)

    async def alerts(self, call: Call[PageOf]) -> Alerts:
        """List the alerts, for the operators."""
        statement = "SELECT id, content FROM notes WHERE book = 'alert' AND id > ? ORDER BY id LIMIT ?"
        after, limit = int(call.content.after or 0), call.content.limit
        items, last = listed(self.store.reader, statement, after, limit, _item)
        return Alerts(items, cursor(last))

    def page(self, after: int, limit: int) -> tuple[list[Entry], int | None]:
        """Return calls and alerts in the order of storing, and where to go on."""
        statement = "SELECT id, book, key, province FROM notes WHERE id > ? ORDER BY id LIMIT ?"
        return listed(self.store.reader, statement, after, limit, lambda row: Entry(row[1], row[2], row[3], ""))


def _subject(content: dict[str, str]) -> str:
    return content.get("subject") or f"{content['severity']}: {content['source']}"


def _item(row: tuple[int, bytes]) -> AlertItem:
    number, alert = row[0], msgspec.json.decode(row[1], type=Alert)
    return AlertItem(f"alert-{number:08d}", alert.province, alert.source, alert.severity, alert.text)
