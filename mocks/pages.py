"""Plain pages that a person can open and click through: what a system holds, and one piece of it. Read-only, no script.

A system names its shelves; here they become lists with paging, and a page for one piece. Everything is escaped.
"""

import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import msgspec

from mocks.wire import HTML, Body, Call, Nothing, Refusal, Reply, Route

if TYPE_CHECKING:
    from jinja2 import Template

CLOCK = timezone(timedelta(hours=7))
ROWS = 50  # of a list on one page
HEADERS = {"content-type": HTML, "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}

Row = Sequence[object]
Rows = tuple[Sequence[Row], int | None]
"""Rows of a list, and where to go on, None at the end."""


def listed(reader: sqlite3.Connection, statement: str, after: int, limit: int, shown: Callable[[Any], Row]) -> Rows:
    """Return the rows of a list.

    Args:
        reader: Who is asked.
        statement: Takes the id after which the rows begin, and how many; gives the id first.
        after: That id.
        limit: At most so many.
        shown: Makes a row of what the statement gave.
    """
    rows = reader.execute(statement, (after, limit)).fetchall()
    return [shown(row) for row in rows], rows[-1][0] if len(rows) == limit else None


class From(Body):
    """Query of a list: after which row it goes on."""

    after: Annotated[str, msgspec.Meta(pattern="^[0-9]*$", max_length=18)] = ""


@dataclass(frozen=True, slots=True)
class Linked:
    """A cell that leads on."""

    text: str
    href: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a page; ``onward`` leads to its next rows, empty at the end."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Row]
    onward: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """What a page shows: facts by name, and tables."""

    title: str
    facts: Mapping[str, object] = field(default_factory=dict)
    tables: Sequence[Table] = ()


@dataclass(frozen=True, slots=True)
class Shelf:
    """A list that a system shows.

    Attributes:
        name: In the path.
        title: For people.
        columns: Titles of its columns; the first one is the key.
        read: Reads rows after a position, so many at most.
        one: Makes the page of a key, None where nobody knows it; without it, rows lead nowhere.
    """

    name: str
    title: str
    columns: Sequence[str]
    read: Callable[[int, int], Rows]
    one: Callable[[str], Page | None] | None = None

    def table(self, after: int) -> Table:
        """Return one page of the list."""
        rows, last = self.read(after, ROWS)
        shown = [(self._key(row[0]), *row[1:]) for row in rows]
        return Table(self.title, self.columns, shown, "" if last is None else f"/pages/{self.name}?after={last}")

    def _key(self, key: object) -> object:
        return key if self.one is None else Linked(str(key), f"/pages/{self.name}/{quote(str(key), safe='')}")


Facts = Callable[[], Awaitable[Mapping[str, object]]]


def routes(system: str, facts: Facts, shelves: Sequence[Shelf]) -> tuple[Route, ...]:
    """Return the routes of a system's pages."""
    named = {shelf.name: shelf for shelf in shelves}

    async def front(call: Call[Nothing]) -> Reply:
        return _reply(system, Page(system, await facts(), [shelf.table(0) for shelf in shelves]))

    async def listed(call: Call[From]) -> Reply:
        shelf = _found(named.get(call.path["shelf"]))
        return _reply(system, Page(shelf.title, tables=[shelf.table(int(call.content.after or 0))]))

    async def one(call: Call[Nothing]) -> Reply:
        shelf = _found(named.get(call.path["shelf"]))
        page = shelf.one(call.path["key"]) if shelf.one else None
        if page is None:
            raise Refusal(404, "unknown", "nothing has this key")
        return _reply(system, page)

    home = Route("GET", "/", "page_front", front, media={200: HTML})
    if not shelves:
        return (home,)
    path = "/pages/{shelf}"
    return (
        home,
        Route("GET", path, "page_list", listed, From, source="query", refuses=(404,), media={200: HTML}),
        Route("GET", f"{path}/{{key}}", "page_one", one, refuses=(404,), media={200: HTML}),
    )


def moment(seconds: float) -> str:
    """Write a Unix time as date and time in Vietnam."""
    try:
        return datetime.fromtimestamp(seconds, CLOCK).strftime("%d/%m/%Y %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return f"{seconds:g} s"  # a sender said so


def _found(shelf: Shelf | None) -> Shelf:
    if shelf is None:
        raise Refusal(404, "unknown", "there is no such list")
    return shelf


def _reply(system: str, page: Page) -> Reply:
    return Reply(200, _template().render(system=system, page=page).encode(errors="replace"), HEADERS)


@cache
def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined

    text = (files("mocks") / "templates" / "page.html").read_text(encoding="utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True).from_string(text)
