"""Rate curves: the integral is what arrives, its inverse is when, its derivative is the rate."""

import math
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from model import curves
from model.plan import Day, Load, Phase, Plan, Sine, Spike, Stack, Step
from tests.model.phases import days, lines, phases, replay_of, replays, sines, smooth, spikes, steps

SHARES = st.floats(0, 1)


@given(lines)
def test_a_line_gives_duration_times_its_mean_rate(phase: Phase) -> None:
    """A constant or ramp: (rate + to)/2 · duration."""
    end = phase.rate if phase.to is None else phase.to
    assert phase.rate is not None
    assert end is not None
    assert phase.arrivals == pytest.approx(phase.duration * (phase.rate + end) / 2)


@given(steps())
def test_a_staircase_gives_the_sum_of_its_stairs(phase: Phase) -> None:
    """Each level, weighted by its width."""
    assert isinstance(phase.curve, Step)
    levels, widths = phase.curve.levels, phase.curve.widths or (1.0,) * len(phase.curve.levels)
    mean = sum(level * width for level, width in zip(levels, widths, strict=True)) / sum(widths)
    assert phase.arrivals == pytest.approx(phase.duration * mean)


@given(spikes())
def test_a_spike_adds_half_its_width_times_its_height(phase: Phase) -> None:
    """rate·duration + (peak - rate)·width/2, wherever it stands."""
    assert isinstance(phase.curve, Spike)
    assert phase.rate is not None
    assert phase.arrivals == pytest.approx(
        phase.rate * phase.duration + (phase.curve.peak - phase.rate) * phase.curve.width / 2, abs=1e-9
    )


@given(sines(), st.integers(1, 5))
def test_a_wave_gives_its_mean_over_whole_periods(phase: Phase, periods: int) -> None:
    """Whatever its shift."""
    assert isinstance(phase.curve, Sine)
    assert phase.rate is not None
    whole = curves.Sine(
        periods * phase.curve.period, phase.rate, phase.curve.amplitude, phase.curve.period, phase.curve.shift
    )
    assert whole.integral(whole.duration) == pytest.approx(phase.rate * whole.duration, abs=1e-9)


@given(days())
def test_a_whole_day_gives_its_mean_from_whatever_hour(phase: Phase) -> None:
    """And every hour of it gets its share."""
    assert isinstance(phase.curve, Day)
    assert phase.rate is not None
    whole = curves.day(2400, phase.rate, phase.curve.weights, 36, phase.curve.start)
    assert whole.integral(2400) == pytest.approx(phase.rate * 2400)
    first = curves.day(2400, phase.rate, phase.curve.weights, 36)
    for hour, weight in enumerate(phase.curve.weights):
        share = first.integral(100 * hour + 100) - first.integral(100 * hour)
        assert share == pytest.approx(phase.rate * 2400 * weight / sum(phase.curve.weights), abs=1e-6)


@given(replays())
def test_a_replay_gives_what_was_recorded(phase: Phase) -> None:
    """Each arrival once, when it was recorded divided by the speed."""
    times = [time / phase.curve.speed for time in phase.curve.recording.times]  # type: ignore[union-attr]  # a replay
    assert phase.arrivals == len(times)
    assert [phase.flow.inverse(number + 0.5) for number in range(len(times))] == times


@given(smooth, SHARES)
def test_the_inverse_of_the_integral_is_the_identity(phase: Phase, share: float) -> None:
    """Λ(Λ⁻¹(y)) = y for every y that the phase reaches, and Λ⁻¹ lies inside the phase."""
    wanted = share * phase.arrivals
    moment = phase.flow.inverse(wanted)
    assert 0 <= moment <= phase.duration * (1 + 1e-12)
    assert phase.flow.integral(moment) == pytest.approx(wanted, rel=1e-6, abs=1e-6)


@given(smooth, SHARES)
def test_the_integral_of_the_inverse_is_the_identity_where_somebody_comes(phase: Phase, share: float) -> None:
    """Λ⁻¹(Λ(x)) = x wherever the rate is above 0."""
    x = share * phase.duration
    assume(phase.flow.rate(x) > 0.1)
    assume(phase.flow.rate(x - 1e-6) > 0.1)
    assert phase.flow.inverse(phase.flow.integral(x)) == pytest.approx(x, abs=1e-6)


@given(phases, SHARES, SHARES)
def test_the_integral_never_falls(phase: Phase, one: float, other: float) -> None:
    """From nothing at the start to all arrivals at the end; so does its inverse."""
    low, high = sorted([one * phase.duration, other * phase.duration])
    assert 0 <= phase.flow.integral(low) <= phase.flow.integral(high) + 1e-9 <= phase.arrivals + 2e-9
    low, high = sorted([one * phase.arrivals, other * phase.arrivals])
    assert phase.flow.inverse(low) <= phase.flow.inverse(high) + 2 * curves.RESOLUTION


@given(smooth, st.floats(0.001, 0.999))
def test_the_rate_is_the_derivative_of_the_integral(phase: Phase, share: float) -> None:
    """Where the curve has no corner."""
    x, h = share * phase.duration, 1e-5
    assume(all(abs(corner - x) > h for corner, _ in phase.flow.points()) or isinstance(phase.curve, Sine))
    slope = (phase.flow.integral(x + h) - phase.flow.integral(x - h)) / (2 * h)
    assert slope == pytest.approx(phase.flow.rate(x), rel=1e-3, abs=1e-3)


@given(phases, SHARES)
def test_no_rate_is_above_the_peak_or_below_0(phase: Phase, share: float) -> None:
    assert 0 <= phase.flow.rate(share * phase.duration) <= phase.flow.peak * (1 + 1e-9) + 1e-9


@given(phases)
def test_a_drawing_goes_from_start_to_end(phase: Phase) -> None:
    """Its lines enclose what arrives."""
    drawn = list(phase.flow.points())
    assert drawn[0][0] == 0
    assert drawn[-1][0] == pytest.approx(phase.duration)
    assert drawn == sorted(drawn, key=lambda point: point[0])
    area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(drawn))
    assert area == pytest.approx(phase.arrivals, rel=0.01, abs=0.5)


def test_curves_have_the_values_of_their_sketches() -> None:
    """Literal values, at corners and between them."""
    stairs = curves.step(8, [10, 20, 40], [1, 1, 2])
    assert [stairs.rate(x) for x in (0, 1.9, 2, 3.9, 4, 8, 9)] == [10, 10, 20, 20, 40, 40, 40]
    needle = curves.spike(10, 5, 105, 4, 2)
    assert [needle.rate(x) for x in (0, 3, 3.5, 4, 4.5, 5, 10)] == pytest.approx([5, 5, 55, 105, 55, 5, 5])
    wave = curves.Sine(60, 10, 4, 20, 5)
    assert [wave.rate(x) for x in (0, 5, 10, 15, 20)] == pytest.approx([6, 10, 14, 10, 6])
    hours = curves.day(24, 12, [*range(24)], 3600, start=22.5)
    assert [hours.rate(x) for x in (0, 0.4, 0.5, 1.5, 2.5)] == pytest.approx(
        [22 * f for f in [12 / 11.5] * 2] + [23 * 12 / 11.5, 0, 12 / 11.5]
    )
    tape = curves.Recorded(3, [0.0, 0.5, 0.5, 2.25, 3.0])
    assert [tape.integral(x) for x in (0, 0.5, 0.6, 1, 2.9, 3)] == [0, 1, 3, 3, 4, 5]
    assert [tape.rate(x) for x in (0, 0.9, 1.5, 2.9)] == [3, 3, 0, 1]
    assert tape.peak == 3


@pytest.mark.parametrize("amplitude", [0.0, 3.0, 10.0])
def test_a_wave_that_touches_0_is_inverted_as_well(amplitude: float) -> None:
    """There Newton's method alone would divide by nothing."""
    wave = curves.Sine(100, 10, amplitude, 10, 0)
    for number in range(1000):
        assert wave.integral(wave.inverse(number + 0.5)) == pytest.approx(number + 0.5, abs=1e-6)


def plan_of(*phases: Phase, scale: float = 1.0) -> Plan:
    return Plan(name="x", phases=phases, load=Load(journeys={"track": 1}, scale=scale), stack=Stack(provinces=("01",)))


def test_a_plan_puts_its_curves_one_after_the_other() -> None:
    """Scaled; nothing before, and nothing after the end."""
    ramp = Phase(name="a", duration=10, rate=0, to=10)
    tape = Phase(name="b", duration=5, curve=replay_of((1.0, "track", "", ""), (4.0, "track", "", "")))
    plan = plan_of(ramp, tape, scale=2)
    assert plan.arrivals == 2 * (50 + 2)
    assert plan.peak == 20
    assert [plan.rate_at(t) for t in (-1, 5, 11, 12.5, 15)] == [0, 10, 2, 0, 0]
    assert plan.arrivals_between(-5, 100) == plan.arrivals
    assert plan.arrivals_between(9, 12) == pytest.approx(2 * (9.5 + 1))
    assert list(plan.points())[:2] == [(0, 0), (10, 20)]


@given(st.lists(phases, min_size=1, max_size=3), st.floats(0.1, 5))
def test_seconds_add_up_to_the_whole(found: list[Phase], scale: float) -> None:
    """Cutting the timeline into seconds neither loses nor doubles an arrival."""
    plan = plan_of(*found, scale=scale)
    parts = sum(plan.arrivals_between(second, second + 1) for second in range(math.ceil(plan.duration)))
    assert parts == pytest.approx(plan.arrivals, abs=1e-6)
