"""``--set key=value``: change one value of a campaign before it is checked.

The key is a path of TOML keys with dots between them; an item of a list goes by its number from 0, or its name or
id: ``phases.surge.rate``. The value is TOML; a word that isn't TOML stands for itself: ``load.gaps=constant``.
"""

import tomllib
from typing import Any

from model.shape import Problem, did_you_mean, shown
from model.toml_lines import KeyPath


class OverrideError(Exception):
    """An override can't be applied.

    Attributes:
        problem: Why.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.what)
        self.problem = problem


def apply(data: dict[str, Any], override: str) -> KeyPath:
    """Change ``data`` by one ``key=value`` and return the path that changed; raises OverrideError."""
    key, sign, value = override.partition("=")
    parts = _parts(key.strip())
    if not sign or not parts:
        raise OverrideError(Problem((), "isn't key=value", "write it like load.scale=0.5"))
    path: KeyPath = ()
    target: Any = data
    for part in parts[:-1]:
        step = _step(target, part, path)
        if isinstance(target, dict):
            target.setdefault(step, {})
        target, path = target[step], (*path, step)
    last = _step(target, parts[-1], path)
    target[last] = _value(value.strip())
    return (*path, last)


def _step(target: object, part: str, path: KeyPath) -> str | int:
    if isinstance(target, dict):
        return part
    if not isinstance(target, list):
        raise OverrideError(Problem((*path, part), f"{shown(target)} has no keys", "shorten the key"))
    names = [name_of(item) for item in target]
    if part in names:
        return names.index(part)
    if part.isascii() and part.isdigit() and int(part) < len(target):
        return int(part)
    known = (name for name in names if name is not None)
    raise OverrideError(Problem((*path, part), "no such item", did_you_mean(part, known)))


def name_of(item: object) -> str | None:
    """Return the name or id of an item of a list of tables, None where it has none."""
    name = item.get("name", item.get("id")) if isinstance(item, dict) else None
    return name if isinstance(name, str) else None


def _parts(key: str) -> list[str]:
    """Split a dotted key as TOML does; one that isn't TOML, at its dots."""
    try:
        found: Any = tomllib.loads(f"{key} = 0")
    except (ValueError, RecursionError):
        return [part for part in key.split(".") if part]
    parts = []
    while isinstance(found, dict) and len(found) == 1:
        ((part, found),) = found.items()
        parts.append(part)
    return parts if found == 0 else []


def _value(text: str) -> object:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return parsed["value"] if parsed.keys() == {"value"} else text
