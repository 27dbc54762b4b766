"""The payment platform: a partner opens a payment, the citizen pays, the partner is told."""

import sqlite3
import time
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from mocks import outbox
from mocks.messages import PaymentNotice, PaymentOpened, PaymentOrder, proof, shared_secret
from mocks.pages import Page, Rows, Shelf, listed, moment
from mocks.posting import POSTS, Posting
from mocks.system import MessagingSystem, Surroundings
from mocks.wire import Call, Nothing, Refusal, Route

LINK = "payment->national"
NOTICE = "callback"
OPENED, PAID = "opened", "paid"


class PaymentState(msgspec.Struct):
    """Where a payment stands; ``SoTien`` in VND."""

    MaGiaoDich: str
    MaThamChieu: str
    SoTien: int
    TrangThai: str
    error_code: int = 0


class Receipt(PaymentState, kw_only=True):
    """A receipt; ``ThoiDiem`` in Unix seconds."""

    ThoiDiem: float


class Payment(MessagingSystem):
    """Remembers every payment; idempotent on the partner's reference (MaThamChieu)."""

    faults = MessagingSystem.faults | {"lost-callback"}

    schema = f"""{outbox.SCHEMA}
        CREATE TABLE IF NOT EXISTS payments(
            id INTEGER PRIMARY KEY, reference TEXT NOT NULL UNIQUE, partner TEXT NOT NULL, amount INTEGER NOT NULL,
            state TEXT NOT NULL, paid REAL);
    """

    def __init__(self, name: str, surroundings: Surroundings, registry: CollectorRegistry) -> None:
        super().__init__(name, surroundings, registry)
        portal = self.client("national")
        self.outbox.open(LINK, Posting(portal, "/payments/callback").deliver, {NOTICE: POSTS}, portal.rest)

    def table(self) -> tuple[Route, ...]:
        """Return its routes."""
        return (
            Route(
                "POST",
                "/payments",
                "open",
                self.open_payment,
                PaymentOrder,
                PaymentOpened,
                status=201,
                peers=True,
                refuses=(401,),
            ),
            Route("POST", "/payments/{transaction}/pay", "pay", self.pay, gives=PaymentState, refuses=(404,)),
            Route("GET", "/payments/{transaction}", "state", self.state, gives=PaymentState, refuses=(404,)),
            Route("GET", "/payments/{transaction}/receipt", "receipt", self.receipt, gives=Receipt, refuses=(404, 409)),
        )

    def shelves(self) -> tuple[Shelf, ...]:
        """Return the shelf of its payments."""
        columns = ("Mã giao dịch", "Mã tham chiếu", "Số tiền (VND)", "Trạng thái")
        return (Shelf("payments", "Thanh toán (payments)", columns, self._payments, self._payment_page),)

    def _payments(self, after: int, limit: int) -> Rows:
        statement = "SELECT id, reference, amount, state FROM payments WHERE id > ? ORDER BY id LIMIT ?"
        return listed(self.store.reader, statement, after, limit, lambda row: (_code(row[0]), *row[1:]))

    def _payment_page(self, code: str) -> Page | None:
        statement = "SELECT partner, reference, amount, state, paid FROM payments WHERE id = ?"
        row = self.store.reader.execute(statement, (_id(code),)).fetchone()
        if row is None:
            return None
        names = ("Đối tác (partner)", "Mã tham chiếu (reference)", "Số tiền, VND (amount)", "Trạng thái (state)")
        paid = "chưa" if row[4] is None else moment(row[4])
        return Page(f"Giao dịch {code}", {**dict(zip(names, row[:4], strict=True)), "Nộp lúc (paid at)": paid})

    async def open_payment(self, call: Call[PaymentOrder]) -> PaymentOpened:
        """Open a payment, or find the one that this reference opened."""
        order = call.content
        secret = shared_secret(order.MaDoiTac)
        if order.MaXacThuc != proof(order.MaDoiTac, order.MaThamChieu, order.SoTien, secret):
            raise Refusal(401, "unauthorised", "MaXacThuc is wrong")
        number = await self.store.write(lambda connection: _open(connection, order))
        transaction = _code(number)
        return PaymentOpened(transaction, f"/payments/{transaction}/pay")

    async def pay(self, call: Call[Nothing]) -> PaymentState:
        """Pay; paying again changes nothing."""
        number = _number(call)
        return await self.store.write(lambda connection: self._pay(connection, number))

    def _pay(self, connection: sqlite3.Connection, number: int) -> PaymentState:
        found = _find(connection, number)
        if found.TrangThai == PAID:
            return found
        connection.execute("UPDATE payments SET state = ?, paid = ? WHERE id = ?", (PAID, time.time(), number))
        paid = msgspec.structs.replace(found, TrangThai=PAID)
        partner = connection.execute("SELECT partner FROM payments WHERE id = ?", (number,)).fetchone()[0]
        message = (paid.MaGiaoDich, NOTICE, msgspec.json.encode(_notice(paid, partner)))
        if not self.control.strikes("lost-callback", paid.MaThamChieu):
            self.outbox.put(connection, LINK, message)
        return paid

    async def state(self, call: Call[Nothing]) -> PaymentState:
        """Say where a payment stands."""
        return _find(self.store.reader, _number(call))

    async def receipt(self, call: Call[Nothing]) -> Receipt:
        """Return the receipt of a payment that was made."""
        number = _number(call)
        found = _find(self.store.reader, number)
        if found.TrangThai != PAID:
            raise Refusal(409, "transition", "not paid yet")
        row = self.store.reader.execute("SELECT paid FROM payments WHERE id = ?", (number,)).fetchone()
        return Receipt(found.MaGiaoDich, found.MaThamChieu, found.SoTien, found.TrangThai, ThoiDiem=row[0])


def _open(connection: sqlite3.Connection, order: PaymentOrder) -> int:
    statement = """INSERT INTO payments(reference, partner, amount, state) VALUES(?, ?, ?, ?)
        ON CONFLICT DO NOTHING"""
    connection.execute(statement, (order.MaThamChieu, order.MaDoiTac, order.SoTien, OPENED))
    statement = "SELECT id, partner, amount FROM payments WHERE reference = ?"
    number, partner, amount = connection.execute(statement, (order.MaThamChieu,)).fetchone()
    if (partner, amount) != (order.MaDoiTac, order.SoTien):
        raise Refusal(422, "validation", "this MaThamChieu came before, with another partner or amount")
    return int(number)


def _find(connection: sqlite3.Connection, number: int) -> PaymentState:
    statement = "SELECT reference, amount, state FROM payments WHERE id = ?"
    row = connection.execute(statement, (number,)).fetchone()
    if row is None:
        raise Refusal(404, "unknown", "no payment has this MaGiaoDich")
    return PaymentState(_code(number), *row)


def _code(number: int) -> str:
    return f"GD{number:010d}"


def _number(call: Call[Any]) -> int:
    return _id(call.path["transaction"])


def _id(text: str) -> int:
    digits = text.removeprefix("GD")
    return int(digits) if len(text) == 12 and digits.isascii() and digits.isdigit() else -1


def _notice(paid: PaymentState, partner: str) -> PaymentNotice:
    fields = (paid.MaGiaoDich, paid.MaThamChieu, paid.SoTien, paid.TrangThai)
    return PaymentNotice(paid.MaGiaoDich, paid.MaThamChieu, paid.SoTien, "paid", proof(*fields, shared_secret(partner)))
