"""Communes that aren't connected to the National Portal yet: "most" were in July 2025 [S4], so some weren't."""

import random
from collections.abc import Iterable

from model import places


def drawn(share: float, provinces: Iterable[str], seed: int) -> list[str]:
    """Draw a share of the provinces' communes: rounded, one at least; the same seed gives the same ones."""
    known = places.provinces()
    communes = [commune.code for code in provinces if code in known for commune in places.communes_of(code)]
    count = min(len(communes), max(1, round(share * len(communes))))
    return sorted(random.Random(f"{seed}:unconnected").sample(communes, count))
