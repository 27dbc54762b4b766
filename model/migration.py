"""The migration of a campaign: legacy dossiers that move from a staging store into the live register.

Times are seconds from t0, durations seconds, as in ``model.plan``.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated

import msgspec

from model.values import NotNegative, Positive, Value

DOSSIERS_OF_AN_OFFICER = 10
"""Legacy dossiers for each officer whose account moves with them [A]."""


def officers(dossiers: int) -> int:
    """Return how many officers' accounts belong to so many legacy dossiers."""
    return -(-dossiers // DOSSIERS_OF_AN_OFFICER)


class Migration(Value, frozen=True, kw_only=True):
    """District → commune remap, and consolidation of the data of merged provinces.

    Attributes:
        start: Seconds from t0 at which the first province begins.
        provinces: Provinces that migrate, in this order; empty: all of the stack.
        dossiers: Legacy dossiers of each.
        rate: Dossiers per second that each moves.
        batch: Dossiers of one transaction.
        stagger: Seconds from one province's start to the next one's.
    """

    start: NotNegative
    provinces: tuple[str, ...] = ()
    dossiers: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 200
    rate: Positive = 50.0
    batch: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 10
    stagger: NotNegative = 0.0

    def movers(self, stack: Sequence[str]) -> Sequence[str]:
        """Return the provinces that migrate, in their order, given those of the stack."""
        return self.provinces or stack

    def starts(self, stack: Sequence[str]) -> Iterator[tuple[str, float]]:
        """Yield (province, seconds from t0) of every province that migrates, given those of the stack."""
        for number, code in enumerate(self.movers(stack)):
            yield code, self.start + number * self.stagger

    @property
    def accounts(self) -> int:
        """Officers' accounts of each province."""
        return officers(self.dossiers)

    def total(self, stack: Sequence[str]) -> int:
        """Count the legacy dossiers of all provinces that migrate."""
        return self.dossiers * len(self.movers(stack))
