"""The audit of books besides dossiers: documents, verifications, payments, calls, reports. See model/books.py.

*Lost*: acknowledged, and fewer entries than were acknowledged. *Duplicated*: an owner has it more than once.
*Divergent*: with other content than was sent. *Misrouted*: somebody has it for whom it wasn't. *Phantom*: nobody
attempted it. *Unfounded*: nothing backs it: a verification without a database's receipt, or told with another one.
*Unread*: acknowledged, and a keeper of the book couldn't be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from model.books import BOOKS, PROBE, keepers
from model.plan import Stack
from reports import payments
from reports.sql import text

if TYPE_CHECKING:
    import duckdb

PASSES = (1, 2)

STAGES = f"""
CREATE TEMP TABLE book_owed AS
SELECT
    book, CASE WHEN of_dossiers THEN dossier ELSE key END AS key, min(province) AS province,
    max(sequence) FILTER (event = 'ok') AS acknowledged,
    max(nullif(hash, '')) AS hash,
    min(book) IN (FROM unread_books) AS unread
FROM ledger JOIN books_of_operations USING (operation)
GROUP BY ALL;

CREATE TEMP TABLE book_held AS
SELECT book, key, owner, count(*) AS copies, min(value) AS lowest, max(value) AS highest
FROM entries
WHERE "pass" = 2 AND NOT starts_with(key, {text(PROBE)})
GROUP BY ALL;

CREATE TEMP TABLE book_said AS
SELECT DISTINCT
    book, key, event, split_part(entry, '=', 1) AS owner, split_part(entry, '=', 2) AS value
FROM (
    SELECT book, key, event, unnest(string_split(entries, ' ')) AS entry
    FROM ledger JOIN books_of_operations USING (operation)
    WHERE entries <> ''
);

CREATE TEMP TABLE book_due AS
SELECT book, key, list(DISTINCT owner ORDER BY owner) AS owners
FROM (
    SELECT book, key, owner FROM book_said WHERE event = 'invoke'
    UNION ALL
    SELECT comes_back.book, back.key, 'H' || sent.province
    FROM comes_back
    JOIN books_of_operations USING (book)
    JOIN ledger back ON back.operation = books_of_operations.operation
    JOIN books_of_operations origin ON origin.book = comes_back.origin
    JOIN ledger sent ON sent.operation = origin.operation AND sent.key = back.dossier
)
GROUP BY ALL;

CREATE TEMP TABLE book_kept AS
SELECT book, key, count(*) AS owners FROM book_held GROUP BY ALL;

{payments.STAGES}
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

MISROUTED = """
SELECT book_held.book, book_held.key, owner || ' has it; it was for ' || array_to_string(owners[:3], ', ')
    || CASE WHEN len(owners) > 3 THEN format(' and {} others', len(owners) - 3) ELSE '' END
FROM book_held JOIN book_due ON book_due.book = book_held.book AND book_due.key = book_held.key
WHERE NOT list_contains(owners, owner)
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
UNION ALL
SELECT book_said.book, book_said.key,
    format('{} was told to have given {}; the books have {}', book_said.owner, value, coalesce(lowest, 'nothing'))
FROM book_said LEFT JOIN book_held
    ON book_held.book = book_said.book AND book_held.key = book_said.key AND book_held.owner = book_said.owner
WHERE event = 'ok' AND lowest IS DISTINCT FROM value AND book_said.book NOT IN (FROM unread_books)
"""

CATEGORIES = {
    "lost": f"{LOST} UNION ALL {payments.LOST}",
    "duplicated": DUPLICATED,
    "divergent": f"{DIVERGENT} UNION ALL {payments.DIVERGENT}",
    "misrouted": MISROUTED,
    "phantom": PHANTOM,
    "unfounded": f"{UNFOUNDED} UNION ALL {payments.UNFOUNDED}",
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
    operations = [
        f"({text(book.operation)}, {text(name)}, {book.of_dossiers})" for name, book in BOOKS.items() if book.operation
    ]
    backings = [f"({text(name)}, {text(book.backing)})" for name, book in BOOKS.items() if book.backing]
    returns = [f"({text(name)}, {text(book.returns)})" for name, book in BOOKS.items() if book.returns]
    database.execute(f"""
        CREATE TEMP TABLE books_of_operations AS
        FROM (VALUES {", ".join(operations)}) AS t(operation, book, of_dossiers);
        CREATE TEMP TABLE backings AS FROM (VALUES {", ".join(backings)}) AS t(book, backing);
        CREATE TEMP TABLE comes_back AS FROM (VALUES {", ".join(returns)}) AS t(book, origin);
        CREATE TEMP TABLE unread_books(book VARCHAR);
    """)
    if unread:
        values = ", ".join(f"({text(book)})" for book in sorted(unread))
        database.execute(f"INSERT INTO unread_books VALUES {values}")
    database.execute(STAGES)


def _findings(database: duckdb.DuckDBPyConnection, category: str) -> list[EntryFinding]:
    rows = database.execute(f"SELECT DISTINCT * FROM ({CATEGORIES[category]}) ORDER BY ALL").fetchall()
    return [EntryFinding(category, *map(str, row)) for row in rows]
