"""Fees: who may ask for a payment, and that what was paid is credited once, whatever becomes of the call-back."""

import time

import pytest

from mocks.fees import FIRST_LOOK
from mocks.messages import proof, shared_secret
from model import people
from tests.conftest import BEARER, TOKEN

FEE = 2000


def submitted(stack, submission, citizen):
    """Submit a dossier of a procedure with a fee; returns its code."""
    answer = stack.post("national", "/dossiers", submission(), headers={**citizen, **stack.key()})
    assert answer.status_code == 201
    return answer.json()["code"]


def asked(stack, citizen, code):
    """Ask the portal for the payment of a dossier's fee."""
    return stack.post("national", f"/dossiers/{code}/payment", headers={**citizen, **stack.key()})


def ordered(stack, submission):
    """Submit, and ask for the payment; returns code and MaGiaoDich."""
    citizen = stack.citizen()
    code = submitted(stack, submission, citizen)
    answer = asked(stack, citizen, code)
    assert answer.status_code == 200
    return code, answer.json()["MaGiaoDich"]


def waits(stack, submission, then=lambda stack, payment: None):
    """Order, do what comes ``then``, and count what waits at the portal, before it asks about the payment.

    Returns code, MaGiaoDich and that number.
    """
    while True:
        began = time.monotonic()
        code, payment = ordered(stack, submission)
        then(stack, payment)
        pending = stack.pending("national")
        if time.monotonic() - began < FIRST_LOOK:
            return code, payment, pending


def pay(stack, payment):
    assert stack.post("payment", f"/payments/{payment}/pay").json()["TrangThai"] == "paid"


def call_back(stack, payment, code, amount=FEE):
    """Call the portal back as the platform does; returns the answer's error_code."""
    fields = (payment, code, amount, "paid")
    names = ("MaGiaoDich", "MaThamChieu", "SoTien", "TrangThai", "MaXacThuc")
    notice = dict(zip(names, (*fields, proof(*fields, shared_secret("national"))), strict=True))
    answer = stack.post("national", "/payments/callback", notice)
    assert answer.status_code == 200
    return answer.json()["error_code"]


def credited(stack, system, code):
    """Return the amounts that a system holds as paid for a dossier."""
    found, after = [], ""
    while after is not None:
        page = stack.get(system, "/entries", params={"after": after, "limit": 1000}).json()
        found += [int(item["value"]) for item in page["items"] if (item["book"], item["key"]) == ("payment", code)]
        after = page["next"]
    return found


def is_paid(stack, system, code):
    answer = stack.get(system, f"/dossiers/{code}")
    return answer.status_code == 200 and answer.json()["paid"]


def lose_callbacks(stack):
    fault = {"kind": "lost-callback", "attributes": {"share": 100}, "lease": 60}
    answer = stack.http.put(stack.url("payment") + "/control/faults/f", json=fault, headers=BEARER)
    assert answer.status_code == 200


def test_a_fee_that_was_paid_is_in_three_books_once(stack, submission, eventually):
    code, payment = ordered(stack, submission)
    assert not is_paid(stack, "national", code)
    pay(stack, payment)
    for system in ("payment", "national", "province:01"):
        eventually(lambda system=system: credited(stack, system, code) == [FEE])
    assert is_paid(stack, "national", code)
    assert is_paid(stack, "province:01", code)
    page = stack.get("province:01", f"/pages/dossiers/{code}").text
    assert "có" in page.partition("Lệ phí đã nộp (paid)")[2][:40]


def test_what_was_not_paid_is_in_no_book(stack, submission):
    code, _ = ordered(stack, submission)
    assert [credited(stack, system, code) for system in ("payment", "national", "province:01")] == [[], [], []]


def test_the_portal_asks_about_what_no_callback_tells(stacks, submission, eventually):
    stack = stacks(token=TOKEN).start()
    lose_callbacks(stack)
    code, _, pending = waits(stack, submission, pay)
    assert pending >= 1
    eventually(lambda: is_paid(stack, "province:01", code))
    assert credited(stack, "national", code) == credited(stack, "province:01", code) == [FEE]
    eventually(lambda: stack.pending("national") == 0)


def test_what_waits_is_known_after_a_restart(stacks, submission, eventually):
    stack = stacks(token=TOKEN).start("vneid", "population", "payment", "province:01").start("national")
    lose_callbacks(stack)
    code, payment = ordered(stack, submission)
    stack.kill("national")
    pay(stack, payment)
    stack.start("national")
    eventually(lambda: is_paid(stack, "province:01", code))


def test_with_the_defect_what_no_callback_tells_waits_for_ever(stacks, submission):
    stack = stacks(token=TOKEN, defects=["paid-but-waiting"]).start()
    lose_callbacks(stack)
    code, payment = ordered(stack, submission)
    pay(stack, payment)
    time.sleep(FIRST_LOOK + 1)  # a healthy portal has asked by then
    assert stack.metric("payment", 'thongsuot_system_requests_total{code="2xx",operation="state"') == 0
    assert credited(stack, "payment", code) == [FEE]
    assert credited(stack, "national", code) == []
    assert not is_paid(stack, "national", code)


@pytest.mark.parametrize("defects", [(), ("callback-applied-twice",)])
def test_a_repeated_callback_changes_nothing(stacks, submission, eventually, defects):
    stack = stacks(defects=defects).start()
    in_time = False
    while not in_time:  # before the portal asks: with the defect it would credit what it hears then, whenever that is
        began = time.monotonic()
        code, payment = ordered(stack, submission)
        pay(stack, payment)
        eventually(lambda code=code: is_paid(stack, "province:01", code))
        in_time = time.monotonic() - began < FIRST_LOOK
    eventually(lambda: stack.pending("payment", "national") == 0)
    before = credited(stack, "national", code)
    assert before == [FEE] or defects, "with the defect also where the platform got no answer in time"
    repeated = [call_back(stack, payment, code) for _ in range(2)]
    assert repeated == [0 if defects else 1] * 2
    assert credited(stack, "national", code) == before + [FEE] * (2 if defects else 0)
    eventually(lambda: stack.pending("national") == 0)
    assert credited(stack, "province:01", code) == [FEE]


def test_a_callback_of_another_payment_or_amount_is_rejected(stack, submission):
    code, payment = ordered(stack, submission)
    assert call_back(stack, payment, code, FEE + 1) == -1
    assert call_back(stack, "GD9999999999", code) == -1
    assert call_back(stack, payment, "probe-1") == -1
    assert not is_paid(stack, "national", code)
    assert credited(stack, "national", code) == []


def test_a_province_credits_no_dossier_that_it_does_not_have(stack):
    paid = {"MaHoSo": "G01.00004-250701-9999", "SoTien": FEE}
    assert stack.post("province:01", "/api/payments", paid).status_code == 401
    asked = {"username": "national", "password": "mk.national"}
    session = stack.post("province:01", "/login", asked).json()["session"]
    answer = stack.post("province:01", "/api/payments", paid, headers={"Authorization": f"Bearer {session}"})
    assert (answer.status_code, answer.json()["error_code"]) == (200, 2)
    assert credited(stack, "province:01", paid["MaHoSo"]) == []


def test_a_payment_that_waits_is_owed_a_question(stack, submission, eventually):
    eventually(lambda: stack.pending("national") == 0)
    code, _, pending = waits(stack, submission)
    assert pending >= 1
    eventually(lambda: stack.pending("national") == 0)
    assert not is_paid(stack, "national", code)


def test_nobody_asks_for_the_payment_of_anybody_elses_dossier(stack, submission):
    owner = stack.citizen()
    code = submitted(stack, submission, owner)
    token = stack.access_token(people.person(6))
    other = {"Authorization": "Bearer " + stack.post("national", "/session", {"access_token": token}).json()["session"]}
    refused = asked(stack, other, code)
    assert (refused.status_code, refused.json()["reason"]) == (404, "unknown")
    assert asked(stack, owner, code).status_code == 200


def test_another_partner_takes_nobodys_reference(stack, submission):
    citizen = stack.citizen()
    code = submitted(stack, submission, citizen)
    fields = {"MaDoiTac": "kho-bac", "MaThamChieu": code, "SoTien": 1}
    order = {**fields, "MaXacThuc": proof(*fields.values(), shared_secret("kho-bac"))}
    assert stack.post("payment", "/payments", order).status_code in {201, 401}
    answer = asked(stack, citizen, code)
    assert (answer.status_code, answer.json()["SoTien"]) == (200, FEE)
