"""Measurements without the hiccups of a busy machine, for tests of what is compared with them."""

from typing import Any

from faults.life import Life
from faults.part import Part
from faults.probe import Measurement, probe

QUICK = 0.05  # seconds that a whole reply takes at most, where nothing is broken and the machine isn't busy
TRIES = 10
LONG = 20.0  # seconds: longer than a machine stands still


def prepared(life: Life) -> Life:
    """Measure the healthy targets, again where a hiccup is in it: a proof compares with it."""
    for part in life._sample:
        _prepare(part)
    return life


def _prepare(part: Part) -> None:
    seen: list[Measurement | None] = []
    while len(seen) < TRIES and not (seen and _calm(seen[-1])):
        part._prepared = False
        part.prepare()
        seen.append(part._healthy)
    part._healthy = min(seen, key=_by_speed)


def calm_probe(address: str, seconds: float, **more: Any) -> Measurement:
    """Probe; where that isn't quick, return the quickest of three: a hiccup delays one of them, a fault each.

    Who is asked again has long to answer: silence that ends isn't a fault's.
    """
    seen = [probe(address, seconds, **more)]
    while len(seen) < 3 and not _calm(seen[-1]):
        seen.append(probe(address, max(seconds, LONG), **more))
    return min(seen, key=_by_speed)


def _calm(seen: Measurement | None) -> bool:
    """Tell a whole reply that was quick, or a count, however long it took, in which nothing was struck."""
    if seen is None or not seen.ok:
        return False
    return seen.detail.get("struck") == 0 or bool(seen.detail.get("newest")) or seen.seconds < QUICK


def _by_speed(seen: Measurement | None) -> tuple[bool, bool, float]:
    return (not _calm(seen), seen is None or not seen.ok, seen.seconds if seen else 0.0)
