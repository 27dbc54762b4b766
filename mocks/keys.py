"""Idempotency keys: the first answer to a key is the answer to it for ever."""

import sqlite3
from collections.abc import Callable
from typing import Any

from mocks.wire import Call, Refusal, Reply

SCHEMA = """
CREATE TABLE IF NOT EXISTS answers(
    key TEXT PRIMARY KEY, digest BLOB NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;
"""


class Keys:
    """The keys that one system has answered.

    Attributes:
        forgets: The seeded defect ``duplicate-on-retry``: every call is the first one.
    """

    def __init__(self, forgets: bool = False) -> None:
        self.forgets = forgets

    def once(
        self, connection: sqlite3.Connection, call: Call[Any], change: Callable[[sqlite3.Connection], Reply]
    ) -> Reply:
        """Answer a keyed call: as before where its key was answered, else by ``change``, in one transaction.

        A refusal for the dossier's state (409) is an answer as well; other refusals are not, and may be mended.
        Raises Refusal 422 where the key came with another payload.
        """
        known = self.answered(connection, call)
        if known is not None:
            return known
        try:
            reply = change(connection)
        except Refusal as refusal:
            if refusal.status != 409:
                raise
            reply = refusal.reply()
        statement = "INSERT OR REPLACE INTO answers VALUES(?, ?, ?, ?)"
        connection.execute(statement, (call.key, call.digest, reply.status, reply.body))
        return reply

    def answered(self, connection: sqlite3.Connection, call: Call[Any]) -> Reply | None:
        """Return the answer that a call's key got, None for a new key; raises Refusal 422 as ``once`` does."""
        if self.forgets:
            return None
        statement = "SELECT digest, status, body FROM answers WHERE key = ?"
        row = connection.execute(statement, (call.key,)).fetchone()
        if row is None:
            return None
        if row[0] != call.digest:
            raise Refusal(422, "validation", "this Idempotency-Key came before, with another payload")
        return Reply(row[1], row[2])
