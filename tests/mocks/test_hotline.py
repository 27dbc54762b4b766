"""The hotline: few lines, a bounded queue, and alerts that need neither."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mocks.hotline import LINES, TALK, WAITING

CALL = {"province": "01", "subject": "Hỏi", "text": "x"}
ALERT = {"province": "01", "source": "province:01", "severity": "page", "text": "x"}


def flood(stack, callers):
    """Let so many call at once; returns the pool and the calls."""
    pool = ThreadPoolExecutor(callers)
    calls = [pool.submit(stack.post, "hotline", "/calls", CALL, headers=stack.key()) for _ in range(callers)]
    return pool, calls


def test_callers_beyond_lines_and_queue_are_told_when_to_call_again(stacks):
    stack = stacks(platforms=("hotline",)).start("hotline")
    pool, calls = flood(stack, LINES + WAITING + 10)
    with pool:
        answers = [call.result() for call in calls]
    busy = [answer for answer in answers if answer.status_code == 503]
    assert [answer.status_code for answer in answers].count(201) + len(busy) == len(answers)
    assert 0 < len(busy) <= 10
    assert all(int(answer.headers["retry-after"]) > 0 and answer.json()["reason"] == "busy" for answer in busy)
    assert len(stack.entries("hotline")) == len(answers) - len(busy)


@pytest.mark.parametrize("defects", [(), ("hotline-shares-queue",)])
def test_an_alert_needs_no_line(stacks, eventually, defects):
    stack = stacks(defects=defects, platforms=("hotline",)).start("hotline")
    pool, calls = flood(stack, LINES + WAITING + 10)
    with pool:
        eventually(lambda: any(call.done() for call in calls))
        began = time.monotonic()
        answer = stack.post("hotline", "/alerts", ALERT, headers=stack.key())
        took = time.monotonic() - began
    if defects:
        assert answer.status_code == 503 or took >= TALK
    else:
        assert answer.status_code == 201
        assert took < TALK
        assert stack.get("hotline", "/alerts").json()["items"] == [{"code": answer.json()["code"], **ALERT}]


def test_the_same_alert_is_noted_once(stacks):
    stack = stacks(platforms=("hotline",)).start("hotline")
    key = stack.key()
    first, second = (stack.post("hotline", "/alerts", ALERT, headers=key) for _ in range(2))
    assert first.json() == second.json()
    assert stack.entries("hotline") == [("alert", key["Idempotency-Key"], "01")]


def test_a_province_hands_an_incident_on_or_says_that_it_could_not(stacks):
    stack = stacks(platforms=("hotline",)).start("province:01")
    officer, key = stack.officer(), stack.key()
    incident = {"severity": "page", "text": "x"}
    assert stack.post("province:01", "/incidents", incident, headers={**officer, **key}).status_code == 502
    stack.start("hotline")
    answers = [stack.post("province:01", "/incidents", incident, headers={**officer, **key}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert stack.entries("hotline") == [("alert", key["Idempotency-Key"], "01")]
    other = {**incident, "text": "y"}
    assert stack.post("province:01", "/incidents", other, headers={**officer, **key}).status_code == 422
    assert stack.post("province:01", "/incidents", incident, headers=key).status_code == 401


def test_nonsense_is_refused(stacks):
    stack = stacks(platforms=("hotline",)).start("hotline")
    wrong = [{**CALL, "province": "x"}, {**CALL, "subject": ""}, {}, {**CALL, "more": 1}]
    assert [stack.post("hotline", "/calls", one, headers=stack.key()).status_code for one in wrong] == [422] * 4
    assert stack.post("hotline", "/calls", CALL).status_code == 400
    assert stack.entries("hotline") == []
