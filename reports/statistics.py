"""What a sample proves: one-sided 95 % bounds on shares and quantiles, and the decision that follows from them.

Shares: exact binomial bounds (Clopper and Pearson, Biometrika 26, 1934), here on effective sample sizes, which needn't
be whole numbers. Failures cluster, so n requests say as much as n / deff independent ones; deff is Kish's design effect
(Survey Sampling, 1965, ch. 5 and 6) over blocks of province × 10 s. Quantiles: order statistics, that is the same
bounds on the share of values at or below a value (David and Nagaraja, Order Statistics, 2003, ch. 7).
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, NamedTuple

Verdict = Literal["pass", "inconclusive", "fail"]
VERDICTS: tuple[Verdict, ...] = ("pass", "inconclusive", "fail")
"""From best to worst."""

CONFIDENCE = 0.95
BLOCK = 10  # seconds


class Bounds(NamedTuple):
    """One-sided 95 % bounds: the truth is at least ``low`` (95 % sure), and at most ``high`` (95 % sure)."""

    low: float
    high: float


class Quantile(NamedTuple):
    """A quantile in seconds with its one-sided 95 % bounds; None is infinite: a failure, slower than any time."""

    observed: float | None
    low: float | None
    high: float | None


class Step(NamedTuple):
    """``hits`` values between ``lower`` and ``upper`` seconds."""

    lower: float
    upper: float
    hits: int


@dataclass(frozen=True, slots=True)
class Clusters:
    """Blocks of requests, summed up: what the design effect needs, in whole numbers.

    Attributes:
        blocks: How many blocks.
        total: Sum of the blocks' sizes m.
        good: Sum of the blocks' successes k.
        good_squared: Sum of k².
        good_total: Sum of k·m.
        total_squared: Sum of m².
    """

    blocks: int
    total: int
    good: int
    good_squared: int
    good_total: int
    total_squared: int

    @classmethod
    def of(cls, blocks: Sequence[tuple[int, int]]) -> "Clusters":
        """Sum up (successes, size) pairs."""
        return cls(
            len(blocks),
            sum(m for _, m in blocks),
            sum(k for k, _ in blocks),
            sum(k * k for k, _ in blocks),
            sum(k * m for k, m in blocks),
            sum(m * m for _, m in blocks),
        )

    @property
    def design_effect(self) -> float:
        """Variance of the share between blocks over the variance that independent requests would have, at least 1.

        With p = k/n it is B/(B-1) · Σ(kᵢ - p·mᵢ)² / (n·p·(1-p)). One block, or no failure, or no success says nothing
        about clustering: then it is 1.
        """
        n, k = self.total, self.good
        if self.blocks < 2 or k in (0, n):
            return 1.0
        spread = n * n * self.good_squared - 2 * n * k * self.good_total + k * k * self.total_squared
        return max(1.0, self.blocks / (self.blocks - 1) * spread / (n * k * (n - k)))


def share_bounds(good: float, total: float, design_effect: float = 1.0) -> Bounds:
    """Bound the share that ``good`` of ``total`` shows; (0, 1) when there is nothing.

    Args:
        good: Successes.
        total: Requests, at least ``good``.
        design_effect: At least 1; both counts are divided by it.
    """
    k, n = good / design_effect, total / design_effect
    return Bounds(_lower(k, n), _upper(k, n))


def quantile(share: float, steps: Sequence[Step], total: int, design_effect: float = 1.0) -> Quantile:
    """Estimate and bound the quantile of durations, failures being slower than any time.

    Args:
        share: Which quantile, in (0, 1).
        steps: Durations of the successes, ascending.
        total: All requests, failures included.
        design_effect: At least 1.
    """
    below = list(accumulate(step.hits for step in steps))

    def first(reaches: Callable[[float, float], float]) -> Step | None:
        n = total / design_effect
        place = bisect_left(below, True, key=lambda hits: reaches(hits / design_effect, n) >= share)
        return steps[place] if place < len(steps) else None

    middle, low, high = first(lambda k, n: k / n), first(_upper), first(_lower)
    return Quantile(
        (middle.lower + middle.upper) / 2 if middle else None,
        low.lower if low else None,
        high.upper if high else None,
    )


def samples_needed(share: float) -> int | None:
    """Return how many independent samples without a failure prove a share; None where no number does (1).

    The smallest n with shareⁿ ≤ 5 %: 59 for 95 %, 299 for 99 %, 2,995 for 99.9 %. A quantile needs as many.
    """
    if share >= 1:
        return None
    if share <= 0:
        return 1
    return math.ceil(math.log(1 - CONFIDENCE) / math.log(share))


def at_least(bounds: Bounds, target: float) -> Verdict:
    """Decide whether the truth reaches a target: pass or fail with 95 % confidence, else inconclusive."""
    if bounds.low >= target:
        return "pass"
    return "fail" if bounds.high < target else "inconclusive"


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the worst verdict; pass when there is none."""
    return max(verdicts, key=VERDICTS.index, default="pass")


def _lower(good: float, total: float) -> float:
    from scipy.special import betaincinv

    return float(betaincinv(good, total - good + 1, 1 - CONFIDENCE)) if good > 0 else 0.0


def _upper(good: float, total: float) -> float:
    from scipy.special import betaincinv

    return float(betaincinv(good + 1, total - good, CONFIDENCE)) if good < total else 1.0
