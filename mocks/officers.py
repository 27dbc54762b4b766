"""Officers' accounts and roles of the old provinces, which a migration moves into the province of today.

They go before the dossiers, a transaction per batch: an account that is there already stays as it is, so moving twice
changes nothing. An officer belongs to the commune that the hamlet of their old desk is in now [A], and logs in under
the name that they had.
"""

import hashlib
import json
import sqlite3
from collections.abc import Sequence

import msgspec

from mocks.defects import Defects
from mocks.migration_messages import AccountItem, AccountPage, PageOf, StagedAccountItem, StagedAccountPage
from mocks.stock import Account
from mocks.store import Store
from mocks.units import Units

SCHEMA = """
CREATE TABLE IF NOT EXISTS staged_accounts(
    number INTEGER PRIMARY KEY, account BLOB NOT NULL, moved INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS accounts(
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, role TEXT NOT NULL, province TEXT NOT NULL,
    commune TEXT NOT NULL, hash TEXT NOT NULL);
"""
EVERY = 5  # defect migration-forgets-accounts: one in so many is left behind


class Officers:
    """The accounts of one province: those that wait, and those that were moved.

    Args:
        store: The province's.
        units: Its unit table.
        defects: Seeded defects that are on.
    """

    def __init__(self, store: Store, units: Units, defects: Defects) -> None:
        self._store = store
        self._units = units
        self._defects = defects

    def stage(self, connection: sqlite3.Connection, accounts: Sequence[Account]) -> None:
        """Fill the staging store; accounts that are there stay as they are."""
        rows = [(account.number, msgspec.json.encode(account)) for account in accounts]
        statement = "INSERT INTO staged_accounts(number, account) VALUES(?, ?) ON CONFLICT DO NOTHING"
        connection.executemany(statement, rows)

    def move(self, connection: sqlite3.Connection, batch: int) -> int:
        """Move the next accounts in a transaction; returns how many, 0 when all are done."""
        statement = "SELECT account FROM staged_accounts WHERE moved = 0 ORDER BY number LIMIT ?"
        waiting = [msgspec.json.decode(row[0], type=Account) for row in connection.execute(statement, (batch,))]
        for account in waiting:
            if not (self._defects.on("migration-forgets-accounts") and account.number % EVERY == 0):
                self._move_one(connection, account)
            connection.execute("UPDATE staged_accounts SET moved = 1 WHERE number = ?", (account.number,))
        return len(waiting)

    def _move_one(self, connection: sqlite3.Connection, account: Account) -> None:
        commune = self._units.successor(account.legacy_commune, account.hamlet)
        statement = """INSERT INTO accounts(name, role, province, commune, hash) VALUES(?, ?, ?, ?, ?)
            ON CONFLICT DO NOTHING"""
        connection.execute(statement, (account.name, account.role, account.province, commune, account.hash))

    def place_of(self, name: str) -> str | None:
        """Return the commune of a moved account, None where there is no such account."""
        row = self._store.reader.execute("SELECT commune FROM accounts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def before(self) -> tuple[int, str]:
        """Count and hash what there was."""
        return _held(self.staged(PageOf(limit=-1)).items)

    def after(self) -> tuple[int, str]:
        """Count and hash what has been moved."""
        return _held(self.moved(PageOf(limit=-1)).items)

    def staged(self, asked: PageOf) -> StagedAccountPage:
        """List what there was before."""
        statement = "SELECT account, moved FROM staged_accounts WHERE number > ? ORDER BY number LIMIT ?"
        after = int(asked.after or 0)
        rows = self._store.reader.execute(statement, (after, asked.limit)).fetchall()
        items = [_staged_item(msgspec.json.decode(row[0], type=Account), bool(row[1])) for row in rows]
        return StagedAccountPage(items, str(after + len(items)) if len(items) == asked.limit else None)

    def moved(self, asked: PageOf) -> AccountPage:
        """List what the province has of it."""
        statement = "SELECT id, name, role, province, commune, hash FROM accounts WHERE id > ? ORDER BY id LIMIT ?"
        rows = self._store.reader.execute(statement, (int(asked.after or 0), asked.limit)).fetchall()
        return AccountPage(
            [AccountItem(*row[1:]) for row in rows], str(rows[-1][0]) if len(rows) == asked.limit else None
        )


def _staged_item(account: Account, moved: bool) -> StagedAccountItem:
    return StagedAccountItem(
        account.name, account.role, account.province, account.legacy_commune, account.hamlet, account.hash, moved
    )


def _held(items: Sequence[AccountItem | StagedAccountItem]) -> tuple[int, str]:
    lines = sorted((item.name, item.role, item.hash) for item in items)
    return len(lines), hashlib.sha256(json.dumps(lines).encode()).hexdigest()
