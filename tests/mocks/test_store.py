"""Group commit, codes, tokens: what can be tested without a server."""

import asyncio
import sqlite3
from datetime import date

import pytest

from mocks.register import SCHEMA, next_code
from mocks.store import Store
from mocks.tokens import Claims, Signer, TokenError

TABLE = "CREATE TABLE IF NOT EXISTS t(n INTEGER PRIMARY KEY);"


def run(tmp_path, scenario):
    async def inside():
        store = Store(tmp_path / "s.sqlite", TABLE)
        store.start()
        try:
            return await scenario(store)
        finally:
            await store.close()

    return asyncio.run(inside())


def insert(number):
    return lambda connection: connection.execute("INSERT INTO t VALUES(?)", (number,)).lastrowid


def test_a_write_is_committed_when_it_is_answered(tmp_path):
    async def scenario(store):
        await store.write(insert(1))
        with sqlite3.connect(tmp_path / "s.sqlite") as other:
            return other.execute("SELECT n FROM t").fetchall()

    assert run(tmp_path, scenario) == [(1,)]


def test_one_that_fails_takes_nothing_of_the_others_with_it(tmp_path):
    def half(connection):
        insert(100)(connection)
        raise KeyError("half")

    async def scenario(store):
        changes = [insert(1), half, insert(1), insert(2)]
        outcomes = await asyncio.gather(*map(store.write, changes), return_exceptions=True)
        return [type(outcome) for outcome in outcomes], store.reader.execute("SELECT n FROM t").fetchall()

    kinds, rows = run(tmp_path, scenario)
    assert kinds == [int, KeyError, sqlite3.IntegrityError, int]
    assert rows == [(1,), (2,)]


def test_waiting_writes_share_commits(tmp_path):
    async def scenario(store):
        commits = []
        store.after_commit.append(lambda: commits.append(1))
        await asyncio.gather(*(store.write(insert(n)) for n in range(500)))
        return len(commits)

    assert run(tmp_path, scenario) < 50


def test_a_failed_commit_fails_every_write_of_its_group(tmp_path):
    def deferred(connection):
        connection.execute("PRAGMA defer_foreign_keys = ON")
        connection.execute("INSERT INTO child VALUES(99)")

    async def scenario(store):
        await store.write(
            lambda connection: connection.execute(
                "CREATE TABLE child(t INTEGER REFERENCES t(n) DEFERRABLE INITIALLY DEFERRED)"
            )
        )
        store._writer.execute("PRAGMA foreign_keys = ON")
        outcomes = await asyncio.gather(store.write(insert(1)), store.write(deferred), return_exceptions=True)
        after = await store.write(insert(7))
        return [type(o) for o in outcomes], after, store.reader.execute("SELECT n FROM t").fetchall()

    kinds, after, rows = run(tmp_path, scenario)
    assert kinds == [sqlite3.IntegrityError, sqlite3.IntegrityError]
    assert (after, rows) == (7, [(7,)])


def test_the_secret_stays_the_same(tmp_path):
    stores = [Store(tmp_path / "s.sqlite", "") for _ in range(2)]
    assert stores[0].secret() == stores[1].secret() == stores[0].secret()


def test_counters_run_per_unit_and_start_again_each_day():
    connection = sqlite3.connect(":memory:")
    connection.executescript(SCHEMA)
    days = [date(2025, 7, 1), date(2025, 7, 1), date(2025, 7, 2)]
    assert [next_code(connection, "H", "01", "00004", day) for day in days] == [
        "H01.00004-250701-0001",
        "H01.00004-250701-0002",
        "H01.00004-250702-0001",
    ]
    assert next_code(connection, "H", "01", "00008", days[0]) == "H01.00008-250701-0001"
    assert next_code(connection, "G", "01", "00004", days[0]) == "G01.00004-250701-0001"


def test_a_token_is_good_for_its_use_and_its_time():
    signer = Signer(b"secret")
    token = signer.sign(Claims("officer", "00004"), 60)
    assert signer.verify(token, "officer").sub == "00004"
    with pytest.raises(TokenError, match="no citizen token"):
        signer.verify(token, "citizen")
    with pytest.raises(TokenError, match="expired"):
        signer.verify(signer.sign(Claims("officer", "00004"), -1), "officer")
    for wrong in (token + "x", token[:-1], "", "a.b.c", token.replace(".", ".x", 1)):
        with pytest.raises(TokenError):
            signer.verify(wrong, "officer")
    with pytest.raises(TokenError):
        Signer(b"other").verify(token, "officer")
