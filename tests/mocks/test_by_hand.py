"""A person files by hand, in a browser without script: at the old interface, around T_cutover, and at the portal."""

import re
import time

import pytest

from mocks.messages import proof, shared_secret
from tests.conftest import BEARER, TOKEN
from tests.mocks.browser import ACCEPT, Browser, Parsed
from tests.mocks.conftest import PERSON, Stack
from tests.mocks.inside import Inside

FILLED = {"procedure": "2.000815", "commune": "00004", "SoBan": "2", "GhiChu": "<b>bản</b> 'sao'"}
CODE = re.compile(r"[GH]01\.00004-\d{6}-\d{4}")
MASKED = "••••••••" + PERSON.id_number[-4:]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    stack = Stack(tmp_path_factory.mktemp("by-hand"), token=TOKEN).start()
    yield stack
    stack.stop()


@pytest.fixture
def person(made):
    """A browser, at an old interface that is open."""
    cut_over(made, 3600)
    browser = Browser()
    yield browser
    browser.close()


def cut_over(stack, at, redirect=3600.0):
    content = {"at": time.time() + at, "redirect": redirect}
    answer = stack.http.put(f"{stack.url('province:01')}/control/cutover", json=content, headers=BEARER)
    assert answer.status_code == 200


def log_in(person, stack, name):
    person.open(stack.url(name))
    person.follow("mở")
    person.press("Đăng nhập bằng VNeID")
    assert str(person.answer.url).startswith(stack.url("vneid"))
    person.press("Đăng nhập", login_hint=PERSON.id_number)
    assert str(person.answer.url).startswith(stack.url(name))
    assert (PERSON.name in person.answer.text, MASKED in person.answer.text) == (True, True)
    assert PERSON.id_number not in person.answer.text


def fields(person):
    return {name: person.page.fields[name] for name in FILLED}


@pytest.mark.parametrize("name", ["province:01", "national"])
def test_a_person_logs_in_fills_the_form_in_keeps_it_and_submits_it(made, person, name, eventually):
    log_in(person, made, name)
    assert set(fields(person).values()) == {""}
    person.press("Lưu nháp", procedure=FILLED["procedure"])
    person.press("Lưu nháp", **FILLED)
    draft = person.page.fields["draft"]
    assert fields(person) == FILLED
    assert FILLED["GhiChu"] not in person.answer.text
    person.open(made.url(name))
    person.follow("mở")
    person.press("Hồ sơ nháp của tôi")
    person.follow(draft)
    assert fields(person) == FILLED
    person.press("Nộp hồ sơ")
    title, (code,) = person.page.title, CODE.findall(person.page.title)
    person.back()
    person.press("Nộp hồ sơ")
    assert person.page.title == title
    person.follow("nộp tiếp")
    person.follow(draft)
    assert code in person.page.links
    assert "Nộp hồ sơ" not in person.page.buttons
    for system in ("national", "province:01"):
        eventually(lambda system=system: made.states(system, code) == [1])
    assert person.open(f"{made.url(name)}/pages/dossiers/{code}").status_code == 200


def test_around_t_cutover_a_person_is_led_on_with_session_and_draft(made, person, eventually):
    """What was entered last is kept, and the portal goes on with it."""
    log_in(person, made, "province:01")
    person.press("Lưu nháp", procedure=FILLED["procedure"])
    cut_over(made, -1)
    person.press("Lưu nháp", **FILLED)
    assert str(person.answer.url).startswith(f"{made.url('national')}/online/form")
    assert fields(person) == FILLED
    person.press("Nộp hồ sơ")
    (code,) = CODE.findall(person.page.title)
    assert code.startswith("G")
    eventually(lambda: made.states("province:01", code) == [1])


def test_who_submits_when_it_leads_on_finds_the_form_at_the_portal(made, person):
    log_in(person, made, "province:01")
    cut_over(made, -1)
    person.press("Nộp hồ sơ", **FILLED)
    assert str(person.answer.url).startswith(f"{made.url('national')}/online/form")
    assert fields(person) == FILLED


def test_a_closed_interface_says_so_and_the_draft_is_at_the_portal(made, person):
    log_in(person, made, "province:01")
    person.press("Lưu nháp", **FILLED)
    cut_over(made, -10, 5)
    for action in ("Lưu nháp", "Nộp hồ sơ"):
        assert person.press(action).status_code == 410
        assert "đã đóng" in person.page.title
        person.back()
    person.press("Nộp hồ sơ")
    person.follow("Cổng Dịch vụ công quốc gia")
    assert fields(person) == FILLED


def test_nobody_begins_at_an_interface_that_leads_on_or_is_closed(made, person):
    for at, redirect, status in ((-1, 3600, 302), (-10, 5, 410)):
        cut_over(made, at, redirect)
        for path in ("/portal", "/portal/login"):
            assert made.get("province:01", path).status_code == status


def test_the_fee_is_paid_or_not_and_the_receipt_is_shown(made, person, eventually):
    log_in(person, made, "national")
    person.press("Nộp hồ sơ", **FILLED)
    (code,) = CODE.findall(person.page.title)
    person.press("Nộp lệ phí")
    done = person.answer, person.page
    assert str(person.answer.url).startswith(made.url("payment"))
    person.press("Hủy")
    assert ("cancelled" in person.answer.text, person.page.buttons) == (True, {})
    person.follow(code)
    assert made.get("national", f"/dossiers/{code}").json()["paid"] is False
    person.answer, person.page = done
    person.press("Thanh toán")
    assert person.answer.status_code == 409


def test_a_payment_that_was_cancelled_is_asked_for_again(made, person, eventually):
    log_in(person, made, "national")
    person.press("Nộp hồ sơ", **FILLED)
    (code,) = CODE.findall(person.page.title)
    person.press("Nộp lệ phí")
    person.press("Hủy")
    person.open(f"{made.url('national')}/online/form")
    person.follow(next(text for text in person.page.links if text.startswith("hs-")))
    person.press("Nộp lệ phí")
    person.press("Thanh toán")
    assert "Biên lai" in person.page.title
    assert "2000" in person.answer.text
    for name in ("national", "province:01"):
        eventually(lambda name=name: made.get(name, f"/dossiers/{code}").json().get("paid"))
    person.open(f"{made.url('national')}/online/form")
    person.follow(next(text for text in person.page.links if text.startswith("hs-")))
    assert person.page.buttons == {}


def test_a_log_in_that_was_begun_in_another_browser_opens_no_session(made, person):
    """Nobody is logged in as somebody else by a link that leads back from VNeID."""
    person.open(f"{made.url('province:01')}/portal")
    person.press("Đăng nhập bằng VNeID")
    other = Browser()
    other.open(f"{made.url('province:01')}/portal")
    other.press("Đăng nhập bằng VNeID")
    other.page.fields["state"] = person.page.fields["state"]
    assert other.press("Đăng nhập", login_hint=PERSON.id_number).status_code == 401
    assert other.open(f"{made.url('province:01')}/portal/form").status_code == 401
    other.close()


def test_what_cannot_be_submitted_is_said_and_stays_a_draft(made, person):
    log_in(person, made, "province:01")
    person.press("Nộp hồ sơ", procedure=FILLED["procedure"], GhiChu=FILLED["GhiChu"])
    assert "Chưa nộp được" in person.page.title
    assert "commune" in person.answer.text
    assert fields(person) == {**FILLED, "commune": "", "SoBan": ""}
    person.press("Nộp hồ sơ", commune=FILLED["commune"])
    assert CODE.findall(person.page.title)


def test_the_page_that_pays_is_where_a_campaign_serves_the_payment(tmp_path):
    paths = {"payment": {"/payments/{transaction}/pay": "/ThanhToan/{transaction}"}}
    inside = Inside(tmp_path, ["payment"], paths=paths)
    fields = {"MaDoiTac": "national", "MaThamChieu": "H", "SoTien": 5000}
    order = {**fields, "MaXacThuc": proof(*fields.values(), shared_secret("national"))}
    where = inside.post("payment", "/payments", order).json()["UrlThanhToan"]
    page = Parsed(inside.get("payment", where, headers={"Accept": ACCEPT}).text)
    assert page.buttons == {"Thanh toán": where, "Hủy": "/payments/GD0000000001/cancel"}
    assert inside.post("payment", where).json()["TrangThai"] == "paid"
    assert inside.post("payment", page.buttons["Hủy"]).status_code == 409
    inside.stop()
