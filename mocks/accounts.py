"""VNeID accounts that the portal knows: whoever has logged in there."""

import sqlite3

from mocks.messages import UserInfo
from mocks.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts(id_number TEXT PRIMARY KEY, tech_id TEXT NOT NULL) WITHOUT ROWID;
"""


async def remember(store: Store, user: UserInfo) -> None:
    """Keep whose TechID it is; an account that is known costs no write."""
    if tech_id(store.reader, user.SoDinhDanh) == user.TechID:
        return
    statement = "INSERT OR REPLACE INTO accounts VALUES(?, ?)"
    await store.write(lambda connection: connection.execute(statement, (user.SoDinhDanh, user.TechID)) and None)


def tech_id(connection: sqlite3.Connection, id_number: str) -> str | None:
    """Return the TechID of a personal identification number, None where nobody has logged in with it."""
    row = connection.execute("SELECT tech_id FROM accounts WHERE id_number = ?", (id_number,)).fetchone()
    return None if row is None else str(row[0])
