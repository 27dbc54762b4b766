"""Hamlets tell which successor of a split commune is meant."""

import pytest

from model import hamlets, places

SPLIT = [unit for unit in places.legacy().values() if len(unit.successors) > 1]


def test_every_successor_of_a_split_unit_took_hamlets_over() -> None:
    assert len(SPLIT) == 471
    for unit in SPLIT:
        named = hamlets.hamlets(unit)
        assert set(named.values()) == set(unit.successors)
        assert len(named) == hamlets.EACH * len(unit.successors)
        assert all(hamlets.successor(unit, name) == where for name, where in named.items())


def test_a_hamlet_that_is_not_there_tells_nothing() -> None:
    assert hamlets.successor(SPLIT[0], "Thôn 99") is None
    assert hamlets.successor(SPLIT[0], "") is None


def test_of_a_unit_that_was_not_split_no_hamlet_is_needed() -> None:
    whole = places.legacy()["00013"]
    assert (hamlets.hamlets(whole), hamlets.successor(whole, "")) == ({}, "00004")


@pytest.mark.parametrize("code", ["00004", "00025"])
def test_predecessors_are_the_units_that_name_a_commune_as_successor(code: str) -> None:
    found = places.predecessors(code)
    assert found
    assert list(found) == [unit for unit in places.legacy().values() if code in unit.successors]


def test_every_commune_has_a_predecessor() -> None:
    assert all(places.predecessors(code) for code in places.communes())
    assert places.predecessors("99999") == ()
