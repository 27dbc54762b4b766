"""Fees at the portal: asked for at the payment platform, credited once when it says that they were paid.

The platform calls back; a call-back may be lost, late or repeated. So the portal also asks about every payment that
waits (đối soát): first ``FIRST_LOOK`` after it was asked for, then each time that it has waited twice as long.
"""

import asyncio
import sqlite3
import time
import traceback
from collections.abc import Callable
from typing import Any

import msgspec

from mocks import credits, register
from mocks.assisted import Assistance
from mocks.client import LinkError
from mocks.dossier_system import DossierSystem, unknown_dossier
from mocks.messages import (
    Created,
    PaidFee,
    PaymentNotice,
    PaymentOpened,
    PaymentState,
    proof,
    shared_secret,
)
from mocks.portal import ITEM_REFUSED
from mocks.system import created
from mocks.upstream import ask, understood
from mocks.wire import Call, Nothing, Refusal, Reply, Route
from model import procedures
from model.links import Link, province_system

TELL = "ThongBaoThanhToan"
FIRST_LOOK, LAST_LOOK = 2.0, 3600.0  # seconds between two questions about a payment that waits [A]
AT_ONCE = 8  # questions in flight at a time
PAUSE = 0.25  # seconds between two looks for payments to ask about
SCHEMA = f"""{credits.SCHEMA}
CREATE TABLE IF NOT EXISTS fees(
    dossier TEXT PRIMARY KEY, payment TEXT NOT NULL, amount INTEGER NOT NULL, looks INTEGER NOT NULL DEFAULT 0,
    due REAL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS fees_due ON fees(due) WHERE due IS NOT NULL;
"""
"""``due``: when the platform is asked about it, null once it was credited; ``looks``: how often it has said."""


class PaymentAsked(msgspec.Struct):
    """Where a citizen pays; ``SoTien`` in VND."""

    MaGiaoDich: str
    UrlThanhToan: str
    SoTien: int


class Fees:
    """The fees of one portal's dossiers.

    Args:
        system: The portal.
        assistance: Knows whose dossiers they are.
    """

    def __init__(self, system: DossierSystem, assistance: Assistance) -> None:
        self._system = system
        self._assistance = assistance
        self._client = system.client("payment")
        self._again = system.surroundings.defects.on("callback-applied-twice")
        self._reconciles = not system.surroundings.defects.on("paid-but-waiting")
        self._task: asyncio.Task[None] | None = None
        self.page = credits.book(system.store, system.name)

    def routes(self, auth: Callable[[str], Any]) -> tuple[Route, ...]:
        """Return its routes: of the citizens whom ``auth`` knows, and of the platform."""
        return (
            Route(
                "POST", "/dossiers/{code}/payment", "payment", self.payment, Nothing, PaymentAsked,
                auth=auth, keyed=True, refuses=(404, 409),
            ),
            Route(
                "POST", "/payments/callback", "callback", self.callback, PaymentNotice, Created,
                peers=True, refuses=(401,),
            ),
        )  # fmt: skip

    def start(self) -> None:
        """Begin to ask about the payments that wait."""
        if self._reconciles:
            self._task = asyncio.get_running_loop().create_task(self._reconcile())

    async def stop(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def owed(self) -> int:
        """Count the payments that wait and that the platform hasn't been asked about yet."""
        statement = "SELECT count(*) FROM fees WHERE due IS NOT NULL AND looks = 0"
        return int(self._system.store.reader.execute(statement).fetchone()[0]) if self._reconciles else 0

    async def payment(self, call: Call[Nothing]) -> Reply:
        """Ask the payment platform for the payment of a dossier's fee; raises Refusal 404 for anybody else's."""
        code, reader = call.path["code"], self._system.store.reader
        dossier = register.find(reader, code)
        if dossier is None or not self._assistance.is_of(code, call.session.sub):
            raise unknown_dossier()
        known = self._system.keys.answered(reader, call)
        if known is not None:
            return known
        fee = procedures.procedures()[dossier.procedure].fee
        if fee == 0 or dossier.test:
            raise Refusal(409, "transition", "no fee is due")
        asked = await self._ask(code, fee)

        def change(connection: sqlite3.Connection) -> Reply:
            statement = "INSERT INTO fees(dossier, payment, amount, due) VALUES(?, ?, ?, ?) ON CONFLICT DO NOTHING"
            connection.execute(statement, (code, asked.MaGiaoDich, fee, time.time() + FIRST_LOOK))
            return created(200, asked)

        return await self._system.keys.once(self._system.store, call, change)

    async def _ask(self, code: str, fee: int) -> PaymentAsked:
        partner = self._system.name
        order = {
            "MaDoiTac": partner,
            "MaThamChieu": code,
            "SoTien": fee,
            "MaXacThuc": proof(partner, code, fee, shared_secret(partner)),
        }
        received = await ask(self._client, "payment", "POST", "/payments", msgspec.json.encode(order))
        opened = understood(received, "payment", PaymentOpened)
        return PaymentAsked(opened.MaGiaoDich, opened.UrlThanhToan, fee)

    async def callback(self, call: Call[PaymentNotice]) -> Created:
        """Credit a fee that was paid, and tell the province; hearing it again changes nothing."""
        notice = call.content
        fields = (notice.MaGiaoDich, notice.MaThamChieu, notice.SoTien, notice.TrangThai)
        if notice.MaXacThuc != proof(*fields, shared_secret(self._system.name)):
            raise Refusal(401, "unauthorised", "MaXacThuc is wrong")
        return await self._system.store.write(lambda connection: self._credit(connection, *fields[:3]))

    def _credit(self, connection: sqlite3.Connection, payment: str, code: str, amount: int) -> Created:
        row = connection.execute("SELECT payment, amount FROM fees WHERE dossier = ?", (code,)).fetchone()
        if row != (payment, amount):
            return Created(ITEM_REFUSED, "không có giao dịch này")
        answer = credits.credit(connection, code, amount, self._again)
        if answer.error_code == 0:
            connection.execute("UPDATE fees SET due = NULL WHERE dossier = ?", (code,))
            link = Link(self._system.name, province_system(str(register.province_of(connection, code)))).name
            self._system.outbox.put(connection, link, (code, TELL, msgspec.json.encode(PaidFee(code, amount))))
        return answer

    async def _reconcile(self) -> None:
        while True:
            await asyncio.sleep(max(PAUSE, self._client.rest()))
            while waiting := self._due():
                try:
                    await asyncio.gather(*(self._look(*row) for row in waiting))
                except sqlite3.Error:
                    traceback.print_exc()
                    break

    def _due(self) -> list[tuple[str, str]]:
        statement = "SELECT dossier, payment FROM fees WHERE due <= ? ORDER BY due LIMIT ?"
        return self._system.store.reader.execute(statement, (time.time(), AT_ONCE)).fetchall()

    async def _look(self, code: str, payment: str) -> None:
        """Ask about one payment, and say when it is asked about again, unless it was credited."""
        try:
            received = await self._client.request("GET", f"/payments/{payment}")
            state = msgspec.json.decode(received.body, type=PaymentState)
        except (LinkError, msgspec.DecodeError, UnicodeError):
            state = None

        def change(connection: sqlite3.Connection) -> None:
            statement = """UPDATE fees SET looks = looks + ?, due = ? + min(? * (1 << min(looks, 12)), ?)
                WHERE dossier = ? AND due IS NOT NULL"""
            connection.execute(statement, (state is not None, time.time(), FIRST_LOOK, LAST_LOOK, code))
            if state is not None and state.TrangThai == "paid":
                self._credit(connection, state.MaGiaoDich, state.MaThamChieu, state.SoTien)

        await self._system.store.write(change)
