import re
from collections import Counter

import pytest

from model.procedures import DISTRICT, FIELDS, TABLE, procedures, search


def test_there_are_about_40_procedures_with_unique_codes() -> None:
    assert 35 <= len(procedures()) == len(TABLE) <= 50
    assert all(re.fullmatch(r"\d\.\d{6}", code) for code in procedures())


def test_weights_add_up_to_the_mix_at_a_ward() -> None:
    """864 dossiers: certification 521, business 163, civil status 114, land 36 [P], the rest other."""
    weights: Counter[str] = Counter()
    for procedure in procedures().values():
        weights[procedure.field] += procedure.weight  # type: ignore[assignment] # a Counter of floats
    assert weights == {field: count for field, (_, count) in FIELDS.items()}
    assert sum(weights.values()) == 864
    assert [weights[field] for field in ("certification", "business", "civil status", "land")] == [521, 163, 114, 36]


def test_values_are_of_the_domain() -> None:
    for procedure in procedures().values():
        assert procedure.fee >= 0
        assert procedure.level in {"xã", "tỉnh"}
        assert procedure.weight > 0


def test_of_the_districts_procedures_some_are_the_communes_now_and_some_the_provinces() -> None:
    assert len(set(DISTRICT)) == len(DISTRICT)
    assert {procedures()[code].level for code in DISTRICT} == {"xã", "tỉnh"}
    assert set(DISTRICT) < set(procedures())


def test_fees_and_channels_vary() -> None:
    """Journeys need both branches: with and without a fee, online and at the counter only."""
    found = procedures().values()
    assert {procedure.fee > 0 for procedure in found} == {True, False}
    assert {procedure.online for procedure in found} == {True, False}


@pytest.mark.parametrize("text", ["khai sinh", "KHAI SINH", "Khai  sinh", "đăng ký khai sinh", "1.001193", "sinh khai"])
def test_search_ignores_case_marks_and_the_order_of_words(text: str) -> None:
    assert search(text, 5)[0].code == "1.001193"


def test_search_finds_the_most_frequent_first() -> None:
    found = search("", 100)
    assert len(found) == len(procedures())
    assert [procedure.weight for procedure in found] == sorted((p.weight for p in found), reverse=True)
    assert search("chung thuc", 1)[0].code == "2.000815"


def test_search_keeps_to_its_limit() -> None:
    assert len(search("", 3)) == 3
    assert search("", 0) == search("", -1) == search("xyzzy", 10) == ()
