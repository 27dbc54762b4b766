"""Durable state: one SQLite file per system, written by group commit.

Writes queue up. A committer takes all that wait, applies them in their order in one transaction, commits, and only
then answers them. Each write has a savepoint: one that fails takes nothing of the others with it. Statements run on
the event loop, where they take microseconds; only the commit, which waits for the disk, leaves it for a thread. (Whole
transactions in a thread cost a change of the interpreter's lock per statement.)
"""

import asyncio
import secrets
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from mocks import deadline

GROUP = 64  # writes per transaction: bounds how long one group holds the event loop, about 5 ms
LATE = 3.0  # seconds, see LateStore
DIGITS = 18  # that SQLite's row numbers have in any case
_SECRETS = "CREATE TABLE IF NOT EXISTS secrets(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"

T = TypeVar("T")
Change = Callable[[sqlite3.Connection], Any]


class Store:
    """One system's SQLite file.

    Attributes:
        reader: For look-ups: sees what is committed.
        committed: Sees what is committed, whatever ``reader`` sees.
        after_commit: Called on the event loop after every commit.
        delay: Asked before every commit for the seconds by which it is late.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self._writer = _connect(path)
        self._writer.execute("PRAGMA journal_mode = WAL")
        self._writer.executescript(f"BEGIN; {_SECRETS} {schema} COMMIT;")
        self._writer.execute("PRAGMA synchronous = FULL")
        self.committed = _connect(path)
        self.reader = self.committed
        self.after_commit: list[Callable[[], None]] = []
        self.delay: Callable[[], float] = lambda: 0.0
        self._queue: deque[tuple[Change, asyncio.Future[Any]]] = deque()
        self._waiting = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "commit")
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the committer on the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def write(self, change: Callable[[sqlite3.Connection], T]) -> T:
        """Apply a change and return what it returned, after its commit.

        Raises whatever ``change`` raises (it is rolled back then), ``sqlite3.Error`` when the commit fails, or
        ``deadline.Over`` when the request's time was over before it began.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.append((deadline.bound(change), future))
        self._waiting.set()
        return await future

    def secret(self) -> bytes:
        """Return this system's own signing secret, made at its first start."""
        statement = "INSERT INTO secrets VALUES('signing', ?) ON CONFLICT DO NOTHING"
        self._writer.execute(statement, (secrets.token_bytes(32),))
        row = self._writer.execute("SELECT value FROM secrets WHERE name = 'signing'").fetchone()
        return bytes(row[0])

    async def close(self) -> None:
        """Commit what waits and close the file."""
        self._closing = True
        self._waiting.set()
        if self._task is not None:
            await self._task
        self._finish()
        self._thread.shutdown()
        self.committed.close()
        self._writer.close()

    def _finish(self) -> None:
        """Do what is left to do when the last write has been answered."""

    async def _run(self) -> None:
        while not self._closing:
            await self._waiting.wait()
            self._waiting.clear()
            while self._queue:
                group = [self._queue.popleft() for _ in range(min(GROUP, len(self._queue)))]
                await self._transact(group)

    async def _transact(self, group: list[tuple[Change, asyncio.Future[Any]]]) -> None:
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            outcomes = [self._apply(change) for change, _ in group]
            if delay := self.delay():
                await asyncio.sleep(delay)
            await self._commit()
        except Exception as error:
            outcomes = [(None, error)] * len(group)
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
        _settle(group, outcomes)

    async def _commit(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._writer.execute, "COMMIT")
        self._notify()

    def _notify(self) -> None:
        for call in self.after_commit:
            call()

    def _apply(self, change: Change) -> tuple[Any, Exception | None]:
        self._writer.execute("SAVEPOINT one")
        try:
            outcome: tuple[Any, Exception | None] = (change(self._writer), None)
        except Exception as error:
            self._writer.execute("ROLLBACK TO one")
            outcome = None, error
        self._writer.execute("RELEASE one")
        return outcome


def undo(connection: sqlite3.Connection) -> None:
    """Take back what the change that runs at the moment has done so far; it may go on."""
    connection.execute("ROLLBACK TO one")


class LateStore(Store):
    """The seeded defect ``ack-before-commit``: answers at once, commits about ``LATE`` seconds later."""

    def __init__(self, path: Path, schema: str) -> None:
        super().__init__(path, schema)
        self.reader = self._writer
        self._timer: asyncio.TimerHandle | None = None

    async def _transact(self, group: list[tuple[Change, asyncio.Future[Any]]]) -> None:
        if not self._writer.in_transaction:
            self._writer.execute("BEGIN IMMEDIATE")
            self._timer = asyncio.get_running_loop().call_later(LATE, self._finish)
        _settle(group, [self._apply(change) for change, _ in group])

    def _finish(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._writer.in_transaction:
            self._writer.execute("COMMIT")
            self._notify()


def listed(
    reader: sqlite3.Connection, statement: str, after: int, limit: int, shown: Callable[[Any], T]
) -> tuple[list[T], int | None]:
    """Return pieces of a list, and where to go on, None at the end.

    Args:
        reader: Who is asked.
        statement: Takes the id after which the rows begin, and how many; gives the id first.
        after: That id.
        limit: At most so many; -1: all.
        shown: Makes a piece of a row.
    """
    rows = reader.execute(statement, (after, limit)).fetchall()
    return [shown(row) for row in rows], rows[-1][0] if len(rows) == limit else None


def row_id(digits: str) -> int:
    """Return the row's number that digits stand for; -1, which no row has, where they aren't digits or too many."""
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= DIGITS else -1


def cursor(last: int | None) -> str | None:
    """Write where a list goes on, None at the end, as the systems' answers carry it."""
    return None if last is None else str(last)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA busy_timeout = 5000")
    connection.execute("PRAGMA synchronous = OFF")
    return connection


def _settle(group: list[tuple[Change, asyncio.Future[Any]]], outcomes: list[tuple[Any, Exception | None]]) -> None:
    for (_, future), (result, error) in zip(group, outcomes, strict=True):
        if future.done():
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
