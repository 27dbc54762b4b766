"""JSON as the real server reads and writes it.

Reading: keys match in any case, unknown ones are ignored, null leaves the default, what follows the first value is
ignored. Integers are strict: neither ``1.0`` nor ``true`` is one, and they have 64 bits; floats have 32.

Writing: no spaces, ``<``, ``>`` and ``&`` escaped, floats with as few digits as 32 bits need.
"""

import codecs
import json
import math
import re
import struct
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from faults.embedded.errors import ApiError, error

INT64 = range(-(2**63), 2**63)
SPACE = " \t\r\n"
SURROGATE = re.compile("[\ud800-\udfff]")
ESCAPED = str.maketrans({char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"})
LONG_S = "\u017f"  # Go folds it to s
NAMES = {bool: "bool", str: "string", list: "array"}

Pairs = list[tuple[str, Any]]


class Object:
    """A JSON object, its keys in order and in any case, repeated ones included."""

    def __init__(self, pairs: Pairs) -> None:
        self.pairs = pairs


class Number(str):
    """A JSON number, as it was written."""

    __slots__ = ()


def parse(body: bytes) -> Any:
    """Return the first JSON value of a body; objects as ``Object``, numbers as ``Number``. Raises ApiError 400."""
    decoder = json.JSONDecoder(
        object_pairs_hook=Object, parse_int=Number, parse_float=Number, parse_constant=_refuse_constant
    )
    try:
        return decoder.raw_decode(body.decode("utf-8", "each-byte").lstrip(SPACE))[0]
    except (ValueError, RecursionError) as problem:
        raise error("body", str(problem) or "invalid") from None


def fields(value: Any, types: Mapping[str, type]) -> dict[str, Any]:
    """Return those of the named fields that an object has and that aren't null; raises ApiError 400."""
    found, problem = some_fields(value, types)
    if problem:
        raise problem
    return found


def some_fields(value: Any, types: Mapping[str, type]) -> tuple[dict[str, Any], ApiError | None]:
    """Return the fields that are good, and what is wrong with the first that isn't."""
    if value is None:
        return {}, None
    if not isinstance(value, Object):
        return {}, error("body", f"cannot unmarshal {_kind(value)} into an object")
    found: dict[str, Any] = {}
    problem: ApiError | None = None
    for key, item in value.pairs:
        name = key.lower().replace(LONG_S, "s")
        if name in types and item is not None:
            try:
                found[name] = _typed(name, item, types[name])
            except ApiError as wrong:
                problem = problem or wrong
    return found, problem


def dumps(value: Any) -> str:
    """Write a value as the real server does."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{dumps(key)}:{dumps(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dumps, value)) + "]"
    if isinstance(value, float):
        return _float(value)
    return json.dumps(value, ensure_ascii=False).translate(ESCAPED)


def _float(value: float) -> str:
    """Write a float of 32 bits with the fewest digits that give it back."""
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    text = next(text for digits in range(9) if _to_32_bits(float(text := f"{value:.{digits}e}")) == value)
    if _to_32_bits(1e-6) <= abs(value) < _to_32_bits(1e21):
        return format(Decimal(text), "f")
    return text.replace("e-0", "e-")


def _typed(name: str, item: Any, wanted: type) -> Any:
    """Return a field's value; raises ApiError 400 where it isn't of the wanted type."""
    if isinstance(item, Number):
        value = _number(item, wanted)
    elif isinstance(item, str) and wanted is str:
        value = SURROGATE.sub("\ufffd", item)
    else:
        value = item if type(item) is wanted else None
    if value is None:
        raise error("body", f"cannot unmarshal {_kind(item)} into field {name} of type {wanted.__name__.lower()}")
    return value


def _number(literal: Number, wanted: type) -> Any:
    """Return a number of the wanted type, None where it isn't one."""
    try:
        if wanted is float:
            return _to_32_bits(float(literal))
        if wanted is int and (number := int(literal)) in INT64:
            return number
    except (ValueError, OverflowError):
        pass
    return None


def _to_32_bits(number: float) -> float:
    """Round to 32 bits; raises OverflowError where it is too large for them."""
    if math.isinf(number):
        raise OverflowError
    return float(struct.unpack("<f", struct.pack("<f", number))[0])


def _kind(item: Any) -> str:
    return "number" if isinstance(item, Number) else NAMES.get(type(item), "object")


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"invalid character in {constant}")


def _each_byte(problem: UnicodeError) -> tuple[str, int]:
    """Replace every byte that isn't UTF-8."""
    assert isinstance(problem, UnicodeDecodeError)
    return "\ufffd", problem.start + 1


codecs.register_error("each-byte", _each_byte)
