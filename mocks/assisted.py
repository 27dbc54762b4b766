"""Whose dossiers they are, and assisted submission: a helper (youth union, police) fills in what is the citizen's.

At a reception point the citizen is logged in; the helper's badge is noted, and gives the helper no right to what is
sent.
"""

import sqlite3
from collections.abc import Callable
from typing import Any

import msgspec

from mocks import register
from mocks.defects import Defects
from mocks.dossier_system import unknown_dossier
from mocks.messages import Submission
from mocks.store import Store
from mocks.wire import Call, Nothing, Route

SCHEMA = """
CREATE TABLE IF NOT EXISTS owners(code TEXT PRIMARY KEY, owner TEXT NOT NULL, helper TEXT) WITHOUT ROWID;
"""


class Assisted(msgspec.Struct):
    """A citizen's own dossier that a helper sent, and who that was."""

    code: str
    state: int
    helper: str


class Assistance:
    """Who submitted what at the portal, and who helped whom.

    Args:
        store: The portal's.
        look_up: Finds a dossier as the portal's look-ups show it.
        defects: Seeded defects that are on.
    """

    def __init__(self, store: Store, look_up: Callable[[str], register.Dossier | None], defects: Defects) -> None:
        self._store = store
        self._look_up = look_up
        self._defects = defects

    def routes(self, auth: Callable[[str], Any]) -> tuple[Route, ...]:
        """Return its route, for the citizens whom ``auth`` knows."""
        return (Route("GET", "/mine/{code}", "mine", self.mine, gives=Assisted, auth=auth, refuses=(404,)),)

    def note(self, connection: sqlite3.Connection, call: Call[Submission], code: str) -> None:
        """Note whose dossier it is and who helped, where somebody did."""
        helper = call.content.helper
        owner = helper if helper is not None and self._defects.on("assisted-as-own") else call.session.sub
        connection.execute("INSERT INTO owners VALUES(?, ?, ?)", (code, owner, helper))

    def is_of(self, code: str, account: str) -> bool:
        """Tell whether an account submitted a dossier."""
        statement = "SELECT 1 FROM owners WHERE code = ? AND owner = ?"
        return self._store.reader.execute(statement, (code, account)).fetchone() is not None

    async def mine(self, call: Call[Nothing]) -> Assisted:
        """Return a dossier that somebody helped the caller with; raises Refusal 404 for anybody else."""
        code, reader = call.path["code"], self._store.reader
        statement = "SELECT helper FROM owners WHERE code = ? AND owner = ? AND helper IS NOT NULL"
        row = reader.execute(statement, (code, call.session.sub)).fetchone()
        dossier = self._look_up(code)
        if row is None or dossier is None:
            raise unknown_dossier()
        return Assisted(code, dossier.state, row[0])
