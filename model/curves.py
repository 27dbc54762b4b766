"""Rate curves: arrivals per second as a pure function of the seconds since a phase began.

Each curve has a rate λ, its integral Λ in closed form, and the inverse of that: arrival number y is due at Λ⁻¹(y).
The schedule, the live view, the dry run and the verdict all ask the same curve. Arguments outside the phase count
as its nearest end.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle, islice, pairwise
from typing import Protocol

HOURS = 24
"""Weights of a day."""

DAY = 86_400.0
"""Seconds."""

RESOLUTION = 1e-9
"""Seconds to which an inverse without a closed form is found."""

_POINTS = 600
"""Points that draw a curve which isn't made of straight lines."""


class Curve(Protocol):
    """Arrivals per second over a phase.

    Attributes:
        duration: Seconds.
        peak: Arrivals per second that it doesn't exceed.
    """

    duration: float
    peak: float

    def rate(self, x: float) -> float:
        """Return λ(x): arrivals per second, ``x`` seconds into the phase."""

    def integral(self, x: float) -> float:
        """Return Λ(x) = ∫₀ˣ λ: arrivals expected in the first ``x`` seconds."""

    def inverse(self, y: float) -> float:
        """Return Λ⁻¹(y): the first second by which ``y`` arrivals are due."""

    def points(self) -> Iterator[tuple[float, float]]:
        """Yield (seconds, arrivals per second) to draw straight lines between, from the phase's start to its end."""


class Lines:
    """Straight pieces one after the other, with or without jumps between them.

    In a piece that begins at xᵢ with rate a and slope s, after Λᵢ arrivals, with u = x - xᵢ:

          rate
          b ┤    ╱┊       λ(x)   = a + s·u
            ┤  ╱  ┊       Λ(x)   = Λᵢ + a·u + s·u²/2
          a ┤╱    ┊       Λ⁻¹(y) = xᵢ + 2v / (a + √(a² + 2·s·v)),  v = y - Λᵢ
            └┴────┴─ x
             xᵢ

    Attributes:
        duration: Seconds.
        peak: Arrivals per second that it doesn't exceed.
    """

    def __init__(self, pieces: Iterable[tuple[float, float, float]]) -> None:
        """Join pieces, each given as (seconds, rate at its start, rate at its end)."""
        self._pieces = [piece for piece in pieces if piece[0] > 0]
        self._starts, self._sums = [0.0], [0.0]
        for width, first, last in self._pieces:
            self._starts.append(self._starts[-1] + width)
            self._sums.append(self._sums[-1] + width * (first + last) / 2)
        self._slopes = [(last - first) / width for width, first, last in self._pieces]
        self.duration = self._starts[-1]
        self.peak = max(max(first, last) for _, first, last in self._pieces)

    def rate(self, x: float) -> float:
        """Return λ(x); at a jump, the rate after it."""
        x, piece = self._find(x)
        return self._pieces[piece][1] + self._slopes[piece] * (x - self._starts[piece])

    def integral(self, x: float) -> float:
        """Return Λ(x)."""
        x, piece = self._find(x)
        if x == self.duration:
            return self._sums[-1]
        u = x - self._starts[piece]
        return self._sums[piece] + u * (self._pieces[piece][1] + self._slopes[piece] * u / 2)

    def inverse(self, y: float) -> float:
        """Return Λ⁻¹(y)."""
        y = min(y, self._sums[-1])
        if y <= 0:
            return 0.0
        piece = bisect_left(self._sums, y) - 1
        width, first, _ = self._pieces[piece]
        v, slope = y - self._sums[piece], self._slopes[piece]
        root = math.sqrt(max(first * first + 2 * slope * v, 0.0)) if slope else first
        divisor = first + root  # 0 where rates are so small that their squares vanish
        return self._starts[piece] + (min(2 * v / divisor, width) if divisor > 0 else width)

    def points(self) -> Iterator[tuple[float, float]]:
        """Yield both ends of every piece."""
        for (start, stop), (_, first, last) in zip(pairwise(self._starts), self._pieces, strict=True):
            yield start, first
            yield stop, last

    def _find(self, x: float) -> tuple[float, int]:
        x = min(max(x, 0.0), self.duration)
        return x, min(bisect_right(self._starts, x), len(self._pieces)) - 1


def ramp(duration: float, rate: float, to: float) -> Lines:
    """Return a straight line from ``rate`` to ``to``; a constant where they are the same.

    to ┤      ╱
       ┤   ╱            λ(x) = rate + (to - rate)·x/duration
    rate ┤╱
       └──────── x
    """
    return Lines([(duration, rate, to)])


def step(duration: float, levels: Sequence[float], widths: Sequence[float] = ()) -> Lines:
    """Return a staircase: each level in its turn, equally long, or by ``widths`` relative to each other.

    ┤     ┌──┐
    ┤  ┌──┘  │       λ(x) = levels[i] while x is in stair i
    ┤──┘     └──     stair i lasts duration·widths[i]/Σ widths
    └─────────── x
    """
    shares = widths or [1.0] * len(levels)
    unit = duration / sum(shares)
    return Lines((share * unit, level, level) for share, level in zip(shares, levels, strict=True))


def spike(duration: float, rate: float, peak: float, at: float, width: float) -> Lines:
    """Return a triangle on a constant: from ``rate`` up to ``peak`` at second ``at``, and down again.

    peak ┤      ╱╲
       ┤     ╱  ╲       λ(x) = rate + (peak - rate)·max(0, 1 - |x - at|/(width/2))
    rate ┤────╱    ╲──    Λ(duration) = rate·duration + (peak - rate)·width/2
       └───────┴──── x
               at
    """
    half = width / 2
    return Lines(
        [
            (at - half, rate, rate),
            (half, rate, peak),
            (half, peak, rate),
            (duration - at - half, rate, rate),
        ]
    )


def day(duration: float, rate: float, weights: Sequence[float], factor: float, start: float = 0.0) -> Lines:
    """Return a day of 24 hourly weights, ``factor`` times as fast, from hour ``start`` on, round and round.

    ┤   ┌┐ ┌┐        λ(x) = rate·weights[h]/w̄ in hour h = ⌊start + x·factor/3600⌋ mod 24
    ┤  ┌┘└─┘│        w̄ = Σ weights/24, so that ``rate`` is the mean of a whole day;
    ┤──┘    └──      constant within an hour: every hour gets exactly its share
    └─────────── x
    """
    mean, hour = sum(weights) / HOURS, DAY / HOURS / factor
    pieces, left, width = [], duration, hour * (1 - start % 1)
    for weight in islice(cycle(weights), int(start) % HOURS, None):
        pieces.append((min(width, left), rate * weight / mean, rate * weight / mean))
        left, width = left - width, hour
        if left <= 0:
            break
    return Lines(pieces)


class Sine:
    """A wave around a mean.

           ┤ ╭─╮   ╭─╮       λ(x) = mean + amplitude·sin(ω·(x - shift)),  ω = 2π/period
      mean ┤╯   ╲ ╱   ╲      Λ(x) = mean·x + (amplitude/ω)·(cos(ω·shift) - cos(ω·(x - shift)))
           ┤     ╰     ╰
           └──────────── x   Λ⁻¹(y) by Newton's method inside a bracket, to 1 ns

    Attributes:
        duration: Seconds.
        peak: Arrivals per second that it doesn't exceed.
    """

    def __init__(self, duration: float, mean: float, amplitude: float, period: float, shift: float = 0.0) -> None:
        """Make a wave; ``amplitude`` is at most ``mean``."""
        self.duration = duration
        self.peak = mean + amplitude
        self._mean, self._amplitude = mean, amplitude
        self._omega, self._shift = math.tau / period, shift
        self._swing = amplitude / self._omega
        self._offset = math.cos(self._omega * shift)

    def rate(self, x: float) -> float:
        """Return λ(x)."""
        x = min(max(x, 0.0), self.duration)
        return max(self._mean + self._amplitude * math.sin(self._omega * (x - self._shift)), 0.0)

    def integral(self, x: float) -> float:
        """Return Λ(x)."""
        x = min(max(x, 0.0), self.duration)
        return self._mean * x + self._swing * (self._offset - math.cos(self._omega * (x - self._shift)))

    def inverse(self, y: float) -> float:
        """Return Λ⁻¹(y)."""
        if y <= 0 or self._mean == 0:
            return 0.0
        guess, reach = y / self._mean, 2 * self._swing / self._mean
        low, high = max(guess - reach, 0.0), min(guess + reach, self.duration)
        x = min(guess, high)
        while high - low > RESOLUTION:
            angle = self._omega * (x - self._shift)
            miss = self._mean * x + self._swing * (self._offset - math.cos(angle)) - y
            rate = self._mean + self._amplitude * math.sin(angle)
            low, high = (low, x) if miss > 0 else (x, high)
            newton = x - miss / rate if rate > 0 else math.inf
            if abs(newton - x) < RESOLUTION:
                break
            x = newton if low < newton < high else (low + high) / 2
        return x

    def points(self) -> Iterator[tuple[float, float]]:
        """Yield evenly spaced points."""
        for number in range(_POINTS + 1):
            x = self.duration * number / _POINTS
            yield x, self.rate(x)


class Recorded:
    """Arrivals as they were recorded: Λ is a staircase with a stair per arrival.

             ┤      ┌──   Λ(x)   = number of moments before x (all of them, at the phase's end)
             ┤  ┌┬──┘     Λ⁻¹(y) = the moment of arrival ⌈y⌉, counted from 1
             ┤──┘         λ(x)   = arrivals in the whole second around x: for people to look at, since the
             └───────── x          derivative of a staircase is 0 or nothing

    Attributes:
        duration: Seconds.
        peak: Arrivals of the busiest second.
    """

    def __init__(self, duration: float, moments: Sequence[float]) -> None:
        """Take ``moments``, ascending, in seconds from the phase's start."""
        self.duration = duration
        self._moments = moments
        starts = {math.floor(moment) for moment in moments}
        self.peak = max((self.rate(start) for start in starts), default=0.0)

    def rate(self, x: float) -> float:
        """Return the arrivals in the whole second around ``x``."""
        second = math.floor(x)
        return float(bisect_left(self._moments, second + 1) - bisect_left(self._moments, second))

    def integral(self, x: float) -> float:
        """Return Λ(x)."""
        return float(len(self._moments) if x >= self.duration else bisect_left(self._moments, x))

    def inverse(self, y: float) -> float:
        """Return Λ⁻¹(y)."""
        return self._moments[self.index(y)] if y > 0 and self._moments else 0.0

    def index(self, y: float) -> int:
        """Return the position, from 0, of the arrival that is due when ``y`` are."""
        return min(math.ceil(y), len(self._moments)) - 1

    def points(self) -> Iterator[tuple[float, float]]:
        """Yield a staircase of the mean rates of equally long stretches, of whole seconds where that is fine enough."""
        stretches = min(math.ceil(self.duration), _POINTS)
        edges = [self.duration * number / stretches for number in range(stretches)] + [self.duration]
        for start, stop in pairwise(edges):
            rate = (self.integral(stop) - self.integral(start)) / (stop - start)
            yield start, rate
            yield stop, rate
