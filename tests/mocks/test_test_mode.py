"""Test mode (thử nghiệm): who logs in in it rehearses, and nothing that they file is among official data."""

from urllib.parse import parse_qs, urlsplit

import pytest

from tests.conftest import BEARER, TOKEN

TEST = {"ThuNghiem": True}


@pytest.fixture
def alone(stacks):
    """A stack of one province, that no other test has filed anything in."""
    return stacks(provinces=("01",)).start()


def submit(stack, submission, **mode):
    answer = stack.post("national", "/dossiers", submission(), headers={**stack.citizen(**mode), **stack.key()})
    assert answer.status_code == 201
    return answer.json()


def marks(stack, code):
    """Whether portal and province hold a dossier as a test."""
    return [stack.get(name, f"/dossiers/{code}").json().get("test") for name in ("national", "province:01")]


def test_what_is_filed_in_test_mode_is_marked_at_both_sides(stack, submission, eventually):
    """Online and at the counter; in an ordinary session nothing is."""
    tests = [submit(stack, submission, **TEST)["code"], stack.intake(stack.officer(**TEST))]
    official = [submit(stack, submission)["code"], stack.intake(stack.officer())]
    eventually(lambda: [marks(stack, code) for code in tests] == [[True, True]] * 2)
    eventually(lambda: [marks(stack, code) for code in official] == [[False, False]] * 2)


def test_statistics_dashboard_and_pages_count_tests_apart(alone, submission, eventually):
    alone.intake(alone.officer())
    for _ in range(2):
        alone.intake(alone.officer(**TEST))
    assert alone.get("province:01", "/statistics").json() == {"states": {"2": 1}, "total": 1, "test": 2}
    eventually(lambda: alone.pending("province:01") == 0)
    page = alone.get("national", "/").text
    assert '<tr><th scope="row">2 Được tiếp nhận</th><td>1</td></tr>' in page
    assert '<tr><th scope="row">Thử nghiệm (test)</th><td>2</td></tr>' in page


def test_a_tests_page_carries_a_badge_and_no_other_one_does(stack, eventually):
    badge = '<span class="badge">Thử nghiệm</span>'
    for name, mode in (("test", TEST), ("official", {})):
        code = stack.intake(stack.officer(**mode))
        eventually(lambda code=code: stack.states("national", code))
        for system in ("national", "province:01"):
            assert (badge in stack.get(system, f"/pages/dossiers/{code}").text) == (name == "test")


def test_officers_are_given_what_is_of_their_mode_and_work_on_nothing_else(alone):
    modes = {"test": alone.officer(**TEST), "official": alone.officer()}
    codes = {name: alone.intake(officer) for name, officer in modes.items()}
    for name, officer in modes.items():
        other = next(code for of, code in codes.items() if of != name)
        assert alone.get("province:01", "/officer/queue", headers=officer).json()["own"] == 1
        refused = alone.step(officer, other, "process")
        assert (refused.status_code, refused.json()["reason"]) == (403, "test-mode")
        claimed = alone.post("province:01", "/officer/claim", {"limit": 10}, headers=officer).json()["items"]
        assert [item["code"] for item in claimed] == [codes[name]]
        assert alone.step(officer, codes[name], "process").status_code == 200


def test_a_rehearsal_costs_nothing(stack, submission):
    made = submit(stack, submission, **TEST)
    asked = stack.post("national", f"/dossiers/{made['code']}/payment", headers={**stack.citizen(), **stack.key()})
    assert (made["fee"], asked.status_code) == (0, 409)
    assert submit(stack, submission)["fee"] == 2000


def test_a_mode_that_is_neither_is_refused(stack):
    asked = {"account": "cb.00004", "password": "mk.cb.00004", "ThuNghiem": "maybe"}
    assert stack.post("province:01", "/officer/session", asked).status_code == 422
    form = {"access_token": stack.access_token(), "ThuNghiem": "0"}
    assert stack.http.post(stack.url("province:01") + "/portal/session", data=form).status_code == 422


@pytest.mark.parametrize("mode", ["true", "false"])
def test_the_old_interface_hands_the_mode_over_with_the_session(stacks, eventually, mode):
    """Out of a draft at the province, and at the portal where T_cutover leads."""
    stack = stacks(token=TOKEN).start()
    opened = stack.http.post(
        stack.url("province:01") + "/portal/session", data={"access_token": stack.access_token(), "ThuNghiem": mode}
    )
    stack.http.cookies.clear()
    cookie = {"Cookie": opened.headers["set-cookie"].partition(";")[0]}
    for name in ("here", "there"):
        form = {"draft": name, "procedure": "2.000815", "commune": "00004", "SoBan": "1"}
        stack.http.post(stack.url("province:01") + "/portal/draft", data=form, headers=cookie)
    made = stack.post("province:01", "/portal/drafts/here/dossier", headers={**cookie, **stack.key()}).json()
    cutover = {"json": {"at": 0, "redirect": 1e12}, "headers": BEARER}
    assert stack.http.put(stack.url("province:01") + "/control/cutover", **cutover).status_code == 200
    form = {"draft": "there", "procedure": "2.000815", "commune": "00004"}
    led = stack.http.post(stack.url("province:01") + "/portal/draft", data=form, headers=cookie)
    query = parse_qs(urlsplit(led.headers["location"]).query)
    landed = stack.get("national", "/handover", params={name: values[0] for name, values in query.items()}).json()
    headers = {"Authorization": f"Bearer {landed['session']}", **stack.key()}
    gone_on = stack.post("national", "/drafts/there/dossier", headers=headers).json()
    for code in (made["code"], gone_on["code"]):
        eventually(lambda code=code: marks(stack, code) == [mode == "true"] * 2)


def test_the_dashboard_counts_official_dossiers(stacks, eventually):
    stack = stacks(provinces=("01",), platforms=("ioc",)).start()
    stack.intake(stack.officer())
    stack.intake(stack.officer(**TEST))

    def shown():
        found = stack.get("ioc", "/dashboard").json()
        return [found[name] for name in ("provinces", "states", "test")]

    eventually(lambda: shown() == [{"01": 1}, {"2": 1}, 1])


def test_a_system_that_drops_the_mark_makes_tests_official(stacks, submission, eventually):
    """The seeded defect ``test-mode-leaks``, in both directions."""
    stack = stacks(defects=("test-mode-leaks",)).start()
    online, counter = submit(stack, submission, **TEST)["code"], stack.intake(stack.officer(**TEST))
    eventually(lambda: marks(stack, online) == [True, False])
    eventually(lambda: marks(stack, counter) == [False, True])
