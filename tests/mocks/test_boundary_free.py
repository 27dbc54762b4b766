"""Boundary-free intake: a counter of one province takes in what another one decides, and one dossier comes of it."""

import hashlib

import pytest

from mocks.timestamps import timestamp

DATA = b"giay to"


@pytest.fixture
def stack(stacks):
    return stacks(provinces=("01", "79")).start()


def forward(stack, officer, content, key=None):
    headers = {**officer, **(key or stack.key())}
    return stack.post("province:79", "/HoSo/PhiDiaGioi", content, headers=headers)


def at_79(stack):
    return stack.officer("79", "25747")


def test_it_is_acknowledged_there_and_held_once_by_its_authority_and_the_portal(stack, submission, eventually):
    """The code tells the counter's province and the commune that it is for; the counter's own register stays empty."""
    answer = forward(stack, at_79(stack), submission())
    made = answer.json()
    assert (answer.status_code, made["state"], made["sequence"]) == (201, 2, 1)
    assert made["code"].startswith("H79.00004-")
    eventually(lambda: stack.states("province:01", made["code"]) == [2])
    for name in ("national", "province:01"):
        (held,) = stack.listing(name)
        assert (held["code"], held["province"], held["commune"], held["channel"]) == (made["code"], "01", "00004", 1)
    assert stack.listing("province:79") == []
    eventually(lambda: stack.pending("province:79", "national") == 0)


def test_its_steps_reach_the_portal(stack, submission, eventually):
    code = forward(stack, at_79(stack), submission()).json()["code"]
    eventually(lambda: stack.states("province:01", code))
    officer = stack.officer()
    assert stack.step(officer, code, "process").json()["state"] == 4
    eventually(lambda: stack.states("national", code) == [2, 4])


def test_a_repeated_key_gives_the_first_answer(stack, submission, eventually):
    officer, key = at_79(stack), stack.key()
    first, second = (forward(stack, officer, submission(), key) for _ in range(2))
    assert (second.status_code, second.json()) == (201, first.json())
    eventually(lambda: stack.pending("province:79", "national") == 0)
    assert len(stack.listing("province:01")) == len(stack.listing("national")) == 1


def test_it_survives_portal_and_authority_being_down(stacks, submission, eventually):
    """What was acknowledged with nobody to hand it to, and after the counter's system was killed, arrives once."""
    stack = stacks(provinces=("01", "79"))
    for name in stack.names:
        stack.start(name)
    officer = at_79(stack)
    stack.kill("national")
    stack.kill("province:01")
    codes = [forward(stack, officer, submission()).json()["code"] for _ in range(3)]
    stack.kill("province:79")
    for name in ("province:79", "national", "province:01"):
        stack.start(name)
    for name in ("national", "province:01"):
        eventually(lambda name=name: sorted(held["code"] for held in stack.listing(name)) == sorted(codes))


def test_the_portal_stores_and_hands_on_once_what_it_hears_twice(stack, submission, eventually):
    code = forward(stack, at_79(stack), submission()).json()["code"]
    eventually(lambda: stack.states("province:01", code))
    held = stack.get("national", f"/dossiers/{code}").json()
    item = {
        "MaHoSo": code, "MaThamChieu": held["key"], "MaTinh": "01", "MaXa": "00004", "MaTTHC": held["procedure"],
        "KenhThucHien": 1, "MaBam": held["hash"], "isUpdating": "False",
        "TienTrinh": [[1, 2, timestamp(held["history"][0][2])]],
    }  # fmt: skip
    stored = stack.get("national", "/outbox").json()["stored"]
    assert synced(stack, "79", item) == 1
    assert synced(stack, "79", {**item, "isUpdating": "True"}) == 0
    assert stack.get("national", "/outbox").json()["stored"] == stored
    assert len(stack.listing("national")) == 1


@pytest.mark.parametrize(
    ("code", "province"),
    [("H01.00004-250701-0001", "01"), ("H79.00004-250701-0001", "96"), ("G79.00004-250701-0001", "01")],
)
def test_the_portal_refuses_what_a_province_has_not_taken_in(stack, code, province):
    """A dossier of another province is taken from whoever drew its code, for provinces of the stack."""
    item = {
        "MaHoSo": code, "MaThamChieu": "k", "MaTinh": province, "MaXa": "00004" if province == "01" else "31825",
        "MaTTHC": "2.000815", "KenhThucHien": 1, "MaBam": "0" * 64, "isUpdating": "False",
        "TienTrinh": [[1, 2, "20250701080000"]],
    }  # fmt: skip
    assert synced(stack, "79", item) == -1
    assert stack.listing("national") == []


def synced(stack, province, item):
    name = f"province:{province}"
    session = stack.post("national", "/login", {"username": name, "password": f"mk.{name}"}).json()["session"]
    call = {"session": session, "madonvi": province, "service": "DongBoHoSoMC", "data": [item]}
    (result,) = stack.post("national", "/sync", call).json()["data"]
    return result["error_code"]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"province": "79", "commune": "25747"}, "/counter/dossiers"),
        ({"province": "96", "commune": "31825"}, "not connected"),
        ({"commune": "25747"}, "not one of this province"),
        ({"procedure": "0.000000"}, "procedure"),
        ({"attachments": ["0" * 64]}, "attachments"),
    ],
)
def test_what_cannot_be_handed_over_is_refused_and_not_stored(stack, submission, changes, word):
    answer = forward(stack, at_79(stack), submission(**changes))
    assert (answer.status_code, answer.json()["reason"]) == (422, "validation")
    assert word in answer.json()["message"]
    assert stack.pending("province:79") == 0
    assert [stack.listing(name) for name in stack.names if name in ("national", "province:01")] == [[], []]


def test_its_attachments_follow_to_the_authority(stack, submission, eventually):
    officer, digest = at_79(stack), hashlib.sha256(DATA).hexdigest()
    stack.post("province:79", "/attachments", {"hash": digest, "size": len(DATA)}, headers=officer)
    where = stack.url("province:79") + f"/attachments/{digest}"
    stack.http.put(f"{where}/pieces/0", content=DATA, headers=officer)
    assert stack.http.post(f"{where}/complete", headers=officer).json()["complete"]
    code = forward(stack, officer, submission(attachments=[digest])).json()["code"]
    for name in ("national", "province:01"):
        eventually(lambda name=name: stack.states(name, code))
        eventually(lambda name=name: stack.get(name, f"/dossiers/{code}").json()["attachments"] == [digest])


@pytest.mark.parametrize("channel", [1, 3])
def test_a_counter_says_that_a_dossier_came_by_post_and_the_portal_knows(stack, submission, eventually, channel):
    code = stack.intake(stack.officer(), submission(KenhThucHien=channel))
    held = eventually(lambda: stack.listing("national"))
    assert [(one["code"], one["channel"]) for one in held] == [(code, channel)]
    assert stack.get("province:01", f"/dossiers/{code}").json()["channel"] == channel


@pytest.mark.parametrize("channel", [2, 4, "3"])
def test_a_counter_knows_no_other_channel(stack, submission, channel):
    headers = {**stack.officer(), **stack.key()}
    answer = stack.post("province:01", "/counter/dossiers", submission(KenhThucHien=channel), headers=headers)
    assert answer.status_code == 422


def test_nothing_comes_to_the_portal_itself_by_post(stack, submission):
    headers = {**stack.citizen(), **stack.key()}
    answer = stack.post("national", "/dossiers", submission(KenhThucHien=3), headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (422, "validation")
    assert stack.listing("national") == []
