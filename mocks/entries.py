"""The listing of a system's books: what the audit reads besides dossiers. See model/books.py."""

from collections.abc import Callable

import msgspec

from mocks.store import cursor
from mocks.system import PageOf
from mocks.wire import Call, Route


class Entry(msgspec.Struct):
    """One entry of a book."""

    book: str
    key: str
    owner: str
    value: str


class EntryPage(msgspec.Struct):
    """Entries in the order of storing; ``next`` is null at the end."""

    items: list[Entry]
    next: str | None


Read = Callable[[int, int], tuple[list[Entry], int | None]]
"""Reads entries after a position, of so many rows at most; returns them and where to go on, None at the end."""


SPAN = 10**15
"""Positions of each book of several, one after the other."""


def chained(*reads: Read) -> Read:
    """Return what reads several books as one, the first one first."""

    def read(after: int, limit: int) -> tuple[list[Entry], int | None]:
        number, position = divmod(after, SPAN)
        if number >= len(reads):
            return [], None
        items, last = reads[number](position, limit)
        if last is None:
            return items, (number + 1) * SPAN if number + 1 < len(reads) else None
        return items, number * SPAN + last

    return read


def route(read: Read) -> Route:
    """Return the route that lists entries."""

    async def entries(call: Call[PageOf]) -> EntryPage:
        items, last = read(int(call.content.after or 0), call.content.limit)
        return EntryPage(items, cursor(last))

    return Route("GET", "/entries", "entries", entries, PageOf, EntryPage, "query")
