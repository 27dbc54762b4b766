"""Steady state: whether the systems are healthy enough, just before the first fault, to learn anything from it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from harness.live import Requests
from model.histogram import seconds_of
from model.plan import Plan

LOOK_BEFORE = 0.5
"""Seconds before the first fault is due at which it is decided."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found.

    Attributes:
        samples: Requests that were looked at.
        availability: Share of them that succeeded, 0 without any.
        response_p95: Seconds within which 95 % were answered; None where that many weren't, or without any.
        reasons: Why it isn't steady, a sentence each; empty where it is.
    """

    samples: int
    availability: float
    response_p95: float | None
    reasons: tuple[str, ...]

    @property
    def steady(self) -> bool:
        """Whether it is steady."""
        return not self.reasons


class Steady:
    """Looks at the requests that were due in the window before the first fault.

    Attributes:
        at: Seconds from t0 at which it is decided.
    """

    def __init__(self, plan: Plan) -> None:
        first = min(fault.start for fault in plan.faults)
        self.at = first - LOOK_BEFORE
        self._rule = plan.steady_state
        self._since = first - self._rule.window
        self._answered: Counter[int] = Counter()
        self._failed = 0

    def take(self, seen: Iterable[Requests]) -> None:
        """Count requests."""
        for requests in seen:
            if requests.second + 1 <= self._since:
                continue
            if requests.ok:
                self._answered[requests.bucket] += requests.count
            else:
                self._failed += requests.count

    def judge(self) -> Finding:
        """Say whether it is steady; a failed request was never answered."""
        samples = self._answered.total() + self._failed
        availability = self._answered.total() / samples if samples else 0.0
        p95 = self._quantile(0.95 * samples)
        return Finding(samples, availability, p95, tuple(self._reasons(samples, availability, p95)))

    def _quantile(self, wanted: float) -> float | None:
        for bucket in sorted(self._answered):
            wanted -= self._answered[bucket]
            if wanted <= 0:
                return seconds_of(bucket)
        return None

    def _reasons(self, samples: int, availability: float, p95: float | None) -> list[str]:
        rule = self._rule
        if samples < rule.samples:
            return [f"{samples} requests in the {rule.window:g} s before the first fault, {rule.samples} needed"]
        reasons = []
        if availability < rule.availability:
            reasons.append(f"{availability:.1%} of the requests succeeded, {rule.availability:.1%} needed")
        if p95 is None:
            reasons.append("95 % of the requests weren't answered at all")
        elif p95 > rule.response_p95:
            reasons.append(f"95 % of the requests took up to {p95:.3g} s, {rule.response_p95:g} s allowed")
        return reasons
