"""The migration job of a province: legacy dossiers move from a staging store into the live register.

Every batch is one transaction: dossiers are stored under the commune of today, with archive flag and attachments, and
marked as moved. So a job that is killed goes on where it was when its system starts again, and moving twice changes
nothing. A dossier keeps its code: people hold the receipt. Officers' accounts go first: see ``mocks.officers``.
"""

import asyncio
import hashlib
import json
import sqlite3
import time
import traceback
from collections.abc import Sequence

import msgspec

from mocks import register
from mocks.control import Control
from mocks.defects import Defects
from mocks.migration_messages import (
    AccountPage,
    Holding,
    Holdings,
    JobState,
    MovedItem,
    MovedPage,
    Order,
    PageOf,
    Progress,
    StagedAccountPage,
    StagedItem,
    StagedPage,
)
from mocks.officers import SCHEMA as ACCOUNTS
from mocks.officers import Officers
from mocks.register import New, next_code
from mocks.stock import Account, Attachment, Legacy
from mocks.store import Store
from mocks.units import Units
from mocks.wire import Call, Nothing, Refusal, Route
from model import places

SCHEMA = f"""{ACCOUNTS}
CREATE TABLE IF NOT EXISTS staged(
    number INTEGER PRIMARY KEY, dossier BLOB NOT NULL, moved INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS staged_waiting ON staged(number) WHERE moved = 0;
CREATE TABLE IF NOT EXISTS migrated(
    id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, archived INTEGER NOT NULL, attachments TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS migration(
    one INTEGER PRIMARY KEY CHECK(one = 1), rate REAL NOT NULL, batch INTEGER NOT NULL, state TEXT NOT NULL);
"""
HOLD = 0.5  # seconds after which a held batch is tried again
EVERY = 5  # defect migration-skips: of the archived dossiers, one in so many is left behind; of the others, attachments


class Mover:
    """One province's migration.

    Args:
        store: The province's.
        units: Its unit table.
        defects: Seeded defects that are on.

    Attributes:
        officers: The accounts that move with the dossiers.
    """

    def __init__(self, store: Store, units: Units, defects: Defects) -> None:
        self.officers = Officers(store, units, defects)
        self._store = store
        self._units = units
        self._defects = defects
        self._task: asyncio.Task[None] | None = None

    async def start(self, dossiers: list[Legacy], accounts: list[Account]) -> None:
        """Fill the staging store at the first start; go on with a job that was interrupted."""
        if dossiers and not self._count("staged"):
            await self._store.write(lambda connection: self.officers.stage(connection, accounts))
            rows = [(legacy.number, msgspec.json.encode(legacy)) for legacy in dossiers]
            statement = "INSERT INTO staged(number, dossier) VALUES(?, ?) ON CONFLICT DO NOTHING"
            await self._store.write(lambda connection: connection.executemany(statement, rows))
        job = self._job()
        if job is not None and job[2] == "running":
            if self._defects.on("migration-twice"):
                await self._store.write(lambda connection: connection.execute("UPDATE staged SET moved = 0"))
            self._launch(job[0], job[1])

    async def stop(self) -> None:
        """Stop between two batches; the job stays what it is."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def order(self, asked: Order) -> Progress:
        """Begin; a job that has begun is left alone. Raises Refusal 409 where there is nothing to migrate."""
        if not self._count("staged"):
            raise Refusal(409, "transition", "there is nothing to migrate")
        if self._job() is None:
            statement = "INSERT INTO migration VALUES(1, ?, ?, 'running') ON CONFLICT DO NOTHING"
            new = await self._store.write(lambda c: c.execute(statement, (asked.rate, asked.batch)).rowcount)
            if new:
                self._launch(asked.rate, asked.batch)
        return self.progress()

    def allows_intake(self) -> None:
        """Allow it always; with the defect ``migration-blocks``, raise Refusal while the job runs."""
        if self._defects.on("migration-blocks") and self._task is not None and not self._task.done():
            raise Refusal(503, "maintenance", "data are being migrated; come back later")

    def progress(self) -> Progress:
        """Say how far it is."""
        total, moved = self._count("staged"), self._count("staged WHERE moved = 1")
        job = self._job()
        state: JobState = "none" if not total else "waiting" if job is None else job[2]
        return Progress(state, total, moved)

    def holdings(self) -> Holdings:
        """Count and hash what there was, and what has been moved."""
        before = _holding(self._staged(0, -1), self.officers.before())
        return Holdings(before, _holding(self._moved(0, -1)[0], self.officers.after()))

    def staged(self, asked: PageOf) -> StagedPage:
        """List what there was before."""
        after = int(asked.after or 0)
        items = self._staged(after, asked.limit)
        return StagedPage(items, str(after + len(items)) if len(items) == asked.limit else None)

    def moved(self, asked: PageOf) -> MovedPage:
        """List what the live register has of it."""
        items, last = self._moved(int(asked.after or 0), asked.limit)
        return MovedPage(items, str(last) if len(items) == asked.limit else None)

    def _launch(self, rate: float, batch: int) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(rate, batch))

    async def _run(self, rate: float, batch: int) -> None:
        while True:
            began = time.monotonic()
            try:
                number = await self._store.write(lambda connection: self._move(connection, batch))
            except Refusal:  # the unit table isn't the registered one: nothing is moved by it
                await asyncio.sleep(HOLD)
                continue
            except Exception:
                traceback.print_exc()
                await asyncio.sleep(HOLD)
                continue
            if number == 0:
                return
            await asyncio.sleep(max(0.0, number / rate - (time.monotonic() - began)))

    def _move(self, connection: sqlite3.Connection, batch: int) -> int:
        """Move the next accounts or dossiers in one transaction; returns how many, 0 when all are done."""
        if accounts := self.officers.move(connection, batch):
            return accounts
        statement = "SELECT dossier FROM staged WHERE moved = 0 ORDER BY number LIMIT ?"
        waiting = [msgspec.json.decode(row[0], type=Legacy) for row in connection.execute(statement, (batch,))]
        for legacy in waiting:
            self._move_one(connection, legacy)
            connection.execute("UPDATE staged SET moved = 1 WHERE number = ?", (legacy.number,))
        if not waiting:
            connection.execute("UPDATE migration SET state = 'done'")
        return len(waiting)

    def _move_one(self, connection: sqlite3.Connection, legacy: Legacy) -> None:
        skips = self._defects.on("migration-skips") and legacy.number % EVERY == 0
        if skips and legacy.archived:
            return
        commune = self._commune(legacy)
        new = New(
            legacy.code, legacy.key, legacy.province, commune, legacy.procedure, legacy.channel, legacy.hash
        )  # fmt: skip
        if not register.add(connection, new, legacy.history):
            if not self._defects.on("migration-twice"):
                return
            code = next_code(connection, "H", legacy.province, commune, register.today())
            new = msgspec.structs.replace(new, code=code)
            register.add(connection, new, legacy.history)
        kept = [] if skips else legacy.attachments
        statement = "INSERT INTO migrated(code, archived, attachments) VALUES(?, ?, ?)"
        connection.execute(statement, (new.code, legacy.archived, msgspec.json.encode(kept).decode()))

    def _commune(self, legacy: Legacy) -> str:
        if self._defects.on("migration-splits"):
            return places.legacy()[legacy.legacy_commune].default
        return self._units.successor(legacy.legacy_commune, legacy.hamlet)

    def _count(self, what: str) -> int:
        return int(self._store.reader.execute(f"SELECT count(*) FROM {what}").fetchone()[0])

    def _job(self) -> tuple[float, int, JobState] | None:
        return self._store.reader.execute("SELECT rate, batch, state FROM migration").fetchone()  # type: ignore[no-any-return]  # a row of these

    def _staged(self, after: int, limit: int) -> list[StagedItem]:
        statement = "SELECT dossier, moved FROM staged WHERE number > ? ORDER BY number LIMIT ?"
        rows = self._store.reader.execute(statement, (after, limit))
        return [_staged_item(msgspec.json.decode(row[0], type=Legacy), bool(row[1])) for row in rows]

    def _moved(self, after: int, limit: int) -> tuple[list[MovedItem], int]:
        statement = """SELECT m.id, d.code, d.key, d.province, d.commune, d.hash, d.state, d.sequence,
            m.archived, m.attachments
            FROM migrated m JOIN dossiers d ON d.code = m.code WHERE m.id > ? ORDER BY m.id LIMIT ?"""
        rows = self._store.reader.execute(statement, (after, limit)).fetchall()
        items = [MovedItem(*(*row[1:8], bool(row[8]), _attachments(row[9]))) for row in rows]
        return items, rows[-1][0] if rows else after


def _staged_item(legacy: Legacy, moved: bool) -> StagedItem:
    sequence, state, _ = legacy.history[-1]
    return StagedItem(
        legacy.code, legacy.key, legacy.province, legacy.legacy_commune, legacy.hamlet, legacy.hash, state, sequence,
        legacy.archived, legacy.attachments, moved,
    )  # fmt: skip


def _attachments(text: str) -> list[Attachment]:
    return msgspec.json.decode(text, type=list[Attachment])


def _holding(items: Sequence[StagedItem | MovedItem], accounts: tuple[int, str]) -> Holding:
    lines = sorted(
        (item.code, item.hash, item.state, item.archived, [attachment.hash for attachment in item.attachments])
        for item in items
    )
    digest = hashlib.sha256(json.dumps(lines).encode()).hexdigest()
    return Holding(len(lines), sum(line[3] for line in lines), sum(len(line[4]) for line in lines), digest, *accounts)


def routes(mover: Mover, control: Control) -> tuple[Route, ...]:
    """Return the routes of a province's migration; ordering one needs the control API's token."""

    async def order(call: Call[Order]) -> Progress:
        return await mover.order(call.content)

    async def progress(call: Call[Nothing]) -> Progress:
        return mover.progress()

    async def holdings(call: Call[Nothing]) -> Holdings:
        return mover.holdings()

    async def staged(call: Call[PageOf]) -> StagedPage:
        return mover.staged(call.content)

    async def moved(call: Call[PageOf]) -> MovedPage:
        return mover.moved(call.content)

    async def staged_accounts(call: Call[PageOf]) -> StagedAccountPage:
        return mover.officers.staged(call.content)

    async def moved_accounts(call: Call[PageOf]) -> AccountPage:
        return mover.officers.moved(call.content)

    listings = (
        ("staged", staged, StagedPage),
        ("moved", moved, MovedPage),
        ("staged-accounts", staged_accounts, StagedAccountPage),
        ("moved-accounts", moved_accounts, AccountPage),
    )
    shown: tuple[Route, ...] = (
        Route("GET", "/migration", "migration", progress, gives=Progress, spared=True),
        Route("GET", "/migration/holdings", "migration_holdings", holdings, gives=Holdings, spared=True),
        *(
            Route(
                "GET",
                f"/migration/{name}",
                f"migration_{name.replace('-', '_')}",
                handler,
                PageOf,
                page,
                "query",
                spared=True,
            )
            for name, handler, page in listings
        ),
    )
    ordered = Route(
        "POST", "/control/migration", "migration_order", order, Order, Progress, auth=control.check, spared=True,
        refuses=(409,),
    )  # fmt: skip
    return (*shown, ordered) if control.exists else shown
