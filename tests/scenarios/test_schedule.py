"""Arrivals on schedule: pure, seeded, and independent of the number of workers."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.plan import Load, Phase, Plan, Stack
from scenarios.personas import Crowd
from scenarios.schedule import arrivals_within, due_times, moment_of

RATES = st.floats(0, 200, allow_nan=False)
PHASES = st.builds(
    Phase, name=st.just("p"), duration=st.floats(0.5, 60, allow_nan=False), rate=RATES, to=st.none() | RATES
)


def plan_of(*phases: Phase, gaps: str = "poisson", seed: int = 1, scale: float = 1.0) -> Plan:
    return Plan(
        name="test",
        seed=seed,
        phases=phases,
        load=Load(journeys={"track": 1.0, "process": 1.0}, gaps=gaps, scale=scale),  # type: ignore[arg-type]  # a literal by value
        stack=Stack(provinces=("01", "79", "11")),
    )


@given(PHASES)
def test_integral_over_a_phase_is_its_number_of_arrivals(phase: Phase) -> None:
    """Λ at the end of a phase equals duration times mean rate."""
    assert arrivals_within(phase, phase.duration) == pytest.approx(phase.arrivals, rel=1e-9, abs=1e-9)


@given(PHASES, st.floats(0, 1))
def test_moment_is_the_inverse_of_the_integral(phase: Phase, share: float) -> None:
    """Λ(moment(y)) = y for any y that the phase reaches."""
    wanted = share * phase.arrivals
    assert arrivals_within(phase, moment_of(phase, wanted)) == pytest.approx(wanted, rel=1e-6, abs=1e-6)


@given(st.lists(PHASES, min_size=1, max_size=4))
@settings(max_examples=50)
def test_constant_gaps_give_the_integral_to_within_half_an_arrival(phases: list[Phase]) -> None:
    """With constant gaps the number of arrivals is the integral of the curve, rounded."""
    count = sum(1 for _ in due_times(plan_of(*phases, gaps="constant")))
    assert abs(count - sum(phase.arrivals for phase in phases)) <= 0.5 + 1e-6


@given(st.lists(PHASES, min_size=1, max_size=4), st.integers(0, 2**31))
@settings(max_examples=30)
def test_due_times_ascend_and_stay_inside_the_schedule(phases: list[Phase], seed: int) -> None:
    """Arrivals are due in order, between t0 and the end."""
    plan = plan_of(*phases, seed=seed)
    due = list(due_times(plan))
    assert due == sorted(due)
    assert all(0 <= moment <= plan.duration + 1e-9 for moment in due)


def test_poisson_gaps_give_about_the_integral() -> None:
    """The number of Poisson arrivals is within five standard deviations of the integral."""
    plan = plan_of(Phase(name="p", duration=100, rate=100))
    assert abs(sum(1 for _ in due_times(plan)) - 10_000) < 500


def test_no_arrival_in_a_phase_without_rate() -> None:
    """A silent phase stays silent, and the next one starts on time."""
    plan = plan_of(Phase(name="quiet", duration=10, rate=0), Phase(name="loud", duration=10, rate=50))
    due = list(due_times(plan))
    assert due
    assert min(due) >= 10


@pytest.mark.parametrize("workers", [1, 2, 4, 7])
def test_any_split_over_workers_gives_the_same_arrivals(workers: int) -> None:
    """The multiset of arrivals doesn't depend on how many workers share them."""
    plan = plan_of(Phase(name="a", duration=5, rate=10, to=40), Phase(name="b", duration=5, rate=40))
    whole = Counter(Crowd(plan).arrivals())
    shared = Counter(arrival for index in range(workers) for arrival in Crowd(plan).arrivals(index, workers))
    assert whole == shared


def test_same_seed_same_arrivals_other_seed_others() -> None:
    """A schedule is a function of plan and seed."""
    phase = Phase(name="a", duration=10, rate=20)
    first, again, other = (list(Crowd(plan_of(phase, seed=seed)).arrivals()) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_scale_multiplies_every_rate() -> None:
    """load.scale = 3 gives three times the arrivals."""
    phase = Phase(name="a", duration=10, rate=20)
    assert sum(1 for _ in due_times(plan_of(phase, gaps="constant", scale=3))) == 600


def test_provinces_and_communes_belong_together() -> None:
    """Every arrival's commune is one of its province, and the province is one of the stack's."""
    from model import places

    communes = places.communes()
    for arrival in Crowd(plan_of(Phase(name="a", duration=10, rate=50))).arrivals():
        assert communes[arrival.commune].province == arrival.province
        assert arrival.province in ("01", "79", "11")
