"""A duration that a record bounds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """How long something took, as far as the record tells.

    Attributes:
        seconds: Until the first moment at which the record shows it; None where it never came, or can't be told.
        low: The earliest that it can have been, seconds.
        high: The latest, seconds.
        why: Why there are no seconds; or what they are about.
        never: Whether the record shows that it never came.
    """

    seconds: float | None
    low: float | None
    high: float | None
    why: str = ""
    never: bool = False


def unknown(why: str) -> Figure:
    """Return a figure about which nothing can be told."""
    return Figure(None, None, None, why)


def precise(seconds: float, why: str = "") -> Figure:
    """Return a figure that the record gives without uncertainty."""
    return Figure(seconds, seconds, seconds, why)
