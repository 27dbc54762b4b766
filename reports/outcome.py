"""What an indicator says about one place, and which place decides."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from reports.statistics import VERDICTS, Verdict


@dataclass(frozen=True, slots=True)
class Outcome:
    """An indicator's figures for one place against its target.

    Attributes:
        verdict: Of this place.
        place: Province code; None: the nation together.
        observed: Seconds, share or count; None: infinite, or nothing was measured.
        low: One-sided 95 % bound from below, or ``observed`` where nothing is estimated.
        high: The same from above.
        samples: Requests, arrivals, steps or faults that were looked at.
        note: What was seen, for people.
        badness: Orders places of the same verdict; the highest is the worst.
        peers: Other places with the same verdict.
    """

    verdict: Verdict
    place: str | None
    observed: float | None
    low: float | None
    high: float | None
    samples: int
    note: str
    badness: float = float("inf")
    peers: int = 0

    @property
    def reason(self) -> str:
        """The note with the place in front, and how many others share its verdict."""
        where = "" if self.place is None else f"province {self.place or 'unknown'} "
        others = f"; {self.peers} more province{'s' * (self.peers > 1)} {self.verdict}" if self.peers else ""
        return f"{where}{self.note}{others}"


def exact(verdict: Verdict, place: str | None, observed: float | None, samples: int, note: str) -> Outcome:
    """Make the outcome of something that is counted, not estimated: the bounds are the observation."""
    badness = float("inf") if observed is None else observed
    return Outcome(verdict, place, observed, observed, observed, samples, note, badness)


def nothing(place: str | None, note: str, samples: int = 0) -> Outcome:
    """Make the outcome of a place about which nothing can be said."""
    return Outcome("inconclusive", place, None, None, None, samples, note)


def worst_of(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the outcome that decides: the worst verdict, then the worst figure, then the first place."""
    if not outcomes:
        return nothing(None, "nothing to judge: no province, or no fault, that it is about")
    decisive = max(outcomes, key=lambda outcome: (VERDICTS.index(outcome.verdict), outcome.badness))
    peers = sum(outcome.verdict == decisive.verdict and outcome.place != decisive.place for outcome in outcomes)
    return replace(decisive, peers=peers)


def number(value: float | None) -> str:
    """Write a figure for people; None is infinite."""
    return "infinite" if value is None else f"{value:.4g}"


def seconds(value: float | None) -> str:
    """Write a duration for people; None is infinite."""
    return "infinite" if value is None else f"{value:.4g} s"
