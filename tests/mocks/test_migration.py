"""Legacy dossiers move once, whole, under the right commune, whatever kills their system."""

import pytest

from mocks import stock
from model import hamlets, places
from model.dossier import is_history

TOKEN = "only-for-tests"  # noqa: S105  opens nothing else
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PROVINCE, COUNT = "31", 120


@pytest.fixture
def staged(stacks):
    def make(*defects, count=COUNT):
        stack = stacks(provinces=(PROVINCE,), defects=defects, token=TOKEN, stock={PROVINCE: count})
        return stack.start("national").start(f"province:{PROVINCE}")

    return make


def order(stack, **asked):
    return stack.post(f"province:{PROVINCE}", "/control/migration", asked, headers=BEARER)


def state(stack):
    return stack.get(f"province:{PROVINCE}", "/migration").json()


def listed(stack, what):
    items, after = [], ""
    while after is not None:
        page = stack.get(f"province:{PROVINCE}", f"/migration/{what}", params={"after": after, "limit": 50}).json()
        items += page["items"]
        after = page["next"]
    return items


def finished(stack, eventually):
    eventually(lambda: state(stack)["state"] == "done")
    return stack.get(f"province:{PROVINCE}", "/migration/holdings").json()


def killed_half_way(stack, eventually):
    order(stack, rate=100, batch=10)
    eventually(lambda: 0 < state(stack)["moved"] < COUNT)
    stack.kill(f"province:{PROVINCE}")
    stack.start(f"province:{PROVINCE}")


def right(item):
    return hamlets.successor(places.legacy()[item["legacy_commune"]], item["hamlet"])


def test_a_migration_moves_everything_once_and_whole(staged, eventually):
    stack = staged()
    assert state(stack) == {"state": "waiting", "total": COUNT, "moved": 0}
    before = listed(stack, "staged")
    assert order(stack, rate=10_000, batch=50).status_code == 200
    holdings = finished(stack, eventually)
    assert holdings["before"] == holdings["after"]
    assert holdings["after"]["dossiers"] == COUNT
    live = {item["key"]: item for item in stack.listing(f"province:{PROVINCE}")}
    assert {item["key"]: right(item) for item in before} == {key: item["commune"] for key, item in live.items()}
    assert [item["attachments"] for item in listed(stack, "moved")] == [item["attachments"] for item in before]
    assert sum(len(places.legacy()[item["legacy_commune"]].successors) > 1 for item in before) > 10


def test_officers_accounts_move_with_their_roles_and_log_in_where_they_are_now(staged, eventually):
    stack = staged()
    before = listed(stack, "staged-accounts")
    assert len(before) == COUNT / 10
    assert {item["role"] for item in before} == {"cb", "cv", "ld", "vt"}
    assert login(stack, before[0]["name"]) == 401
    order(stack, rate=10_000, batch=5)
    holdings = finished(stack, eventually)
    assert holdings["after"]["accounts"] == len(before)
    moved = listed(stack, "moved-accounts")
    assert [(item["name"], item["role"], item["hash"], item["commune"]) for item in moved] == [
        (item["name"], item["role"], item["hash"], right(item)) for item in before
    ]
    assert {login(stack, item["name"]) for item in moved} == {200}


def login(stack, account):
    asked = {"account": account, "password": f"mk.{account}"}
    return stack.post(f"province:{PROVINCE}", "/officer/session", asked).status_code


def test_a_migration_that_forgets_accounts_says_so_by_count_and_hash(staged, eventually):
    stack = staged("migration-forgets-accounts")
    order(stack, rate=10_000, batch=50)
    holdings = finished(stack, eventually)
    lost = {item["name"] for item in listed(stack, "staged-accounts")} - {
        item["name"] for item in listed(stack, "moved-accounts")
    }
    assert len(lost) == 2
    assert holdings["after"]["accounts"] == holdings["before"]["accounts"] - 2
    assert holdings["after"]["accounts_digest"] != holdings["before"]["accounts_digest"]
    assert {login(stack, name) for name in lost} == {401}


def test_a_migration_that_is_killed_goes_on_and_moves_nothing_twice(staged, eventually):
    stack = staged()
    killed_half_way(stack, eventually)
    holdings = finished(stack, eventually)
    assert holdings["before"] == holdings["after"]
    assert len(stack.listing(f"province:{PROVINCE}", limit=1000)) == COUNT


def test_a_migration_outlives_kill_after_kill(staged, eventually):
    """Six kills, each when some more have been moved."""
    stack, moved = staged(), 0
    order(stack, rate=200, batch=7)
    for _ in range(6):
        eventually(lambda before=moved: state(stack)["moved"] > before or state(stack)["state"] == "done")
        moved = state(stack)["moved"]
        stack.kill(f"province:{PROVINCE}")
        stack.start(f"province:{PROVINCE}")
    holdings = finished(stack, eventually)
    assert holdings["before"] == holdings["after"]
    assert len(stack.listing(f"province:{PROVINCE}", limit=1000)) == COUNT


def test_ordering_a_migration_again_changes_nothing(staged, eventually):
    stack = staged()
    order(stack, rate=10_000, batch=50)
    finished(stack, eventually)
    assert order(stack, rate=1, batch=1).json() == {"state": "done", "total": COUNT, "moved": COUNT}
    assert len(stack.listing(f"province:{PROVINCE}", limit=1000)) == COUNT


def test_only_who_has_the_token_starts_a_migration(staged, stack):
    guarded = staged(count=1)
    answer = guarded.post(f"province:{PROVINCE}", "/control/migration", {}, headers={"Authorization": "Bearer guess"})
    assert answer.status_code == 401
    assert state(guarded)["state"] == "waiting"
    assert stack.post("province:01", "/control/migration").status_code == 404


def test_a_province_without_stock_has_nothing_to_migrate(stacks):
    stack = stacks(token=TOKEN).start("province:01")
    answer = stack.post("province:01", "/control/migration", {}, headers=BEARER)
    assert (answer.status_code, answer.json()["reason"]) == (409, "transition")
    assert stack.get("province:01", "/migration").json() == {"state": "none", "total": 0, "moved": 0}


def test_a_migration_waits_while_the_unit_table_is_wrong(staged, eventually):
    stack = staged()
    fault = f"{stack.url(f'province:{PROVINCE}')}/control/faults/f"
    stack.http.put(fault, json={"kind": "wrong-code-table", "attributes": {"share": 100}, "lease": 30}, headers=BEARER)
    order(stack, rate=10_000, batch=50)
    assert state(stack) == {"state": "running", "total": COUNT, "moved": 0}
    stack.http.delete(fault, headers=BEARER)
    holdings = finished(stack, eventually)
    assert holdings["before"] == holdings["after"]


def test_a_migration_that_begins_again_stores_dossiers_twice(staged, eventually):
    stack = staged("migration-twice")
    killed_half_way(stack, eventually)
    finished(stack, eventually)
    keys = [item["key"] for item in stack.listing(f"province:{PROVINCE}", limit=1000)]
    assert len(set(keys)) == COUNT < len(keys)


def test_a_migration_that_skips_leaves_archives_and_attachments_behind(staged, eventually):
    stack = staged("migration-skips")
    order(stack, rate=10_000, batch=50)
    after = finished(stack, eventually)["after"]
    moved, before = listed(stack, "moved"), {item["code"]: item for item in listed(stack, "staged")}
    left = before.keys() - {item["code"] for item in moved}
    assert left
    assert all(before[code]["archived"] for code in left)
    assert any(item["attachments"] != before[item["code"]]["attachments"] for item in moved)
    assert after["dossiers"] == COUNT - len(left)


def test_a_migration_that_takes_the_default_misroutes(staged, eventually):
    stack = staged("migration-splits")
    order(stack, rate=10_000, batch=50)
    finished(stack, eventually)
    live = {item["key"]: item["commune"] for item in stack.listing(f"province:{PROVINCE}", limit=1000)}
    wrong = [item for item in listed(stack, "staged") if live[item["key"]] != right(item)]
    assert wrong
    assert all(len(places.legacy()[item["legacy_commune"]].successors) > 1 for item in wrong)


@pytest.mark.parametrize("defects", [(), ("migration-blocks",)])
def test_intake_goes_on_during_a_migration(staged, submission, defects):
    stack = staged(*defects)
    order(stack, rate=10, batch=1)
    commune = places.communes_of(PROVINCE)[0].code
    headers = {**stack.officer(PROVINCE, commune), **stack.key()}
    content = submission(province=PROVINCE, commune=commune)
    answer = stack.post(f"province:{PROVINCE}", "/counter/dossiers", content, headers=headers)
    assert answer.status_code == (503 if defects else 201)


def test_a_stock_is_the_same_for_a_seed_and_comes_from_every_old_province():
    made = stock.made(3, "25", 300)
    assert made == stock.made(3, "25", 300)
    assert made != stock.made(4, "25", 300)
    assert {legacy.old_province for legacy in made} == set(places.provinces()["25"].formed_of)
    assert len({legacy.code for legacy in made}) == len({legacy.key for legacy in made}) == 300
    assert all(is_history([step[1] for step in legacy.history], legacy.channel) for legacy in made)
    assert {legacy.archived for legacy in made} == {True, False}
