"""What waits for a migration: numbered pieces of one kind, each of which is moved once, or held for a person.

Held is what belongs to a unit that was split and doesn't say where in it: moving it would be a guess.
"""

import sqlite3
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

import msgspec

from mocks.defects import Defects
from mocks.store import listed
from mocks.units import Ambiguous, Units
from model import places

WAITING, MOVED, HELD = range(3)


class Piece(Protocol):
    """A piece of an old unit; pieces are numbered from 1."""

    @property
    def number(self) -> int:
        """Its number."""

    @property
    def legacy_commune(self) -> str:
        """Code of the old unit."""

    @property
    def hamlet(self) -> str:
        """Where in the unit; empty where the piece doesn't say."""


T = TypeVar("T", bound=Piece)


class Staging(Generic[T]):
    """One table of pieces, and what became of each.

    Args:
        table: Its name.
        kind: What its pieces are.

    Attributes:
        schema: What makes it.
    """

    def __init__(self, table: str, kind: type[T]) -> None:
        self._table = table
        self._kind = kind
        self.schema = f"""
            CREATE TABLE IF NOT EXISTS {table}(
                number INTEGER PRIMARY KEY, content BLOB NOT NULL, fate INTEGER NOT NULL DEFAULT {WAITING});
            CREATE INDEX IF NOT EXISTS {table}_waiting ON {table}(number) WHERE fate = {WAITING};
            CREATE INDEX IF NOT EXISTS {table}_held ON {table}(number) WHERE fate = {HELD};
        """

    def fill(self, connection: sqlite3.Connection, pieces: Iterable[T]) -> None:
        """Store pieces; those that are there stay as they are."""
        statement = f"INSERT INTO {self._table}(number, content) VALUES(?, ?) ON CONFLICT DO NOTHING"
        connection.executemany(statement, ((piece.number, msgspec.json.encode(piece)) for piece in pieces))

    def move(
        self,
        connection: sqlite3.Connection,
        limit: int,
        home: Callable[[T], str | None],
        store: Callable[[sqlite3.Connection, T, str], None],
    ) -> int:
        """Store the first pieces that wait; returns how many waited.

        Args:
            connection: Of the transaction.
            limit: How many at most.
            home: Returns the commune that a piece belongs to now; None: it is held.
            store: Stores a piece there.
        """
        statement = f"SELECT content FROM {self._table} WHERE fate = {WAITING} ORDER BY number LIMIT ?"
        waiting = [self._decoded(row[0]) for row in connection.execute(statement, (limit,))]
        for piece in waiting:
            commune = home(piece)
            if commune is not None:
                store(connection, piece, commune)
            fate = HELD if commune is None else MOVED
            connection.execute(f"UPDATE {self._table} SET fate = ? WHERE number = ?", (fate, piece.number))
        return len(waiting)

    def forget(self, connection: sqlite3.Connection) -> None:
        """Take all for waiting: a seeded defect."""
        connection.execute(f"UPDATE {self._table} SET fate = {WAITING}")

    def count(self, reader: sqlite3.Connection) -> tuple[int, int, int]:
        """Return how many pieces there are, how many of them were moved, and how many are held."""
        statement = f"""SELECT count(*), count(*) FILTER (WHERE fate = {MOVED}), count(*) FILTER (WHERE fate = {HELD})
            FROM {self._table}"""
        row: tuple[int, int, int] = reader.execute(statement).fetchone()
        return row

    def page(
        self, reader: sqlite3.Connection, after: int, limit: int, *, held: bool = False
    ) -> tuple[list[tuple[T, bool]], int | None]:
        """Return pieces after a number and whether each was moved, and where to go on; ``held``: of these alone."""
        wanted = f"AND fate = {HELD}" if held else ""
        statement = f"SELECT number, content, fate FROM {self._table} WHERE number > ? {wanted} ORDER BY number LIMIT ?"
        return listed(reader, statement, after, limit, lambda row: (self._decoded(row[1]), row[2] == MOVED))

    def _decoded(self, content: bytes) -> T:
        return msgspec.json.decode(content, type=self._kind)


def home(units: Units, defects: Defects, piece: Piece) -> str | None:
    """Return the commune that a piece belongs to now, None where nobody knows.

    Raises Refusal where the unit table isn't the registered one: nothing is decided by it.
    """
    if defects.on("migration-splits"):
        return places.legacy()[piece.legacy_commune].default
    try:
        return units.successor(piece.legacy_commune, piece.hamlet)
    except Ambiguous:
        return None
