"""Officers' accounts and roles of the old provinces, which a migration moves into the province of today.

They go before the dossiers, a transaction per batch: an account that is there already stays as it is, so moving twice
changes nothing. An officer, of a district as well, belongs to the commune that the hamlet of their old desk is in now
[A], and logs in under the name and with the role that they had. One of a split unit whose desk has no hamlet is held,
and can't log in until a person decides.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable

from mocks.defects import Defects
from mocks.migration_messages import AccountItem, AccountPage, PageOf, StagedAccountItem, StagedAccountPage, every
from mocks.staging import Staging, home
from mocks.stock import Account
from mocks.store import Store, cursor, listed
from mocks.units import Units
from model.workflows import Role

STAGED = Staging("staged_accounts", Account)
SCHEMA = f"""{STAGED.schema}
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

    def stage(self, connection: sqlite3.Connection, accounts: Iterable[Account]) -> None:
        """Fill the staging store; accounts that are there stay as they are."""
        STAGED.fill(connection, accounts)

    def move(self, connection: sqlite3.Connection, batch: int) -> int:
        """Move the next accounts in a transaction; returns how many, 0 when all are done."""
        return STAGED.move(
            connection, batch, lambda account: home(self._units, self._defects, account), self._store_one
        )

    def _store_one(self, connection: sqlite3.Connection, account: Account, commune: str) -> None:
        if self._defects.on("migration-forgets-accounts") and account.number % EVERY == 0:
            return
        statement = """INSERT INTO accounts(name, role, province, commune, hash) VALUES(?, ?, ?, ?, ?)
            ON CONFLICT DO NOTHING"""
        connection.execute(statement, (account.name, account.role, account.province, commune, account.hash))

    def post(self, name: str) -> tuple[Role, str] | None:
        """Return role and commune of a moved account, None where there is no such account."""
        row = self._store.reader.execute("SELECT role, commune FROM accounts WHERE name = ?", (name,)).fetchone()
        return None if row is None else (Role(row[0]), row[1])

    def before(self) -> tuple[int, str]:
        """Count and hash what there was."""
        return _holding(every(self.staged))

    def after(self) -> tuple[int, str]:
        """Count and hash what has been moved, and what is held."""
        return _holding([*every(self.moved), *every(self.held)])

    def held_count(self) -> int:
        """Count what is held."""
        return STAGED.count(self._store.reader)[2]

    def staged(self, asked: PageOf) -> StagedAccountPage:
        """List what there was before."""
        return self._staged(asked, held=False)

    def held(self, asked: PageOf) -> StagedAccountPage:
        """List what is held for a person."""
        return self._staged(asked, held=True)

    def _staged(self, asked: PageOf, *, held: bool) -> StagedAccountPage:
        found, last = STAGED.page(self._store.reader, int(asked.after or 0), asked.limit, held=held)
        return StagedAccountPage([_staged_item(account, moved) for account, moved in found], cursor(last))

    def moved(self, asked: PageOf) -> AccountPage:
        """List what the province has of it."""
        statement = "SELECT id, name, role, province, commune, hash FROM accounts WHERE id > ? ORDER BY id LIMIT ?"
        after = int(asked.after or 0)
        items, last = listed(self._store.reader, statement, after, asked.limit, lambda row: AccountItem(*row[1:]))
        return AccountPage(items, cursor(last))


def _staged_item(account: Account, moved: bool) -> StagedAccountItem:
    return StagedAccountItem(
        account.name, account.role, account.province, account.legacy_commune, account.hamlet, account.district,
        account.hash, moved,
    )  # fmt: skip


def _holding(items: Iterable[AccountItem | StagedAccountItem]) -> tuple[int, str]:
    lines = sorted((item.name, item.role, item.hash) for item in items)
    return len(lines), hashlib.sha256(json.dumps(lines).encode()).hexdigest()
