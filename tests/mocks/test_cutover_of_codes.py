"""At T_cutover the register has another version in force, and systems take it over; one with the defect doesn't."""

import time

import pytest

from mocks import unit_table

ANNOUNCED, IN_FORCE = unit_table.announced_seal(), unit_table.official_seal()


def set_cutover(stack, seconds):
    content = {"at": time.time() + seconds, "redirect": 1.0}
    headers = {"Authorization": f"Bearer {stack.token}"}
    return stack.http.put(f"{stack.url('codes')}/control/cutover", json=content, headers=headers)


def versions(stack):
    return [item["version"] for item in stack.get("codes", "/versions").json()["items"]]


@pytest.mark.parametrize("defects", [(), ("stale-units",)])
def test_the_version_in_force_is_taken_over(stacks, eventually, defects):
    stack = stacks(defects=defects, platforms=("codes",), token="t").start("codes", "province:01")  # noqa: S106  a test's
    assert set_cutover(stack, 3600).status_code == 200
    assert versions(stack) == [ANNOUNCED.version]
    eventually(lambda: stack.get("province:01", "/units").json()["version"] == ANNOUNCED.version)
    set_cutover(stack, 0)
    assert versions(stack) == [ANNOUNCED.version, IN_FORCE.version]
    if defects:
        time.sleep(6.0)  # longer than a system goes without a look at the register
        assert stack.get("province:01", "/units").json()["version"] == ANNOUNCED.version
    else:
        eventually(lambda: stack.get("province:01", "/units").json()["version"] == IN_FORCE.version)


def test_two_versions_have_the_same_rows_and_different_seals():
    assert unit_table.opened(unit_table.announced_bytes(), ANNOUNCED).legacy == unit_table.official().legacy
    assert unit_table.opened(unit_table.announced_bytes(), IN_FORCE) is None


def test_who_is_not_an_operator_sets_no_cutover(stacks):
    stack = stacks(platforms=("codes",), token="t").start("codes")  # noqa: S106  a test's
    url = f"{stack.url('codes')}/control/cutover"
    assert stack.http.put(url, json={"at": 0.0, "redirect": 1.0}).status_code == 401
