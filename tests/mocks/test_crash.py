"""kill -9 loses nothing that was acknowledged."""

import threading
from collections import Counter

import httpx
import pytest

from model.dossier import parse_code
from tests.conftest import NO_TLS


class Clerks:
    """Threads that submit until the line breaks, and keep what was acknowledged."""

    def __init__(self, stack, submission, officer, number=8):
        self.acknowledged = []
        self._stack, self._content, self._officer = stack, submission(), officer
        self._threads = [threading.Thread(target=self._work) for _ in range(number)]
        for thread in self._threads:
            thread.start()

    def _work(self):
        with httpx.Client(trust_env=False, verify=NO_TLS, timeout=30) as http:
            while True:
                headers = {**self._officer, **self._stack.key()}
                try:
                    answer = http.post(
                        self._stack.url("province:01") + "/counter/dossiers", json=self._content, headers=headers
                    )
                except httpx.TransportError:
                    return
                assert answer.status_code == 201
                self.acknowledged.append((answer.json()["code"], headers["Idempotency-Key"]))

    def wait(self):
        for thread in self._threads:
            thread.join()
        return dict(self.acknowledged)


@pytest.mark.usefixtures("one_day")
def test_every_acknowledged_dossier_outlives_kill_9_and_no_code_is_issued_twice(stacks, submission, eventually):
    stack = stacks().start("province:01")
    officer = stack.officer()
    known = {}
    for target in (40, 80, 120):
        clerks = Clerks(stack, submission, officer)
        eventually(lambda: len(clerks.acknowledged) >= target)  # noqa: B023  asked within the turn
        stack.kill("province:01")
        fresh = clerks.wait()
        assert not fresh.keys() & known.keys()
        known |= fresh
        stack.start("province:01")
    stored = {item["code"]: item["key"] for item in stack.listing("province:01", limit=1000)}
    assert known.items() <= stored.items()
    assert Counter(stored.values()).most_common(1)[0][1] == 1
    numbers = sorted(parse_code(code).number for code in stored)
    assert numbers == list(range(1, len(stored) + 1))
    stack.start("national")
    eventually(lambda: stack.pending("province:01") == 0)
    assert {item["code"] for item in stack.listing("national", limit=1000)} == stored.keys()


def test_an_answer_lost_in_a_crash_is_given_again_under_its_key(stacks, submission):
    stack = stacks().start("province:01")
    officer, key = stack.officer(), stack.key()
    code = stack.intake(officer, key=key)
    stack.kill("province:01")
    stack.start("province:01")
    assert stack.intake(officer, key=key) == code
    assert len(stack.listing("province:01")) == 1
