"""Receipt stubs (giấy tiếp nhận): a reception team gives one out on the spot, before its line to the system is there.

Its number is the idempotency key under which the dossier is sent; whoever has the stub finds the dossier with it. When
the line is there, the team enters the stub in the province's book of those that are in people's hands.
"""

import sqlite3
from collections.abc import Callable
from typing import Any

import msgspec

from mocks import register, workflows
from mocks.defects import Defects
from mocks.dossier_system import unknown_dossier
from mocks.entries import Entry
from mocks.keys import Keys
from mocks.messages import DossierCode, Text
from mocks.store import Store, listed
from mocks.system import created
from mocks.wire import Body, Call, Nothing, Refusal, Reply, Route
from model.books import content_hash
from model.workflows import Role

SCHEMA = """
CREATE TABLE IF NOT EXISTS stubs(
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, number TEXT NOT NULL UNIQUE, code TEXT NOT NULL);
"""


class HandedOut(Body):
    """A stub that somebody has in their hands, and the dossier that was told to them."""

    number: Text
    code: DossierCode


class Entered(msgspec.Struct):
    """The stub is in the book; ``sequence``: entries that it has there."""

    number: str
    code: str
    sequence: int = 1
    error_code: int = 0


class Stub(msgspec.Struct):
    """What became of a stub: the dossier, and where it stands."""

    number: str
    code: str
    state: int


class _Made(msgspec.Struct):
    code: str = ""  # of a dossier, where the answer is one's


class Stubs:
    """The receipt stubs of one province.

    Args:
        store: Of its dossiers.
        keys: Idempotency keys that it has answered.
        defects: Seeded defects that are on.
    """

    def __init__(self, store: Store, keys: Keys, defects: Defects) -> None:
        self._store = store
        self._keys = keys
        self._defects = defects

    def routes(self, auth: Callable[[str], Any]) -> tuple[Route, ...]:
        """Return its routes; the teams that ``auth`` knows enter stubs, anybody looks one up."""
        return (
            Route("GET", "/stubs/{number}", "stub", self.look_up, gives=Stub, refuses=(404,)),
            Route(
                "POST", "/stubs", "hand_out", self.hand_out, HandedOut, Entered,
                status=201, auth=auth, keyed=True, refuses=(403, 404, 409),
            ),
        )  # fmt: skip

    async def hand_out(self, call: Call[HandedOut]) -> Reply:
        """Enter a stub; raises Refusal 404 without its dossier, 409 where the number is in other hands already."""
        workflows.check(call.session, Role.ONE_STOP, "a stub")

        def change(connection: sqlite3.Connection) -> Reply:
            number, code = call.content.number, call.content.code
            if register.find(connection, code) is None:
                raise unknown_dossier()
            statement = "INSERT INTO stubs(key, number, code) VALUES(?, ?, ?) ON CONFLICT DO NOTHING"
            if not connection.execute(statement, (call.key, number, code)).rowcount:
                raise Refusal(409, "transition", "a stub of this number was handed out before")
            return created(201, Entered(number, code))

        return await self._keys.once(self._store, call, change)

    def page(self, after: int, limit: int) -> tuple[list[Entry], int | None]:
        """Return the stubs that lead to a dossier, in the order of entering, and where to go on."""
        statement = "SELECT id, key, number FROM stubs WHERE id > ? ORDER BY id LIMIT ?"
        rows, last = listed(self._store.reader, statement, after, limit, lambda row: row[1:])
        found = [(key, number, self._find(number)) for key, number in rows]
        items = [Entry("stub", key, number, content_hash({"code": stub.code})) for key, number, stub in found if stub]
        return items, last

    async def look_up(self, call: Call[Nothing]) -> Stub:
        """Return the dossier of a stub; raises Refusal 404 where none was sent under its number."""
        found = self._find(call.path["number"])
        if found is None:
            raise Refusal(404, "unknown", "nothing was sent under this number yet")
        return found

    def _find(self, number: str) -> Stub | None:
        """Return what was sent under a number; where several accounts used it, the one that the book names."""
        if self._defects.on("stub-void"):
            return None
        reader = self._store.reader
        sent = reader.execute("SELECT body FROM answers WHERE key = ? AND status = 201", (number,)).fetchall()
        codes = {msgspec.json.decode(body, type=_Made).code for (body,) in sent}
        entered = {code for (code,) in reader.execute("SELECT code FROM stubs WHERE number = ?", (number,))}
        found = [dossier for code in codes & entered or codes if (dossier := register.find(reader, code))]
        return Stub(number, found[0].code, found[0].state) if len(found) == 1 else None
