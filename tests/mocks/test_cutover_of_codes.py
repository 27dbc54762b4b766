"""At T_cutover the register has another version in force, and systems take it over; one with the defect doesn't."""

import time

import pytest

from mocks import unit_table
from model import announced

ANNOUNCED, IN_FORCE = unit_table.announced_seal(), unit_table.official_seal()


CORRECTED = next(iter(announced.corrected()))


def name(stack, system):
    return stack.get(system, f"/units/{CORRECTED}").json()["name"]


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
    assert {name(stack, system) for system in ("codes", "province:01")} == {announced.corrected()[CORRECTED]}
    set_cutover(stack, 0)
    assert versions(stack) == [ANNOUNCED.version, IN_FORCE.version]
    assert name(stack, "codes") == announced.in_force()[CORRECTED]
    if defects:
        time.sleep(6.0)  # longer than a system goes without a look at the register
        assert stack.get("province:01", "/units").json()["version"] == ANNOUNCED.version
        assert name(stack, "province:01") == announced.corrected()[CORRECTED]
    else:
        eventually(lambda: stack.get("province:01", "/units").json()["version"] == IN_FORCE.version)
        assert name(stack, "province:01") == announced.in_force()[CORRECTED]


def test_two_versions_have_the_same_rows_and_different_names_and_seals():
    early, official = unit_table.opened(unit_table.announced_bytes(), ANNOUNCED), unit_table.official()
    assert (early.legacy, early.current) == (official.legacy, official.current)
    changed = {code for code, called in early.names.items() if called != official.names[code]}
    assert changed == announced.corrected().keys()
    assert 50 < len(changed) < 100
    assert unit_table.opened(unit_table.announced_bytes(), IN_FORCE) is None


def test_who_is_not_an_operator_sets_no_cutover(stacks):
    stack = stacks(platforms=("codes",), token="t").start("codes")  # noqa: S106  a test's
    url = f"{stack.url('codes')}/control/cutover"
    assert stack.http.put(url, json={"at": 0.0, "redirect": 1.0}).status_code == 401
