"""Databases that confirm the data of a dossier, and keep a receipt (biên nhận) of every confirmation."""

import sqlite3

from mocks import entries
from mocks.entries import Entry
from mocks.messages import Confirmation, Confirmed
from mocks.pages import Shelf
from mocks.system import DurableSystem
from mocks.wire import Call, Refusal, Route
from model import people

SCHEMA = """
CREATE TABLE IF NOT EXISTS receipts(
    id INTEGER PRIMARY KEY AUTOINCREMENT, database TEXT NOT NULL, request TEXT NOT NULL, dossier TEXT NOT NULL,
    UNIQUE(request, database));
"""


class ReceiptKeeper(DurableSystem):
    """A system with one or more databases that confirm.

    Attributes:
        databases: Their names.
    """

    schema = SCHEMA
    databases: tuple[str, ...] = ()

    def table(self) -> tuple[Route, ...]:
        """Return its routes."""
        return (
            Route("POST", "/ndxp/confirm", "confirm", self.confirm, Confirmation, Confirmed, status=201, peers=True),
            entries.route(self.page),
        )

    def shelves(self) -> tuple[Shelf, ...]:
        """Return the shelf of its receipts."""
        return (entries.shelf(self.page),)

    async def confirm(self, call: Call[Confirmation]) -> Confirmed:
        """Confirm a citizen's data; the same request gets the same receipt again."""
        await self.database()
        asked, person = call.content, people.find(call.content.SoDinhDanh)
        if asked.CoSoDuLieu not in self.databases:
            raise Refusal(422, "validation", f"CoSoDuLieu: there are {', '.join(self.databases)}")
        if person is None or (asked.HoVaTen, asked.NgayThangNamSinh) != (person.name, person.birth_date):
            raise Refusal(422, "validation", "the data differ from the database's")
        number = await self.store.write(lambda connection: _issue(connection, asked))
        return Confirmed(_receipt(asked.CoSoDuLieu, number))

    def page(self, after: int, limit: int) -> tuple[list[Entry], int | None]:
        """Return receipts in the order of their numbers, and where to go on."""
        statement = "SELECT id, database, request FROM receipts WHERE id > ? ORDER BY id LIMIT ?"
        rows = self.store.reader.execute(statement, (after, limit)).fetchall()
        items = [Entry("receipt", request, database, _receipt(database, number)) for number, database, request in rows]
        return items, rows[-1][0] if len(rows) == limit else None


def _issue(connection: sqlite3.Connection, asked: Confirmation) -> int:
    statement = "INSERT INTO receipts(database, request, dossier) VALUES(?, ?, ?) ON CONFLICT DO NOTHING"
    connection.execute(statement, (asked.CoSoDuLieu, asked.MaYeuCau, asked.MaHoSo))
    statement = "SELECT id FROM receipts WHERE request = ? AND database = ?"
    return int(connection.execute(statement, (asked.MaYeuCau, asked.CoSoDuLieu)).fetchone()[0])


def _receipt(database: str, number: int) -> str:
    return f"BN-{database}-{number:08d}"
