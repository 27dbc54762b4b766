"""Log-ins at VNeID: whose code was redeemed, for whom, and what became of it.

Redeeming a code and revoking a token are transactions anyway: noting the log-in in them costs nothing more. Asking
about a token is none, and comes thousands of times a second: that somebody asked waits for the next transaction.
Neither codes nor tokens are kept, only their numbers.
"""

import sqlite3
import time
from collections import deque

from mocks.pages import Page, Rows, Shelf, Table, moment
from mocks.store import Store, listed, row_id
from mocks.tokens import CITIZEN_ACCOUNT, ORGANISATION_ACCOUNT, Claims

KINDS = {CITIZEN_ACCOUNT: "công dân (citizen)", ORGANISATION_ACCOUNT: "tổ chức (organisation)"}
KEPT = 10_000  # questions that wait for a transaction; of more, the oldest are forgotten
SHOWN = 4  # last characters of a number that pages show
SCHEMA = """
CREATE TABLE IF NOT EXISTS logins(
    id INTEGER PRIMARY KEY, jti TEXT NOT NULL UNIQUE, account TEXT NOT NULL, kind INTEGER NOT NULL,
    client TEXT NOT NULL, authorised REAL NOT NULL, redeemed REAL NOT NULL, revoked REAL);
CREATE TABLE IF NOT EXISTS questions(login INTEGER NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS questions_login ON questions(login);
"""


class Logins:
    """The log-ins of one store; ``jti`` is the number of a log-in's code and of its access token."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._asked: deque[tuple[float, str]] = deque(maxlen=KEPT)

    async def begin(self, code: Claims, authorised: float) -> bool:
        """Note that a code was redeemed, authorised at that moment (Unix seconds); False where it was before."""
        row = (code.jti, code.sub, code.kind, code.aud, authorised, time.time())
        statement = """INSERT INTO logins(jti, account, kind, client, authorised, redeemed) VALUES(?, ?, ?, ?, ?, ?)
            ON CONFLICT DO NOTHING"""

        def change(connection: sqlite3.Connection) -> bool:
            self._settle(connection)
            return connection.execute(statement, row).rowcount == 1

        return await self._store.write(change)

    async def revoke(self, jti: str) -> None:
        """Note that a token was revoked; one that was before stays as it is."""
        statement = "UPDATE logins SET revoked = ? WHERE jti = ? AND revoked IS NULL"

        def change(connection: sqlite3.Connection) -> None:
            self._settle(connection)
            connection.execute(statement, (time.time(), jti))

        await self._store.write(change)

    def is_revoked(self, jti: str) -> bool:
        """Tell whether a token was revoked."""
        statement = "SELECT 1 FROM logins WHERE jti = ? AND revoked IS NOT NULL"
        return self._store.reader.execute(statement, (jti,)).fetchone() is not None

    def asked(self, jti: str) -> None:
        """Remember that somebody asked whose token it is, until the next transaction."""
        self._asked.append((time.time(), jti))

    async def settle(self) -> None:
        """Store who asked, where anybody did."""
        if self._asked:
            await self._store.write(self._settle)

    def _settle(self, connection: sqlite3.Connection) -> None:
        statement = "INSERT INTO questions SELECT id, ? FROM logins WHERE jti = ?"
        while self._asked:
            connection.execute(statement, self._asked.popleft())

    def by_kind(self) -> list[tuple[str, int]]:
        """Count the log-ins with each kind of account."""
        counted = dict(self._store.reader.execute("SELECT kind, count(*) FROM logins GROUP BY kind").fetchall())
        return [(name, counted.get(kind, 0)) for kind, name in KINDS.items()]

    def shelf(self) -> Shelf:
        """Return the shelf of the log-ins."""
        columns = ("Mã", "Tài khoản", "Loại", "Ứng dụng", "Đăng nhập lúc")
        return Shelf("logins", "Đăng nhập (log-ins)", columns, self._listed, self._page)

    def _listed(self, after: int, limit: int) -> Rows:
        statement = "SELECT id, account, kind, client, authorised FROM logins WHERE id > ? ORDER BY id LIMIT ?"
        return listed(
            self._store.reader, statement, after, limit,
            lambda row: (_code(row[0]), masked(row[1]), KINDS[row[2]], row[3], moment(row[4])),
        )  # fmt: skip

    def _page(self, code: str) -> Page | None:
        statement = "SELECT id, account, kind, client, authorised, redeemed, revoked FROM logins WHERE id = ?"
        row = self._store.reader.execute(statement, (_number(code),)).fetchone()
        if row is None:
            return None
        number, account, kind, client, authorised, redeemed, revoked = row
        questions = self._store.reader.execute("SELECT at FROM questions WHERE login = ?", (number,)).fetchall()
        steps = [(authorised, "authorize: đăng nhập"), (redeemed, "token: cấp mã truy cập")]
        steps += [(at, "userinfo: hỏi thông tin") for (at,) in questions]
        steps += [] if revoked is None else [(revoked, "revoke: thu hồi")]
        history = Table("Quá trình (history)", ("Lúc", "Bước"), [(moment(at), step) for at, step in sorted(steps)])
        facts = {
            "Tài khoản (account)": masked(account),
            "Loại tài khoản (LoaiTaiKhoan)": f"{kind} {KINDS[kind]}",
            "Ứng dụng (client)": client,
        }
        return Page(f"Đăng nhập {code}", facts, [history])


def masked(number: str) -> str:
    """Return a personal or tax number of which the end can be read."""
    return "•" * (len(number) - SHOWN) + number[-SHOWN:]


def _code(number: int) -> str:
    return f"DN{number:09d}"


def _number(code: str) -> int:
    return row_id(code.removeprefix("DN")) if len(code) == 11 else -1
