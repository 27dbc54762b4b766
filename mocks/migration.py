"""The migration job of a province: legacy dossiers move from a staging store into the live register.

Every batch is one transaction: dossiers are stored under the commune of today, with their history, archive flag and the
bytes of their attachments, and marked as moved. So a job that is killed goes on where it was when its system starts
again, and moving twice changes nothing. A dossier keeps its code: people hold the receipt. One of which nobody knows
where it belongs is held, and keeps no other waiting. Officers' accounts go first: see ``mocks.officers``.

What was filed with a district goes where its procedure went: to the commune, or to the province's centre. Two old
provinces may have issued one code: a dossier is known by its old province and its old code. The second one to move gets
a code of its own, and is found by those two.
"""

import asyncio
import hashlib
import json
import sqlite3
import time
import traceback
from collections.abc import Callable, Iterable
from typing import Any

from mocks import attachments, register
from mocks.attachments import Attachments
from mocks.control import Control
from mocks.defects import Defects
from mocks.dossier_system import unknown_dossier
from mocks.migration_messages import (
    AccountPage,
    Attached,
    Holding,
    Holdings,
    JobState,
    Line,
    MovedItem,
    MovedPage,
    OldProvince,
    Order,
    PageOf,
    Progress,
    StagedAccountPage,
    StagedItem,
    StagedPage,
    every,
)
from mocks.officers import SCHEMA as ACCOUNTS
from mocks.officers import Officers
from mocks.register import Dossier, New, next_code
from mocks.staging import Staging, home
from mocks.stock import Account, Legacy
from mocks.store import Store, cursor, listed
from mocks.units import Units
from mocks.wire import Call, Nothing, Refusal, Route
from model import centres, places, procedures

STAGED = Staging("staged", Legacy)
SCHEMA = f"""{ACCOUNTS}{STAGED.schema}
CREATE TABLE IF NOT EXISTS migrated(
    id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, steps INTEGER NOT NULL, old_code TEXT NOT NULL,
    old_province TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS migrated_of_before ON migrated(old_code, old_province);
CREATE TABLE IF NOT EXISTS migration(
    one INTEGER PRIMARY KEY CHECK(one = 1), rate REAL NOT NULL, batch INTEGER NOT NULL, state TEXT NOT NULL);
"""
HOLD = 0.5  # seconds after which a held batch is tried again
EVERY = 5  # defect migration-skips: of the archived dossiers, one in so many is left behind; of the others, attachments


class Mover:
    """One province's migration.

    Args:
        store: The province's.
        files: Its attachments.
        units: Its unit table.
        defects: Seeded defects that are on.

    Attributes:
        officers: The accounts that move with the dossiers.
    """

    def __init__(self, store: Store, files: Attachments, units: Units, defects: Defects) -> None:
        self.officers = Officers(store, units, defects)
        self._store = store
        self._files = files
        self._units = units
        self._defects = defects
        self._task: asyncio.Task[None] | None = None

    async def start(self, dossiers: Iterable[Legacy], accounts: Iterable[Account]) -> None:
        """Fill the staging store at the first start; go on with a job that was interrupted."""
        if not self._count()[0]:
            await self._store.write(lambda connection: self._stage(connection, dossiers, accounts))
        job = self._job()
        if job is not None and job[2] == "running":
            if self._defects.on("migration-twice"):
                await self._store.write(STAGED.forget)
            self._launch(job[0], job[1])

    def _stage(self, connection: sqlite3.Connection, dossiers: Iterable[Legacy], accounts: Iterable[Account]) -> None:
        self.officers.stage(connection, accounts)
        STAGED.fill(connection, dossiers)

    async def stop(self) -> None:
        """Stop between two batches; the job stays what it is."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def order(self, asked: Order) -> Progress:
        """Begin; a job that has begun is left alone. Raises Refusal 409 where there is nothing to migrate."""
        if not self._count()[0]:
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
        total, moved, held = self._count()
        job = self._job()
        state: JobState = "none" if not total else "waiting" if job is None else job[2]
        return Progress(state, total, moved, held, self.officers.held_count())

    def brought(self, connection: sqlite3.Connection, code: str) -> bool:
        """Tell whether a dossier of the register came with the migration."""
        return connection.execute("SELECT 1 FROM migrated WHERE code = ?", (code,)).fetchone() is not None

    def find(self, old_code: str, old_province: str) -> Dossier:
        """Return the dossier that had a code in an old province; raises Refusal 404 where none has moved that had."""
        code = _code_now(self._store.reader, old_code, old_province)
        found = code and register.find(self._store.reader, code)
        if not found:
            raise unknown_dossier()
        found.attachments = self._files.held([found.code]).get(found.code, [])
        return found

    def holdings(self) -> Holdings:
        """Count and hash what there was, and what has been moved or is held."""
        before = _holding((item.line for item in every(self.staged)), self.officers.before())
        after = [*(item.line for item in every(self.moved)), *(item.line for item in every(self.held))]
        return Holdings(before, _holding(after, self.officers.after()))

    def staged(self, asked: PageOf) -> StagedPage:
        """List what there was before."""
        return self._staged(asked, held=False)

    def held(self, asked: PageOf) -> StagedPage:
        """List what is held for a person."""
        return self._staged(asked, held=True)

    def moved(self, asked: PageOf) -> MovedPage:
        """List what the live register has of it."""
        statement = "SELECT id, code, steps, old_code, old_province FROM migrated WHERE id > ? ORDER BY id LIMIT ?"
        after = int(asked.after or 0)
        rows, last = listed(self._store.reader, statement, after, asked.limit, lambda row: row[1:])
        codes = [row[0] for row in rows]
        found, files = register.among(self._store.reader, codes), self._files.held(codes)
        return MovedPage([_moved_item(found[row[0]], files.get(row[0], []), *row[1:]) for row in rows], cursor(last))

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
        number = STAGED.move(connection, batch, self._home, self._store_one)
        if number == 0:
            connection.execute("UPDATE migration SET state = 'done'")
        return number

    def _home(self, legacy: Legacy) -> str | None:
        """Return where a dossier belongs now: a commune, or the province's centre; None where nobody knows."""
        if legacy.district and self._defects.on("district-dossier-to-old-seat"):
            return places.seat(places.legacy()[legacy.legacy_commune]).default
        if legacy.district and procedures.procedures()[legacy.procedure].level == "tỉnh":
            return centres.centre(legacy.province)
        return home(self._units, self._defects, legacy)

    def _store_one(self, connection: sqlite3.Connection, legacy: Legacy, commune: str) -> None:
        skips = self._defects.on("migration-skips") and legacy.number % EVERY == 0
        if skips and legacy.archived:
            return
        moved = _code_now(connection, legacy.code, legacy.old_province)
        if moved and not self._defects.on("migration-twice"):
            return
        new = New(
            self._free_code(connection, legacy), legacy.key, legacy.province, commune, legacy.procedure,
            legacy.channel, legacy.hash, archived=legacy.archived,
        )  # fmt: skip
        register.add(connection, new, legacy.history)
        for file in [] if skips else legacy.attachments:
            attachments.keep(connection, new.code, file.hash, file.content)
        statement = "INSERT INTO migrated(code, steps, old_code, old_province) VALUES(?, ?, ?, ?)"
        connection.execute(statement, (new.code, len(legacy.history), legacy.code, legacy.old_province))

    def _free_code(self, connection: sqlite3.Connection, legacy: Legacy) -> str:
        """Return a dossier's own code; a new one, of this day, where another dossier has that."""
        if register.province_of(connection, legacy.code) is None:
            return legacy.code
        if self._defects.on("migration-overwrites-same-code"):
            register.remove(connection, legacy.code)
            connection.execute("DELETE FROM migrated WHERE code = ?", (legacy.code,))
            return legacy.code
        return next_code(connection, "H", legacy.province, legacy.legacy_commune.zfill(5), register.today())

    def _count(self) -> tuple[int, int, int]:
        return STAGED.count(self._store.reader)

    def _job(self) -> tuple[float, int, JobState] | None:
        return self._store.reader.execute("SELECT rate, batch, state FROM migration").fetchone()  # type: ignore[no-any-return]  # a row of these

    def _staged(self, asked: PageOf, *, held: bool) -> StagedPage:
        found, last = STAGED.page(self._store.reader, int(asked.after or 0), asked.limit, held=held)
        return StagedPage([_staged_item(legacy, moved) for legacy, moved in found], cursor(last))


def _staged_item(legacy: Legacy, moved: bool) -> StagedItem:
    files = [Attached(file.name, file.hash) for file in legacy.attachments]
    return StagedItem(
        legacy.code, legacy.key, legacy.province, legacy.old_province, legacy.legacy_commune, legacy.hamlet,
        legacy.district, legacy.procedure, legacy.hash, legacy.history, legacy.archived, files, moved,
    )  # fmt: skip


def _moved_item(dossier: Dossier, files: list[str], steps: int, old_code: str, old_province: str) -> MovedItem:
    history = [step[:3] for step in dossier.history]
    return MovedItem(
        dossier.code, dossier.key, dossier.province, dossier.commune, dossier.hash, history, steps, dossier.archived,
        files, old_code, old_province,
    )  # fmt: skip


def _code_now(connection: sqlite3.Connection, old_code: str, old_province: str) -> str | None:
    statement = "SELECT code FROM migrated WHERE old_code = ? AND old_province = ?"
    row = connection.execute(statement, (old_code, old_province)).fetchone()
    return None if row is None else str(row[0])


def _holding(found: Iterable[Line], accounts: tuple[int, str]) -> Holding:
    lines = sorted(found)
    digest = hashlib.sha256(json.dumps(lines).encode()).hexdigest()
    return Holding(len(lines), sum(line[4] for line in lines), sum(len(line[5]) for line in lines), digest, *accounts)


def routes(mover: Mover, control: Control) -> tuple[Route, ...]:
    """Return the routes of a province's migration; ordering one needs the control API's token."""

    async def order(call: Call[Order]) -> Progress:
        return await mover.order(call.content)

    async def progress(call: Call[Nothing]) -> Progress:
        return mover.progress()

    async def holdings(call: Call[Nothing]) -> Holdings:
        return mover.holdings()

    async def find(call: Call[OldProvince]) -> Dossier:
        return mover.find(call.path["code"], call.content.old_province)

    shown: tuple[Route, ...] = (
        Route("GET", "/migration", "migration", progress, gives=Progress, spared=True),
        Route("GET", "/migration/holdings", "migration_holdings", holdings, gives=Holdings, spared=True),
        Route(
            "GET", "/migration/dossiers/{code}", "migration_find", find, OldProvince, Dossier, "query", refuses=(404,),
            spared=True,
        ),
        _listing("staged", mover.staged, StagedPage),
        _listing("moved", mover.moved, MovedPage),
        _listing("held", mover.held, StagedPage),
        _listing("staged-accounts", mover.officers.staged, StagedAccountPage),
        _listing("moved-accounts", mover.officers.moved, AccountPage),
        _listing("held-accounts", mover.officers.held, StagedAccountPage),
    )  # fmt: skip
    ordered = Route(
        "POST", "/control/migration", "migration_order", order, Order, Progress, auth=control.check, spared=True,
        refuses=(409,),
    )  # fmt: skip
    return (*shown, ordered) if control.exists else shown


def _listing(name: str, read: Callable[[PageOf], object], page: Any) -> Route:
    async def show(call: Call[PageOf]) -> object:
        return read(call.content)

    operation = f"migration_{name.replace('-', '_')}"
    return Route("GET", f"/migration/{name}", operation, show, PageOf, page, "query", spared=True)
