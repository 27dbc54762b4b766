"""Bounds: literal values, coverage by simulation, and what must be monotone."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.statistics import (
    Clusters,
    Quantile,
    Step,
    at_least,
    quantile,
    samples_needed,
    share_bounds,
    worst,
)

counts = st.tuples(st.integers(0, 3000), st.integers(0, 3000)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@pytest.mark.parametrize(("share", "needed"), [(0.999, 2995), (0.99, 299), (0.95, 59), (0.5, 5), (0.0, 1), (1.0, None)])
def test_samples_needed(share: float, needed: int | None) -> None:
    """99.9 % takes 2,995 samples without a failure, a p95 59, a p99 299; a share of 1 can't be proved."""
    assert samples_needed(share) == needed


@pytest.mark.parametrize("share", [0.5, 0.9, 0.95, 0.99, 0.999])
def test_samples_needed_are_just_enough(share: float) -> None:
    """With the samples needed and no failure the share is proved; with one less it isn't."""
    needed = samples_needed(share)
    assert needed
    assert at_least(share_bounds(needed, needed), share) == "pass"
    assert at_least(share_bounds(needed - 1, needed - 1), share) == "inconclusive"


@pytest.mark.parametrize(
    ("good", "total", "low", "high"),
    [(0, 0, 0.0, 1.0), (10, 10, 0.741134, 1.0), (0, 10, 0.0, 0.258866), (5, 10, 0.222441, 0.777559)],
)
def test_bounds_of_ten(good: int, total: int, low: float, high: float) -> None:
    assert share_bounds(good, total) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))


@pytest.mark.parametrize(("good", "total"), [(1, 3), (5, 10), (90, 100), (990, 1000), (298, 299)])
def test_clopper_pearson_by_its_definition(good: int, total: int) -> None:
    """At the low bound so many successes or more have a chance of 5 %; at the high bound so many or fewer."""

    def chance(share: float, hits: range) -> float:
        return math.fsum(math.comb(total, k) * share**k * (1 - share) ** (total - k) for k in hits)

    low, high = share_bounds(good, total)
    assert chance(low, range(good, total + 1)) == pytest.approx(0.05)
    assert chance(high, range(good + 1)) == pytest.approx(0.05)


@given(counts)
def test_bounds_hold_the_observation(pair: tuple[int, int]) -> None:
    good, total = pair
    low, high = share_bounds(good, total)
    assert 0 <= low <= high <= 1
    if total:
        assert low <= good / total <= high


@given(counts, st.floats(1, 50))
def test_clustering_widens_the_bounds(pair: tuple[int, int], effect: float) -> None:
    plain, clustered = share_bounds(*pair), share_bounds(*pair, effect)
    assert clustered.low <= plain.low + 1e-12
    assert clustered.high >= plain.high - 1e-12


@given(counts)
def test_one_more_success_never_lowers_a_bound(pair: tuple[int, int]) -> None:
    good, total = pair
    before, after = share_bounds(good, total + 1), share_bounds(good + 1, total + 1)
    assert after.low >= before.low
    assert after.high >= before.high


@pytest.mark.parametrize(("share", "total"), [(0.95, 200), (0.99, 500), (0.5, 40)])
def test_coverage_of_shares(share: float, total: int) -> None:
    """Each bound is wrong in at most 5 % of experiments (here within the noise of 2,000)."""
    chance = random.Random(share)
    missed_low = missed_high = 0
    for _ in range(2000):
        bounds = share_bounds(sum(chance.random() < share for _ in range(total)), total)
        missed_low += bounds.low > share
        missed_high += bounds.high < share
    assert missed_low <= 130
    assert missed_high <= 130


def test_coverage_of_clustered_shares() -> None:
    """Where whole blocks fail together the design effect keeps the bound honest; without it it lies."""
    chance = random.Random(1)
    share, wrong, naive = 0.9, 0, 0
    for _ in range(500):
        blocks = [(20 if chance.random() < share else 0, 20) for _ in range(60)]
        clusters = Clusters.of(blocks)
        wrong += share_bounds(clusters.good, clusters.total, clusters.design_effect).low > share
        naive += share_bounds(clusters.good, clusters.total).low > share
    assert wrong <= 0.07 * 500
    assert naive > 0.2 * 500


def test_coverage_of_quantiles() -> None:
    """The bounds of a p95 from 300 exponential durations are each wrong in at most 5 % of experiments."""
    chance = random.Random(2)
    truth = -math.log(0.05)
    low_wrong = high_wrong = 0
    for _ in range(1000):
        durations = sorted(chance.expovariate(1) for _ in range(300))
        found = quantile(0.95, [Step(d, d, 1) for d in durations], 300)
        assert found.low is not None
        low_wrong += found.low > truth
        high_wrong += found.high is not None and found.high < truth
    assert low_wrong <= 75
    assert high_wrong <= 75


@pytest.mark.parametrize(
    ("blocks", "effect"),
    [
        ([], 1.0),
        ([(5, 10)], 1.0),
        ([(10, 10), (10, 10)], 1.0),
        ([(0, 10), (0, 10)], 1.0),
        ([(5, 10), (5, 10)], 1.0),
        ([(0, 10), (10, 10)], 20.0),
        ([(10, 10), (10, 10), (10, 10), (6, 10)], 160 / 36),
    ],
)
def test_design_effect(blocks: list[tuple[int, int]], effect: float) -> None:
    """It is B/(B-1)·Σ(k - pm)²/(np(1-p)), at least 1, and 1 where nothing can be told."""
    assert Clusters.of(blocks).design_effect == pytest.approx(effect)


def test_quantile_needs_59_samples_for_a_p95() -> None:
    assert quantile(0.95, [Step(1.0, 1.0, 59)], 59) == Quantile(1.0, 1.0, 1.0)
    assert quantile(0.95, [Step(1.0, 1.0, 58)], 58) == Quantile(1.0, 1.0, None)


def test_failures_are_slower_than_any_time() -> None:
    """With 10 % failures the p95 is infinite, the p50 isn't."""
    steps = [Step(0.1, 0.2, 450), Step(0.2, 0.3, 450)]
    assert quantile(0.95, steps, 1000) == Quantile(None, None, None)
    assert quantile(0.25, steps, 1000) == Quantile(pytest.approx(0.15), 0.1, 0.2)
    assert quantile(0.5, [], 1000) == Quantile(None, None, None)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=30), st.integers(0, 50), st.sampled_from([0.5, 0.9, 0.95]))
def test_quantile_agrees_with_the_share_below(hits: list[int], failures: int, share: float) -> None:
    """The upper bound is at most T exactly when the share within T is proved; so both decide alike."""
    steps = [Step(float(n), float(n), count) for n, count in enumerate(hits)]
    total = sum(hits) + failures
    found = quantile(share, steps, total)
    for target in range(len(hits)):
        within = share_bounds(sum(hits[: target + 1]), total)
        assert (found.high is not None and found.high <= target) == (within.low >= share)
        assert (found.low is None or found.low > target) == (within.high < share)


def test_decision_and_order() -> None:
    assert at_least(share_bounds(1000, 1000), 0.99) == "pass"
    assert at_least(share_bounds(900, 1000), 0.99) == "fail"
    assert at_least(share_bounds(99, 100), 0.99) == "inconclusive"
    assert at_least(share_bounds(0, 0), 0.0) == "pass"
    assert worst(["pass", "fail", "inconclusive"]) == "fail"
    assert worst(["pass", "inconclusive"]) == "inconclusive"
    assert worst([]) == "pass"
