"""Data-only services: portal and provinces let databases confirm a dossier's data, and ask for no paper.

Where a database doesn't answer in time, the manual branch is taken: the dossier is accepted all the same, flagged
"needs verification" (cần xác minh), and the question waits in the outbox until the database answers. A mark without
the number of a database's receipt is no verification.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import msgspec

from mocks import register
from mocks.client import Client, LinkError
from mocks.dossier_system import DossierSystem, unknown_dossier
from mocks.entries import Entry
from mocks.messages import Citizen, Confirmation, Confirmed
from mocks.outbox import DELIVERED, RETRY, Message, Outcome, refused
from mocks.posting import POSTS, refusal
from mocks.store import listed
from mocks.system import created
from mocks.wire import Call, Nothing, Refusal, Reply, Route
from model import procedures
from model.books import request_id
from model.links import Link

WITHIN = 0.5  # seconds that a database has before the manual branch is taken [A]
SERVICE = "XacThuc"
SCHEMA = """
CREATE TABLE IF NOT EXISTS marks(
    id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, dossier TEXT NOT NULL, owner TEXT NOT NULL,
    receipt TEXT, UNIQUE(key, owner));
CREATE INDEX IF NOT EXISTS marks_dossier ON marks(dossier);
"""


class Verified(msgspec.Struct):
    """Where a dossier's verification stands: databases -> their receipts, and those that haven't answered yet."""

    code: str
    status: Literal["verified", "needs_verification"]
    sequence: int
    receipts: dict[str, str]
    pending: list[str]
    error_code: int = 0


class Verification:
    """Verifies the data-only dossiers of one system; does nothing where no specialised databases are connected.

    Args:
        system: Whose dossiers they are.
        auth: Makes a session of the bearer token of who asks.
    """

    def __init__(self, system: DossierSystem, auth: Callable[[str], Any]) -> None:
        self._system = system
        self._auth = auth
        links = system.surroundings.links
        names = {target: Link(system.name, target).name for target in ("population", "specialised")}
        self._links = names if names["specialised"] in links else {}
        self._clients = {target: system.client(target, WITHIN) for target in self._links}
        self._patient = {target: system.client(target) for target in self._links}

    def routes(self) -> tuple[Route, ...]:
        """Return the routes that it adds to its system."""
        if not self._links:
            return ()
        path = "/dossiers/{code}/verification"
        return (
            Route("POST", path, "verify", self.verify, Citizen, Verified, auth=self._auth, keyed=True, refuses=(404,)),
            Route("GET", path, "verification", self.standing, gives=Verified, refuses=(404,)),
        )

    def open(self) -> None:
        """Serve the links to the databases: what couldn't be confirmed at once."""
        for target, link in self._links.items():
            self._system.outbox.open(link, partial(self._deliver, target), {SERVICE: POSTS}, self._clients[target].rest)

    async def verify(self, call: Call[Citizen]) -> Reply:
        """Let the databases confirm; flag for later what they don't confirm in time."""
        known = self._system.keys.answered(self._system.store.reader, call)
        if known is not None:
            return known
        asked = self._questions(call)
        receipts = await asyncio.gather(*(self._asked(target, question) for target, question in asked.items()))
        found = dict(zip(asked, receipts, strict=True))
        return await self._system.keys.once(
            self._system.store, call, lambda connection: self._store(connection, asked, found)
        )

    async def _asked(self, target: str, question: Confirmation) -> str | None:
        """Return the number of a database's receipt, None where there is none in time."""
        try:
            answer = await _ask(self._clients[target], question)
            return None if isinstance(answer, Outcome) else answer
        except Refusal:
            if not self._system.surroundings.defects.on("believes-anything"):
                raise
            return f"BN-{question.MaYeuCau}"

    def _questions(self, call: Call[Citizen]) -> dict[str, Confirmation]:
        """Return what each system is asked; raises Refusal where nobody may verify it, or not with these data."""
        dossier = register.find(self._system.store.reader, call.path["code"])
        if dossier is None:
            raise unknown_dossier()
        database = procedures.procedures()[dossier.procedure].database
        if database is None:
            raise Refusal(422, "validation", "procedure: not based wholly on data")
        if call.content.SoDinhDanh != register.person(self._system.store.reader, dossier.code):
            raise Refusal(422, "validation", "SoDinhDanh: not known as this dossier's applicant")
        person = msgspec.structs.asdict(call.content)
        return {
            target: Confirmation(
                **person,
                MaYeuCau=request_id(self._system.name, call.owner, call.key),
                MaHoSo=dossier.code,
                MaTTHC=dossier.procedure,
                MaDonVi=self._system.name,
                CoSoDuLieu=name,
            )
            for target, name in (("population", "population"), ("specialised", database))
        }

    def _store(
        self, connection: sqlite3.Connection, asked: dict[str, Confirmation], found: dict[str, str | None]
    ) -> Reply:
        code, marks = next(iter(asked.values())).MaHoSo, dict[str, str | None]()
        for target, question in asked.items():
            receipt = found[target] or self._system.surroundings.defects.invented_receipt(question.MaYeuCau)
            statement = "INSERT INTO marks(key, dossier, owner, receipt) VALUES(?, ?, ?, ?)"
            connection.execute(statement, (question.MaYeuCau, code, question.CoSoDuLieu, receipt))
            marks[question.CoSoDuLieu] = receipt
            if receipt is None:
                message = (code, SERVICE, msgspec.json.encode(question))
                self._system.outbox.put(connection, self._links[target], message)
        verified = _standing(code, marks)
        if self._system.surroundings.defects.on("verified-too-soon"):
            verified = msgspec.structs.replace(verified, status="verified", pending=[])
        return created(200, verified)

    async def standing(self, call: Call[Nothing]) -> Verified:
        """Say where a dossier's verification stands."""
        statement = "SELECT owner, receipt FROM marks WHERE dossier = ? ORDER BY id"
        rows = self._system.store.reader.execute(statement, (call.path["code"],)).fetchall()
        if not rows:
            raise Refusal(404, "unknown", "no verification was asked for this dossier")
        return _standing(call.path["code"], dict(rows))

    async def _deliver(self, target: str, messages: Sequence[Message]) -> Sequence[Outcome]:
        return await asyncio.gather(*(self._confirm(target, message) for message in messages))

    async def _confirm(self, target: str, message: Message) -> Outcome:
        question = msgspec.json.decode(message.body, type=Confirmation)
        try:
            receipt = await _ask(self._patient[target], question)
        except Refusal as error:
            return refused(f"{error.status} {error}")
        if isinstance(receipt, Outcome):
            return receipt
        statement = "UPDATE marks SET receipt = ? WHERE key = ? AND owner = ?"
        values = (receipt, question.MaYeuCau, question.CoSoDuLieu)
        await self._system.store.write(lambda connection: connection.execute(statement, values))
        return DELIVERED

    def page(self, after: int, limit: int) -> tuple[list[Entry], int | None]:
        """Return the marks that carry a receipt, in the order of storing, and where to go on."""
        statement = "SELECT id, key, owner, receipt FROM marks WHERE id > ? ORDER BY id LIMIT ?"
        rows, last = listed(self._system.store.reader, statement, after, limit, lambda row: row[1:])
        return [Entry("mark", *row) for row in rows if row[2] is not None], last


async def _ask(client: Client, question: Confirmation) -> str | Outcome:
    """Return the number of the receipt, or what came of a question that got none.

    Raises Refusal where the database says that the data are wrong.
    """
    try:
        received = await client.request("POST", "/ndxp/confirm", msgspec.json.encode(question))
    except LinkError:
        return RETRY
    if received.status == 422:
        raise Refusal(422, "validation", f"{question.CoSoDuLieu}: the data differ from the database's")
    if received.status != 201:
        return refusal(received) or RETRY
    try:
        return msgspec.json.decode(received.body, type=Confirmed).MaBienNhan
    except (msgspec.DecodeError, UnicodeError):
        return RETRY


def _standing(code: str, marks: Mapping[str, str | None]) -> Verified:
    """Return where a verification stands, by the receipt of each database that was asked; None: none yet."""
    pending = [owner for owner, receipt in marks.items() if receipt is None]
    receipts = {owner: receipt for owner, receipt in marks.items() if receipt is not None}
    return Verified(code, "needs_verification" if pending else "verified", len(marks), receipts, pending)
