"""The document axis: once, in order, to whom it concerns; rejections go back."""

import pytest

ORGANS = ("H01", "H01.00004", "H79")


@pytest.fixture
def axis(stacks):
    """An axis, and the sessions of some agencies."""

    def make(*defects):
        stack = stacks(defects=defects, platforms=("axis",)).start("axis")
        return stack, {organ: register(stack, organ) for organ in ORGANS}

    return make


def register(stack, organ):
    asked = {"OrganId": organ, "OrganName": "UBND", "password": f"mk.{organ}"}
    answer = stack.post("axis", "/axis/registerAgency", asked)
    return {"Authorization": f"Bearer {answer.json()['session']}"}


def document(name="d1", to=("H01.00004", "H79"), **changes):
    return {"DocumentId": name, "From": "H01", "To": list(to), "Subject": "V/v", "Content": "Kính gửi", **changes}


def send(stack, sessions, content, organ="H01"):
    return stack.post("axis", "/axis/sendEdoc", content, headers=sessions[organ])


def received(stack, sessions, organ, **query):
    answer = stack.get("axis", "/axis/getReceivedEdocList", params=query, headers=sessions[organ])
    return [(item["DocumentId"], item["To"], item["Status"]) for item in answer.json()["items"]]


def update(stack, sessions, organ, to, status, reason=""):
    content = {"DocumentId": "d1", "To": to, "Status": status, "Reason": reason}
    return stack.post("axis", "/axis/updateStatus", content, headers=sessions[organ])


@pytest.mark.parametrize(("defects", "copies"), [((), 1), (("axis-duplicate",), 2)])
def test_what_is_sent_again_is_delivered_once(axis, defects, copies):
    stack, sessions = axis(*defects)
    answers = [send(stack, sessions, document()) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json() == {"code": "d1", "sequence": 2, "error_code": 0}
    assert received(stack, sessions, "H79") == [("d1", "H79", "01")] * copies
    assert len(stack.entries("axis")) == 2 * copies


def test_a_document_id_with_other_content_is_refused(axis):
    stack, sessions = axis()
    send(stack, sessions, document())
    assert send(stack, sessions, document(Content="khác")).status_code == 422
    assert len(stack.entries("axis")) == 2


def test_a_superior_fetches_for_its_units_and_nobody_else_does(axis):
    stack, sessions = axis()
    send(stack, sessions, document())
    assert received(stack, sessions, "H01.00004") == received(stack, sessions, "H01") == [("d1", "H01.00004", "01")]
    assert received(stack, sessions, "H79", Status="03") == []
    found = stack.get("axis", "/axis/getEdoc/d1", headers=sessions["H79"])
    assert found.json() == document()
    send(stack, sessions, document("d2", to=("H01.00004",)))
    assert stack.get("axis", "/axis/getEdoc/d2", headers=sessions["H79"]).status_code == 404


def test_a_life_from_arrival_to_done_and_what_may_not_follow(axis):
    stack, sessions = axis()
    send(stack, sessions, document())
    path = ("03", "04", "05", "06")
    assert [update(stack, sessions, "H79", "H79", status).status_code for status in path] == [200] * 4
    assert update(stack, sessions, "H79", "H79", "06").status_code == 200
    assert update(stack, sessions, "H79", "H79", "03").status_code == 409
    assert update(stack, sessions, "H79", "H01.00004", "03").status_code == 404


def test_only_the_sender_withdraws_and_the_recipient_agrees_or_not(axis):
    stack, sessions = axis()
    send(stack, sessions, document())
    assert update(stack, sessions, "H79", "H79", "13").status_code == 404
    assert update(stack, sessions, "H01", "H79", "13").status_code == 200
    assert update(stack, sessions, "H79", "H79", "15").status_code == 200
    assert update(stack, sessions, "H79", "H79", "16").status_code == 409


@pytest.mark.parametrize("defects", [(), ("axis-drops-rejects",)])
def test_a_rejection_goes_back_with_its_reason(axis, defects):
    stack, sessions = axis(*defects)
    send(stack, sessions, document())
    assert update(stack, sessions, "H79", "H79", "02").status_code == 422
    assert update(stack, sessions, "H79", "H79", "02", "Gửi sai đơn vị").json()["code"] == "d1:H79"
    sent = stack.get("axis", "/axis/getSentEdocList", params={"Status": "02"}, headers=sessions["H01"]).json()["items"]
    assert [(item["To"], item["Reason"]) for item in sent] == ([] if defects else [("H79", "Gửi sai đơn vị")])
    assert (("reject", "d1:H79", "H01") in stack.entries("axis")) == (not defects)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"To": ["H79.99999"]}, 422),
        ({"To": []}, 422),
        ({"From": "H79"}, 401),
        ({"DocumentId": "'; DROP TABLE documents; --"}, 422),
        ({"Extra": 1}, 422),
    ],
)
def test_wrong_documents_are_refused(axis, change, status):
    stack, sessions = axis()
    assert send(stack, sessions, document(**change)).status_code == status
    assert stack.entries("axis") == []


def test_agencies_are_all_units_and_those_that_register(axis):
    stack, _ = axis()
    assert register(stack, "BNV").keys() == {"Authorization"}
    listed = stack.get("axis", "/axis/getAgenciesList", params={"limit": 1000}).json()
    assert len(listed["items"]) == 1000
    assert listed["items"][0] == {"OrganId": "BNV", "OrganName": "UBND"}
    wrong = {"OrganId": "H01", "OrganName": "UBND", "password": "x"}
    assert stack.post("axis", "/axis/registerAgency", wrong).status_code == 401
    assert stack.get("axis", "/axis/getReceivedEdocList").status_code == 401


def test_a_province_keeps_its_documents_until_the_axis_has_them(stacks, eventually):
    stack = stacks(platforms=("axis",)).start("province:01")
    officer, key = stack.officer(), stack.key()
    draft = {"To": ["H01.00004", "H01.00004", "H79"], "Subject": "V/v", "Content": "x"}
    answers = [stack.post("province:01", "/documents", draft, headers={**officer, **key}) for _ in range(2)]
    assert [(answer.status_code, answer.json()["sequence"]) for answer in answers] == [(201, 2)] * 2
    assert stack.pending("province:01") == 1
    stack.start("axis")
    eventually(lambda: stack.pending("province:01") == 0)
    name = key["Idempotency-Key"]
    assert stack.entries("axis") == [("document", name, "H01.00004"), ("document", name, "H79")]


def test_documents_survive_a_kill(axis):
    stack, sessions = axis()
    send(stack, sessions, document())
    stack.kill("axis")
    stack.start("axis")
    assert received(stack, sessions, "H79") == [("d1", "H79", "01")]
