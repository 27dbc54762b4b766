"""Names of communes as they were announced by 25 June 2025 [S1], where they were corrected before 1 July [A].

Which ones were is invented: of every 40th commune the announcement still has the name of a unit that it was formed of,
which is how drafts of the resolutions named them. Codes and successors were announced as they are.
"""

from collections.abc import Mapping
from functools import cache

from model import places

EVERY = 40


@cache
def corrected() -> Mapping[str, str]:
    """Return commune code -> its announced name, kind included, which isn't the one in force."""
    former: dict[str, str] = {}
    for unit in places.legacy().values():
        former.setdefault(unit.default, unit.name)
    names = {code: former[code] for code in list(places.communes())[::EVERY] if code in former}
    return {code: name for code, name in names.items() if name != in_force()[code]}


@cache
def in_force() -> Mapping[str, str]:
    """Return commune code -> its name in force, kind included."""
    return {code: f"{commune.kind} {commune.name}" for code, commune in places.communes().items()}
