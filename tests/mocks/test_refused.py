"""What a receiver refuses for good is taken out of the queue and kept: it blocks nobody, and nobody forgets it."""

import asyncio
import itertools
import json
import sqlite3
from contextlib import closing

import pytest
from prometheus_client import CollectorRegistry

from mocks import attachments
from mocks.client import Client, LinkError, Received
from mocks.defects import Defects
from mocks.messages import PROGRESS, STEPS, proof, shared_secret
from mocks.metrics import Metrics
from mocks.outbox import DELIVERED, RETRY, SCHEMA, Message, Outbox, refused
from mocks.peers import Peer
from mocks.posting import Posting, refusal
from mocks.province_sync import PortalSync
from mocks.store import Store
from tests.mocks.conftest import DEADLINE
from tests.mocks.inside import Inside

LINK = "province:01->national"
TOO_FAR = {"ThuTu": STEPS + 1, "TrangThai": 4, "ThoiDiem": "20250701080000"}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422])
def test_a_refusal_for_good_says_why(status):
    body = json.dumps({"message": "không được", "reason": "validation"}).encode()
    assert refusal(Received(status, body)) == refused(f"{status} không được")
    assert refusal(Received(status, b"<html>")) == refused(f"{status} ")


@pytest.mark.parametrize("status", [200, 201, 302, 408, 429, 500, 502, 503, 504])
def test_what_may_go_through_later_is_no_refusal(status):
    assert refusal(Received(status, b"{}")) is None


class Answers:
    """A line whose other side gives prepared answers, in turn."""

    address = "nowhere:1"

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    async def request(self, method, path, body=b""):
        self.asked.append((path, len(body)))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Received(200, b'{"error_code": 0}'), DELIVERED),
        (Received(200, b'{"error_code": 1, "message": "exists"}'), DELIVERED),
        (Received(200, b'{"error_code": 2, "message": "unknown"}'), refused("error_code 2 unknown")),
        (Received(200, b"?"), RETRY),
        (Received(401, b'{"message": "MaXacThuc is wrong", "reason": "x"}'), refused("401 MaXacThuc is wrong")),
        (Received(429, b""), RETRY),
        (Received(503, b'{"error_code": 0}'), RETRY),
        (LinkError("silent", True), RETRY),
    ],
)
def test_what_an_answer_means_for_its_message(answer, outcome):
    posting = Posting(Answers(answer), "/x")
    assert asyncio.run(posting.deliver([Message(1, "a", "s", b"{}")])) == [outcome]


def test_refused_messages_leave_the_queue_and_are_kept_with_the_reason(tmp_path):
    """Of 20 dossiers the first is refused and the second fails once: all others go, and a new life knows it all."""
    tried = []

    async def deliver(messages):
        tried.append([message.dossier for message in messages])
        first = len(tried) == 1
        said = {"d00": refused("r" * 1000), "d01": RETRY if first else DELIVERED}
        return [said.get(message.dossier, DELIVERED) for message in messages]

    async def send():
        store, metrics = Store(tmp_path / "s.sqlite", SCHEMA), Metrics(CollectorRegistry(), "s", ())
        outbox = Outbox(store, metrics, 1, Defects())
        outbox.open(LINK, deliver, {"create": 4})
        store.start()
        for n in range(20):
            message = (f"d{n:02d}", "create", b"{}")
            await store.write(lambda connection, message=message: outbox.put(connection, LINK, message))
        await outbox.start()
        await outbox.drained(LINK, DEADLINE)
        await outbox.stop()
        found = outbox.pending(), outbox.refused(), outbox.refusals(0, 10), metrics.text().decode()
        await store.close()
        return found

    pending, count, (kept, last), series = asyncio.run(send())
    assert (pending, count, last) == (0, 1, None)
    assert [(item.link, item.dossier, item.service, item.reason) for item in kept] == [
        (LINK, "d00", "create", "r" * 300)
    ]
    assert f'thongsuot_outbox_rejected_total{{link="{LINK}",system="s"}} 1.0' in series
    assert sorted(itertools.chain(*tried)) == sorted([f"d{n:02d}" for n in range(20)] + ["d01"])


def inject(stack, name, link, service, bodies):
    """Put messages into the outbox of a system that doesn't run, before all others."""
    path = stack.folder / "state" / f"{name.replace(':', '-')}.sqlite"
    with closing(sqlite3.connect(path)) as database, database:
        ((first,),) = database.execute("SELECT coalesce(min(id), 1) FROM outbox").fetchall()
        for n, (dossier, body) in enumerate(bodies):
            row = (first - len(bodies) + n, link, dossier, service, json.dumps(body).encode())
            database.execute("INSERT INTO outbox(id, link, dossier, service, body) VALUES(?, ?, ?, ?, ?)", row)


def refusals(stack, name):
    items, after = [], ""
    while after is not None:
        page = stack.get(name, "/outbox/refused", params={"after": after, "limit": 1}).json()
        items += page["items"]
        after = page["next"]
    return items


def test_one_bad_item_of_a_chunk_is_refused_and_all_others_arrive(stacks, eventually):
    stack = stacks().start("province:01").start("national")
    officer = stack.officer()
    codes = [stack.intake(officer) for _ in range(4)]
    eventually(lambda: stack.pending("province:01") == 0)
    stack.kill("national")
    for code in codes:
        for action in ("process", "request_papers", "resume"):
            assert stack.step(officer, code, action).status_code == 200
    stack.kill("province:01")
    inject(stack, "province:01", LINK, PROGRESS, [(codes[1], {"MaHoSo": codes[1], **TOO_FAR})])
    stack.start("province:01").start("national")
    eventually(lambda: stack.pending("province:01") == 0)
    assert [stack.states("national", code) for code in codes] == [[2, 4, 5, 4]] * 4
    (kept,) = refusals(stack, "province:01")
    assert (kept["link"], kept["dossier"], kept["service"]) == (LINK, codes[1], PROGRESS)
    assert kept["reason"].startswith("422 data: ")
    assert stack.metric("province:01", "thongsuot_outbox_rejected_total") == 1
    assert stack.get("province:01", "/outbox").json()["refused"] == 1
    assert "(messages refused for good)" in stack.get("province:01", "/").text
    stack.kill("province:01")
    stack.start("province:01")
    assert refusals(stack, "province:01") == [kept]


ARRIVED = [Received(200, b'{"error_code": 0, "offset": %d}' % offset) for offset in (131_072, 150_000, 300_000)]


@pytest.mark.parametrize(
    ("answers", "offsets", "outcome"),
    [
        (ARRIVED, [0, 131_072, 150_000], DELIVERED),
        (ARRIVED[2:], [0], DELIVERED),
        ([ARRIVED[1], ARRIVED[0]], [0, 150_000], RETRY),
        ([ARRIVED[0], LinkError("cut", False)], [0, 131_072], RETRY),
        ([ARRIVED[0], Received(413, b"")], [0, 131_072], refused("413 ")),
        ([ARRIVED[0], Received(503, b"")], [0, 131_072], RETRY),
        ([Received(200, b'{"error_code": -1, "message": "SHA-256"}')], [0], refused("error_code -1 SHA-256")),
    ],
)
def test_a_courier_sends_each_piece_from_where_the_receiver_wants_to_go_on(tmp_path, answers, offsets, outcome):
    """Bytes are never sent in a circle: a receiver that has fewer than it had is asked again later."""
    store, line = Store(tmp_path / "s.sqlite", attachments.SCHEMA), Answers(*answers)
    with closing(sqlite3.connect(tmp_path / "s.sqlite")) as database, database:
        database.execute("INSERT INTO attached VALUES('H', 'a', 1)")
        database.execute("INSERT INTO pieces VALUES(1, 0, 300000, zeroblob(300000))")
    deliver = attachments.Attachments(store, Defects()).courier(line)
    assert asyncio.run(deliver([Message(1, "H", attachments.HAND_OVER, b"a")])) == [outcome]
    sizes = [min(131_072, 300_000 - offset) for offset in offsets]
    paths = [f"/api/attachments/H/a/300000/pieces/{offset}" for offset in offsets]
    assert line.asked == list(zip(paths, sizes, strict=True))
    asyncio.run(store.close())


@pytest.mark.parametrize("after", [Received(200, b"?"), Received(503, b""), LinkError("reset", False)])
def test_items_sent_one_by_one_keep_their_order_where_the_line_fails(after):
    """What comes after a message that must be repeated is repeated after it."""
    good = Received(200, b'{"error_code": 0, "data": [{"MaHoSo": "H", "error_code": 0}]}')
    bad = Received(422, b'{"message": "data", "reason": "validation"}')
    line = Answers(Received(200, b'{"session": "s"}'), bad, good, bad, after)
    messages = [Message(n, "H", PROGRESS, b"{}") for n in range(5)]
    outcomes = asyncio.run(PortalSync("01", Peer("province:01", line)).deliver(messages))
    assert outcomes == [DELIVERED, refused("422 data"), RETRY, RETRY, RETRY]
    assert line.answers == []


@pytest.mark.parametrize("over", [Received(401, b""), Received(200, b'{"error_code": 401}')])
def test_a_session_that_is_over_costs_no_message(over):
    good = Received(200, b'{"error_code": 0, "data": [{"MaHoSo": "H", "error_code": 0}]}')
    session = Received(200, b'{"session": "s"}')
    sync = PortalSync("01", Peer("province:01", Answers(session, over, session, good)))
    for expected in (RETRY, DELIVERED):
        assert asyncio.run(sync.deliver([Message(1, "H", PROGRESS, b"{}")])) == [expected]


def test_a_login_that_is_refused_costs_no_message():
    refuses = Received(401, b'{"message": "account or password is wrong", "reason": "unauthorised"}')
    peer = Peer("province:01", Answers(*[refuses] * 4))
    messages = [Message(1, "H", PROGRESS, b"{}"), Message(2, "I", PROGRESS, b"{}")]
    assert asyncio.run(PortalSync("01", peer).deliver(messages)) == [RETRY, RETRY]
    assert asyncio.run(Posting(peer, "/HoSo/NopTrucTuyen").deliver(messages)) == [RETRY, RETRY]


def test_a_session_that_is_not_known_any_more_is_opened_again(stacks, submission, eventually):
    """The province's signing secret is another one: the portal's session is none, and the next dossier arrives."""
    stack = stacks().start("national", "vneid").start("province:01")
    who = stack.citizen()

    def submit():
        answer = stack.post("national", "/dossiers", submission(), headers={**who, **stack.key()})
        eventually(lambda: stack.states("province:01", answer.json()["code"]) == [1])

    submit()
    stack.kill("province:01")
    with closing(sqlite3.connect(stack.folder / "state" / "province-01.sqlite")) as database, database:
        assert database.execute("UPDATE secrets SET value = randomblob(32)").rowcount == 1
    stack.start("province:01")
    submit()
    assert stack.get("national", "/outbox").json()["refused"] == 0


def test_call_backs_that_the_partner_refuses_hold_no_other_up(stacks, submission, eventually):
    stack = stacks().start("payment").start("national", "vneid")
    stack.kill("payment")
    notices = [
        {"MaGiaoDich": f"GD{n}", "MaThamChieu": "R", "SoTien": 1, "TrangThai": "paid", "MaXacThuc": "0" * 64}
        for n in range(12)
    ]
    inject(stack, "payment", "payment->national", "callback", [(item["MaGiaoDich"], item) for item in notices])
    stack.start("payment")
    who = stack.citizen()
    code = stack.post("national", "/dossiers", submission(), headers={**who, **stack.key()}).json()["code"]
    asked = stack.post("national", f"/dossiers/{code}/payment", headers={**who, **stack.key()}).json()
    assert stack.post("payment", asked["UrlThanhToan"]).status_code == 200
    eventually(lambda: stack.get("national", f"/dossiers/{code}").json()["paid"])
    eventually(lambda: stack.get("payment", "/outbox").json() == {"pending": 0, "stored": 1, "refused": 12})
    assert {item["reason"] for item in refusals(stack, "payment")} == {"401 MaXacThuc is wrong"}


@pytest.mark.parametrize("partner", ["x", "province:01", "National", "national "])
def test_only_a_partner_opens_a_payment(stack, partner):
    fields = {"MaDoiTac": partner, "MaThamChieu": f"R-{partner}", "SoTien": 5000}
    order = {**fields, "MaXacThuc": proof(*fields.values(), shared_secret(partner))}
    answer = stack.post("payment", "/payments", order)
    assert (answer.status_code, answer.json()["reason"]) == (401, "unauthorised")


def test_a_dossier_takes_no_step_that_the_portal_could_not_take(tmp_path):
    """Step 1000 is the last one; the next is refused, also when it is asked for again."""
    inside = Inside(tmp_path, ["province:01"])
    code = "G01.00004-250701-0001"
    steps = [[n, 4 if n % 2 else 5, f"20250701080000.{n}"] for n in range(1, STEPS)]
    item = {
        **{"MaHoSo": code, "MaThamChieu": "k", "MaTinh": "01", "MaXa": "00004", "MaTTHC": "2.000815"},
        **{"KenhThucHien": 2, "MaBam": "0" * 64, "isUpdating": "False", "TienTrinh": steps},
    }
    stored = inside.post("province:01", "/HoSo/NopTrucTuyen", item, headers=inside.peer("province:01"))
    assert stored.json()["error_code"] == 0
    headers, path = {**inside.officer(), **inside.key()}, f"/dossiers/{code}/steps"
    last = inside.post("province:01", path, {"action": "request_papers"}, headers=headers)
    assert (last.status_code, last.json()["sequence"]) == (200, STEPS)
    headers |= inside.key()
    for _ in range(2):
        answer = inside.post("province:01", path, {"action": "resume"}, headers=headers)
        assert (answer.status_code, answer.json()["reason"]) == (409, "transition")
    assert inside.get("province:01", f"/dossiers/{code}").json()["sequence"] == STEPS
    assert inside.get("province:01", "/outbox").json()["pending"] == 1
    inside.stop()


def test_a_peer_opens_one_session_for_all_who_wait_for_it():
    asked = []

    async def answer(reader, writer):
        while line := await reader.readline():
            size = 0
            while (header := await reader.readline()) != b"\r\n":
                size = int(header.split()[1]) if header.lower().startswith(b"content-length") else size
            await reader.readexactly(size)
            asked.append(line.split()[1])
            writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"session":"s"}')
        writer.close()

    async def ask():
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            client = Client(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", DEADLINE)
            peer = Peer("national", client)
            await asyncio.gather(*(peer.request("POST", "/x") for _ in range(5)))
            client.close()

    asyncio.run(ask())
    assert sorted(asked) == [b"/login", *[b"/x"] * 5]
