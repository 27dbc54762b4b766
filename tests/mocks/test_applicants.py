"""Whose dossier it is: a citizen's, or a business's that logs in with an account of its own."""

from urllib.parse import parse_qs, urlsplit

import pytest

from model.organisations import organisation
from tests.conftest import BEARER, TOKEN

BUSINESS = organisation(7)
APPLICANT = {"SoDinhDanh": BUSINESS.id_number, "HoVaTen": BUSINESS.name}


def business(stack):
    opened = stack.post("national", "/session", {"access_token": stack.access_token(BUSINESS)})
    return {"Authorization": f"Bearer {opened.json()['session']}"}


def kinds(stack, code):
    return [stack.get(name, f"/dossiers/{code}").json().get("applicant") for name in ("national", "province:01")]


def test_vneid_says_what_kind_of_account_it_is(stack):
    for account, kind in ((BUSINESS, 2), (None, 1)):
        token = stack.access_token(*([account] if account else []))
        said = stack.get("vneid", "/userinfo", headers={"Authorization": f"Bearer {token}"}).json()
        assert said["LoaiTaiKhoan"] == kind
        assert account is None or (said["SoDinhDanh"], said["HoVaTen"]) == (account.id_number, account.name)


def test_vneid_knows_no_other_organisation(stack):
    asked = {"client_id": "national", "redirect_uri": "https://portal.invalid/callback", "response_type": "code"}
    params = {**asked, "scope": "openid", "state": "s", "login_hint": "9900007000"}
    assert BUSINESS.id_number != params["login_hint"]
    assert stack.get("vneid", "/authorize", params=params).status_code == 404


@pytest.mark.parametrize(("said", "kind"), [({}, 2), ({"LoaiDoiTuong": 2}, 2), ({"LoaiDoiTuong": 3}, 3)])
def test_what_an_organisation_files_is_a_business_or_agencys_at_both_sides(stack, submission, eventually, said, kind):
    content = submission(procedure="1.001612", applicant=APPLICANT, **said)
    made = stack.post("national", "/dossiers", content, headers={**business(stack), **stack.key()})
    assert made.status_code == 201
    eventually(lambda: kinds(stack, made.json()["code"]) == [kind, kind])


def test_a_citizens_dossier_is_a_citizens(stack, submission, eventually):
    made = stack.post("national", "/dossiers", submission(), headers={**stack.citizen(), **stack.key()}).json()
    eventually(lambda: kinds(stack, made["code"]) == [1, 1])


@pytest.mark.parametrize(("who", "said"), [("citizen", 2), ("citizen", 4), ("business", 1), ("business", 5)])
def test_nobody_files_as_what_their_account_is_not(stack, submission, who, said):
    held = len(stack.listing("national"))
    headers = {**(business(stack) if who == "business" else stack.citizen()), **stack.key()}
    refused = stack.post("national", "/dossiers", submission(LoaiDoiTuong=said), headers=headers)
    assert (refused.status_code, refused.json()["reason"]) == (422, "validation")
    assert len(stack.listing("national")) == held


@pytest.mark.parametrize("kind", [1, 2, 3, 4])
def test_a_counter_takes_every_kind_in(stack, submission, eventually, kind):
    code = stack.intake(stack.officer(), submission(LoaiDoiTuong=kind))
    eventually(lambda: kinds(stack, code) == [kind, kind])
    assert f"<td>{kind} " in stack.get("national", f"/pages/dossiers/{code}").text


def test_a_business_takes_its_kind_along_from_the_old_interface(stacks, eventually):
    stack = stacks(token=TOKEN).start()
    url, form = stack.url("province:01"), {"access_token": stack.access_token(BUSINESS)}
    cookie = {"Cookie": stack.http.post(f"{url}/portal/session", data=form).headers["set-cookie"].partition(";")[0]}
    stack.http.cookies.clear()
    page = {"draft": "d", "procedure": "1.001612", "commune": "00004", "SoBan": "1"}
    stack.http.post(f"{url}/portal/draft", data=page, headers=cookie)
    moment = {"json": {"at": 0, "redirect": 1e12}, "headers": BEARER}
    assert stack.http.put(f"{url}/control/cutover", **moment).status_code == 200
    led = stack.http.post(f"{url}/portal/draft", data=page, headers=cookie)
    query = {name: values[0] for name, values in parse_qs(urlsplit(led.headers["location"]).query).items()}
    landed = stack.get("national", "/handover", params=query).json()
    headers = {"Authorization": f"Bearer {landed['session']}", **stack.key()}
    code = stack.post("national", "/drafts/d/dossier", headers=headers).json()["code"]
    eventually(lambda: kinds(stack, code) == [2, 2])
