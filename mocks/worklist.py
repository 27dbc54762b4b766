"""Whose dossier is next: an officer's own commune's, then the common queue (hàng chờ chung), then the province's.

In the common queue are dossiers whose officer has no account at the moment: another officer takes them. Dossiers whose
procedure has no electronic process are held: nobody is given them until it has.
"""

import sqlite3
import time
from collections.abc import Callable, Collection
from typing import Annotated

import msgspec

from mocks.register import OPEN
from mocks.wire import Body

CLAIM = 60.0  # seconds
FOREVER = 1e12  # Unix seconds, see the seeded defect orphan-of-missing-account


class Claim(Body):
    """How many dossiers an officer takes."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1


class ClaimedItem(msgspec.Struct):
    """A dossier that is the officer's now."""

    code: str
    state: int
    sequence: int
    procedure: str


class Claimed(msgspec.Struct):
    """What the officer got."""

    items: list[ClaimedItem]


class Waiting(msgspec.Struct):
    """Open dossiers that nobody has claimed: of the officer's commune, in the common queue, and held ones."""

    own: int
    common: int
    held: int


def claim(
    connection: sqlite3.Connection,
    commune: str,
    limit: int,
    held: Collection[str] = (),
    absent: Callable[[str], bool] | None = None,
) -> Claimed:
    """Give an officer the oldest dossiers that are open and nobody's.

    Args:
        connection: Of the transaction.
        commune: The officer's.
        limit: How many at most.
        held: Procedures without an electronic process.
        absent: Tells whether a commune's officer has no account at the moment; None: all have.
    """
    common = [code for code in _communes(connection) if absent(code)] if absent else []
    rows = (
        _oldest(connection, [commune], held, limit)
        or _oldest(connection, common, held, limit)
        or _oldest(connection, None, held, limit)
    )
    until = time.time() + CLAIM
    connection.executemany("UPDATE dossiers SET claimed = ? WHERE id = ?", [(until, row[0]) for row in rows])
    return Claimed([ClaimedItem(*row[1:]) for row in rows])


def release(connection: sqlite3.Connection, code: str) -> None:
    """Give a claimed dossier back."""
    connection.execute("UPDATE dossiers SET claimed = 0 WHERE code = ?", (code,))


def orphan(connection: sqlite3.Connection, code: str) -> None:
    """Assign a dossier to somebody who isn't there, for good: a seeded defect."""
    connection.execute("UPDATE dossiers SET claimed = ? WHERE code = ?", (FOREVER, code))


def waiting(
    connection: sqlite3.Connection, commune: str, held: Collection[str], absent: Callable[[str], bool]
) -> Waiting:
    """Count what waits."""
    statement = f"SELECT commune, procedure, count(*) FROM dossiers WHERE {OPEN} AND claimed < ? GROUP BY 1, 2"
    rows = connection.execute(statement, (time.time(),)).fetchall()
    return Waiting(
        sum(number for of, procedure, number in rows if of == commune and procedure not in held),
        sum(number for of, procedure, number in rows if absent(of) and procedure not in held),
        sum(number for _, procedure, number in rows if procedure in held),
    )


def _communes(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute(f"SELECT DISTINCT commune FROM dossiers WHERE {OPEN}")
    return [row[0] for row in rows]


def _oldest(
    connection: sqlite3.Connection, communes: Collection[str] | None, held: Collection[str], limit: int
) -> list[tuple[int, str, int, int, str]]:
    if communes is not None and not communes:
        return []
    wanted = "true" if communes is None else f"commune IN ({_marks(communes)})"
    statement = f"""SELECT id, code, state, sequence, procedure FROM dossiers
        WHERE {wanted} AND {OPEN} AND claimed < ? AND procedure NOT IN ({_marks(held)}) ORDER BY id LIMIT ?"""
    values = (*(communes or ()), time.time(), *held, limit)
    return connection.execute(statement, values).fetchall()


def _marks(values: Collection[object]) -> str:
    return ",".join("?" * len(values))
