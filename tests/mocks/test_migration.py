"""Legacy dossiers move once, whole, under the right commune, whatever kills their system."""

import hashlib
import sqlite3
from collections import defaultdict
from contextlib import closing

import pytest

from mocks import stock
from model import hamlets, places, procedures
from model.dossier import State, is_history, parse_code
from model.workflows import NEXT, Role
from tests.conftest import BEARER, TOKEN

PROVINCE, COUNT = "31", 120
CLERK = procedures.procedures()["2.000815"]  # what is no dossier is as one that a commune decides


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
    """Kill the system in the 20 s that its job rests after 100 dossiers; afterwards the job goes on, and fast."""
    order(stack, rate=5, batch=100)
    eventually(lambda: state(stack)["moved"])
    stack.kill(f"province:{PROVINCE}")
    with closing(sqlite3.connect(stack.folder / "state" / f"province-{PROVINCE}.sqlite")) as database, database:
        assert database.execute("UPDATE migration SET rate = 10000 WHERE state = 'running'").rowcount == 1
        assert database.execute("SELECT count(*) FROM staged WHERE fate = 0").fetchone() == (COUNT - 100,)
    stack.start(f"province:{PROVINCE}")


def right(item):
    """Return the commune that a piece belongs to, or the province's centre; None where it doesn't say."""
    if item["district"] and procedures.procedures().get(item.get("procedure"), CLERK).level == "tỉnh":
        return f"H{PROVINCE}"
    return hamlets.successor(places.legacy()[item["legacy_commune"]], item["hamlet"])


def test_a_migration_moves_everything_once_and_whole(staged, eventually):
    stack = staged()
    assert state(stack) == {"state": "waiting", "total": COUNT, "moved": 0, "held": 0, "held_accounts": 0}
    before = listed(stack, "staged")
    assert order(stack, rate=10_000, batch=50).status_code == 200
    holdings = finished(stack, eventually)
    assert holdings["before"] == holdings["after"]
    assert holdings["after"]["dossiers"] == COUNT
    live = {item["key"]: item for item in stack.listing(f"province:{PROVINCE}")}
    told = {item["key"]: item for item in before if right(item)}
    assert {key: right(item) for key, item in told.items()} == {key: item["commune"] for key, item in live.items()}
    assert sum(len(places.legacy()[item["legacy_commune"]].successors) > 1 for item in told.values()) > 10
    for key, item in told.items():
        assert [step[:3] for step in live[key]["history"]] == item["history"]
        assert live[key]["archived"] == item["archived"]
        assert live[key]["attachments"] == sorted(file["hash"] for file in item["attachments"])
    assert {item["archived"] for item in live.values()} == {True, False}


def found(stack, code, old_province):
    """Look a dossier up by what its receipt of before says."""
    asked = {"old_province": old_province}
    return stack.get(f"province:{PROVINCE}", f"/migration/dossiers/{code}", params=asked)


def test_what_was_filed_with_a_district_goes_where_its_procedure_went(staged, eventually):
    """To the commune of the applicant, wherever the district's seat is, or to the desk of the province's centre."""
    stack, system = staged(), f"province:{PROVINCE}"
    order(stack, rate=10_000, batch=50)
    finished(stack, eventually)
    live = {item["key"]: item for item in stack.listing(system)}
    filed = [item for item in listed(stack, "staged") if item["district"] and item["key"] in live]
    assert {item["district"] for item in filed} <= {unit.district for unit in places.legacy().values()}
    assert {item["procedure"] for item in filed} <= set(procedures.DISTRICT)
    moved = {item["key"]: live[item["key"]]["commune"] for item in filed}
    assert moved == {item["key"]: right(item) for item in filed}
    seats = {item["key"]: places.seat(places.legacy()[item["legacy_commune"]]).default for item in filed}
    assert sum(moved[key] not in (f"H{PROVINCE}", seats[key]) for key in moved) > 5
    centres = [live[key] for key, place in moved.items() if place == f"H{PROVINCE}"]
    officer = stack.officer(PROVINCE, f"H{PROVINCE}")
    assert len(centres) > 3
    assert {
        stack.get(system, f"/officer/dossiers/{item['code']}", headers=officer).json()["desk"] for item in centres
    } == {f"H{PROVINCE}"}
    processes = procedures.procedures()
    waiting = [(item, NEXT[item["state"]]) for item in centres if item["state"] in NEXT]
    for role in {processes[item["procedure"]].workflow[action] for item, action in waiting}:
        headers = stack.officer(PROVINCE, f"H{PROVINCE}", role)
        claimed = stack.post(system, "/officer/claim", {"limit": 100}, headers=headers).json()["items"]
        theirs = {item["code"] for item, action in waiting if processes[item["procedure"]].workflow[action] is role}
        assert {item["code"] for item in claimed} == theirs


def pairs(stack):
    """Return the dossiers of before that share a code with another one, by that code."""
    by_code = defaultdict(list)
    for item in listed(stack, "staged"):
        by_code[item["code"]].append(item)
    return {code: items for code, items in by_code.items() if len(items) > 1}


def test_two_dossiers_of_two_old_provinces_with_one_code_both_move(staged, eventually):
    """The first to move keeps the code, the other gets one of its own; old code and old province lead to either."""
    stack = staged()
    shared = pairs(stack)
    assert shared
    order(stack, rate=10_000, batch=7)
    holdings = finished(stack, eventually)
    assert holdings["before"] == holdings["after"]
    now = {item["key"]: item for item in listed(stack, "moved")}
    both = [items for items in shared.values() if all(item["key"] in now for item in items)]
    assert both
    for first, second in both:
        assert first["old_province"] != second["old_province"]
        assert first["code"] == second["code"] == now[first["key"]]["code"] == now[second["key"]]["old_code"]
        assert parse_code(now[second["key"]]["code"]).province == PROVINCE
        assert now[second["key"]]["code"] != second["code"]
        for item in (first, second):
            looked = found(stack, item["code"], item["old_province"]).json()
            assert (looked["key"], looked["code"]) == (item["key"], now[item["key"]]["code"])
            assert (looked["hash"], looked["commune"]) == (item["hash"], right(item))
            assert [step[:3] for step in looked["history"]] == item["history"]
            assert looked["attachments"] == sorted(file["hash"] for file in item["attachments"])
    assert found(stack, both[0][0]["code"], "Nghệ An").status_code == 404
    assert found(stack, "H31.00000-250301-9999", "Hải Dương").status_code == 404
    assert found(stack, both[0][0]["code"], "").status_code == 422
    assert found(stack, both[0][0]["code"], None).status_code == 422


def test_the_bytes_of_attachments_move_into_the_register(staged, eventually):
    """Whoever looks a dossier up sees the hashes of what was staged, computed from what is there now."""
    stack = staged()
    order(stack, rate=10_000, batch=50)
    finished(stack, eventually)
    sizes = []
    for legacy in stock.made(1, PROVINCE, COUNT):
        files = [file.content for file in legacy.attachments]
        sizes += map(len, files)
        looked = found(stack, legacy.code, legacy.old_province)
        if looked.status_code == 200:
            assert looked.json()["attachments"] == sorted(hashlib.sha256(content).hexdigest() for content in files)
    assert 32 <= min(sizes) < 100
    assert 1000 < max(sizes) <= 2048


def test_what_does_not_say_where_it_belongs_is_held_and_keeps_nothing_waiting(staged, eventually):
    """A record of a split commune without a hamlet waits for a person; those after it, of its batch as well, move."""
    stack = staged()
    order(stack, rate=10_000, batch=50)
    holdings = finished(stack, eventually)
    assert holdings["before"] == holdings["after"]
    untold = [item for item in listed(stack, "staged") if right(item) is None]
    officers = [item for item in listed(stack, "staged-accounts") if right(item) is None]
    assert untold
    assert listed(stack, "held") == untold
    assert listed(stack, "held-accounts") == officers
    held = {"held": len(untold), "held_accounts": len(officers)}
    assert state(stack) == {"state": "done", "total": COUNT, "moved": COUNT - len(untold), **held}
    assert not {item["key"] for item in untold} & {item["key"] for item in stack.listing(f"province:{PROVINCE}")}


def test_what_was_held_stays_held_when_its_system_starts_again(staged, eventually):
    stack = staged()
    order(stack, rate=10_000, batch=50)
    finished(stack, eventually)
    held = listed(stack, "held")
    stack.kill(f"province:{PROVINCE}")
    stack.start(f"province:{PROVINCE}")
    assert listed(stack, "held") == held != []


def test_officers_go_on_with_dossiers_that_have_moved(staged, eventually):
    """The portal, which never heard of them, isn't told; counts and hashes are of what the migration brought."""
    stack, system = staged(), f"province:{PROVINCE}"
    order(stack, rate=10_000, batch=50)
    finished(stack, eventually)
    claimed = {}
    for role in Role:
        officer = stack.officer(PROVINCE, places.communes_of(PROVINCE)[0].code, role)
        items = stack.post(system, "/officer/claim", {"limit": 100}, headers=officer).json()["items"]
        claimed[role] = officer, items
    assert {item["state"] for _, items in claimed.values() for item in items} == set(NEXT)
    leader, items = claimed[Role.LEADER]
    assert {item["state"] for item in items} == {State.PROCESSING}
    code = items[0]["code"]
    before = stack.states(system, code)
    taken = stack.post(system, f"/dossiers/{code}/steps", {"action": "finish"}, headers={**leader, **stack.key()})
    assert taken.status_code == 200
    assert stack.states(system, code) == [*before, State.DONE]
    assert stack.get(system, "/outbox").json()["stored"] == 0
    holdings = stack.get(system, "/migration/holdings").json()
    assert holdings["before"] == holdings["after"]


def test_officers_accounts_move_with_their_roles_and_log_in_where_they_are_now(staged, submission, eventually):
    stack = staged()
    before = listed(stack, "staged-accounts")
    assert len(before) == COUNT / 10
    assert {item["role"] for item in before} == {"cb", "cv", "ld", "vt"}
    assert login(stack, before[0]["name"]) == 401
    order(stack, rate=10_000, batch=5)
    holdings = finished(stack, eventually)
    assert holdings["after"]["accounts"] == len(before)
    assert holdings["after"]["accounts_digest"] == holdings["before"]["accounts_digest"]
    moved = listed(stack, "moved-accounts")
    assert [(item["name"], item["role"], item["hash"], item["commune"]) for item in moved] == [
        (item["name"], item["role"], item["hash"], right(item)) for item in before if right(item)
    ]
    assert {login(stack, item["name"]) for item in moved} == {200}
    assert {item["role"]: takes_in(stack, item["name"], submission) for item in moved} == {
        "cb": 422,
        "cv": 403,
        "ld": 403,
        "vt": 403,
    }


def test_accounts_of_split_units_go_to_the_successor_that_took_their_desk_over(staged, eventually):
    stack = staged(count=600)
    order(stack, rate=10_000, batch=50)
    finished(stack, eventually)
    split = {
        item["name"]: right(item)
        for item in listed(stack, "staged-accounts")
        if len(places.legacy()[item["legacy_commune"]].successors) > 1
    }
    moved = {item["name"]: item["commune"] for item in listed(stack, "moved-accounts")}
    assert {name: moved.get(name) for name in split} == split
    held = {name for name, commune in split.items() if commune is None}
    assert held
    assert {item["name"] for item in listed(stack, "held-accounts")} == held
    assert {login(stack, name) for name in held} == {401}


def open_session(stack, account):
    asked = {"account": account, "password": f"mk.{account}"}
    return stack.post(f"province:{PROVINCE}", "/officer/session", asked)


def login(stack, account):
    return open_session(stack, account).status_code


def takes_in(stack, account, submission):
    """Send a dossier of another province to the counter: whoever may take dossiers in is told so."""
    bearer = {"Authorization": f"Bearer {open_session(stack, account).json()['session']}"}
    headers = {**bearer, **stack.key()}
    return stack.post(f"province:{PROVINCE}", "/counter/dossiers", submission(), headers=headers).status_code


def test_a_migration_that_forgets_accounts_says_so_by_count_and_hash(staged, eventually):
    stack = staged("migration-forgets-accounts")
    order(stack, rate=10_000, batch=50)
    holdings = finished(stack, eventually)
    kept = {item["name"] for item in (*listed(stack, "moved-accounts"), *listed(stack, "held-accounts"))}
    lost = {item["name"] for item in listed(stack, "staged-accounts")} - kept
    assert len(lost) == 2
    assert holdings["after"]["accounts"] == holdings["before"]["accounts"] - 2
    assert holdings["after"]["accounts_digest"] != holdings["before"]["accounts_digest"]
    assert {login(stack, name) for name in lost} == {401}


def test_a_migration_that_is_killed_goes_on_and_moves_nothing_twice(staged, eventually):
    stack = staged()
    killed_half_way(stack, eventually)
    holdings = finished(stack, eventually)
    assert holdings["before"] == holdings["after"]
    assert len(stack.listing(f"province:{PROVINCE}", limit=1000)) == COUNT - state(stack)["held"]


def test_a_job_that_forgot_what_it_moved_moves_nothing_twice(staged, eventually):
    """A dossier that has moved is known by its old province and its old code, also where it has another code now."""
    stack, system = staged(), f"province:{PROVINCE}"
    order(stack, rate=10_000, batch=50)
    before = finished(stack, eventually)
    moved = listed(stack, "moved")
    assert any(item["code"] != item["old_code"] for item in moved)
    stack.kill(system)
    with closing(sqlite3.connect(stack.folder / "state" / f"province-{PROVINCE}.sqlite")) as database, database:
        database.execute("UPDATE staged SET fate = 0")
        database.execute("UPDATE migration SET state = 'running'")
    stack.start(system)
    assert finished(stack, eventually) == before
    assert listed(stack, "moved") == moved


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
    assert len(stack.listing(f"province:{PROVINCE}", limit=1000)) == COUNT - state(stack)["held"]


def test_ordering_a_migration_again_changes_nothing(staged, eventually):
    stack = staged()
    order(stack, rate=10_000, batch=50)
    finished(stack, eventually)
    before = state(stack)
    assert before["moved"] + before["held"] == COUNT
    assert order(stack, rate=1, batch=1).json() == before
    assert len(stack.listing(f"province:{PROVINCE}", limit=1000)) == COUNT - state(stack)["held"]


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
    assert stack.get("province:01", "/migration").json() == {
        "state": "none", "total": 0, "moved": 0, "held": 0, "held_accounts": 0,
    }  # fmt: skip


def test_a_migration_waits_while_the_unit_table_is_wrong(staged, eventually):
    stack = staged()
    fault = f"{stack.url(f'province:{PROVINCE}')}/control/faults/f"
    stack.http.put(fault, json={"kind": "wrong-code-table", "attributes": {"share": 100}, "lease": 60}, headers=BEARER)
    order(stack, rate=10_000, batch=50)
    assert state(stack) == {"state": "running", "total": COUNT, "moved": 0, "held": 0, "held_accounts": 0}
    stack.http.delete(fault, headers=BEARER)
    holdings = finished(stack, eventually)
    assert holdings["before"] == holdings["after"]


def test_a_migration_that_begins_again_stores_dossiers_twice(staged, eventually):
    stack = staged("migration-twice")
    killed_half_way(stack, eventually)
    finished(stack, eventually)
    keys = [item["key"] for item in stack.listing(f"province:{PROVINCE}", limit=1000)]
    assert len(set(keys)) == COUNT - state(stack)["held"] < len(keys)


def test_a_migration_that_skips_leaves_archives_and_attachments_behind(staged, eventually):
    stack = staged("migration-skips")
    order(stack, rate=10_000, batch=50)
    after = finished(stack, eventually)["after"]
    moved, before = listed(stack, "moved"), {item["code"]: item for item in listed(stack, "staged")}
    left = before.keys() - {item["code"] for item in (*moved, *listed(stack, "held"))}
    assert left
    assert all(before[code]["archived"] for code in left)
    bare = [item["code"] for item in moved if not item["attachments"]]
    assert bare
    assert not any(stack.get(f"province:{PROVINCE}", f"/dossiers/{code}").json()["attachments"] for code in bare)
    assert after["dossiers"] == COUNT - len(left)


def test_a_migration_that_takes_the_default_misroutes(staged, eventually):
    stack = staged("migration-splits", count=600)
    order(stack, rate=10_000, batch=50)
    finished(stack, eventually)
    live = {item["key"]: item["commune"] for item in stack.listing(f"province:{PROVINCE}", limit=1000)}
    wrong = [item for item in listed(stack, "staged") if live[item["key"]] != right(item)]
    assert wrong
    assert all(len(places.legacy()[item["legacy_commune"]].successors) > 1 for item in wrong)
    offices = {item["name"]: item["commune"] for item in listed(stack, "moved-accounts")}
    assert any(offices[item["name"]] != right(item) for item in listed(stack, "staged-accounts"))


def test_a_migration_that_keeps_the_old_seats_misroutes_what_was_filed_with_a_district(staged, eventually):
    """What the province decides is at a commune then, and what another commune decides at the seat's."""
    stack = staged("district-dossier-to-old-seat")
    order(stack, rate=10_000, batch=50)
    finished(stack, eventually)
    live = {item["key"]: item["commune"] for item in stack.listing(f"province:{PROVINCE}", limit=1000)}
    wrong = [item for item in listed(stack, "staged") if item["key"] in live and live[item["key"]] != right(item)]
    assert all(item["district"] for item in wrong)
    assert {right(item) == f"H{PROVINCE}" for item in wrong} == {True, False}
    assert all(live[item["key"]] == places.seat(places.legacy()[item["legacy_commune"]]).default for item in wrong)


def test_a_migration_that_knows_dossiers_by_their_code_overwrites_one_with_another(staged, eventually):
    stack = staged("migration-overwrites-same-code")
    shared = pairs(stack)
    order(stack, rate=10_000, batch=7)
    after = finished(stack, eventually)["after"]
    live = {item["key"] for item in stack.listing(f"province:{PROVINCE}", limit=1000)}
    gone = {item["key"] for item in listed(stack, "staged")} - live - {item["key"] for item in listed(stack, "held")}
    assert gone
    assert gone == {items[0]["key"] for items in shared.values() if {item["key"] for item in items} & gone}
    assert after["dossiers"] == COUNT - len(gone)


@pytest.mark.parametrize("defects", [(), ("migration-blocks",)])
def test_intake_goes_on_during_a_migration(staged, submission, defects):
    stack = staged(*defects)
    order(stack, rate=1, batch=1)
    commune = places.communes_of(PROVINCE)[0].code
    headers = {**stack.officer(PROVINCE, commune), **stack.key()}
    content = submission(province=PROVINCE, commune=commune)
    answer = stack.post(f"province:{PROVINCE}", "/counter/dossiers", content, headers=headers)
    assert answer.status_code == (503 if defects else 201)


def test_a_stock_is_the_same_for_a_seed_and_comes_from_every_old_province():
    made = list(stock.made(3, "25", 300))
    assert made == list(stock.made(3, "25", 300))
    assert made != list(stock.made(4, "25", 300))
    assert {legacy.old_province for legacy in made} == set(places.provinces()["25"].formed_of)
    known = {(legacy.old_province, legacy.code) for legacy in made}
    assert len(known) == len({legacy.key for legacy in made}) == len({legacy.hash for legacy in made}) == 300
    assert 250 < len({legacy.code for legacy in made}) < 300
    assert all(is_history([step[1] for step in legacy.history], legacy.channel) for legacy in made)
    assert {legacy.archived for legacy in made} == {True, False}
    assert {legacy.history[-1][1] for legacy in made} == {1, 2, 4, 5, 6, 8, 9, 10}
    split = [legacy for legacy in made if len(places.legacy()[legacy.legacy_commune].successors) > 1]
    assert {legacy.hamlet == "" for legacy in split} == {True, False}
