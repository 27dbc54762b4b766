"""Whose dossier is next: an officer's own commune's, then the common queue (hàng chờ chung), then the province's.

An officer is given dossiers whose next action is their role's; what one has claimed is the desk's for a time, whose
officers hand it on to each other. In the common queue are dossiers whose desk has no accounts at the moment: officers
of another one take them. Dossiers whose procedure has no electronic process are held: nobody is given them before.
"""

import sqlite3
import time
from collections.abc import Callable, Collection, Mapping
from typing import Annotated

import msgspec

from mocks.register import OPEN
from mocks.wire import Body
from model.dossier import State

CLAIM = 60.0  # seconds
FOREVER = 1e12  # Unix seconds, see the seeded defect orphan-of-missing-account

Turns = Mapping[State, Collection[str]]
"""What waits for a role: in which states the dossiers of which procedures."""


class Claim(Body):
    """How many dossiers an officer takes."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1


class ClaimedItem(msgspec.Struct):
    """A dossier that is the desk's now."""

    code: str
    state: int
    sequence: int
    procedure: str


class Claimed(msgspec.Struct):
    """What the officer got."""

    items: list[ClaimedItem]


class Waiting(msgspec.Struct):
    """Open dossiers that nobody has claimed: for the officer's role those of the commune and in the common queue.

    ``held`` are all that wait for a process.
    """

    own: int
    common: int
    held: int


def claim(
    connection: sqlite3.Connection,
    commune: str,
    limit: int,
    turns: Turns,
    absent: Callable[[str], bool] | None = None,
    *,
    test: bool = False,
) -> Claimed:
    """Give an officer the oldest dossiers that are open and nobody's: in test mode tests, else official ones.

    Args:
        connection: Of the transaction.
        commune: The officer's.
        limit: How many at most.
        turns: What waits for the officer's role, and isn't held.
        absent: Tells whether a commune's officer has no account at the moment; None: all have.
        test: Whether the officer works in test mode.
    """
    common = [code for code in _communes(connection) if absent(code)] if absent else []
    rows = (
        _oldest(connection, [commune], turns, limit, test)
        or _oldest(connection, common, turns, limit, test)
        or _oldest(connection, None, turns, limit, test)
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
    connection: sqlite3.Connection,
    commune: str,
    turns: Turns,
    held: Collection[str],
    absent: Callable[[str], bool],
    *,
    test: bool,
) -> Waiting:
    """Count what waits for officers in test mode, or for the others; the arguments are those of ``claim``."""
    statement = f"""SELECT commune, state, procedure, count(*) FROM dossiers
        WHERE {OPEN} AND claimed < ? AND test = ? GROUP BY 1, 2, 3"""
    rows = connection.execute(statement, (time.time(), test)).fetchall()
    due = [(of, number) for of, state, procedure, number in rows if procedure in turns.get(state, ())]
    return Waiting(
        sum(number for of, number in due if of == commune),
        sum(number for of, number in due if absent(of)),
        sum(number for _, _, procedure, number in rows if procedure in held),
    )


def _communes(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute(f"SELECT DISTINCT commune FROM dossiers WHERE {OPEN}")
    return [row[0] for row in rows]


def _oldest(
    connection: sqlite3.Connection, communes: Collection[str] | None, turns: Turns, limit: int, test: bool
) -> list[tuple[int, str, int, int, str]]:
    """Ask for each state by itself: its index has the oldest ones first."""
    if communes is not None and not communes:
        return []
    wanted = "true" if communes is None else f"commune IN ({_marks(communes)})"
    rows: list[tuple[int, str, int, int, str]] = []
    for state, codes in turns.items():
        statement = f"""SELECT id, code, state, sequence, procedure FROM dossiers
            WHERE {wanted} AND {OPEN} AND test = ? AND state = ? AND claimed < ? AND procedure IN ({_marks(codes)})
            ORDER BY id LIMIT ?"""
        values = (*(communes or ()), test, state.value, time.time(), *codes, limit)
        rows += connection.execute(statement, values).fetchall()
    return sorted(rows)[:limit]


def _marks(values: Collection[object]) -> str:
    return ",".join("?" * len(values))
