"""Idempotency keys: the first answer to an account's key is the answer to it for ever."""

import sqlite3
from collections.abc import Callable
from typing import Any

from mocks.store import Store, undo
from mocks.wire import Call, Refusal, Reply

SCHEMA = """
CREATE TABLE IF NOT EXISTS answers(
    key TEXT NOT NULL, owner TEXT NOT NULL, digest BLOB NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY(key, owner)) WITHOUT ROWID;
"""


class Keys:
    """The keys that one system has answered.

    Attributes:
        forgets: The seeded defect ``duplicate-on-retry``: every call is the first one.
    """

    def __init__(self, forgets: bool = False) -> None:
        self.forgets = forgets

    async def once(self, store: Store, call: Call[Any], change: Callable[[sqlite3.Connection], Reply]) -> Reply:
        """Answer a keyed call: as before where its key was answered, else by ``change``, in one transaction.

        A refusal for the dossier's state (409) is an answer as well, and all that is stored of it; other refusals are
        not, and may be mended.
        Raises Refusal 422 where the key came with another payload.
        """
        return await store.write(lambda connection: self._once(connection, call, change))

    def _once(
        self, connection: sqlite3.Connection, call: Call[Any], change: Callable[[sqlite3.Connection], Reply]
    ) -> Reply:
        known = self.answered(connection, call)
        if known is not None:
            return known
        try:
            reply = change(connection)
        except Refusal as refusal:
            if refusal.status != 409:
                raise
            undo(connection)
            reply = refusal.reply()
        statement = "INSERT OR REPLACE INTO answers VALUES(?, ?, ?, ?, ?)"
        connection.execute(statement, (call.key, call.owner, call.digest, reply.status, reply.body))
        return reply

    def answered(self, connection: sqlite3.Connection, call: Call[Any]) -> Reply | None:
        """Return the answer that a call's key got, None for a new key; raises Refusal 422 as ``once`` does."""
        if self.forgets:
            return None
        statement = "SELECT digest, status, body FROM answers WHERE key = ? AND owner = ?"
        row = connection.execute(statement, (call.key, call.owner)).fetchone()
        if row is None:
            return None
        if row[0] != call.digest:
            raise Refusal(422, "validation", "this Idempotency-Key came before, with another payload")
        return Reply(row[1], row[2])
