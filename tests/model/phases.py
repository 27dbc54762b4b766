"""Phases of every kind of curve, for property tests."""

from hypothesis import strategies as st

from model import replay
from model.plan import Day, Phase, Replay, Sine, Spike, Step

RATES = st.floats(0, 200) | st.just(0.0)
DURATIONS = st.floats(0.5, 60)


def replay_of(*arrivals: tuple[float, str, str, str], speed: float = 1.0) -> Replay:
    """Return a replay of (seconds, journey, province, commune) rows."""
    rows = sorted(arrivals, key=lambda row: row[0])
    recording = replay.Recording(tuple(row[0] for row in rows), tuple(replay.Who(*row[1:]) for row in rows))
    return Replay(file="a.csv", speed=speed, recorded=replay.encode(recording))


@st.composite
def spikes(draw: st.DrawFn) -> Phase:
    duration = draw(DURATIONS)
    width = duration * draw(st.floats(0.01, 1))
    at = width / 2 + (duration - width) * draw(st.floats(0, 1))
    return Phase(
        name="p", duration=duration, rate=draw(RATES), curve=Spike(peak=draw(RATES), width=width, at=min(at, duration))
    )


@st.composite
def sines(draw: st.DrawFn) -> Phase:
    rate = draw(RATES)
    wave = Sine(amplitude=rate * draw(st.floats(0, 1)), period=draw(st.floats(0.5, 100)), shift=draw(st.floats(0, 50)))
    return Phase(name="p", duration=draw(DURATIONS), rate=rate, curve=wave)


@st.composite
def steps(draw: st.DrawFn) -> Phase:
    levels = draw(st.lists(RATES, min_size=1, max_size=6))
    widths = draw(st.lists(st.floats(0.1, 10), min_size=len(levels), max_size=len(levels)) | st.just([]))
    return Phase(name="p", duration=draw(DURATIONS), curve=Step(levels=tuple(levels), widths=tuple(widths)))


@st.composite
def days(draw: st.DrawFn) -> Phase:
    weights = draw(st.lists(st.sampled_from([0.0, 0.5, 1.0, 7.0]), min_size=24, max_size=24).filter(any))
    curve = Day(
        weights=tuple(weights),
        factor=draw(st.none() | st.floats(100, 10_000)),
        start=draw(st.sampled_from([0.0, 7.5, 23.0, 23.99])),
    )
    return Phase(name="p", duration=draw(DURATIONS), rate=draw(RATES), curve=curve)


@st.composite
def replays(draw: st.DrawFn) -> Phase:
    duration, speed = draw(DURATIONS), draw(st.sampled_from([0.5, 1.0, 3.0]))
    times = draw(st.lists(st.floats(0, 1).map(lambda share: round(share * duration * speed, 3)), max_size=60))
    times = [time for time in times if time / speed <= duration]
    who = st.sampled_from([("track", "", ""), ("process", "79", ""), ("track", "01", "00004")])
    return Phase(name="p", duration=duration, curve=replay_of(*((time, *draw(who)) for time in times), speed=speed))


lines = st.builds(Phase, name=st.just("p"), duration=DURATIONS, rate=RATES, to=st.none() | RATES)
smooth = lines | spikes() | sines() | steps() | days()
phases = smooth | replays()
