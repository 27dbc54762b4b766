"""Synchronisation: at least once, in order, over broken lines."""

import asyncio
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from mocks.client import Client
from mocks.defects import Defects
from mocks.metrics import Metrics
from mocks.outbox import RETRY, SCHEMA, Message, Outbox, back_off, batch
from mocks.store import Store
from tests.mocks.conftest import DEADLINE

LIMITS = {"create": 3, "progress": 4}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(sorted(LIMITS))), max_size=30))
def test_batches_keep_the_order_of_each_dossier(pairs):
    """Sent batch by batch, every message goes once, and those of one dossier in the order of storing."""
    waiting = [Message(n, dossier, service, b"") for n, (dossier, service) in enumerate(pairs)]
    sent = []
    while waiting:
        chosen = batch(waiting, LIMITS)
        assert len({message.service for message in chosen}) == 1
        assert 1 <= len(chosen) <= LIMITS[chosen[0].service]
        assert chosen[0] == waiting[0]
        sent += chosen
        waiting = [message for message in waiting if message not in chosen]
    assert len(sent) == len(pairs)
    for dossier in "abc":
        ids = [message.id for message in sent if message.dossier == dossier]
        assert ids == sorted(ids)


@given(st.integers(min_value=0, max_value=10_000))
def test_back_off_doubles_from_a_tenth_to_two_seconds(failures):
    delay = back_off(failures, random.Random(failures))
    full = min(2.0, 0.1 * 2 ** min(failures, 10))
    assert full / 2 <= delay <= full


@pytest.mark.parametrize(
    ("rest", "attempts", "defects"), [(30.0, 1, ()), (0.0, 3, ()), (30.0, 3, ("back-pressure-ignored",))]
)
def test_a_receiver_that_wants_to_be_left_alone_is(tmp_path, rest, attempts, defects):
    """Without a word it is asked again and again; told to wait, the sender waits, unless it has the defect."""
    tried = []

    async def deliver(messages):
        tried.append(messages)
        return [RETRY] * len(messages)

    async def send():
        store = Store(tmp_path / "s.sqlite", SCHEMA)
        outbox = Outbox(store, Metrics(CollectorRegistry(), "s", ()), 1, Defects(defects))
        outbox.open("s->t", deliver, LIMITS, lambda: rest)
        store.start()
        await store.write(lambda connection: outbox.put(connection, "s->t", ("a", "create", b"{}")))
        await outbox.start()
        for _ in range(100):
            await asyncio.sleep(0.02)
            if len(tried) == 3:
                break
        await outbox.stop()
        await store.close()

    asyncio.run(send())
    assert min(len(tried), 3) == attempts


@pytest.mark.parametrize(
    ("status", "header", "rest"), [(503, "2", 2.0), (429, "3600", 10.0), (503, "soon", 0), (500, "2", 0)]
)
def test_retry_after_of_a_busy_receiver_is_kept_and_bounded(status, header, rest):
    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} X\r\nRetry-After: {header}\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()

    async def ask():
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            client = Client(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", DEADLINE)
            assert client.rest() == 0
            began = time.monotonic()
            await client.request("GET", "/")
            client.close()
            return client.rest(), time.monotonic() - began

    left, took = asyncio.run(ask())
    assert rest - took <= left <= rest


def test_what_waits_for_a_dead_province_is_delivered_once_when_it_returns(stacks, submission, eventually):
    stack = stacks(provinces=("01", "79")).start("national", "vneid", "population", "payment", "province:79")
    citizen = stack.citizen()
    codes = []
    for _ in range(20):
        answer = stack.post("national", "/dossiers", submission(), headers={**citizen, **stack.key()})
        codes.append(answer.json()["code"])
    other = submission(province="79", commune="25747")
    answer = stack.post("national", "/dossiers", other, headers={**citizen, **stack.key()})
    assert answer.status_code == 201
    eventually(lambda: stack.states("province:79", answer.json()["code"]) == [1])
    eventually(lambda: stack.pending("national") == 20)
    stack.start("province:01")
    eventually(lambda: stack.pending("national") == 0)
    assert sorted(item["code"] for item in stack.listing("province:01")) == sorted(codes)


def test_steps_taken_while_the_portal_is_down_arrive_in_order(stacks, eventually):
    stack = stacks().start("province:01")
    officer, staff = stack.officer(), stack.staff()
    codes = [stack.intake(officer) for _ in range(15)]
    for code in codes:
        for action in ("process", "request_papers", "resume", "finish", "return_result"):
            assert stack.step(staff[action], code, action).status_code == 200
    assert stack.pending("province:01") == 15 * 6
    stack.start("national")
    eventually(lambda: stack.pending("province:01") == 0)
    for item in stack.listing("national"):
        assert [step[:2] for step in item["history"]] == [[1, 2], [2, 4], [3, 5], [4, 4], [5, 9], [6, 10]]
        applied = [step[3] for step in item["history"]]
        assert applied == sorted(applied)
    assert stack.metric("national", 'thongsuot_sync_items_total{result="applied"') == 15 * 6
    assert stack.metric("province:01", "thongsuot_outbox_failures_total") > 0


@pytest.mark.parametrize("victim", ["national", "province:01"])
def test_a_message_sent_again_after_a_crash_changes_nothing(stacks, eventually, victim):
    stack = stacks().start("national").start("province:01")
    officer = stack.officer()
    codes = []
    for n in range(30):
        codes.append(stack.intake(officer))
        assert stack.step(officer, codes[-1], "process").status_code == 200
        if n == 15:
            stack.kill(victim)
            stack.start(victim)
    eventually(lambda: stack.pending("province:01") == 0)
    listed = {item["code"]: [step[1] for step in item["history"]] for item in stack.listing("national")}
    assert listed == {code: [2, 4] for code in codes}


def test_a_creation_that_exists_already_is_sent_again_as_an_update(stacks, eventually):
    """A province whose memory of the acknowledgement is gone ends with an empty outbox and one dossier."""
    stack = stacks().start("national").start("province:01")
    code = stack.intake(stack.officer())
    eventually(lambda: stack.pending("province:01") == 0)
    item = stack.get("national", f"/dossiers/{code}").json()
    asked = {"username": "province:01", "password": "mk.province:01"}
    session = stack.post("national", "/login", asked).json()["session"]
    content = {
        "MaHoSo": code,
        "MaThamChieu": item["key"],
        "MaTinh": "01",
        "MaXa": "00004",
        "MaTTHC": item["procedure"],
        "KenhThucHien": 1,
        "MaBam": item["hash"],
        "isUpdating": "False",
        "TienTrinh": [[1, 2, "20250701080000"], [2, 4, "20250701080001"]],
    }
    call = {"session": session, "madonvi": "01", "service": "DongBoHoSoMC", "data": [content]}
    again = stack.post("national", "/sync", call).json()["data"][0]
    assert (again["error_code"], again["message"]) == (1, "đã tồn tại")
    assert stack.states("national", code) == [2]
    call["data"] = [{**content, "isUpdating": "True"}]
    assert stack.post("national", "/sync", call).json()["data"][0]["error_code"] == 0
    assert stack.states("national", code) == [2, 4]
