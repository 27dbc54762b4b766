"""Arrivals on schedule: pure, seeded, and independent of the number of workers."""

import dataclasses
import math
import statistics
from collections import Counter
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from model import places
from model.plan import Load, Phase, Plan, Replay, Sine, Spike, Stack, Step
from model.traffic import province_weights
from scenarios.personas import Crowd, draws
from scenarios.schedule import due_times
from tests.model.phases import phases, replay_of, replays, smooth

TIMELINES = st.lists(phases, min_size=1, max_size=3)


def plan_of(*phases: Phase, gaps: str = "poisson", seed: int = 1, scale: float = 1.0) -> Plan:
    return Plan(
        name="test",
        seed=seed,
        phases=phases,
        load=Load(journeys={"track": 1.0, "process": 1.0}, gaps=gaps, scale=scale),  # type: ignore[arg-type]  # a literal by value
        stack=Stack(provinces=("01", "79", "11")),
    )


@given(st.lists(smooth, min_size=1, max_size=4))
@settings(max_examples=50)
def test_constant_gaps_give_the_integral_rounded(found: list[Phase]) -> None:
    """Over the whole timeline, not phase by phase: nothing is lost at the seams."""
    count = sum(1 for _ in due_times(plan_of(*found, gaps="constant")))
    assert abs(count - sum(phase.arrivals for phase in found)) <= 0.5 + 1e-6


@given(smooth, st.integers(0, 10**6))
@settings(max_examples=50)
def test_constant_gaps_put_arrivals_where_the_integral_passes_the_halves(phase: Phase, pick: int) -> None:
    """Λ(arrival k) = k + ½."""
    due = list(due_times(plan_of(phase, gaps="constant")))
    if due:
        number = pick % len(due)
        assert phase.flow.integral(due[number]) == pytest.approx(number + 0.5, abs=1e-5)


@given(TIMELINES, st.integers(0, 2**31))
@settings(max_examples=50)
def test_due_times_ascend_and_stay_inside_the_schedule(found: list[Phase], seed: int) -> None:
    """Arrivals are due in order, between t0 and the end."""
    plan = plan_of(*found, seed=seed)
    due = list(due_times(plan))
    assert all(later >= earlier - 1e-8 for earlier, later in pairwise(due))
    assert all(0 <= moment <= plan.duration + 1e-9 for moment in due)


@pytest.mark.parametrize(
    "phase",
    [
        Phase(name="p", duration=100, rate=100),
        Phase(name="p", duration=100, rate=0, to=200),
        Phase(name="p", duration=100, rate=50, curve=Spike(peak=1050, at=20, width=10)),
        Phase(name="p", duration=100, rate=100, curve=Sine(amplitude=100, period=30)),
        Phase(name="p", duration=100, curve=Step(levels=(50, 0, 250))),
    ],
    ids=["constant", "ramp", "spike", "sine", "step"],
)
def test_poisson_arrivals_follow_the_curve(phase: Phase) -> None:
    """Their number is the integral within five deviations; Λ of them is a Poisson process of rate 1."""
    due = list(due_times(plan_of(phase)))
    assert abs(len(due) - phase.arrivals) < 5 * math.sqrt(phase.arrivals)
    passed = [phase.flow.integral(moment) for moment in due]
    gaps = [later - earlier for earlier, later in pairwise(passed)]
    assert stats.kstest(gaps, "expon").pvalue > 0.001


def test_no_arrival_in_a_phase_without_rate() -> None:
    """A silent phase stays silent, and the next one starts on time."""
    plan = plan_of(Phase(name="quiet", duration=10, rate=0), Phase(name="loud", duration=10, rate=50))
    due = list(due_times(plan))
    assert due
    assert min(due) >= 10


@given(TIMELINES)
@settings(max_examples=20)
def test_any_split_over_workers_gives_the_same_arrivals(found: list[Phase]) -> None:
    """The multiset of arrivals, with time, journey, place and persona, doesn't depend on how many share them."""
    plan = plan_of(*(found[index] for index in range(len(found))), scale=0.3)
    crowd = Crowd(plan)
    whole = Counter(crowd.arrivals())
    for workers in (2, 4, 7):
        assert whole == Counter(arrival for index in range(workers) for arrival in crowd.arrivals(index, workers))


@given(TIMELINES, st.integers(0, 2**31))
@settings(max_examples=20)
def test_same_seed_same_arrivals(found: list[Phase], seed: int) -> None:
    """A schedule is a function of plan and seed."""
    one, other = (list(Crowd(plan_of(*found, seed=seed, scale=0.3)).arrivals()) for _ in range(2))
    assert one == other


def test_another_seed_gives_other_arrivals() -> None:
    """At other times, from other people."""
    phase = Phase(name="a", duration=10, rate=20)
    one, other = (list(Crowd(plan_of(phase, seed=seed)).arrivals()) for seed in (1, 2))
    assert {arrival.intended for arrival in one}.isdisjoint(arrival.intended for arrival in other)
    assert {arrival.person for arrival in one} != {arrival.person for arrival in other}


def test_scale_multiplies_every_rate() -> None:
    """load.scale = 3 gives three times the arrivals."""
    phase = Phase(name="a", duration=10, rate=20)
    assert sum(1 for _ in due_times(plan_of(phase, gaps="constant", scale=3))) == 600


def test_a_phase_may_have_a_mix_of_its_own() -> None:
    """Everybody joins at eight: only there, and nothing else there."""
    usual = [Phase(name=name, duration=10, rate=20) for name in ("before", "eight", "after")]
    usual[1] = Phase(name="eight", duration=10, rate=20, journeys={"join-meeting": 1})
    joins = [arrival.intended for arrival in Crowd(plan_of(*usual)).arrivals() if arrival.journey == "join-meeting"]
    assert joins
    assert joins == [due for due in due_times(plan_of(*usual)) if 10 <= due < 20]


def test_provinces_and_communes_belong_together() -> None:
    """Every arrival's commune is one of its province, and the province is one of the stack's."""
    communes = places.communes()
    for arrival in Crowd(plan_of(Phase(name="a", duration=10, rate=50))).arrivals():
        assert communes[arrival.commune].province == arrival.province
        assert arrival.province in ("01", "79", "11")


TAPE = replay_of(
    (0.0, "track", "01", "00004"), (0.5, "process", "79", ""), (0.5, "track", "", ""), (3.0, "process", "", "")
)


@pytest.mark.parametrize("gaps", ["poisson", "constant"])
def test_recorded_arrivals_come_exactly_as_recorded(gaps: str) -> None:
    """Whatever the gaps, and between other phases; what wasn't recorded is drawn."""
    before = Phase(name="before", duration=3, rate=7.1)
    after = Phase(name="after", duration=3, rate=7.1)
    plan = plan_of(before, Phase(name="tape", duration=5, curve=TAPE), after, gaps=gaps)
    found = [arrival for arrival in Crowd(plan).arrivals() if 3 <= arrival.intended < 8]
    assert [arrival.intended for arrival in found] == [3.0, 3.5, 3.5, 6.0]
    assert [arrival.journey for arrival in found] == ["track", "process", "track", "process"]
    assert [arrival.province for arrival in found][:2] == ["01", "79"]
    assert found[0].commune == "00004"
    assert all(places.communes()[arrival.commune].province == arrival.province for arrival in found)


@given(replays(), smooth)
@settings(max_examples=30)
def test_a_replay_moves_nobody_else(tape: Phase, phase: Phase) -> None:
    """The other phases get the times that they have without it."""
    alone = [due for due in due_times(plan_of(phase, phase)) if due >= phase.duration]
    count = sum(1 for _ in due_times(plan_of(phase, phase)))
    mixed = list(due_times(plan_of(phase, tape, phase)))
    assert len(mixed) == count + tape.arrivals
    assert mixed[len(mixed) - len(alone) :] == pytest.approx([due + tape.duration for due in alone])


@pytest.mark.parametrize(("scale", "times"), [(0.5, [0, 0.5]), (1, [0, 0.5, 0.5, 3]), (2, [0, 0, *[0.5] * 4, 3, 3])])
def test_scale_leaves_recorded_arrivals_out_or_repeats_them(scale: float, times: list[float]) -> None:
    """At their own times, and each repetition is another person."""
    found = list(Crowd(plan_of(Phase(name="tape", duration=5, curve=TAPE), scale=scale)).arrivals())
    assert [arrival.intended for arrival in found] == times
    assert len({arrival.person for arrival in found}) == len(found)


def test_speed_compresses_a_recording() -> None:
    """Twice as fast, everybody comes in half the time."""
    tape = Replay(file="a.csv", speed=2, recorded=TAPE.recorded)
    assert list(due_times(plan_of(Phase(name="tape", duration=5, curve=tape)))) == [0, 0.25, 0.25, 1.5]


def test_the_draws_of_arrivals_are_spread_evenly_and_independent() -> None:
    """Each of the 8 words is uniform over arrivals; neighbours in word, number and seed don't go together."""
    rows = [[word / 2**53 for word in draws(7, number)] for number in range(20_000)]
    columns = list(zip(*rows, strict=True))
    assert all(0 <= share < 1 for row in rows for share in row)
    assert all(stats.kstest(column, "uniform").pvalue > 1e-4 for column in columns)
    other = [draws(8, number)[0] / 2**53 for number in range(20_000)]
    pairs = [*pairwise(columns), (columns[0], other), (columns[0][1:], columns[0][:-1])]
    assert all(abs(statistics.correlation(one, two)) < 0.04 for one, two in pairs)


def test_personas_follow_their_weights() -> None:
    """Journeys and provinces are drawn in their shares (chi-squared)."""
    arrivals = list(Crowd(plan_of(Phase(name="a", duration=100, rate=200))).arrivals())
    journeys = Counter(arrival.journey for arrival in arrivals)
    assert stats.binomtest(journeys["track"], len(arrivals), 0.5).pvalue > 1e-4
    seen = Counter(arrival.province for arrival in arrivals)
    weights = province_weights(("01", "79", "11"))
    assert stats.chisquare([seen[c] for c in weights], [len(arrivals) * w for w in weights.values()]).pvalue > 1e-4


def test_who_goes_across_the_border_wants_a_commune_of_another_province() -> None:
    """Of each other province of the stack in its turn; nobody else wants one."""
    stack, phases = Stack(provinces=("01", "48", "79")), (Phase(name="p", duration=1, rate=1),)
    load = Load(journeys={"boundary-free": 1, "track": 1})
    crowd = Crowd(Plan(name="p", seed=3, phases=phases, load=load, stack=stack))
    arrivals = [crowd.arrival(number, 0.0) for number in range(300)]
    across = [one for one in arrivals if one.journey == "boundary-free"]
    ways = {(one.province, places.communes()[one.elsewhere].province) for one in across}
    assert ways == {(here, there) for here in stack.provinces for there in stack.provinces if here != there}
    assert {one.elsewhere for one in arrivals if one.journey == "track"} == {""}


def test_a_share_of_the_arrivals_rehearses_always_the_same_ones_everywhere() -> None:
    """By the seed; nothing else about them differs, but that a rehearsal costs nothing."""
    phase = Phase(name="p", duration=10, rate=1)
    plan = plan_of(phase)
    rehearsed = msgspec.structs.replace(plan, load=msgspec.structs.replace(plan.load, test_share=0.2))
    before, after = ([Crowd(made).arrival(number, 0.0) for number in range(5000)] for made in (plan, rehearsed))
    tests = [arrival for arrival in after if arrival.test]
    assert 0.18 < len(tests) / len(after) < 0.22
    assert {arrival.fee for arrival in tests} == {0}
    assert len({arrival.commune for arrival in tests}) > 200
    assert not any(arrival.test for arrival in before)
    kept = [dataclasses.replace(arrival, test=False, fee=0) for arrival in after]
    assert kept == [dataclasses.replace(arrival, fee=0) for arrival in before]
