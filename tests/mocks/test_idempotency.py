"""One key, one dossier, one answer."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest


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
        return httpx.post(stack.url(name) + path, json=submission(), headers=headers, trust_env=False)

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(send, range(50)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["code"] for answer in answers}) == 1
    assert stored(stack, name, headers) == 1


def test_a_step_repeated_under_its_key_is_one_step_whatever_happened_between(stack):
    officer = stack.officer()
    code, key = stack.intake(officer), stack.key()
    first = stack.step(officer, code, "process", key)
    stack.step(officer, code, "finish")
    assert stack.step(officer, code, "process", key).content == first.content
    assert stack.states("province:01", code) == [2, 4, 9]


def test_a_refused_step_stays_refused_under_its_key(stack):
    officer = stack.officer()
    code, key = stack.intake(officer), stack.key()
    refused = stack.step(officer, code, "return_result", key)
    stack.step(officer, code, "finish")
    assert refused.status_code == 409
    assert stack.step(officer, code, "return_result", key).content == refused.content


@pytest.mark.parametrize("key", ["", "a" * 81, "with space", "khóa".encode(), "a;b"])
def test_a_key_that_is_none_is_refused(stack, submission, key):
    headers = {**stack.officer(), "Idempotency-Key": key}
    answer = stack.post("province:01", "/counter/dossiers", submission(), headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (400, "validation")
