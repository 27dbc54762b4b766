"""JSON as the real server reads it: keys match in any case, unknown ones are ignored, null leaves the default.

Integers are strict: neither ``1.0`` nor ``true`` is one, and they have 64 bits. What follows the first value is
ignored.
"""

import json
from collections.abc import Mapping
from typing import Any

from faults.embedded.errors import error

INT64 = range(-(2**63), 2**63)

Pairs = list[tuple[str, Any]]


class Object:
    """A JSON object, its keys in order and in any case, repeated ones included."""

    def __init__(self, pairs: Pairs) -> None:
        self.pairs = pairs


def parse(body: bytes) -> Any:
    """Return the first JSON value of a body; objects as ``Object``. Raises ApiError 400."""
    decoder = json.JSONDecoder(object_pairs_hook=Object, parse_constant=_refuse)
    try:
        return decoder.raw_decode(body.decode().lstrip())[0]
    except (ValueError, RecursionError) as problem:
        raise error("body", str(problem) or "invalid") from None


def fields(value: Any, types: Mapping[str, type]) -> dict[str, Any]:
    """Return those of the named fields that an object has and that aren't null; raises ApiError 400."""
    if value is None:
        return {}
    if not isinstance(value, Object):
        raise error("body", f"cannot unmarshal {_kind(value)} into an object")
    found: dict[str, Any] = {}
    for key, item in value.pairs:
        name = key.lower()
        if name in types and item is not None:
            found[name] = _typed(name, item, types[name])
    return found


def _typed(name: str, item: Any, wanted: type) -> Any:
    if wanted is float and isinstance(item, int) and not isinstance(item, bool):
        return float(item)
    fits = isinstance(item, wanted) and not (wanted is int and (isinstance(item, bool) or item not in INT64))
    if not fits:
        raise error("body", f"cannot unmarshal {_kind(item)} into field {name} of type {wanted.__name__.lower()}")
    return item


def _kind(item: Any) -> str:
    names = {bool: "bool", int: "number", float: "number", str: "string", list: "array", Object: "object"}
    return names.get(type(item), "null")


def _refuse(constant: str) -> None:
    raise ValueError(f"invalid character in {constant}")
