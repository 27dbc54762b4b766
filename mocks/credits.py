"""Fees that were paid (lệ phí đã nộp): portal and provinces credit each once, and keep a book of it."""

import sqlite3
from collections.abc import Callable
from typing import Any

from mocks.entries import Entry, Read
from mocks.messages import ITEM_EXISTS, ITEM_UNKNOWN, Created, PaidFee
from mocks.portal import EXISTS, UNKNOWN
from mocks.store import Store, listed
from mocks.wire import Call, Route
from model.books import PAYMENT

SCHEMA = """
CREATE TABLE IF NOT EXISTS credits(
    id INTEGER PRIMARY KEY AUTOINCREMENT, dossier TEXT NOT NULL, amount INTEGER NOT NULL);
"""


def credit(connection: sqlite3.Connection, code: str, amount: int, again: bool = False) -> Created:
    """Credit a dossier's fee, in VND; one that was credited before only where ``again`` says so: a seeded defect."""
    row = connection.execute("SELECT paid FROM dossiers WHERE code = ?", (code,)).fetchone()
    if row is None:
        return Created(ITEM_UNKNOWN, UNKNOWN)
    if row[0] and not again:
        return Created(ITEM_EXISTS, EXISTS)
    connection.execute("INSERT INTO credits(dossier, amount) VALUES(?, ?)", (code, amount))
    connection.execute("UPDATE dossiers SET paid = 1 WHERE code = ?", (code,))
    return Created(0)


def route(store: Store, auth: Callable[[str], Any]) -> Route:
    """Return the route on which a province hears of fees that were paid, from the portal that ``auth`` knows."""

    async def heard(call: Call[PaidFee]) -> Created:
        """Credit a fee that was paid; hearing it again changes nothing."""
        paid = call.content
        return await store.write(lambda connection: credit(connection, paid.MaHoSo, paid.SoTien))

    return Route("POST", "/api/payments", "credit", heard, PaidFee, Created, auth=auth, peers=True)


def book(store: Store, system: str) -> Read:
    """Return what lists the credits of a system, in the order of crediting."""

    def page(after: int, limit: int) -> tuple[list[Entry], int | None]:
        statement = "SELECT id, dossier, amount FROM credits WHERE id > ? ORDER BY id LIMIT ?"
        return listed(store.reader, statement, after, limit, lambda row: Entry(PAYMENT, row[1], system, str(row[2])))

    return page
