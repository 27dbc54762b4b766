"""Data-only services: portal and provinces let databases confirm a dossier's data, and ask for no paper.

Where a database doesn't answer in time, the manual branch is taken: the dossier is accepted all the same, flagged
"needs verification" (cần xác minh), and the question waits in the outbox until the database answers. A mark without
the number of a database's receipt is no verification.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import msgspec

from mocks import register
from mocks.client import Client, LinkError
from mocks.entries import Entry
from mocks.messages import Citizen, Confirmation, Confirmed
from mocks.outbox import Message, Outcome
from mocks.posting import POSTS
from mocks.system import DossierSystem, created, unknown_dossier
from mocks.wire import Call, Nothing, Refusal, Reply, Route
from model import procedures
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
    """Where a dossier's verification stands; ``pending`` names the databases that haven't answered yet."""

    code: str
    status: Literal["verified", "needs_verification"]
    sequence: int
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
        self._clients = {target: Client(links[link], WITHIN) for target, link in self._links.items()}
        self._patient = {target: Client(links[link]) for target, link in self._links.items()}

    @property
    def serves(self) -> bool:
        """Whether there are databases to ask."""
        return bool(self._links)

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
        receipts = await asyncio.gather(*(_ask(self._clients[target], question) for target, question in asked.items()))
        found = dict(zip(asked, receipts, strict=True))
        return await self._system.store.write(
            lambda connection: self._system.keys.once(
                connection, call, lambda connection: self._store(connection, asked, found)
            )
        )

    def _questions(self, call: Call[Citizen]) -> dict[str, Confirmation]:
        """Return what each system is asked; raises Refusal where the dossier isn't of a data-only service."""
        dossier = register.find(self._system.store.reader, call.path["code"])
        if dossier is None:
            raise unknown_dossier()
        database = procedures.procedures()[dossier.procedure].database
        if database is None:
            raise Refusal(422, "validation", "procedure: not based wholly on data")
        person = msgspec.structs.asdict(call.content)
        return {
            target: Confirmation(
                **person,
                MaYeuCau=call.key,
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
        code, pending = next(iter(asked.values())).MaHoSo, []
        for target, question in asked.items():
            receipt = found[target] or self._system.surroundings.defects.invented_receipt(question.MaYeuCau)
            statement = "INSERT INTO marks(key, dossier, owner, receipt) VALUES(?, ?, ?, ?)"
            connection.execute(statement, (question.MaYeuCau, code, question.CoSoDuLieu, receipt))
            if receipt is None:
                pending.append(question.CoSoDuLieu)
                message = (code, SERVICE, msgspec.json.encode(question))
                self._system.outbox.put(connection, self._links[target], message)
        return created(200, Verified(code, _status(pending), len(asked), pending))

    async def standing(self, call: Call[Nothing]) -> Verified:
        """Say where a dossier's verification stands."""
        statement = "SELECT owner, receipt FROM marks WHERE dossier = ? ORDER BY id"
        rows = self._system.store.reader.execute(statement, (call.path["code"],)).fetchall()
        if not rows:
            raise Refusal(404, "unknown", "no verification was asked for this dossier")
        pending = [owner for owner, receipt in rows if receipt is None]
        return Verified(call.path["code"], _status(pending), len(rows), pending)

    async def _deliver(self, target: str, messages: Sequence[Message]) -> Sequence[Outcome]:
        return await asyncio.gather(*(self._confirm(target, message) for message in messages))

    async def _confirm(self, target: str, message: Message) -> Outcome:
        question = msgspec.json.decode(message.body, type=Confirmation)
        try:
            receipt = await _ask(self._patient[target], question)
        except Refusal:
            return Outcome.REJECTED
        if receipt is None:
            return Outcome.RETRY
        statement = "UPDATE marks SET receipt = ? WHERE key = ? AND owner = ?"
        values = (receipt, question.MaYeuCau, question.CoSoDuLieu)
        await self._system.store.write(lambda connection: connection.execute(statement, values))
        return Outcome.DELIVERED

    def page(self, after: int, limit: int) -> tuple[list[Entry], int | None]:
        """Return the marks that carry a receipt, in the order of storing, and where to go on."""
        statement = "SELECT id, key, owner, receipt FROM marks WHERE id > ? ORDER BY id LIMIT ?"
        rows = self._system.store.reader.execute(statement, (after, limit)).fetchall()
        items = [Entry("mark", *row[1:]) for row in rows if row[3] is not None]
        return items, rows[-1][0] if len(rows) == limit else None


async def _ask(client: Client, question: Confirmation) -> str | None:
    """Return the number of the receipt, None where there is no answer in time.

    Raises Refusal where the database says that the data are wrong.
    """
    try:
        received = await client.request("POST", "/ndxp/confirm", msgspec.json.encode(question))
    except LinkError:
        return None
    if received.status == 422:
        raise Refusal(422, "validation", f"{question.CoSoDuLieu}: the data differ from the database's")
    if received.status != 201:
        return None
    try:
        return msgspec.json.decode(received.body, type=Confirmed).MaBienNhan
    except (msgspec.DecodeError, UnicodeError):
        return None


def _status(pending: Sequence[str]) -> Literal["verified", "needs_verification"]:
    return "needs_verification" if pending else "verified"
