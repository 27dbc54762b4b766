"""The payment platform: a partner opens a payment, the citizen pays, the partner is told."""

import sqlite3
import time
from typing import Any
from urllib.parse import quote

import msgspec
from prometheus_client import CollectorRegistry

from mocks import entries, outbox, pages
from mocks.entries import Entry
from mocks.messages import PaymentNotice, PaymentOpened, PaymentOrder, PaymentState, proof, shared_secret
from mocks.pages import Button, Form, Linked, Page, Rows, Shelf, Table, moment
from mocks.posting import POSTS, Posting
from mocks.store import listed, row_id
from mocks.system import MessagingSystem, Surroundings
from mocks.timestamps import Timestamp, timestamp, unix_seconds
from mocks.wire import HTML, Call, Nothing, Refusal, Reply, Route
from model.books import PAYMENT

PARTNER = "national"
"""The one partner that is connected: it is told over ``LINK``."""
LINK = f"payment->{PARTNER}"
NOTICE = "callback"
OPENED, PAID, CANCELLED = "opened", "paid", "cancelled"
STATES = {OPENED: "chờ thanh toán", PAID: "đã thanh toán", CANCELLED: "đã hủy"}


class Receipt(PaymentState, kw_only=True):
    """A receipt; ``ThoiDiem``: when it was paid."""

    ThoiDiem: Timestamp


class Payment(MessagingSystem):
    """Remembers every payment; idempotent on partner and reference (MaDoiTac, MaThamChieu)."""

    faults = MessagingSystem.faults | {"lost-callback"}

    schema = f"""{outbox.SCHEMA}
        CREATE TABLE IF NOT EXISTS payments(
            id INTEGER PRIMARY KEY, reference TEXT NOT NULL, partner TEXT NOT NULL, amount INTEGER NOT NULL,
            state TEXT NOT NULL, paid REAL, UNIQUE(partner, reference));
        CREATE TABLE IF NOT EXISTS steps(payment INTEGER NOT NULL, state TEXT NOT NULL, at REAL NOT NULL);
        CREATE INDEX IF NOT EXISTS steps_payment ON steps(payment);
    """

    def __init__(self, name: str, surroundings: Surroundings, registry: CollectorRegistry) -> None:
        super().__init__(name, surroundings, registry)
        portal = self.client(PARTNER)
        self.outbox.open(LINK, Posting(portal, "/payments/callback").deliver, {NOTICE: POSTS}, portal.rest)

    def table(self) -> tuple[Route, ...]:
        """Return its routes."""
        paying = self.paths.served("POST", "/payments/{transaction}/pay")
        return (
            Route(
                "POST", "/payments", "open", self.open_payment, PaymentOrder, PaymentOpened,
                status=201, peers=True, refuses=(401,),
            ),
            Route("GET", paying, "pay_page", self.show, refuses=(404,), media={200: HTML}),
            Route(
                "POST", "/payments/{transaction}/pay", "pay", self.pay, gives=PaymentState, refuses=(404, 409),
                media={303: ""}, shown=self._led,
            ),
            Route(
                "POST", "/payments/{transaction}/cancel", "cancel", self.cancel, gives=PaymentState,
                refuses=(404, 409), media={303: ""}, shown=self._led,
            ),
            Route("GET", "/payments/{transaction}", "state", self.state, gives=PaymentState, refuses=(404,)),
            Route(
                "GET", "/payments/{transaction}/receipt", "receipt", self.receipt, gives=Receipt,
                refuses=(404, 409), shown=self._show_receipt,
            ),
            entries.route(self.page),
        )  # fmt: skip

    def shelves(self) -> tuple[Shelf, ...]:
        """Return the shelf of its payments."""
        columns = ("Mã giao dịch", "Mã tham chiếu", "Số tiền (VND)", "Trạng thái")
        return (Shelf("payments", "Thanh toán (payments)", columns, self._payments, self._payment_page),)

    def _payments(self, after: int, limit: int) -> Rows:
        statement = "SELECT id, reference, amount, state FROM payments WHERE id > ? ORDER BY id LIMIT ?"
        return listed(
            self.store.reader, statement, after, limit, lambda row: (_code(row[0]), *row[1:3], _state(row[3]))
        )

    def _payment_page(self, code: str) -> Page | None:
        statement = "SELECT partner, reference, amount, state FROM payments WHERE id = ?"
        row = self.store.reader.execute(statement, (_id(code),)).fetchone()
        if row is None:
            return None
        names = ("Đối tác (partner)", "Mã tham chiếu (reference)", "Số tiền, VND (amount)")
        way = {"Trang thanh toán (payment page)": Linked("mở", self._page_of(code))}
        statement = "SELECT state, at FROM steps WHERE payment = ? ORDER BY rowid"
        steps = [(_state(state), moment(at)) for state, at in self.store.reader.execute(statement, (_id(code),))]
        history = Table("Quá trình (history)", ("Trạng thái", "Lúc"), steps)
        facts = {**dict(zip(names, row[:3], strict=True)), "Trạng thái (state)": _state(row[3]), **way}
        return Page(f"Giao dịch {code}", facts, [history])

    def _page_of(self, transaction: str) -> str:
        """Return where a payment is made."""
        return self.paths.asked("POST", f"/payments/{transaction}/pay")

    def _receipt_of(self, transaction: str) -> str:
        return self.paths.asked("GET", f"/payments/{transaction}/receipt")

    def _facts_of(self, payment: PaymentState) -> dict[str, object]:
        """Return what a payment's own pages say of it, and the way back to its dossier."""
        portal = self.reached(PARTNER)
        reference = payment.MaThamChieu
        where = f"http://{portal}/pages/dossiers/{quote(reference, safe='')}"
        return {
            "Hồ sơ (dossier)": Linked(reference, where) if portal else reference,
            "Số tiền, VND (amount)": payment.SoTien,
            "Trạng thái (state)": _state(payment.TrangThai),
        }

    async def show(self, call: Call[Nothing]) -> Reply:
        """Show a person what is to be paid, and ask whether it shall be."""
        payment = _find(self.store.reader, _number(call))
        transaction, facts, form = payment.MaGiaoDich, self._facts_of(payment), None
        if payment.TrangThai == PAID:
            facts["Biên lai (receipt)"] = Linked("xem", self._receipt_of(transaction))
        if payment.TrangThai == OPENED:
            pay, cancel = self._page_of(transaction), f"/payments/{transaction}/cancel"
            form = Form([], [Button(pay, "Thanh toán"), Button(cancel, "Hủy")])
        return pages.reply(self.name, Page(f"Thanh toán {transaction}", facts, form=form))

    def _led(self, call: Call[Nothing], payment: PaymentState) -> Reply:
        """Lead a browser on: to the receipt of what is paid, else back to the payment's page."""
        page = self._receipt_of if payment.TrangThai == PAID else self._page_of
        return Reply(303, b"", {"location": page(payment.MaGiaoDich), "content-type": HTML})

    def _show_receipt(self, call: Call[Nothing], receipt: Receipt) -> Reply:
        facts = {**self._facts_of(receipt), "Nộp lúc (paid at)": moment(unix_seconds(receipt.ThoiDiem))}
        return pages.reply(self.name, Page(f"Biên lai {receipt.MaGiaoDich}", facts))

    def page(self, after: int, limit: int) -> tuple[list[Entry], int | None]:
        """Return the portal's payments that were made, in the order of opening, and where to go on."""
        statement = (
            "SELECT id, reference, amount FROM payments WHERE id > ? AND partner = ? AND state = ? ORDER BY id LIMIT ?"
        )
        rows = self.store.reader.execute(statement, (after, PARTNER, PAID, limit)).fetchall()
        items = [Entry(PAYMENT, reference, self.name, str(amount)) for _, reference, amount in rows]
        return items, rows[-1][0] if len(rows) == limit else None

    async def open_payment(self, call: Call[PaymentOrder]) -> PaymentOpened:
        """Open a payment, or find the one of this reference; raises Refusal 401 for who isn't a partner."""
        order = call.content
        if order.MaDoiTac != PARTNER:
            raise Refusal(401, "unauthorised", "MaDoiTac: not a partner of this platform")
        secret = shared_secret(order.MaDoiTac)
        if order.MaXacThuc != proof(order.MaDoiTac, order.MaThamChieu, order.SoTien, secret):
            raise Refusal(401, "unauthorised", "MaXacThuc is wrong")
        number = await self.store.write(lambda connection: _open(connection, order))
        transaction = _code(number)
        return PaymentOpened(transaction, self._page_of(transaction))

    async def pay(self, call: Call[Nothing]) -> PaymentState:
        """Pay; paying again changes nothing. Raises Refusal 409 for a payment that was cancelled."""
        number = _number(call)
        return await self.store.write(lambda connection: self._pay(connection, number))

    def _pay(self, connection: sqlite3.Connection, number: int) -> PaymentState:
        found = _find(connection, number)
        if found.TrangThai == PAID:
            return found
        if found.TrangThai == CANCELLED:
            raise Refusal(409, "transition", "it was cancelled; ask for the payment again")
        connection.execute("UPDATE payments SET paid = ? WHERE id = ?", (time.time(), number))
        _move(connection, number, PAID)
        paid = msgspec.structs.replace(found, TrangThai=PAID)
        partner = connection.execute("SELECT partner FROM payments WHERE id = ?", (number,)).fetchone()[0]
        message = (paid.MaGiaoDich, NOTICE, msgspec.json.encode(_notice(paid, partner)))
        if not self.control.strikes("lost-callback", paid.MaThamChieu):
            self.outbox.put(connection, LINK, message)
        return paid

    async def cancel(self, call: Call[Nothing]) -> PaymentState:
        """Leave a payment unmade, until it is asked for again; raises Refusal 409 for one that was made."""
        number = _number(call)
        return await self.store.write(lambda connection: _cancel(connection, number))

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
        return Receipt(found.MaGiaoDich, found.MaThamChieu, found.SoTien, found.TrangThai, ThoiDiem=timestamp(row[0]))


def _open(connection: sqlite3.Connection, order: PaymentOrder) -> int:
    statement = """INSERT INTO payments(reference, partner, amount, state) VALUES(?, ?, ?, ?)
        ON CONFLICT DO NOTHING"""
    new = connection.execute(statement, (order.MaThamChieu, order.MaDoiTac, order.SoTien, OPENED)).rowcount == 1
    statement = "SELECT id, amount, state FROM payments WHERE partner = ? AND reference = ?"
    number, amount, state = connection.execute(statement, (order.MaDoiTac, order.MaThamChieu)).fetchone()
    if amount != order.SoTien:
        raise Refusal(422, "validation", "this MaThamChieu came before, with another amount")
    if new or state == CANCELLED:
        _move(connection, number, OPENED)
    return int(number)


def _cancel(connection: sqlite3.Connection, number: int) -> PaymentState:
    found = _find(connection, number)
    if found.TrangThai == PAID:
        raise Refusal(409, "transition", "it is paid")
    if found.TrangThai == OPENED:
        _move(connection, number, CANCELLED)
    return msgspec.structs.replace(found, TrangThai=CANCELLED)


def _move(connection: sqlite3.Connection, number: int, state: str) -> None:
    connection.execute("UPDATE payments SET state = ? WHERE id = ?", (state, number))
    connection.execute("INSERT INTO steps VALUES(?, ?, ?)", (number, state, time.time()))


def _find(connection: sqlite3.Connection, number: int) -> PaymentState:
    statement = "SELECT reference, amount, state FROM payments WHERE id = ?"
    row = connection.execute(statement, (number,)).fetchone()
    if row is None:
        raise Refusal(404, "unknown", "no payment has this MaGiaoDich")
    return PaymentState(_code(number), *row)


def _state(state: str) -> str:
    return f"{state} {STATES[state]}"


def _code(number: int) -> str:
    return f"GD{number:010d}"


def _number(call: Call[Any]) -> int:
    return _id(call.path["transaction"])


def _id(text: str) -> int:
    return row_id(text.removeprefix("GD")) if len(text) == 12 else -1


def _notice(paid: PaymentState, partner: str) -> PaymentNotice:
    fields = (paid.MaGiaoDich, paid.MaThamChieu, paid.SoTien, paid.TrangThai)
    return PaymentNotice(paid.MaGiaoDich, paid.MaThamChieu, paid.SoTien, "paid", proof(*fields, shared_secret(partner)))
