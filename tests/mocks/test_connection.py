"""Communes that aren't connected to the portal yet: intake goes on, what is to be told is held, nothing is lost."""

import asyncio
import time

import pytest

from mocks.connection import SCHEMA, WORD, Connection
from mocks.store import Store
from tests.conftest import TOKEN

HERE, THERE = "00004", "00008"  # the first one isn't connected


@pytest.fixture
def made(stacks):
    return stacks(token=TOKEN, unconnected=(HERE,)).start()


def connect(stack, seconds=0.0, names=("national", "province:01"), token=TOKEN):
    content, headers = {"at": time.time() + seconds}, {"Authorization": f"Bearer {token}"}
    return [stack.http.put(stack.url(name) + "/control/connection", json=content, headers=headers) for name in names]


def online(stack, submission, commune=HERE):
    headers = {**stack.citizen(), **stack.key()}
    answer = stack.post("national", "/dossiers", submission(commune=commune), headers=headers)
    assert answer.status_code == 201
    return answer.json()


def test_a_counter_takes_in_and_works_and_the_portal_hears_of_it_in_order_once_connected(made, submission, eventually):
    officer = made.officer()
    code = made.intake(officer)
    assert made.step(officer, code, "process").status_code == 200
    connected = made.intake(made.officer(commune=THERE), submission(commune=THERE))
    eventually(lambda: made.states("national", connected) == [2])
    eventually(lambda: made.pending("province:01") == 2)
    assert made.states("national", code) is None
    assert made.step(made.officer(role="ld"), code, "finish").status_code == 200
    assert [answer.status_code for answer in connect(made)] == [200, 200]
    eventually(lambda: made.states("national", code) == [2, 4, 9])
    eventually(lambda: made.pending("province:01", "national") == 0)
    later = made.intake(officer)
    eventually(lambda: made.states("national", later) == [2])


def test_an_online_dossier_is_held_at_the_portal_with_a_word_and_not_refused(made, submission, eventually):
    held, sent = online(made, submission), online(made, submission, THERE)
    assert (held["error_code"], held["state"], held["message"], sent["message"]) == (0, 1, WORD, "")
    eventually(lambda: made.states("province:01", sent["code"]) == [1])
    assert made.states("province:01", held["code"]) is None
    page = made.get("national", f"/pages/dossiers/{held['code']}").text
    assert WORD in page
    assert WORD not in made.get("national", f"/pages/dossiers/{sent['code']}").text
    connect(made)
    eventually(lambda: made.states("province:01", held["code"]) == [1])
    assert WORD not in made.get("national", f"/pages/dossiers/{held['code']}").text


def test_more_than_a_window_that_is_held_stops_nobody(made, submission, eventually):
    """A sender looks at 100 messages; 120 of the unconnected commune are older than that of another one."""
    officer = made.officer()
    codes = [made.intake(officer) for _ in range(120)]
    connected = made.intake(made.officer(commune=THERE), submission(commune=THERE))
    eventually(lambda: made.states("national", connected) == [2])
    connect(made)
    eventually(lambda: made.pending("province:01") == 0)
    assert {item["code"] for item in made.listing("national")} >= set(codes)


def test_what_is_held_and_the_moment_survive_a_kill(made, eventually):
    code = made.intake(made.officer())
    connect(made, 0.3)
    made.kill("province:01")
    made.processes.clear()
    time.sleep(0.5)
    made.start()
    eventually(lambda: made.states("national", code) == [2])


def test_held_for_good_holds_what_a_connected_commune_had_to_tell(stacks, submission, eventually):
    stack = stacks(token=TOKEN, unconnected=(HERE,), defects=("held-for-good",)).start()
    code = stack.intake(stack.officer())
    assert [answer.status_code for answer in connect(stack)] == [200, 200]
    later = stack.intake(stack.officer(commune=THERE), submission(commune=THERE))
    eventually(lambda: stack.states("national", later) == [2])
    eventually(lambda: stack.pending("province:01") == 1)
    assert stack.states("national", code) is None


def test_nobody_connects_without_the_token(made):
    assert {answer.status_code for answer in connect(made, token="guess")} == {401}  # noqa: S106  the wrong one


def test_a_system_that_waits_for_nothing_has_nothing_to_connect(stacks):
    assert {answer.status_code for answer in connect(stacks(token=TOKEN).start())} == {404}


def test_a_moment_to_come_holds_until_then(made, eventually):
    began = time.time()
    connect(made, 1.0)
    code = made.intake(made.officer())
    eventually(lambda: made.states("national", code))
    assert made.get("national", f"/dossiers/{code}").json()["history"][0][3] >= began + 1.0


def test_a_moment_can_be_set_anew(made, eventually):
    code = made.intake(made.officer())
    for seconds in (3600, -3600):
        assert [answer.status_code for answer in connect(made, seconds)] == [200, 200]
    eventually(lambda: made.states("national", code) == [2])


def test_communes_are_connected_at_the_next_try_when_the_commit_fails(tmp_path):
    """Until then nothing has changed: what is stored in the next transaction, while that one fails, is held as well."""
    orphan = "CREATE TABLE orphan(of INTEGER REFERENCES connection(id) DEFERRABLE INITIALLY DEFERRED);"
    dossier = f"H01.{HERE}-250701-0001"

    async def scenario():
        store, seen, next_ones = Store(tmp_path / "s.sqlite", SCHEMA + orphan), [], []
        store._writer.execute("PRAGMA foreign_keys = ON")
        store.start()
        connection = Connection([HERE], store)

        def note(database):
            seen.append(connection.holds(database, "province:01->national", dossier))

        def release(database):
            note(database)
            if len(seen) == 1:
                database.execute("INSERT INTO orphan VALUES(9)")
                next_ones.append(asyncio.create_task(store.write(note)))

        connection.start(release)
        await store.write(lambda database: database.execute("INSERT INTO connection(at) VALUES(0)") and None)
        connection._told.set()
        async with asyncio.timeout(30):
            while connection.word(store.reader, dossier):
                await asyncio.sleep(0.01)
        await store.write(note)
        await asyncio.gather(*next_ones)
        await connection.stop()
        await store.close()
        return seen

    assert asyncio.run(scenario()) == [True, True, True, False]
