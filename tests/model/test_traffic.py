import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model import places, traffic

codes = st.lists(st.sampled_from(sorted(places.provinces())), min_size=1, unique=True)


def test_the_two_big_cities_have_their_published_shares() -> None:
    """645,000 of 4.4 M in Ho Chi Minh City; 66,000 in 15 of Hanoi's working days against 4.4 M in 36."""
    weights = traffic.province_weights(places.provinces())
    assert weights["79"] == pytest.approx(0.1466, abs=1e-4)
    assert weights["01"] == pytest.approx(0.036, abs=1e-4)


def test_the_rest_goes_by_communes() -> None:
    weights = traffic.province_weights(places.provinces())
    assert weights["38"] / weights["11"] == pytest.approx(166 / 45)


@given(codes)
def test_shares_of_any_provinces_add_up_to_one(chosen: list[str]) -> None:
    weights = traffic.province_weights(chosen)
    assert list(weights) == chosen
    assert math.isclose(sum(weights.values()), 1)
    assert all(weight > 0 for weight in weights.values())


@given(codes)
def test_leaving_provinces_out_keeps_the_proportions_of_the_others(chosen: list[str]) -> None:
    all_weights, weights = traffic.province_weights(places.provinces()), traffic.province_weights(chosen)
    scale = all_weights[chosen[0]] / weights[chosen[0]]
    assert all(math.isclose(weights[code] * scale, all_weights[code]) for code in chosen)


def test_no_provinces_have_no_shares_and_unknown_ones_are_an_error() -> None:
    assert traffic.province_weights([]) == {}
    with pytest.raises(KeyError):
        traffic.province_weights(["02"])


def test_three_of_four_dossiers_are_online() -> None:
    assert traffic.ONLINE_SHARE == 0.747
