import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.people import POPULATION, find, person

numbers = st.integers(0, POPULATION - 1)


@given(numbers)
def test_a_person_is_found_by_identification_number(number: int) -> None:
    """It has 12 digits and begins with 9, which no province's code does: nobody living has it."""
    found = person(number)
    assert find(found.id_number) == found
    assert len(found.id_number) == 12
    assert found.id_number.isdigit()
    assert found.id_number[0] == "9"


@given(numbers, numbers)
def test_two_people_never_share_a_number(one: int, other: int) -> None:
    assert (person(one).id_number == person(other).id_number) == (one == other)


@given(numbers)
def test_people_have_three_names_and_are_of_age(number: int) -> None:
    found = person(number)
    assert len(found.name.split()) == 3
    assert "19450101" <= found.birth_date <= "20061231"


def test_the_population_stays_the_same() -> None:
    """Runs are repeated for years: changing these people would change every payload's hash."""
    assert (person(0).id_number, person(0).name, person(0).birth_date) == ("900000000839", "Vàng Kim Anh", "19900610")


@given(numbers, st.integers(9, 11), st.integers(1, 9))
def test_a_wrong_check_digit_is_nobody(number: int, place: int, shift: int) -> None:
    digits = person(number).id_number
    wrong = digits[:place] + str((int(digits[place]) + shift) % 10) + digits[place + 1 :]
    assert find(wrong) is None


def test_a_random_number_is_nobody() -> None:
    """Of 20,000 random 12-digit numbers about 2 are somebody; 20 would be a broken check."""
    source = random.Random(1)
    hits = sum(find(f"{source.randrange(10**12):012d}") is not None for _ in range(20_000))
    assert hits < 20


@pytest.mark.parametrize(
    "text", ["", "9", "90000000083", "9000000008390", "९00000000839", "90000000083a", "9000000008³9"]
)
def test_what_is_no_identification_number_is_nobody(text: str) -> None:
    assert find(text) is None


@pytest.mark.parametrize("number", [-1, POPULATION])
def test_there_is_nobody_beyond_the_population(number: int) -> None:
    with pytest.raises(ValueError, match="numbers run from 0"):
        person(number)
