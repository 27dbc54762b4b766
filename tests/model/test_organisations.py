import pytest
from hypothesis import given
from hypothesis import strategies as st

from model import people
from model.organisations import ORGANISATIONS, find, organisation

numbers = st.integers(0, ORGANISATIONS - 1)


@given(numbers)
def test_an_organisation_is_found_by_its_tax_code(number: int) -> None:
    """It has 10 digits and begins with 99, which no tax office has; nobody mistakes it for a person."""
    found = organisation(number)
    assert find(found.id_number) == found
    assert (len(found.id_number), found.id_number[:2]) == (10, "99")
    assert people.find(found.id_number) is None


@given(numbers, numbers)
def test_two_organisations_never_share_a_tax_code(one: int, other: int) -> None:
    assert (organisation(one).id_number == organisation(other).id_number) == (one == other)


def test_the_organisations_stay_the_same() -> None:
    assert (organisation(0).id_number, organisation(0).name) == ("9900000176", "Công ty TNHH An Phát 0")


@given(numbers, st.integers(7, 9), st.integers(1, 9))
def test_a_wrong_check_digit_is_nobody(number: int, place: int, shift: int) -> None:
    digits = organisation(number).id_number
    assert find(digits[:place] + str((int(digits[place]) + shift) % 10) + digits[place + 1 :]) is None


@pytest.mark.parametrize("text", ["", "99", "0100109106", "99000008３9", people.person(1).id_number])
def test_what_is_no_tax_code_of_ours_is_nobody(text: str) -> None:
    assert find(text) is None


@pytest.mark.parametrize("number", [-1, ORGANISATIONS])
def test_there_is_no_organisation_beyond(number: int) -> None:
    with pytest.raises(ValueError, match="numbers run from 0"):
        organisation(number)
