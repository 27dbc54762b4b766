"""Assisted submission: a helper (youth union, police) at a reception point fills in and sends what is the citizen's.

The citizen is logged in; the helper's badge is noted, and gives the helper no right to the dossier.
"""

import sqlite3
from collections.abc import Callable
from typing import Any

import msgspec

from mocks import register
from mocks.defects import Defects
from mocks.messages import Submission
from mocks.store import Store
from mocks.system import unknown_dossier
from mocks.wire import Call, Nothing, Route

SCHEMA = """
CREATE TABLE IF NOT EXISTS assisted(code TEXT PRIMARY KEY, owner TEXT NOT NULL, helper TEXT NOT NULL) WITHOUT ROWID;
"""


class Assisted(msgspec.Struct):
    """A citizen's own dossier that a helper sent, and who that was."""

    code: str
    state: int
    helper: str


class Assistance:
    """Who helped whom at the portal.

    Args:
        store: The portal's.
        defects: Seeded defects that are on.
    """

    def __init__(self, store: Store, defects: Defects) -> None:
        self._store = store
        self._defects = defects

    def routes(self, auth: Callable[[str], Any]) -> tuple[Route, ...]:
        """Return its route, for the citizens whom ``auth`` knows."""
        return (Route("GET", "/mine/{code}", "mine", self.mine, gives=Assisted, auth=auth, refuses=(404,)),)

    def note(self, connection: sqlite3.Connection, call: Call[Submission], code: str) -> None:
        """Note whose dossier it is and who helped, where somebody did."""
        helper = call.content.helper
        if helper is not None:
            owner = helper if self._defects.on("assisted-as-own") else call.session.sub
            connection.execute("INSERT INTO assisted VALUES(?, ?, ?)", (code, owner, helper))

    async def mine(self, call: Call[Nothing]) -> Assisted:
        """Return a dossier that somebody helped the caller with; raises Refusal 404 for anybody else."""
        code, reader = call.path["code"], self._store.reader
        statement = "SELECT helper FROM assisted WHERE code = ? AND owner = ?"
        row = reader.execute(statement, (code, call.session.sub)).fetchone()
        dossier = register.find(reader, code)
        if row is None or dossier is None:
            raise unknown_dossier()
        return Assisted(code, dossier.state, row[0])
