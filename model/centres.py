"""Public-service centres (Trung tâm phục vụ hành chính công): whose desk a dossier is on, in either topology.

*Two levels*: the provincial centre decides the province's procedures, each commune's centre its commune's. *One level*:
one centre of the province with branches (chi nhánh); every dossier is the centre's, and any branch goes on with what
another one took in. Hanoi and Quảng Ninh have one level [P].
"""

from functools import cache

from model import places, procedures
from model.procedures import Level

ONE_LEVEL = ("01", "22")
"""Provinces with a one-level centre: Hanoi, Quảng Ninh [P]."""

COMMUNES_OF_A_BRANCH = 12
"""Communes that one branch serves [A]."""


def centre(province: str) -> str:
    """Name a province's centre, which is also its desk."""
    return f"H{province}"


def desk_of(one_level: bool, province: str, commune: str, level: Level) -> str:
    """Name the desk that decides a dossier.

    Args:
        one_level: The province's topology.
        province: Its code.
        commune: Code of the commune that the dossier is for.
        level: Who decides the procedure where there are two levels.
    """
    return centre(province) if one_level or level == "tỉnh" else f"{centre(province)}.{commune}"


def branches(province: str) -> tuple[str, ...]:
    """Name the branches of a one-level centre: where people are received, and no desks of their own."""
    count = -(-len(places.communes_of(province)) // COMMUNES_OF_A_BRANCH)
    return tuple(f"{centre(province)}-CN{number:02d}" for number in range(1, count + 1))


def desk_of_officer(one_level: bool, province: str, place: str) -> str | None:
    """Return the desk at which an officer works, None where the province has no such place.

    Args:
        one_level: The province's topology.
        province: Its code.
        place: A commune's code, a centre or a branch. In a one-level province a commune's reception point belongs to
            the centre.
    """
    if place == centre(province) or (one_level and place in branches(province)):
        return centre(province)
    commune = places.communes().get(place)
    if commune is None or commune.province != province:
        return None
    return centre(province) if one_level else f"{centre(province)}.{place}"


@cache
def decided_by(level: Level) -> frozenset[str]:
    """Return the codes of the procedures that a level decides where there are two."""
    return frozenset(code for code, procedure in procedures.procedures().items() if procedure.level == level)
