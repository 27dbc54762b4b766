"""What a system says of its own process, and what makes it worse."""

import time

import pytest

from mocks.client import TIMEOUT
from tests.conftest import TOKEN

REQUESTS = 400


def vitals(stack, name="national"):
    return stack.get(name, "/vitals").json()


@pytest.mark.parametrize(("defects", "least", "most"), [((), -8_000, 8_000), (("soak-leak",), 12_000, 40_000)])
def test_soak_leak_keeps_16_kilobytes_of_each_request(stacks, defects, least, most):
    stack = stacks(defects=defects).start("national")
    for _ in range(REQUESTS):
        stack.get("national", "/readyz")
    before = vitals(stack)
    for _ in range(REQUESTS):
        stack.get("national", "/readyz")
    after = vitals(stack)
    grown, answered = after["memory"] - before["memory"], after["answered"] - before["answered"]
    assert answered == REQUESTS + 1
    assert least <= grown / answered <= most
    assert after["began"] == before["began"]


def test_requests_of_other_systems_that_are_turned_away_are_counted(stacks, eventually):
    """Fault inside the portal: the province is told to wait an hour, heeds it for 10 s; people aren't counted."""
    stack = stacks(token=TOKEN).start("national").start("province:01")
    page = {"kind": "maintenance-page", "lease": 60, "attributes": {"retry_after": 3600}}
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    put = stack.http.put(f"{stack.url('national')}/control/faults/f", json=page, headers=bearer)
    assert put.status_code == 200
    assert stack.get("national", "/procedures").status_code == 503
    assert vitals(stack)["turned_away"] == 0
    began = time.monotonic()
    stack.intake(stack.officer())
    eventually(lambda: vitals(stack)["turned_away"])
    stack.kill("province:01")  # from now on nobody is turned away
    slow = time.monotonic() - began >= TIMEOUT  # then it may have given up, and asked again
    counted = ("turned_away_total", 'requests_total{code="5xx",operation="login"')

    def told():
        return [
            vitals(stack)["turned_away"],
            *(stack.metric("national", f"thongsuot_system_{name}") for name in counted),
        ]

    eventually(lambda: len(set(told())) == 1)
    assert told() == [1, 1, 1] or slow
