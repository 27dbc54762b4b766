"""Plain pages that a person can open and click through: what a system holds, and one piece of it. Read-only, no script.

A system names its shelves; here they become lists with paging, and a page for one piece. Everything is escaped.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import quote

import msgspec

from mocks.timestamps import CLOCK
from mocks.wire import HTML, Body, Call, Failure, Nothing, Refusal, Reply, Route

if TYPE_CHECKING:
    from jinja2 import Template

ROWS = 50  # of a list on one page
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
HEADERS = {"content-type": HTML, "content-security-policy": POLICY, "cache-control": "no-store"}

Row = Sequence[object]
Rows = tuple[Sequence[Row], int | None]
"""Rows of a list, and where to go on, None at the end."""


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
class Field:
    """A field of a form.

    Attributes:
        name: As it is sent.
        title: For people; empty: they don't see it.
        value: What it holds at first.
        choices: Group -> (value, text) to choose from; empty: free text.
        required: Whether it must be filled in.
    """

    name: str
    title: str = ""
    value: str = ""
    choices: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    required: bool = False


@dataclass(frozen=True, slots=True)
class Button:
    """A button: where it sends its form, what stands on it, and whether required fields may be left empty."""

    action: str
    text: str
    unfinished: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """A form that people fill in."""

    fields: Sequence[Field]
    buttons: Sequence[Button]
    method: Literal["get", "post"] = "post"


@dataclass(frozen=True, slots=True)
class Page:
    """What a page shows: facts by name, a form, tables, and a badge beside its title, empty where there is none."""

    title: str
    facts: Mapping[str, object] = field(default_factory=dict)
    tables: Sequence[Table] = ()
    badge: str = ""
    form: Form | None = None


@dataclass(frozen=True, slots=True)
class Shelf:
    """A list that a system shows.

    Attributes:
        name: In the path.
        title: For people.
        columns: Titles of its columns; the first one is the key.
        read: Reads rows after a position, so many at most.
        one: Makes the page of a key, None where nobody knows it.
    """

    name: str
    title: str
    columns: Sequence[str]
    read: Callable[[int, int], Rows]
    one: Callable[[str], Page | None]

    def table(self, after: int) -> Table:
        """Return one page of the list."""
        rows, last = self.read(after, ROWS)
        shown = [(self.link(str(row[0])), *row[1:]) for row in rows]
        return Table(self.title, self.columns, shown, "" if last is None else f"/pages/{self.name}?after={last}")

    def link(self, key: str) -> Linked:
        """Return a cell that leads to the page of a key."""
        return Linked(key, f"/pages/{self.name}/{quote(key, safe='')}")


def routes(
    system: str,
    prepare: Callable[[], Awaitable[None]],
    facts: Callable[[], Mapping[str, object]],
    shelves: Sequence[Shelf],
) -> tuple[Route, ...]:
    """Return the routes of a system's pages; before each of them, ``prepare`` makes ready what it shows."""
    named = {shelf.name: shelf for shelf in shelves}

    async def front(call: Call[Nothing]) -> Reply:
        await prepare()
        return reply(system, Page(system, facts(), [shelf.table(0) for shelf in shelves]))

    async def listed(call: Call[From]) -> Reply:
        shelf = _found(named.get(call.path["shelf"]))
        await prepare()
        return reply(system, Page(shelf.title, tables=[shelf.table(int(call.content.after or 0))]))

    async def one(call: Call[Nothing]) -> Reply:
        shelf = _found(named.get(call.path["shelf"]))
        await prepare()
        page = shelf.one(call.path["key"])
        if page is None:
            raise Refusal(404, "unknown", "nothing has this key")
        return reply(system, page)

    home = Route("GET", "/", "page_front", front, media={200: HTML})
    path = "/pages/{shelf}"
    lists = Route("GET", path, "page_list", listed, From, source="query", refuses=(404,), media={200: HTML})
    return home, lists, Route("GET", f"{path}/{{key}}", "page_one", one, refuses=(404,), media={200: HTML})


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


def reply(system: str, page: Page, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """Return a page of a system as an answer, with further headers."""
    body = _template().render(system=system, page=page).encode(errors="replace")
    return Reply(status, body, {**HEADERS, **(headers or {})})


def failure(system: str, answer: Reply) -> Reply:
    """Return an error as a page."""
    said = msgspec.json.decode(answer.body, type=Failure) if answer.body else Failure("", "closed")
    facts = {"Thông báo (message)": said.message, "Lý do (reason)": said.reason}
    return reply(system, Page(f"Không thực hiện được ({answer.status})", facts), answer.status, answer.headers)


@cache
def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined

    text = (files("mocks") / "templates" / "page.html").read_text(encoding="utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True).from_string(text)
