"""The transactional outbox: messages are stored in the transaction of the change that they tell of.

One sender per link delivers at least once. It keeps the order per dossier, not between dossiers: what it sends next
is the oldest message, and with it others of its service that no earlier message of their dossier is ahead of. What
the receiver refuses for good is kept beside the queue, with the reason: it is never lost silently, and holds nobody up.
"""

import asyncio
import random
import sqlite3
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from mocks.defects import Defects
from mocks.metrics import Metrics
from mocks.store import Store, listed

FIRST_DELAY = 0.1  # seconds
LAST_DELAY = 2.0  # seconds
HELD = " (held)"  # what stands behind the name of a link on which messages wait to be released
AT_ONCE = 0.02  # seconds, of the defect back-pressure-ignored: below it the storm would starve this machine [A]
WINDOW = 100  # messages looked at to fill a batch
REASON = 300  # characters kept of why a message was refused
SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox(
    id INTEGER PRIMARY KEY AUTOINCREMENT, link TEXT NOT NULL, dossier TEXT NOT NULL, service TEXT NOT NULL,
    body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS outbox_link ON outbox(link, id);
CREATE TABLE IF NOT EXISTS refused(
    id INTEGER PRIMARY KEY AUTOINCREMENT, link TEXT NOT NULL, dossier TEXT NOT NULL, service TEXT NOT NULL,
    body BLOB NOT NULL, reason TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of an outbox.

    Attributes:
        id: Order of storing.
        dossier: Messages of one dossier keep their order.
        service: What it asks for.
        body: As the receiver takes it: JSON, or edXML.
    """

    id: int
    dossier: str
    service: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one message.

    Attributes:
        settled: Whether it needs no repetition.
        reason: Why the receiver refused it for good; empty: it didn't.
    """

    settled: bool
    reason: str = ""


DELIVERED = Outcome(True)
RETRY = Outcome(False)
"""Nobody knows what came of it: it is to be repeated."""


def refused(reason: str) -> Outcome:
    """Return the outcome of a message that is refused for good: repeating it would be in vain."""
    return Outcome(True, reason[:REASON])


class RefusedMessage(msgspec.Struct):
    """A message that the receiver of a link refused for good; ``dossier`` is what it was about."""

    link: str
    dossier: str
    service: str
    reason: str


class Pending(msgspec.Struct):
    """Messages of an outbox.

    Attributes:
        pending: Not acknowledged yet.
        stored: Ever stored since the system started.
        refused: Refused by their receivers for good.
    """

    pending: int
    stored: int = 0
    refused: int = 0


class Refusals(msgspec.Struct):
    """Messages that were refused for good, in that order; ``next`` is null at the end."""

    items: list[RefusedMessage]
    next: str | None


Deliver = Callable[[Sequence[Message]], Awaitable[Sequence[Outcome]]]


class Outbox:
    """The outbox of one system.

    Attributes:
        store: Where the messages are.
        metrics: Where they are counted.
        seed: Of the jitter.
        defects: Seeded defects that are on.
        stored: Messages that were ever put into it.
        holds: Asked, in the transaction, for a link and a dossier, whether what is put into it now waits for release.
    """

    def __init__(self, store: Store, metrics: Metrics, seed: int, defects: Defects) -> None:
        self.store = store
        self.metrics = metrics
        self.seed = seed
        self.defects = defects
        self.stored = 0
        self.holds: Callable[[sqlite3.Connection, str, str], bool] = lambda connection, link, dossier: False
        self._senders: dict[str, _Sender] = {}
        self._touched: set[str] = set()
        self._stopped = False
        store.after_commit.append(self._wake)

    def open(
        self, link: str, deliver: Deliver, limits: Mapping[str, int], rest: Callable[[], float] = lambda: 0.0
    ) -> None:
        """Serve a link.

        Args:
            link: Its name.
            deliver: Delivers messages of one service; says for each what came of it.
            limits: The services, and how many messages of each go together.
            rest: Seconds for which the receiver wants to be left alone; asked after a failed attempt.
        """
        self._senders[link] = _Sender(link, self, deliver, limits, rest)
        self.metrics.watch_link(link, lambda: self.pending(link))

    def put(self, connection: sqlite3.Connection, link: str, message: tuple[str, str, bytes]) -> None:
        """Store a message (dossier, service, body) in the transaction of this connection."""
        statement = "INSERT INTO outbox(link, dossier, service, body) VALUES(?, ?, ?, ?)"
        held = self.holds(connection, link, message[0])
        connection.execute(statement, (f"{link}{HELD}" if held else link, *message))
        self._touched |= set() if held else {link}
        self.stored += 1

    def release(self, connection: sqlite3.Connection) -> None:
        """Let go of what was held, in the transaction of this connection; each dossier's messages keep their order."""
        for link in self._senders:
            connection.execute("UPDATE outbox SET link = ? WHERE link = ?", (link, f"{link}{HELD}"))
            self._touched.add(link)

    def settle(self, connection: sqlite3.Connection, link: str, outcomes: Mapping[int, Outcome]) -> None:
        """Take messages out of the queue, by their ids, in the transaction of this connection; keep the refused."""
        keep = """INSERT INTO refused(link, dossier, service, body, reason)
            SELECT link, dossier, service, body, ? FROM outbox WHERE id = ?"""
        pairs = [(outcome.reason, id_) for id_, outcome in outcomes.items() if outcome.reason]
        connection.executemany(keep, pairs)
        connection.executemany("DELETE FROM outbox WHERE id = ?", [(id_,) for id_ in outcomes])
        self._touched.add(link)

    def pending(self, link: str | None = None) -> int:
        """Count the messages that have not been acknowledged, of one link or of all."""
        statement = "SELECT count(*) FROM outbox WHERE link = ?1 OR ?1 IS NULL"
        return int(self.store.reader.execute(statement, (link,)).fetchone()[0])

    def refused(self) -> int:
        """Count the messages that were refused for good; none is ever removed."""
        return int(self.store.reader.execute("SELECT coalesce(max(id), 0) FROM refused").fetchone()[0])

    def refusals(self, after: int, limit: int) -> tuple[list[RefusedMessage], int | None]:
        """Return the messages that were refused for good, in that order, and where to go on."""
        statement = "SELECT id, link, dossier, service, reason FROM refused WHERE id > ? ORDER BY id LIMIT ?"
        return listed(self.store.reader, statement, after, limit, lambda row: RefusedMessage(*row[1:]))

    def window(self, link: str) -> list[Message]:
        """Return the oldest messages of a link whose storing is committed."""
        statement = "SELECT id, dossier, service, body FROM outbox WHERE link = ? ORDER BY id LIMIT ?"
        return [Message(*row) for row in self.store.committed.execute(statement, (link, WINDOW))]

    async def start(self) -> None:
        """Start the senders; what an earlier life of this system left is sent first."""
        if self.defects.on("outbox-in-memory"):
            await self.store.write(_forget)
        for sender in self._senders.values():
            sender.start()

    def failing(self, link: str) -> bool:
        """Tell whether the last attempt on a link failed."""
        return self._senders[link].failures > 0

    async def drained(self, link: str, timeout: float) -> None:
        """Wait until nothing waits on a link, for ``timeout`` seconds at most, or until the senders are stopped."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while not self._stopped and self.pending(link):
                    await asyncio.sleep(FIRST_DELAY)

    async def stop(self) -> None:
        """Stop the senders where they are: what isn't acknowledged stays."""
        self._stopped = True
        await asyncio.gather(*(sender.stop() for sender in self._senders.values()))

    def _wake(self) -> None:
        for link in self._touched:
            self._senders[link].wake()
        self._touched.clear()


class _Sender:
    """Delivers the messages of one link, one batch after the other."""

    def __init__(
        self, link: str, outbox: Outbox, deliver: Deliver, limits: Mapping[str, int], rest: Callable[[], float]
    ) -> None:
        self._link = link
        self._outbox = outbox
        self._deliver = deliver
        self._limits = limits
        self._rest = rest
        self._rng = random.Random(f"{outbox.seed}:{link}")
        self._news = asyncio.Event()
        self._settled: set[int] = set()
        self.failures = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    def wake(self) -> None:
        self._news.set()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._news.clear()
            messages = batch(self._window(), self._limits)
            if not messages:
                await self._news.wait()
            elif await self._safely(messages):
                self.failures = 0
            else:
                self.failures += 1
                await asyncio.sleep(self._pause())

    def _pause(self) -> float:
        """Return seconds to wait after a failure: what its number asks for, and the receiver at least."""
        if self._outbox.defects.on("back-pressure-ignored"):
            return AT_ONCE
        return max(back_off(self.failures - 1, self._rng), self._rest())

    async def _safely(self, messages: Sequence[Message]) -> bool:
        try:
            return await self._attempt(messages)
        except Exception:
            traceback.print_exc()
            return False

    async def _attempt(self, messages: Sequence[Message]) -> bool:
        outcomes = self._given_up(await self._deliver(messages))
        pairs = zip(messages, outcomes, strict=True)
        settled = {message.id: outcome for message, outcome in pairs if outcome.settled}
        self._outbox.metrics.outbox_rejected(self._link, sum(outcome.reason != "" for outcome in outcomes))
        self._outbox.metrics.outbox_failed(self._link, len(messages) - len(settled))
        if settled:
            self._settled |= settled.keys()
            await self._outbox.store.write(lambda connection: self._outbox.settle(connection, self._link, settled))
        return len(settled) == len(messages)

    def _given_up(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """Refuse what was tried too often, where there is such a thing."""
        tries = self._outbox.defects.tries
        if tries is None or self.failures + 1 < tries:
            return outcomes
        self.failures = 0
        return [outcome if outcome.settled else refused(f"given up after {tries} attempts") for outcome in outcomes]

    def _window(self) -> list[Message]:
        """Leave out what is settled: its removal may be committed later than it is answered, see LateStore."""
        messages = self._outbox.window(self._link)
        self._settled &= {message.id for message in messages}
        return [message for message in messages if message.id not in self._settled]


def _forget(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM outbox")


def batch(window: Iterable[Message], limits: Mapping[str, int]) -> list[Message]:
    """Choose what goes next: the oldest message, and others of its service in the order of each dossier."""
    chosen: list[Message] = []
    held: set[str] = set()
    for message in window:
        fits = not chosen or (message.service == chosen[0].service and message.dossier not in held)
        if not fits:
            held.add(message.dossier)
        elif len(chosen) < limits[message.service]:
            chosen.append(message)
        else:
            break
    return chosen


def back_off(failures: int, rng: random.Random) -> float:
    """Return seconds to wait: 0.1 s doubling to 2 s, less up to half of it at random."""
    return min(LAST_DELAY, FIRST_DELAY * 2.0 ** min(failures, 10)) * rng.uniform(0.5, 1.0)
