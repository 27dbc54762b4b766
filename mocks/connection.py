"""Communes that aren't connected to the National Portal yet: most were in July 2025 [S4], some weren't.

Such a commune takes dossiers in at its counters. What portal and province have to tell each other of its dossiers is
held in the outbox of either, and goes on, in its order, once the commune is connected.
"""

import asyncio
import re
import sqlite3
import time
import traceback
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

from mocks.store import Store
from mocks.wire import Body, Call, Route

SCHEMA = """
CREATE TABLE IF NOT EXISTS connection(
    id INTEGER PRIMARY KEY CHECK(id = 1), at REAL NOT NULL, made INTEGER NOT NULL DEFAULT 0
);
"""
PAUSE = 0.5  # seconds until what the database refused is tried again
COMMUNE = slice(4, 9)  # of a dossier's code: ``H01.00004-250701-0001``
LINKS = re.compile(r"national->province:\d\d|province:\d\d->national")
WORD = "Xã chưa kết nối với Cổng Dịch vụ công quốc gia: hồ sơ được giữ lại, và chuyển đi khi xã được kết nối"


class Moment(Body):
    """When the communes are connected, Unix seconds."""

    at: float


class Connection:
    """The communes of one system that wait for their connection, until all are connected.

    Args:
        communes: Their codes.
        store: The system's.
    """

    def __init__(self, communes: Collection[str], store: Store) -> None:
        self._waiting = frozenset(communes)
        self._store = store
        self._told = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def routes(self, operator: Callable[[str], Any] | None) -> tuple[Route, ...]:
        """Return its route, where there is something to connect; ``operator`` knows who may set the moment."""
        if not self._waiting or operator is None:
            return ()
        put = self.set_moment
        return (Route("PUT", "/control/connection", "set_connection", put, Moment, Moment, auth=operator, spared=True),)

    def start(self, release: Callable[[sqlite3.Connection], None]) -> None:
        """Wait for the moment, where there is something to wait for; ``release`` lets go of what is held until then."""
        if self._waiting:
            self._task = asyncio.get_running_loop().create_task(self._run(release))

    async def stop(self) -> None:
        """Stop waiting: what is held stays so."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def holds(self, database: sqlite3.Connection, link: str, dossier: str) -> bool:
        """Tell whether a message on a link is of a dossier that the other side may not hear of yet."""
        return self._waits(database, dossier) and LINKS.fullmatch(link) is not None

    def word(self, database: sqlite3.Connection, dossier: str) -> str:
        """Say why a dossier waits at this system, empty where it doesn't."""
        return WORD if self._waits(database, dossier) else ""

    async def set_moment(self, call: Call[Moment]) -> Moment:
        """Set the moment; it survives a restart."""
        statement = "INSERT INTO connection(id, at) VALUES(1, ?) ON CONFLICT(id) DO UPDATE SET at = excluded.at"
        await self._store.write(lambda connection: connection.execute(statement, (call.content.at,)) and None)
        self._told.set()
        return call.content

    def _waits(self, database: sqlite3.Connection, dossier: str) -> bool:
        return dossier[COMMUNE] in self._waiting and not _is_made(database)

    async def _run(self, release: Callable[[sqlite3.Connection], None]) -> None:
        while (left := self._left()) is None or left > 0:
            self._told.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._told.wait()
        while not await self._connected(release):
            await asyncio.sleep(PAUSE)

    async def _connected(self, release: Callable[[sqlite3.Connection], None]) -> bool:
        """Connect all; False where the database fails, and nothing has changed."""
        try:
            await self._store.write(lambda connection: _connect(connection, release))
        except sqlite3.Error:
            traceback.print_exc()
            return False
        self._waiting = frozenset()
        return True

    def _left(self) -> float | None:
        """Return the seconds until the moment, None where nobody has set one."""
        row = self._store.reader.execute("SELECT at FROM connection").fetchone()
        return None if row is None else float(row[0]) - time.time()


def _is_made(database: sqlite3.Connection) -> bool:
    return bool(database.execute("SELECT count(*) FROM connection WHERE made").fetchone()[0])


def _connect(database: sqlite3.Connection, release: Callable[[sqlite3.Connection], None]) -> None:
    """Connect all; no message that is stored after this, in the same transaction either, is held."""
    release(database)
    database.execute("UPDATE connection SET made = 1")
