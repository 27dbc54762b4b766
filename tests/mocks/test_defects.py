"""Each seeded defect shows, and only where it is on."""

import asyncio
import socket
import sqlite3
import time
from contextlib import closing

import httpx
import pytest

from mocks.client import Client
from mocks.defects import DEFECTS, Defects
from mocks.dossier_system import COPY_LAG
from mocks.messages import CREATE
from mocks.outbox import DELIVERED, RETRY, Message
from mocks.peers import Peer
from mocks.province_sync import PortalSync
from mocks.store import LATE
from tests.conftest import BEARER, TOKEN


def pair(stacks, *defects, seed=1):
    return stacks(defects=defects, seed=seed).start("national").start("province:01")


def test_an_unknown_defect_is_refused():
    with pytest.raises(ValueError, match="drop-sink"):
        Defects(["drop-sink"])


def test_every_defect_says_what_it_does():
    assert all(defect.summary for defect in DEFECTS.values())


def test_drop_sync_drops_one_in_a_hundred_always_the_same():
    on = Defects(["drop-sync"], seed=3)
    names = [f"H01.00004-250701-{n:04d}:2" for n in range(20_000)]
    dropped = [name for name in names if on.drops(name)]
    assert 150 < len(dropped) < 250
    assert dropped == [name for name in names if Defects(["drop-sync"], seed=3).drops(name)]
    assert dropped != [name for name in names if Defects(["drop-sync"], seed=4).drops(name)]
    assert not any(map(Defects().drops, names))


def victim(seed, prefix):
    """Return the number of the first dossier of a unit and day whose creation is dropped, but not its second step."""
    on = Defects(["drop-sync"], seed)
    codes = ((n, f"{prefix}-{n:04d}") for n in range(1, 1000))
    return next((n for n, code in codes if on.drops(code) and not on.drops(f"{code}:2")), 1000)


@pytest.mark.usefixtures("one_day")
@pytest.mark.parametrize("defects", [(), ("drop-sync",)])
def test_drop_sync_loses_a_dossier_on_its_way_to_the_portal(stacks, submission, eventually, defects):
    prefix = "H01.00004-" + day()
    seed = min(range(500), key=lambda seed: victim(seed, prefix))
    stack = pair(stacks, *defects, seed=seed)
    officer = stack.officer()
    count = victim(seed, prefix) + 3
    codes = [stack.intake(officer) for _ in range(count)]
    lost = f"{prefix}-{victim(seed, prefix):04d}"
    assert lost in codes
    stack.step(officer, lost, "process")
    eventually(lambda: stack.pending("province:01") == 0)
    arrived = {item["code"] for item in stack.listing("national")}
    assert (lost not in arrived) == bool(defects)
    assert stack.metric("province:01", "thongsuot_outbox_rejected_total") == len(defects)


@pytest.mark.usefixtures("one_day")
@pytest.mark.parametrize("defects", [(), ("drop-sync",)])
def test_drop_sync_loses_a_dossier_on_its_way_to_the_province(stacks, submission, eventually, defects):
    prefix = "G01.00004-" + day()
    seed = min(range(500), key=lambda seed: victim(seed, prefix))
    stack = stacks(defects=defects, seed=seed).start("national", "vneid", "province:01")
    citizen = stack.citizen()
    codes = [
        stack.post("national", "/dossiers", submission(), headers={**citizen, **stack.key()}).json()["code"]
        for _ in range(victim(seed, prefix))
    ]
    eventually(lambda: stack.pending("national") == 0)
    arrived = {item["code"] for item in stack.listing("province:01")}
    assert set(codes) - arrived == ({codes[-1]} if defects else set())


def day():
    from mocks.register import today

    return f"{today():%y%m%d}"


@pytest.mark.parametrize("defects", [(), ("ack-before-commit",)])
def test_ack_before_commit_loses_what_a_killed_province_acknowledged(stacks, eventually, defects):
    stack, in_time = pair(stacks, *defects), False
    while not in_time:
        eventually(lambda: stack.pending("province:01") == 0)
        before = committed(stack)
        began = time.monotonic()
        officer = stack.officer()
        codes = [stack.intake(officer) for _ in range(5)]
        assert [item["code"] for item in stack.listing("province:01")] == before + codes
        stack.kill("province:01")
        in_time = time.monotonic() - began < LATE
        stack.start("province:01")
    stored = before if defects else before + codes
    assert [item["code"] for item in stack.listing("province:01")] == stored
    eventually(lambda: stack.pending("province:01") == 0)
    assert len(stack.listing("national")) == len(stored)


def committed(stack):
    """Wait until the province's transaction that is open, if there is one, is committed; return its dossiers then."""
    path = stack.folder / "state" / "province-01.sqlite"
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        database.execute("ROLLBACK")
    return [item["code"] for item in stack.listing("province:01")]


def test_ack_before_commit_commits_in_the_end(stacks, eventually):
    """And what was told in one call isn't told again, but where no answer came in time: as new, and as an update."""
    stack = pair(stacks, "ack-before-commit")
    code = stack.intake(stack.officer())
    eventually(lambda: stack.states("national", code) == [2])
    eventually(lambda: stack.pending("province:01") == 0)
    failed = stack.metric("province:01", "thongsuot_outbox_failures_total{")
    calls = stack.metric("national", 'thongsuot_system_requests_total{code="2xx",operation="sync"')
    assert 1 <= calls <= 1 + 2 * failed


@pytest.mark.parametrize("defects", [(), ("duplicate-on-retry",)])
def test_duplicate_on_retry_creates_a_second_dossier(stacks, submission, defects):
    stack = stacks(defects=defects).start("national", "vneid", "province:01")
    for name, path, session in (
        ("province:01", "/counter/dossiers", stack.officer()),
        ("national", "/dossiers", stack.citizen()),
    ):
        headers = {**session, **stack.key()}
        codes = {stack.post(name, path, submission(), headers=headers).json()["code"] for _ in range(2)}
        assert len(codes) == 1 + len(defects)


@pytest.mark.parametrize("defects", [(), ("collapse-status",)])
def test_collapse_status_reports_5_6_and_8_as_9(stacks, eventually, defects):
    stack = pair(stacks, *defects)
    staff = stack.staff()
    code = stack.intake(stack.officer())
    for action in ("process", "request_papers", "resume", "request_fee", "resume", "stop"):
        assert stack.step(staff[action], code, action).status_code == 200
    eventually(lambda: stack.pending("province:01") == 0)
    assert stack.states("province:01", code) == [2, 4, 5, 4, 6, 4, 8]
    assert stack.states("national", code) == ([2, 4, 9, 4, 9, 4, 9] if defects else [2, 4, 5, 4, 6, 4, 8])


def break_it(stack, kind, **attributes):
    """Switch a fault on inside the province; returns what switches it off."""
    url = f"{stack.url('province:01')}/control/faults/f"
    order = {"kind": kind, "attributes": attributes, "lease": 60}
    assert stack.http.put(url, json=order, headers=BEARER).status_code == 200
    return lambda: stack.http.delete(url, headers=BEARER)


def claim_all(stack, officer):
    answer = stack.post("province:01", "/officer/claim", {"limit": 100}, headers=officer)
    return {item["code"] for item in answer.json()["items"]}


@pytest.mark.parametrize("defects", [(), ("orphan-of-missing-account",)])
def test_orphan_of_missing_account_is_nobodys_for_good(stacks, defects):
    stack = stacks(defects=defects, token=TOKEN).start("province:01")
    officer, other = stack.officer(), stack.officer(commune="00008")
    heal = break_it(stack, "missing-accounts", share=100)
    code = stack.intake(officer)
    assert stack.get("province:01", "/officer/queue", headers=other).json()["common"] == 1 - len(defects)
    assert claim_all(stack, other) == (set() if defects else {code})
    heal()
    assert code not in claim_all(stack, officer)


@pytest.mark.parametrize("defects", [(), ("missing-workflow-refused",)])
def test_missing_workflow_refused_receives_no_dossier(stacks, submission, eventually, defects):
    stack = stacks(defects=defects, token=TOKEN).start("national", "vneid", "province:01")
    officer, citizen = stack.officer(), stack.citizen()
    heal = break_it(stack, "missing-workflow", share=100)
    counter = stack.post("province:01", "/counter/dossiers", submission(), headers={**officer, **stack.key()})
    assert counter.status_code == (422 if defects else 201)
    online = stack.post("national", "/dossiers", submission(), headers={**citizen, **stack.key()}).json()["code"]
    eventually(lambda: stack.states("province:01", online) == ([1, 3] if defects else [1]))
    assert claim_all(stack, officer) == set()
    heal()
    assert claim_all(stack, officer) == (set() if defects else {online, counter.json()["code"]})


@pytest.mark.parametrize("defects", [(), ("refused-for-reorganisation",)])
def test_refused_for_reorganisation_refuses_some_intakes(stacks, submission, defects):
    stack = stacks(defects=defects).start("province:01")
    officer = stack.officer()
    answers = [
        stack.post("province:01", "/counter/dossiers", submission(), headers={**officer, "Idempotency-Key": f"k{n}"})
        for n in range(40)
    ]
    reasons = {answer.json().get("reason") for answer in answers}
    assert reasons == ({None, "reorganisation"} if defects else {None})


@pytest.mark.usefixtures("one_day")
@pytest.mark.parametrize("defects", [(), ("counter-in-memory",)])
def test_counter_in_memory_gives_a_code_twice_after_a_restart(stacks, defects):
    stack = stacks(defects=defects).start("province:01")
    first = stack.intake(stack.officer())
    stack.kill("province:01")
    stack.start("province:01")
    assert (stack.intake(stack.officer()) == first) == bool(defects)


@pytest.mark.parametrize("defects", [(), ("sync-gives-up",)])
def test_sync_gives_up_discards_what_failed_three_times(stacks, eventually, defects):
    stack = stacks(defects=defects).start("province:01")
    code = stack.intake(stack.officer())
    eventually(lambda: stack.metric("province:01", "thongsuot_outbox_failures_total{") >= (2 if defects else 3))
    eventually(lambda: stack.pending("province:01") == (0 if defects else 1))
    stack.start("national")
    eventually(lambda: stack.pending("province:01") == 0)
    assert [item["code"] for item in stack.listing("national")] == ([] if defects else [code])


@pytest.mark.parametrize("defects", [(), ("outbox-in-memory",)])
def test_outbox_in_memory_forgets_what_a_killed_province_had_to_tell(stacks, eventually, defects):
    stack = stacks(defects=defects).start("province:01")
    code = stack.intake(stack.officer())
    stack.kill("province:01")
    stack.start("province:01", "national")
    eventually(lambda: stack.pending("province:01") == 0)
    assert [item["code"] for item in stack.listing("province:01")] == [code]
    assert [item["code"] for item in stack.listing("national")] == ([] if defects else [code])


@pytest.mark.parametrize("defects", [(), ("intake-needs-portal",)])
def test_intake_needs_portal_closes_the_counter_while_messages_fail(stacks, submission, eventually, defects):
    stack = stacks(defects=defects).start("province:01")
    officer = stack.officer()
    stack.intake(officer)
    eventually(lambda: stack.metric("province:01", "thongsuot_outbox_failures_total{") >= 1)
    answer = stack.post("province:01", "/counter/dossiers", submission(), headers={**officer, **stack.key()})
    assert answer.status_code == (503 if defects else 201)


@pytest.mark.parametrize("defects", [(), ("sync-inline",)])
def test_sync_inline_makes_the_counter_wait_for_the_portal(stacks, submission, defects):
    stack = stacks(defects=defects).start("province:01")
    officer = stack.officer()
    patience = 1.0 if defects else 30.0  # seconds
    try:
        stack.post(
            "province:01", "/counter/dossiers", submission(), headers={**officer, **stack.key()}, timeout=patience
        )
    except httpx.ReadTimeout:
        assert defects
    else:
        assert not defects


@pytest.mark.parametrize("defects", [(), ("status-regress",)])
def test_status_regress_sets_a_dossier_that_is_handed_over_again_back(stacks, eventually, defects):
    stack = pair(stacks, *defects)
    officer = stack.officer()
    item = {
        **{"MaHoSo": f"G01.00004-{day()}-0001", "MaThamChieu": "k", "MaTinh": "01", "MaXa": "00004"},
        **{"MaTTHC": "2.000815", "KenhThucHien": 2, "MaBam": "0" * 64, "isUpdating": "False"},
        "TienTrinh": [[1, 1, "20250630231320"]],
    }
    assert stack.post("province:01", "/HoSo/NopTrucTuyen", item, headers=stack.peer()).json()["error_code"] == 0
    assert stack.step(officer, item["MaHoSo"], "accept").status_code == 200
    assert stack.post("province:01", "/HoSo/NopTrucTuyen", item, headers=stack.peer()).json()["error_code"] == 1
    assert stack.get("province:01", f"/dossiers/{item['MaHoSo']}").json()["state"] == (1 if defects else 2)


@pytest.mark.parametrize("defects", [(), ("silence-is-consent",)])
def test_silence_is_consent_takes_a_call_without_an_answer_for_delivered(defects):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = Client(f"127.0.0.1:{silent.getsockname()[1]}", timeout=0.1)
        sync = PortalSync("01", Peer("province:01", client), Defects(defects).on("silence-is-consent"))
        outcomes = asyncio.run(sync.deliver([Message(1, "H", CREATE, b"{}")]))
    assert outcomes == [DELIVERED if defects else RETRY]


@pytest.mark.parametrize("defects", [(), ("stale-read",)])
def test_stale_read_answers_every_other_look_up_from_a_copy_that_lags_behind(stacks, defects):
    stack, in_time = pair(stacks, *defects), False
    officer = stack.officer()
    while not in_time:
        began = time.monotonic()
        code = stack.intake(officer)
        stack.step(officer, code, "process")
        shown = [stack.states("province:01", code) for _ in range(4)]
        in_time = time.monotonic() - began < COPY_LAG
    assert shown == ([[2, 4], [2]] * 2 if defects else [[2, 4]] * 4)
    assert {item["state"] for item in stack.listing("province:01")} == {4}


@pytest.mark.parametrize("defects", [(), ("reorder",)])
def test_reorder_leaves_the_portal_with_an_older_state(stacks, eventually, defects):
    stack = stacks(defects=defects).start("province:01")
    staff = stack.staff()
    code = stack.intake(stack.officer())
    for action in ("process", "finish", "return_result"):
        assert stack.step(staff[action], code, action).status_code == 200
    stack.start("national")
    eventually(lambda: stack.pending("province:01") == 0)
    dossier = stack.get("national", f"/dossiers/{code}").json()
    assert [step[1] for step in dossier["history"]] == [2, 4, 9, 10]
    assert (dossier["state"], dossier["sequence"]) == ((4, 2) if defects else (10, 4))
