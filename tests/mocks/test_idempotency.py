"""One key, one dossier, one answer."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from model import people
from tests.conftest import NO_TLS


@pytest.fixture
def places(stack):
    """Where dossiers are created: (system, path, session)."""
    return {
        "national": ("national", "/dossiers", stack.citizen()),
        "province": ("province:01", "/counter/dossiers", stack.officer()),
    }


def stored(stack, name, headers):
    """Count the dossiers that a key created."""
    return [item["key"] for item in stack.listing(name, limit=1000)].count(headers["Idempotency-Key"])


@pytest.mark.parametrize("place", ["national", "province"])
def test_the_same_key_again_gives_the_same_answer(stack, submission, places, place):
    name, path, session = places[place]
    headers = {**session, **stack.key()}
    first, again = (stack.post(name, path, submission(), headers=headers) for _ in range(2))
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert stored(stack, name, headers) == 1


@pytest.mark.parametrize("place", ["national", "province"])
def test_the_same_key_with_another_payload_is_refused(stack, submission, places, place):
    name, path, session = places[place]
    headers = {**session, **stack.key()}
    stack.post(name, path, submission(), headers=headers)
    other = stack.post(name, path, submission(form={}), headers=headers)
    assert (other.status_code, other.json()["reason"]) == (422, "validation")
    assert stored(stack, name, headers) == 1


def test_the_order_of_fields_is_not_another_payload(stack, submission, places):
    name, path, session = places["province"]
    headers = {**session, **stack.key()}
    first = stack.post(name, path, submission(), headers=headers)
    turned = dict(reversed(submission().items()))
    assert stack.post(name, path, turned, headers=headers).content == first.content


@pytest.mark.parametrize("place", ["national", "province"])
def test_fifty_concurrent_submissions_under_one_key_create_one_dossier(stack, submission, places, place):
    name, path, session = places[place]
    headers = {**session, **stack.key()}

    def send(_):
        with httpx.Client(trust_env=False, verify=NO_TLS, timeout=30) as http:
            return http.post(stack.url(name) + path, json=submission(), headers=headers)

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(send, range(50)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["code"] for answer in answers}) == 1
    assert stored(stack, name, headers) == 1


def test_a_step_repeated_under_its_key_is_one_step_whatever_happened_between(stack):
    officer = stack.officer()
    code, key = stack.intake(officer), stack.key()
    first = stack.step(officer, code, "process", key)
    stack.step(stack.officer(role="ld"), code, "finish")
    assert stack.step(officer, code, "process", key).content == first.content
    assert stack.states("province:01", code) == [2, 4, 9]


def test_a_refused_step_stays_refused_under_its_key(stack):
    officer = stack.officer()
    code, key = stack.intake(officer), stack.key()
    refused = stack.step(officer, code, "return_result", key)
    stack.step(stack.officer(role="ld"), code, "finish")
    assert refused.status_code == 409
    assert stack.step(officer, code, "return_result", key).content == refused.content


def test_a_key_is_its_accounts_own(stack, submission):
    """Two citizens, two communes: each of them is answered under the key, and each draft becomes a dossier."""
    others = people.person(6)
    citizens = [("national", stack.citizen()), ("national", stack.citizen(others))]
    officers = [("province:01", stack.officer()), ("province:01", stack.officer(commune="00008"))]
    key = {"Idempotency-Key": "1"}
    for pair in (citizens, officers):
        codes = []
        for number, (name, session) in enumerate(pair):
            content = {"content": submission(form={"SoBan": number})}
            assert stack.http.put(stack.url(name) + "/drafts/nhap", json=content, headers=session).status_code == 200
            made = stack.post(name, "/drafts/nhap/dossier", headers={**session, **key})
            assert made.status_code == 201, made.text
            codes.append(made.json()["code"])
            assert stack.get(name, "/drafts/nhap", headers=session).json()["went"] == codes[-1]
        assert len(set(codes)) == 2


@pytest.mark.parametrize("key", ["", "a" * 81, "with space", "khóa".encode(), "a;b"])
def test_a_key_that_is_none_is_refused(stack, submission, key):
    headers = {**stack.officer(), "Idempotency-Key": key}
    answer = stack.post("province:01", "/counter/dossiers", submission(), headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (400, "validation")
