"""The old interface: open, leading on, closed; nobody loses session or draft on the way to the portal."""

import time
from urllib.parse import urlsplit

import pytest

from tests.conftest import BEARER, TOKEN
from tests.mocks.conftest import PERSON

PAGE = {"draft": "d", "procedure": "2.000815", "commune": "00004"}
KEPT = {
    "procedure": "2.000815",
    "commune": "00004",
    "province": "01",
    "applicant": {"SoDinhDanh": PERSON.id_number, "HoVaTen": PERSON.name},
    "form": {},
}


@pytest.fixture
def open_stack(stacks):
    return stacks(token=TOKEN).start()


def cut_over(stack, at, redirect=3600.0):
    content = {"at": time.time() + at, "redirect": redirect}
    answer = stack.http.put(f"{stack.url('province:01')}/control/cutover", json=content, headers=BEARER)
    assert answer.status_code == 200


def log_in(stack):
    form = {"access_token": stack.access_token()}
    answer = stack.http.post(f"{stack.url('province:01')}/portal/session", data=form)
    return answer, {"Cookie": answer.headers.get("set-cookie", "").partition(";")[0]}


def save(stack, cookie, **fields):
    stack.http.cookies.clear()
    return stack.http.post(f"{stack.url('province:01')}/portal/draft", data={**PAGE, **fields}, headers=cookie)


def land(stack, where):
    there = urlsplit(where)
    return stack.get("national", f"{there.path}?{there.query}")


def test_while_it_is_open_a_draft_becomes_a_dossier(open_stack, eventually):
    stack = open_stack
    assert stack.get("province:01", "/portal").status_code == 200
    answer, cookie = log_in(stack)
    assert PERSON.name in answer.text
    assert save(stack, cookie).status_code == 200
    assert save(stack, cookie, SoBan="2").status_code == 200
    key = stack.key()
    made = [stack.post("province:01", "/portal/drafts/d/dossier", headers={**cookie, **key}) for _ in range(2)]
    assert [answer.status_code for answer in made] == [201, 201]
    (code,) = {answer.json()["code"] for answer in made}
    eventually(lambda: stack.states("national", code) == [1])


def test_while_it_leads_on_the_page_is_kept_and_session_and_draft_arrive(open_stack):
    stack = open_stack
    _, cookie = log_in(stack)
    save(stack, cookie)
    cut_over(stack, at=-1)
    assert stack.get("province:01", "/portal").status_code == 302
    led = save(stack, cookie, SoBan="2")
    assert led.status_code == 302
    for _ in range(2):
        landed = land(stack, led.headers["location"])
        assert (landed.status_code, landed.json()["draft"]) == (200, "d")
    citizen = {"Authorization": f"Bearer {landed.json()['session']}"}
    kept = stack.get("national", "/drafts/d", headers=citizen).json()
    assert kept["content"] == {**KEPT, "form": {"SoBan": "2"}}
    made = stack.post("national", "/drafts/d/dossier", headers={**citizen, **stack.key()})
    assert made.status_code == 201
    late = stack.post("province:01", "/portal/drafts/d/dossier", headers={**cookie, **stack.key()})
    assert late.status_code == 410


def test_a_closed_page_says_where_to_go_and_the_draft_is_there(open_stack):
    stack = open_stack
    _, cookie = log_in(stack)
    save(stack, cookie)
    cut_over(stack, at=-10, redirect=5)
    closed = save(stack, cookie, SoBan="9")
    assert closed.status_code == 410
    where = "http" + closed.text.partition('href="http')[2].partition('"')[0].replace("&amp;", "&")
    landed = land(stack, where).json()
    citizen = {"Authorization": f"Bearer {landed['session']}"}
    assert stack.get("national", "/drafts/d", headers=citizen).json()["content"] == KEPT


def test_t_cutover_survives_kill_9(open_stack):
    cut_over(open_stack, at=-10, redirect=5)
    open_stack.kill("province:01")  # and all others, which are of its process
    open_stack.processes.clear()
    open_stack.start()
    assert open_stack.get("province:01", "/portal").status_code == 410


def test_early_closure_closes_and_opens_again(open_stack):
    fault = f"{open_stack.url('province:01')}/control/faults/f"
    order = {"kind": "early-closure", "attributes": {}, "lease": 60}
    assert open_stack.http.put(fault, json=order, headers=BEARER).status_code == 200
    assert open_stack.get("province:01", "/portal").status_code == 410
    open_stack.http.delete(fault, headers=BEARER)
    assert open_stack.get("province:01", "/portal").status_code == 200


def test_a_draft_whose_name_is_taken_at_the_portal_is_kept_under_the_provinces(open_stack):
    stack = open_stack
    citizen, own = stack.citizen(), {"content": {"form": {"GhiChu": "của cổng"}}}
    path = f"{stack.url('national')}/drafts"
    assert stack.http.put(f"{path}/d", json=own, headers=citizen).status_code == 200
    _, cookie = log_in(stack)
    cut_over(stack, at=-1)
    led = save(stack, cookie).headers["location"]
    assert land(stack, led).json()["draft"] == "H01-1.d"
    more = {"content": {**KEPT, "form": {"SoBan": "2"}}}
    assert stack.http.put(f"{path}/H01-1.d", json=more, headers=citizen).status_code == 200
    assert land(stack, led).json()["draft"] == "H01-1.d"
    kept = {name: stack.get("national", f"/drafts/{name}", headers=citizen).json() for name in ("d", "H01-1.d")}
    assert {name: draft["content"] for name, draft in kept.items()} == {"d": own["content"], "H01-1.d": more["content"]}
    assert stack.get("national", "/drafts/H01-2.d", headers=citizen).status_code == 404


def test_the_name_of_a_draft_that_is_taken_over_can_be_used_at_the_portal(open_stack):
    """Names as long as they may be are shortened, and stay apart."""
    stack, name = open_stack, "d" * 80
    citizen, own = stack.citizen(), {"content": {}}
    for taken in (name, f"H01-1.{name}"[:80]):
        answer = stack.http.put(f"{stack.url('national')}/drafts/{taken}", json=own, headers=citizen)
        assert answer.status_code == 200
    _, cookie = log_in(stack)
    cut_over(stack, at=-1)
    landed = land(stack, save(stack, cookie, draft=name).headers["location"]).json()
    assert landed["draft"] == f"H01-2.{name}"[:80]
    made = stack.post("national", f"/drafts/{landed['draft']}/dossier", headers={**citizen, **stack.key()})
    assert made.status_code == 201


@pytest.mark.parametrize("name", ["a/b", "", "nháp", "d" * 81, "d\n", "a b"])
def test_a_name_that_is_none_is_refused_by_the_old_interface_as_well(open_stack, name):
    _, cookie = log_in(open_stack)
    assert save(open_stack, cookie, draft=name).status_code == 422


def test_a_session_without_a_draft_is_taken_over_as_well(open_stack):
    cut_over(open_stack, at=-1)
    answer, _ = log_in(open_stack)
    landed = land(open_stack, answer.headers["location"])
    assert (landed.status_code, landed.json()["draft"]) == (200, "")


def test_nobody_is_taken_over_with_a_forged_token(stack):
    for query in ("province=01&token=a.b.c", "province=79&token=x", "province=01", "token=x"):
        assert stack.get("national", f"/handover?{query}").status_code in {401, 422}, query


def test_a_page_without_a_session_or_with_markup_is_refused_or_escaped(open_stack):
    stack = open_stack
    assert save(stack, {}).status_code == 401
    assert save(stack, {"Cookie": "phien=a.b.c"}).status_code == 401
    _, cookie = log_in(stack)
    answer = save(stack, cookie, GhiChu="<script>alert(1)</script>")
    assert "<script>" not in answer.text
    assert save(stack, cookie, more="1").status_code == 422
    assert save(stack, cookie, SoBan="x" * 201).status_code == 422


def test_only_the_operator_sets_t_cutover(open_stack, stack):
    content = {"at": 0.0, "redirect": 1.0}
    for headers in ({}, {"Authorization": "Bearer guess"}):
        answer = open_stack.http.put(f"{open_stack.url('province:01')}/control/cutover", json=content, headers=headers)
        assert answer.status_code == 401
    answer = stack.http.put(f"{stack.url('province:01')}/control/cutover", json=content, headers=BEARER)
    assert answer.status_code == 404


@pytest.mark.parametrize("defects", [(), ("draft-lost-on-redirect",)])
def test_draft_lost_on_redirect_takes_the_citizen_over_without_it(stacks, defects):
    stack = stacks(token=TOKEN, defects=defects).start()
    _, cookie = log_in(stack)
    cut_over(stack, at=-1)
    landed = land(stack, save(stack, cookie).headers["location"]).json()
    citizen = {"Authorization": f"Bearer {landed['session']}"}
    kept = stack.get("national", "/drafts/d", headers=citizen).json()["content"]
    assert kept == ({} if defects else KEPT)


@pytest.mark.parametrize("defects", [(), ("never-closes",)])
def test_after_t_cutover_it_is_closed_unless_the_defect_is_on(stacks, defects):
    stack = stacks(token=TOKEN, defects=defects).start()
    cut_over(stack, -10.0, 5.0)
    assert stack.get("province:01", "/portal").status_code == (200 if defects else 410)
