"""The dossiers of a system: portal and provinces keep them in the same tables.

Functions take a connection: a change runs them in its transaction, a look-up on a reader.
"""

import sqlite3
import time
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Literal, NamedTuple

import msgspec

from mocks.messages import ApplicantType, Step
from mocks.timestamps import CLOCK
from model import dossier as dossiers
from model.dossier import State
from model.workflows import NEXT

Issuer = Literal["G", "H"]
OPEN = f"state IN ({', '.join(str(state.value) for state in NEXT)})"
SCHEMA = """
CREATE TABLE IF NOT EXISTS dossiers(
    id INTEGER PRIMARY KEY AUTOINCREMENT, code TEXT NOT NULL UNIQUE, key TEXT NOT NULL, province TEXT NOT NULL,
    commune TEXT NOT NULL, procedure TEXT NOT NULL, channel INTEGER NOT NULL, hash TEXT NOT NULL,
    state INTEGER NOT NULL, sequence INTEGER NOT NULL, paid INTEGER NOT NULL DEFAULT 0,
    claimed REAL NOT NULL DEFAULT 0, archived INTEGER NOT NULL DEFAULT 0, test INTEGER NOT NULL DEFAULT 0,
    applicant INTEGER NOT NULL DEFAULT 1, person TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS steps(
    dossier INTEGER NOT NULL, sequence INTEGER NOT NULL, state INTEGER NOT NULL, occurred REAL NOT NULL,
    applied REAL NOT NULL, PRIMARY KEY(dossier, sequence)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counters(
    unit TEXT NOT NULL, day TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY(unit, day)) WITHOUT ROWID;
"""
_FIELDS = "code, key, province, commune, procedure, channel, hash, state, sequence, paid, archived, test, applicant"


class Dossier(msgspec.Struct):
    """A dossier as look-ups and listings return it.

    ``history`` is (sequence, state, occurred, applied); ``attachments`` the SHA-256 of the bytes that are there;
    ``test``: it was filed in test mode (thử nghiệm), and is no official dossier;
    ``applicant``: 1 a citizen, 2 a business, 3 an agency, 4 another.
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
    archived: bool
    history: list[tuple[int, int, float, float]]
    attachments: list[str] = []
    test: bool = False
    applicant: int = 1


class New(msgspec.Struct, frozen=True):
    """A dossier to be stored; its fields are those of ``Dossier``, and the applicant's SoDinhDanh where it is known."""

    code: str
    key: str
    province: str
    commune: str
    procedure: str
    channel: int
    hash: str
    test: bool = False
    applicant: ApplicantType = 1
    archived: bool = False
    person: str = ""


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
    statement = f"""INSERT INTO dossiers({_FIELDS}, person) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?)
        ON CONFLICT(code) DO NOTHING"""
    values = (new.code, new.key, new.province, new.commune, new.procedure, new.channel, new.hash, last[1], last[0])
    cursor = connection.execute(statement, (*values, new.archived, new.test, new.applicant, new.person))
    if cursor.rowcount == 0:
        return False
    _insert(connection, cursor.lastrowid or 0, steps)
    return True


def province_of(connection: sqlite3.Connection, code: str) -> str | None:
    """Return the province that a dossier belongs to, None where nobody knows the dossier."""
    row = connection.execute("SELECT province FROM dossiers WHERE code = ?", (code,)).fetchone()
    return None if row is None else str(row[0])


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


def remove(connection: sqlite3.Connection, code: str) -> None:
    """Remove a dossier with its steps, for good: the work of a seeded defect."""
    connection.execute("DELETE FROM steps WHERE dossier = (SELECT id FROM dossiers WHERE code = ?)", (code,))
    connection.execute("DELETE FROM dossiers WHERE code = ?", (code,))


def _insert(connection: sqlite3.Connection, dossier: int, steps: Iterable[Step]) -> int:
    applied = round(time.time(), 6)
    statement = "INSERT INTO steps VALUES(?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
    rows = [(dossier, *step, applied) for step in steps]
    return sum(connection.execute(statement, row).rowcount for row in rows)


class Standing(NamedTuple):
    """Where a dossier stands.

    Attributes:
        state: Now.
        before: The state before it, None where it is the first.
        last: Its last sequence.
        test: Whether it is a test.
        procedure: What it is for.
    """

    state: State
    before: State | None
    last: int
    test: bool
    procedure: str


def standing(connection: sqlite3.Connection, code: str) -> Standing | None:
    """Return where a dossier stands, None where nobody knows it."""
    statement = """SELECT d.state, b.state, d.sequence, d.test, d.procedure FROM dossiers d
        LEFT JOIN steps b ON b.dossier = d.id AND b.sequence = d.sequence - 1 WHERE d.code = ?"""
    row = connection.execute(statement, (code,)).fetchone()
    if row is None:
        return None
    return Standing(State(row[0]), None if row[1] is None else State(row[1]), row[2], bool(row[3]), row[4])


def find(connection: sqlite3.Connection, code: str) -> Dossier | None:
    """Return the dossier with a code, None where nobody knows it."""
    found = _load(connection, "WHERE code = ?", (code,))
    return found[0][1] if found else None


def among(connection: sqlite3.Connection, codes: Sequence[str]) -> dict[str, Dossier]:
    """Return the dossiers with these codes, by code."""
    found = _load(connection, f"WHERE code IN ({','.join('?' * len(codes))})", tuple(codes))
    return {dossier.code: dossier for _, dossier in found}


def person(connection: sqlite3.Connection, code: str) -> str:
    """Return the SoDinhDanh of a dossier's applicant; empty where it isn't known."""
    row = connection.execute("SELECT person FROM dossiers WHERE code = ?", (code,)).fetchone()
    return row[0] if row else ""


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
            found[row[0]] = Dossier(*(*row[1:10], bool(row[10]), bool(row[11]), [], [], bool(row[12]), row[13]))
        found[row[0]].history.append(row[14:18])
    return list(found.items())


def count(connection: sqlite3.Connection) -> int:
    """Count the dossiers; none is ever removed."""
    return int(connection.execute("SELECT coalesce(max(id), 0) FROM dossiers").fetchone()[0])


def by_state(connection: sqlite3.Connection, moment: float | None = None) -> tuple[dict[str, int], int]:
    """Count the official dossiers of each state, by its number, and apart from them the tests.

    ``moment``: as it was then (Unix seconds); None: now.
    """
    now = "SELECT test, state, count(*) FROM dossiers GROUP BY 1, 2 ORDER BY 1, 2"
    then = """SELECT test, s.state, count(*) FROM dossiers d JOIN steps s ON s.dossier = d.id AND s.sequence =
        (SELECT max(sequence) FROM steps WHERE dossier = d.id AND applied <= ?) GROUP BY 1, 2 ORDER BY 1, 2"""
    rows = (connection.execute(now) if moment is None else connection.execute(then, (moment,))).fetchall()
    official = {str(state): number for test, state, number in rows if not test}
    return official, sum(number for test, _, number in rows if test)
