"""Databases that confirm the data of a dossier, and keep a receipt (biên nhận) of every confirmation."""

import sqlite3
import time

from mocks import entries
from mocks.entries import Entry
from mocks.messages import Confirmation, Confirmed
from mocks.pages import Page, Rows, Shelf, Table, moment
from mocks.store import listed, row_id
from mocks.system import DurableSystem
from mocks.wire import Call, Refusal, Route
from model import people

WRONG = "wrong-data"
SCHEMA = """
CREATE TABLE IF NOT EXISTS receipts(
    id INTEGER PRIMARY KEY AUTOINCREMENT, database TEXT NOT NULL, request TEXT NOT NULL, dossier TEXT NOT NULL,
    asker TEXT NOT NULL, UNIQUE(request, database));
CREATE TABLE IF NOT EXISTS confirmations(receipt INTEGER NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS confirmations_receipt ON confirmations(receipt);
"""


class ReceiptKeeper(DurableSystem):
    """A system with one or more databases that confirm.

    Attributes:
        databases: Their names.
    """

    faults = DurableSystem.faults | {WRONG}
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
        columns = ("Biên nhận", "Cơ sở dữ liệu", "Mã hồ sơ", "Mã yêu cầu")
        return (Shelf("receipts", "Biên nhận xác nhận (receipts)", columns, self._listed, self._receipt_page),)

    def _listed(self, after: int, limit: int) -> Rows:
        statement = "SELECT id, database, dossier, request FROM receipts WHERE id > ? ORDER BY id LIMIT ?"
        return listed(self.store.reader, statement, after, limit, lambda row: (_receipt(row[1], row[0]), *row[1:]))

    def _receipt_page(self, receipt: str) -> Page | None:
        number = row_id(receipt.rpartition("-")[2])
        statement = "SELECT database, dossier, request, asker FROM receipts WHERE id = ?"
        row = self.store.reader.execute(statement, (number,)).fetchone()
        if row is None or receipt != _receipt(row[0], number):
            return None
        names = ("Cơ sở dữ liệu (database)", "Mã hồ sơ (dossier)", "Mã yêu cầu (MaYeuCau)", "Nơi hỏi (MaDonVi)")
        statement = "SELECT at FROM confirmations WHERE receipt = ? ORDER BY rowid"
        times = [(moment(at),) for (at,) in self.store.reader.execute(statement, (number,))]
        history = Table("Các lần xác nhận (confirmations)", ("Lúc",), times)
        return Page(f"Biên nhận {receipt}", dict(zip(names, row, strict=True)), [history])

    async def confirm(self, call: Call[Confirmation]) -> Confirmed:
        """Confirm a citizen's data; the same request for the same dossier gets the same receipt again."""
        await self.database()
        asked, person = call.content, people.find(call.content.SoDinhDanh)
        if asked.CoSoDuLieu not in self.databases:
            raise Refusal(422, "validation", f"CoSoDuLieu: there are {', '.join(self.databases)}")
        if person is None or (asked.HoVaTen, asked.NgayThangNamSinh) != (person.name, person.birth_date):
            raise Refusal(422, "validation", "the data differ from the database's")
        if self.has_other_data(asked.CoSoDuLieu, asked.SoDinhDanh):
            raise Refusal(422, "validation", "the data differ from the database's")
        number = await self.store.write(lambda connection: _issue(connection, asked))
        return Confirmed(_receipt(asked.CoSoDuLieu, number))

    def has_other_data(self, database: str, id_number: str) -> bool:
        """Tell whether a fault gives a database other data of somebody."""
        which = (self.control.find(WRONG) or {}).get("database")
        mine = which in (0, 1 + self.databases.index(database))
        return mine and self.control.strikes(WRONG, f"{database}:{id_number}")

    def page(self, after: int, limit: int) -> tuple[list[Entry], int | None]:
        """Return receipts in the order of their numbers, and where to go on."""
        statement = "SELECT id, database, request FROM receipts WHERE id > ? ORDER BY id LIMIT ?"
        return listed(self.store.reader, statement, after, limit, _entry)


def _issue(connection: sqlite3.Connection, asked: Confirmation) -> int:
    statement = "INSERT INTO receipts(database, request, dossier, asker) VALUES(?, ?, ?, ?) ON CONFLICT DO NOTHING"
    connection.execute(statement, (asked.CoSoDuLieu, asked.MaYeuCau, asked.MaHoSo, asked.MaDonVi))
    statement = "SELECT id, dossier FROM receipts WHERE request = ? AND database = ?"
    number, dossier = connection.execute(statement, (asked.MaYeuCau, asked.CoSoDuLieu)).fetchone()
    if dossier != asked.MaHoSo:
        raise Refusal(422, "validation", "MaYeuCau: this request came before, for another dossier")
    connection.execute("INSERT INTO confirmations VALUES(?, ?)", (number, time.time()))
    return int(number)


def _receipt(database: str, number: int) -> str:
    return f"BN-{database}-{number:08d}"


def _entry(row: tuple[int, str, str]) -> Entry:
    number, database, request = row
    return Entry("receipt", request, database, _receipt(database, number))
