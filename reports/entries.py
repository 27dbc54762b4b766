"""The audit of books besides dossiers: documents, verifications, calls, alerts, reports. See model/books.py.

*Lost*: acknowledged, and fewer entries than were acknowledged. *Duplicated*: an owner has it more than once.
*Divergent*: with other content than was sent. *Phantom*: nobody attempted it. *Unfounded*: nothing backs it: a
verification without a database's receipt. *Unread*: acknowledged, and a keeper of the book couldn't be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from model.books import BOOKS, keepers
from model.plan import Stack
from reports.sql import text

if TYPE_CHECKING:
    import duckdb

PASSES = (1, 2)

STAGES = """
CREATE TEMP TABLE book_owed AS
SELECT
    book, key, min(province) AS province,
    max(sequence) FILTER (event = 'ok') AS acknowledged,
    max(nullif(hash, '')) AS hash,
    min(book) IN (FROM unread_books) AS unread
FROM ledger JOIN books_of_operations USING (operation)
GROUP BY book, key;

CREATE TEMP TABLE book_held AS
SELECT book, key, owner, count(*) AS copies, min(value) AS lowest, max(value) AS highest
FROM entries
WHERE "pass" = 2
GROUP BY ALL;

CREATE TEMP TABLE book_kept AS
SELECT book, key, count(*) AS owners FROM book_held GROUP BY ALL;
"""

LOST = """
SELECT book_owed.book, book_owed.key, format('{} of {} are there', coalesce(owners, 0), acknowledged)
FROM book_owed LEFT JOIN book_kept ON book_kept.book = book_owed.book AND book_kept.key = book_owed.key
WHERE acknowledged > coalesce(owners, 0) AND NOT unread
"""

DUPLICATED = "SELECT book, key, format('{} has it {} times', owner, copies) FROM book_held WHERE copies > 1"

DIVERGENT = """
SELECT book_held.book, book_held.key, owner || ' has other content than was sent'
FROM book_held JOIN book_owed ON book_owed.book = book_held.book AND book_owed.key = book_held.key
WHERE hash IS NOT NULL AND (lowest <> hash OR highest <> hash)
"""

PHANTOM = """
SELECT book_held.book, book_held.key, owner || ' has it; nobody attempted it'
FROM book_held SEMI JOIN books_of_operations ON books_of_operations.book = book_held.book
ANTI JOIN book_owed ON book_owed.book = book_held.book AND book_owed.key = book_held.key
"""

UNFOUNDED = """
SELECT book_held.book, book_held.key, format('{} gave no {}; the number in the books is {}', owner, backing, lowest)
FROM book_held JOIN backings ON backings.book = book_held.book
ANTI JOIN book_held AS proof
    ON proof.book = backings.backing AND proof.key = book_held.key AND proof.owner = book_held.owner
    AND proof.lowest = book_held.lowest AND proof.highest = book_held.highest
WHERE backing NOT IN (FROM unread_books)
"""

CATEGORIES = {
    "lost": LOST,
    "duplicated": DUPLICATED,
    "divergent": DIVERGENT,
    "phantom": PHANTOM,
    "unfounded": UNFOUNDED,
}
"""Category -> query of (book, key, detail)."""

COUNTS = """
SELECT
    book_owed.book,
    count(*) FILTER (acknowledged IS NOT NULL),
    count(*) FILTER (acknowledged IS NOT NULL AND unread),
FROM book_owed GROUP BY ALL ORDER BY ALL
"""


@dataclass(frozen=True, slots=True, order=True)
class EntryFinding:
    """One thing that is wrong with one entry of a book.

    Attributes:
        category: A key of ``CATEGORIES``.
        book: A key of ``model.books.BOOKS``.
        key: Of the write.
        detail: What exactly is wrong, for people.
    """

    category: str
    book: str
    key: str
    detail: str


@dataclass(frozen=True, slots=True)
class Entries:
    """What became of every entry.

    Attributes:
        acknowledged: Book -> acknowledged writes.
        unread: Book -> acknowledged writes that couldn't be looked up.
        findings: In the order of ``CATEGORIES``, then of books.
        unread_systems: Systems of which a reading is missing or incomplete.
    """

    acknowledged: Mapping[str, int]
    unread: Mapping[str, int]
    findings: tuple[EntryFinding, ...]
    unread_systems: tuple[str, ...]

    def keys(self, category: str, book: str) -> tuple[str, ...]:
        """Return the keys of a category's findings in a book, sorted, each once."""
        found = (item for item in self.findings if (item.category, item.book) == (category, book))
        return tuple(sorted({item.key for item in found}))


def audit_entries(database: duckdb.DuckDBPyConnection, stack: Stack, events: Sequence[Mapping[str, Any]]) -> Entries:
    """Compare the books of a record opened with ``tables.opened`` with its ledger.

    Args:
        database: Gets temporary tables.
        stack: What the campaign ran against: who keeps which books.
        events: Of the record; ``entries_read`` tells which readings are complete.
    """
    kept = keepers(stack.provinces, stack.platforms, stack.mobile)
    unread = _unread(database, tuple(kept), events)
    _stage(database, {book for system in unread for book in kept[system]})
    findings = tuple(finding for category in CATEGORIES for finding in _findings(database, category))
    counts = database.execute(COUNTS).fetchall()
    return Entries(
        {book: acknowledged for book, acknowledged, _ in counts},
        {book: lacking for book, _, lacking in counts if lacking},
        findings,
        unread,
    )


def _unread(
    database: duckdb.DuckDBPyConnection, systems: Sequence[str], events: Sequence[Mapping[str, Any]]
) -> tuple[str, ...]:
    rows = database.execute('SELECT system, "pass", count(*) FROM entries GROUP BY ALL').fetchall()
    there = {(system, number): count for system, number, count in rows}
    whole = {
        (event.get("system"), event.get("pass"))
        for event in events
        if event["event"] == "entries_read"
        and event.get("complete") is True
        and there.get((event.get("system"), event.get("pass")), 0) >= int(event.get("entries") or 0)
    }
    return tuple(system for system in systems if any((system, number) not in whole for number in PASSES))


def _stage(database: duckdb.DuckDBPyConnection, unread: set[str]) -> None:
    operations = [f"({text(book.operation)}, {text(name)})" for name, book in BOOKS.items() if book.operation]
    backings = [f"({text(name)}, {text(book.backing)})" for name, book in BOOKS.items() if book.backing]
    database.execute(f"""
        CREATE TEMP TABLE books_of_operations AS FROM (VALUES {", ".join(operations)}) AS t(operation, book);
        CREATE TEMP TABLE backings AS FROM (VALUES {", ".join(backings)}) AS t(book, backing);
        CREATE TEMP TABLE unread_books(book VARCHAR);
    """)
    if unread:
        values = ", ".join(f"({text(book)})" for book in sorted(unread))
        database.execute(f"INSERT INTO unread_books VALUES {values}")
    database.execute(STAGES)


def _findings(database: duckdb.DuckDBPyConnection, category: str) -> list[EntryFinding]:
    rows = database.execute(f"SELECT DISTINCT * FROM ({CATEGORIES[category]}) ORDER BY ALL").fetchall()
    return [EntryFinding(category, *map(str, row)) for row in rows]
