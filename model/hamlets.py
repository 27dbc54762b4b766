"""Hamlets of split communes: by the hamlet (thôn, tổ dân phố) that an applicant names, the right successor is known.

Which hamlet went to which commune isn't in our data. The hamlets here are invented [A]: every successor of a split
unit took over ``EACH`` of them, numbered through the unit.
"""

from model.places import LegacyUnit

EACH = 2
"""Hamlets that each successor took over [A]."""


def hamlets(unit: LegacyUnit) -> dict[str, str]:
    """Return the hamlets of an old unit, each with its successor's code; none where the unit wasn't split."""
    if len(unit.successors) < 2:
        return {}
    word = "Thôn" if unit.name.startswith("Xã") else "Tổ dân phố"
    count = EACH * len(unit.successors)
    return {f"{word} {number + 1}": unit.successors[number % len(unit.successors)] for number in range(count)}


def successor(unit: LegacyUnit, hamlet: str) -> str | None:
    """Return the commune that a place of an old unit is in now; None where the hamlet doesn't tell."""
    if len(unit.successors) == 1:
        return unit.default
    return hamlets(unit).get(hamlet)
