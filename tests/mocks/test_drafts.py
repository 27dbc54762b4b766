"""Drafts hold what was saved last, whoever comes back and whatever died in between."""

import pytest


def put(stack, name, who, draft, content):
    return stack.http.put(f"{stack.url(name)}/drafts/{draft}", json={"content": content}, headers=who)


def test_a_draft_is_resumed_in_another_session_and_submitted_once(stack, submission, eventually):
    first, second, key = stack.citizen(), stack.citizen(), stack.key()
    content = submission(form={"SoBan": 2})
    assert put(stack, "national", first, "d1", {"procedure": "2.000815"}).json()["version"] == 1
    assert put(stack, "national", first, "d1", content).json()["version"] == 2
    assert put(stack, "national", second, "d1", content).json()["version"] == 2
    assert stack.get("national", "/drafts/d1", headers=second).json()["content"] == content
    answers = [stack.post("national", "/drafts/d1/dossier", headers={**second, **key}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    (code,) = {answer.json()["code"] for answer in answers}
    eventually(lambda: stack.states("province:01", code) == [1])
    stored, elsewhere = stack.listing("national"), stack.key()
    for _ in range(2):
        again = stack.post("national", "/drafts/d1/dossier", headers={**first, **elsewhere})
        assert (again.status_code, again.json()["reason"]) == (409, "submitted")
    assert stack.listing("national") == stored
    assert put(stack, "national", first, "d1", {}).status_code == 409
    assert stack.get("national", "/drafts/d1", headers=first).json()["went"] == code


def test_an_officer_submits_a_draft_at_the_counter(stack, submission, eventually):
    officer = stack.officer()
    put(stack, "province:01", officer, "d2", submission())
    answer = stack.post("province:01", "/drafts/d2/dossier", headers={**officer, **stack.key()})
    assert (answer.status_code, answer.json()["state"]) == (201, 2)
    eventually(lambda: stack.states("national", answer.json()["code"]) == [2])


def test_a_draft_is_its_owners_alone(stack):
    put(stack, "province:01", stack.officer(), "mine", {"procedure": "x"})
    other = stack.officer(commune="00008")
    assert stack.get("province:01", "/drafts/mine", headers=other).status_code == 404
    assert stack.post("province:01", "/drafts/mine/dossier", headers={**other, **stack.key()}).status_code == 404
    assert stack.get("province:01", "/drafts/mine").status_code == 401


@pytest.mark.parametrize(
    ("draft", "body", "status"),
    [
        ("a%20b", {"content": {}}, 422),
        ("x" * 81, {"content": {}}, 422),
        ("ok", {"content": []}, 422),
        ("ok", {"content": {}, "more": 1}, 422),
        ("ok", [], 422),
    ],
)
def test_what_is_no_draft_is_refused(stack, draft, body, status):
    answer = stack.http.put(f"{stack.url('national')}/drafts/{draft}", json=body, headers=stack.citizen())
    assert (answer.status_code, answer.json()["reason"]) == (status, "validation")


def test_a_draft_that_lacks_something_is_no_dossier_yet(stack, submission):
    citizen, key = stack.citizen(), stack.key()
    content = submission()
    del content["form"]
    put(stack, "national", citizen, "d3", content)
    answer = stack.post("national", "/drafts/d3/dossier", headers={**citizen, **key})
    assert (answer.status_code, answer.json()["reason"]) == (422, "validation")
    put(stack, "national", citizen, "d3", submission())
    assert stack.post("national", "/drafts/d3/dossier", headers={**citizen, **key}).status_code == 201


def test_a_draft_survives_kill_9(stacks, submission):
    stack = stacks().start("province:01")
    officer = stack.officer()
    put(stack, "province:01", officer, "d", submission())
    stack.kill("province:01")
    stack.start("province:01")
    assert stack.get("province:01", "/drafts/d", headers=officer).json()["content"] == submission()


@pytest.mark.parametrize("defects", [(), ("draft-lost",)])
def test_draft_lost_keeps_some_drafts_empty(stacks, submission, defects):
    stack = stacks(defects=defects).start("province:01")
    officer = stack.officer()
    for number in range(30):
        assert put(stack, "province:01", officer, f"d{number}", submission()).status_code == 200
    found = [stack.get("province:01", f"/drafts/d{number}", headers=officer).json()["content"] for number in range(30)]
    assert ({} in found) == bool(defects)
    assert submission() in found
