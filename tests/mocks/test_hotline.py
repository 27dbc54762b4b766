"""The hotline: few lines, a bounded queue, and alerts that need neither."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from mocks.hotline import LINES, WAITING
from model.books import request_id
from tests.conftest import BEARER, TOKEN

CALL = {"province": "01", "subject": "Hỏi", "text": "x"}
ALERT = {"province": "01", "source": "province:01", "severity": "page", "text": "x"}
SLOW = 3  # seconds


@contextmanager
def flood(stack, callers):
    """Let so many call, and yield the calls; notes are taken slowly, so the lines stay busy for ``SLOW`` at least."""
    fault = stack.url("hotline") + "/control/faults/slow"
    order = {"kind": "slow-database", "attributes": {"delay": 1000 * SLOW}, "lease": 60}
    assert stack.http.put(fault, json=order, headers=BEARER).status_code == 200
    with ThreadPoolExecutor(callers) as pool:
        yield [
            pool.submit(stack.post, "hotline", "/calls", CALL, headers=stack.key(), timeout=60) for _ in range(callers)
        ]
        assert stack.http.delete(fault, headers=BEARER).status_code == 200


def test_callers_beyond_lines_and_queue_are_told_when_to_call_again(stacks, eventually):
    stack = stacks(platforms=("hotline",), token=TOKEN).start("hotline")
    answers, busy = [], []
    while not busy:  # callers who are held up on their way may find that others have hung up
        with flood(stack, LINES + WAITING + 10) as calls:
            eventually(lambda calls=calls: any(call.done() for call in calls))
        answers += [call.result() for call in calls]
        busy = [answer for answer in answers if answer.status_code == 503]
    assert [answer.status_code for answer in answers].count(201) + len(busy) == len(answers)
    assert len(busy) <= 10
    assert all(int(answer.headers["retry-after"]) > 0 and answer.json()["reason"] == "busy" for answer in busy)
    assert len(stack.entries("hotline")) == len(answers) - len(busy)


@pytest.mark.parametrize("defects", [(), ("hotline-shares-queue",)])
def test_an_alert_needs_no_line(stacks, eventually, defects):
    """All lines and the queue are taken, as one caller has just been told."""
    stack = stacks(defects=defects, platforms=("hotline",), token=TOKEN).start("hotline")
    key, in_time = stack.key(), False
    while not in_time:
        began = time.monotonic()
        with flood(stack, LINES + WAITING + 10) as calls:
            first = eventually(lambda calls=calls: next((call for call in calls if call.done()), None))
            told = time.monotonic()
            answer = stack.post("hotline", "/alerts", ALERT, headers=key, timeout=60)
            in_time = (time.monotonic() if defects else told) - began < SLOW  # no caller has hung up by then
    assert first.result().status_code == 503
    assert answer.status_code == (503 if defects else 201)
    if not defects:
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
    name = request_id("province:01", "00004", key["Idempotency-Key"])
    assert stack.entries("hotline") == [("alert", name, "01")]
    other = {**incident, "text": "y"}
    assert stack.post("province:01", "/incidents", other, headers={**officer, **key}).status_code == 422
    assert stack.post("province:01", "/incidents", incident, headers=key).status_code == 401


def test_two_provinces_report_incidents_under_one_key(stacks):
    stack = stacks(platforms=("hotline",), provinces=("01", "79")).start("hotline", "province:01", "province:79")
    for province, commune in (("01", "00004"), ("79", "25747")):
        headers = {**stack.officer(province, commune), "Idempotency-Key": "1" * 80}
        answer = stack.post(f"province:{province}", "/incidents", {"severity": "page", "text": "x"}, headers=headers)
        assert answer.status_code == 201, answer.text
    assert [province for _, _, province in stack.entries("hotline")] == ["01", "79"]


def test_nonsense_is_refused(stacks):
    stack = stacks(platforms=("hotline",)).start("hotline")
    wrong = [{**CALL, "province": "x"}, {**CALL, "subject": ""}, {}, {**CALL, "more": 1}]
    assert [stack.post("hotline", "/calls", one, headers=stack.key()).status_code for one in wrong] == [422] * 4
    assert stack.post("hotline", "/calls", CALL).status_code == 400
    assert stack.entries("hotline") == []
