"""The dossiers of a system: portal and provinces keep them in the same tables.

Functions take a connection: a change runs them in its transaction, a look-up on a reader.
"""

import sqlite3
import time
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Literal

import msgspec

from mocks.messages import Step
from model import dossier as dossiers
from model.dossier import State

Issuer = Literal["G", "H"]
CLOCK = timezone(timedelta(hours=7))
OPEN = "state IN (1, 2, 4)"
SCHEMA = """
CREATE TABLE IF NOT EXISTS dossiers(
    id INTEGER PRIMARY KEY AUTOINCREMENT, code TEXT NOT NULL UNIQUE, key TEXT NOT NULL, province TEXT NOT NULL,
    commune TEXT NOT NULL, procedure TEXT NOT NULL, channel INTEGER NOT NULL, hash TEXT NOT NULL,
    state INTEGER NOT NULL, sequence INTEGER NOT NULL, paid INTEGER NOT NULL DEFAULT 0,
    claimed REAL NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS steps(
    dossier INTEGER NOT NULL, sequence INTEGER NOT NULL, state INTEGER NOT NULL, occurred REAL NOT NULL,
    applied REAL NOT NULL, PRIMARY KEY(dossier, sequence)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counters(
    unit TEXT NOT NULL, day TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY(unit, day)) WITHOUT ROWID;
"""
_FIELDS = "code, key, province, commune, procedure, channel, hash, state, sequence, paid"


class Dossier(msgspec.Struct):
    """A dossier as look-ups and listings return it.

    ``history`` is (sequence, state, occurred, applied); ``attachments`` the SHA-256 of the bytes that are there.
    """

    code: str
    key: str
    province: str
    commune: str
    procedure: str
    channel: int
    hash: str
    state: int
    sequence: int
    paid: bool
    history: list[tuple[int, int, float, float]]
    attachments: list[str] = []


class New(msgspec.Struct, frozen=True):
    """A dossier to be stored; its fields are those of ``Dossier``."""

    code: str
    key: str
    province: str
    commune: str
    procedure: str
    channel: int
    hash: str


def next_code(connection: sqlite3.Connection, issuer: Issuer, province: str, commune: str, day: date) -> str:
    """Draw the next code of a commune; its counter restarts daily."""
    statement = """INSERT INTO counters VALUES(?, ?, 1)
        ON CONFLICT DO UPDATE SET number = number + 1 RETURNING number"""
    row = connection.execute(statement, (f"{issuer}{province}.{commune}", day.isoformat())).fetchone()
    return dossiers.dossier_code(issuer, province, commune, day, row[0])


def today() -> date:
    """Return the day by the server's clock, UTC+7."""
    return datetime.now(CLOCK).date()


def add(connection: sqlite3.Connection, new: New, steps: Sequence[Step]) -> bool:
    """Store a dossier with its first steps; returns False, and stores nothing, where its code is there already."""
    last = max(steps, key=lambda step: step[0])  # of two with one number the first: the one that is kept
    statement = f"""INSERT INTO dossiers({_FIELDS}) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, 0)
        ON CONFLICT(code) DO NOTHING"""
    values = (new.code, new.key, new.province, new.commune, new.procedure, new.channel, new.hash)
    cursor = connection.execute(statement, (*values, last[1], last[0]))
    if cursor.rowcount == 0:
        return False
    _insert(connection, cursor.lastrowid or 0, steps)
    return True


def append(connection: sqlite3.Connection, code: str, steps: Sequence[Step]) -> int | None:
    """Store further steps of a dossier; one whose number is there is left as it is.

    Returns how many were new, None where nobody knows the dossier.
    """
    row = connection.execute("SELECT id, sequence FROM dossiers WHERE code = ?", (code,)).fetchone()
    if row is None:
        return None
    number = _insert(connection, row[0], steps)
    last = max(steps, key=lambda step: step[0])  # of two with one number the first: the one that is kept
    if last[0] > row[1]:
        statement = "UPDATE dossiers SET state = ?, sequence = ? WHERE id = ?"
        connection.execute(statement, (last[1], last[0], row[0]))
    return number


def set_back(connection: sqlite3.Connection, code: str, step: Step) -> None:
    """Make a dossier stand at a step, whatever came after it: the work of a seeded defect."""
    connection.execute("UPDATE dossiers SET state = ?, sequence = ? WHERE code = ?", (step[1], step[0], code))


def _insert(connection: sqlite3.Connection, dossier: int, steps: Iterable[Step]) -> int:
    applied = round(time.time(), 6)
    statement = "INSERT INTO steps VALUES(?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
    rows = [(dossier, *step, applied) for step in steps]
    return sum(connection.execute(statement, row).rowcount for row in rows)


def standing(connection: sqlite3.Connection, code: str) -> tuple[State, State | None, int] | None:
    """Return a dossier's state, the state before it, and its last sequence; None where nobody knows it."""
    statement = """SELECT d.state, b.state, d.sequence FROM dossiers d
        LEFT JOIN steps b ON b.dossier = d.id AND b.sequence = d.sequence - 1 WHERE d.code = ?"""
    row = connection.execute(statement, (code,)).fetchone()
    return None if row is None else (State(row[0]), None if row[1] is None else State(row[1]), row[2])


def find(connection: sqlite3.Connection, code: str) -> Dossier | None:
    """Return the dossier with a code, None where nobody knows it."""
    found = _load(connection, "WHERE code = ?", (code,))
    return found[0][1] if found else None


def as_of(dossier: Dossier, moment: float | None) -> Dossier | None:
    """Return a dossier as it was at a moment (Unix seconds; None: now), None where it wasn't there yet."""
    if moment is None:
        return dossier
    history = [step for step in dossier.history if step[3] <= moment]
    if not history:
        return None
    return msgspec.structs.replace(dossier, history=history, sequence=history[-1][0], state=history[-1][1])


def page(connection: sqlite3.Connection, after: int, limit: int) -> tuple[list[Dossier], int | None]:
    """Return dossiers in the order of storing, and where to go on; None at the end."""
    found = _load(connection, "WHERE id > ? ORDER BY id LIMIT ?", (after, limit))
    return [dossier for _, dossier in found], found[-1][0] if len(found) == limit else None


def _load(connection: sqlite3.Connection, where: str, values: tuple[object, ...]) -> list[tuple[int, Dossier]]:
    """Read dossiers and their steps at one moment: one statement is one snapshot."""
    statement = f"""SELECT d.*, s.sequence, s.state, s.occurred, s.applied
        FROM (SELECT id, {_FIELDS} FROM dossiers {where}) d JOIN steps s ON s.dossier = d.id
        ORDER BY d.id, s.sequence"""
    found: dict[int, Dossier] = {}
    for row in connection.execute(statement, values):
        if row[0] not in found:
            found[row[0]] = Dossier(*(*row[1:10], bool(row[10]), []))
        found[row[0]].history.append(row[11:15])
    return list(found.items())


def count(connection: sqlite3.Connection) -> int:
    """Count the dossiers; none is ever removed."""
    return int(connection.execute("SELECT coalesce(max(id), 0) FROM dossiers").fetchone()[0])


def by_state(connection: sqlite3.Connection) -> dict[str, int]:
    """Count the dossiers of each state, by its number."""
    rows = connection.execute("SELECT state, count(*) FROM dossiers GROUP BY state ORDER BY state")
    return {str(state): number for state, number in rows}
