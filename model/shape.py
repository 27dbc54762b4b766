"""Whether plain data has the shape of a struct, and if not, where and why.

``msgspec.convert`` decides the same, but names neither the key of a dictionary's bad value nor the key that was
probably meant, and lets nan and inf pass. A test holds the two against each other.
"""

import difflib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import msgspec
from msgspec import inspect

from model.toml_lines import KeyPath

CODES = frozenset({"provinces", "one_level", "mobile", "control"})
"""Keys that hold province codes, which are strings."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with one key.

    Attributes:
        path: Where it is.
        what: What is wrong with it.
        remedy: What to do.
    """

    path: KeyPath
    what: str
    remedy: str


def problems(data: object, struct: type[msgspec.Struct]) -> Iterator[Problem]:
    """Yield what keeps plain data (of TOML) from being a struct, unknown keys of a table first."""
    yield from _any(data, inspect.type_info(struct), ())


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Say which known words are meant: the nearest one, or all (of up to 12) where none is near."""
    choices = sorted(set(known))
    near = difflib.get_close_matches(word, choices, n=1)
    if near:
        return f"did you mean {shown(near[0])}?"
    listed = ", ".join(choices[:12]) + (", …" if len(choices) > 12 else "")
    return f"known: {listed}" if choices else "there are none"


def shown(value: object) -> str:
    """Write a value as a TOML file would, shortened to 60 characters, on one line."""
    text = str(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:59] + "…"


def _any(value: object, kind: inspect.Type, path: KeyPath) -> Iterator[Problem]:
    match kind:
        case inspect.UnionType():
            options = [option for option in kind.types if not isinstance(option, inspect.NoneType)]
            yield from _any(value, options[0], path) if len(options) == 1 else _tagged(value, options, path)
        case inspect.StructType():
            yield from _struct(value, kind, path)
        case inspect.DictType():
            yield from _dict(value, kind, path)
        case inspect.VarTupleType():
            yield from _tuple(value, kind, path)
        case inspect.IntType() | inspect.FloatType():
            yield from _number(value, kind, path)
        case _:
            yield from _word(value, kind, path)


def _struct(value: object, kind: inspect.StructType, path: KeyPath) -> Iterator[Problem]:
    if not isinstance(value, Mapping):
        yield _mismatch(path, value, "a table", f"write [{_header(path)}] and its keys below it")
        return
    fields = {field.encode_name: field for field in kind.fields}
    for key in value:
        if key not in fields:
            yield Problem((*path, key), "unknown key", did_you_mean(str(key), fields))
    for name, field in fields.items():
        if name in value:
            yield from _any(value[name], field.type, (*path, name))
        elif field.required:
            yield Problem((*path, name), "is missing", "add it")


def _tagged(value: object, options: Sequence[inspect.Type], path: KeyPath) -> Iterator[Problem]:
    """Check one of several structs, told apart by the value of one key."""
    structs = {str(option.tag): option for option in options if isinstance(option, inspect.StructType)}
    key = next(iter(structs.values())).tag_field or ""
    tag = value.get(key) if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping):
        yield _mismatch(path, value, "a table", f'write {{ {key} = "…", … }}')
    elif key not in value:
        yield Problem((*path, key), "is missing", did_you_mean("", structs))
    elif not isinstance(tag, str) or tag not in structs:
        yield Problem((*path, key), f"unknown value {shown(tag)}", did_you_mean(str(tag), structs))
    else:
        yield from _struct({name: item for name, item in value.items() if name != key}, structs[tag], path)


def _dict(value: object, kind: inspect.DictType, path: KeyPath) -> Iterator[Problem]:
    if not isinstance(value, Mapping):
        yield _mismatch(path, value, "a table", "write { name = value }")
        return
    for key, item in value.items():
        yield from _any(item, kind.value_type, (*path, str(key)))


def _tuple(value: object, kind: inspect.VarTupleType, path: KeyPath) -> Iterator[Problem]:
    if not isinstance(value, list):
        is_table = isinstance(kind.item_type, inspect.StructType)
        item = shown(value) if isinstance(value, str) else " … "
        yield _mismatch(path, value, "a list", f"write [[{path[-1]}]]" if is_table else f"write [{item}]")
        return
    if len(value) < (kind.min_length or 0):
        yield Problem(path, "is empty", f"give at least {kind.min_length}")
    for index, item in enumerate(value):
        yield from _any(item, kind.item_type, (*path, index))


def _number(value: object, kind: inspect.IntType | inspect.FloatType, path: KeyPath) -> Iterator[Problem]:
    whole = isinstance(kind, inspect.IntType)
    wanted = f"give a {'whole ' if whole else ''}number{_bounds(kind)}"
    if type(value) is not int and (whole or type(value) is not float):
        yield _mismatch(path, value, "a whole number" if whole else "a number", wanted)
    elif not _is_finite(value):
        yield Problem(path, f"{shown(value)} isn't a finite number of 64 bits", wanted)
    elif not _within(value, kind):
        yield Problem(path, f"{shown(value)} isn't allowed", wanted)


def _word(value: object, kind: inspect.Type, path: KeyPath) -> Iterator[Problem]:
    if isinstance(kind, inspect.LiteralType):
        if value not in kind.values:
            yield Problem(path, f"unknown value {shown(value)}", did_you_mean(str(value), map(str, kind.values)))
    elif isinstance(kind, inspect.BoolType):
        if not isinstance(value, bool):
            yield _mismatch(path, value, "true or false", "write it without quotes")
    elif isinstance(kind, inspect.StrType):
        yield from _text(value, kind, path)
    elif isinstance(kind, inspect.DateTimeType | inspect.DateType):
        yield from _moment(value, kind, path)
    elif not isinstance(kind, inspect.AnyType):
        raise TypeError(f"{kind} isn't a type of a plan")


def _text(value: object, kind: inspect.StrType, path: KeyPath) -> Iterator[Problem]:
    if not isinstance(value, str):
        code = type(value) is int and not CODES.isdisjoint(path)
        quoted = f"{value:02d}" if code else str(value)
        yield _mismatch(path, value, "a string", f"write {shown(quoted)}, in quotes")
    elif not (kind.min_length or 0) <= len(value) <= (kind.max_length or math.inf):
        yield Problem(path, f"is {len(value)} characters long", f"give 1 to {kind.max_length or 'more'}")


def _header(path: KeyPath) -> str:
    """Write the header of a table; of one in a list its last name alone."""
    in_list = any(isinstance(part, int) for part in path)
    words = [word if _BARE.fullmatch(word) else shown(word) for word in map(str, path)]
    return words[-1] if in_list else ".".join(words)


def _moment(value: object, kind: inspect.DateTimeType | inspect.DateType, path: KeyPath) -> Iterator[Problem]:
    if isinstance(kind, inspect.DateType):
        if not isinstance(value, date) or isinstance(value, datetime):
            yield _mismatch(path, value, "a date", "write 2025-07-01, without quotes")
    elif not isinstance(value, datetime) or value.tzinfo is None:
        yield _mismatch(path, value, "a time with its offset", "write 2025-07-01T08:00:00+07:00, without quotes")


def _mismatch(path: KeyPath, value: object, wanted: str, remedy: str) -> Problem:
    return Problem(path, f"must be {wanted}, not {_kind_of(value)}", remedy)


def _kind_of(value: object) -> str:
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list):
        return "a list"
    return f"the string {shown(value)}" if isinstance(value, str) else shown(value)


def _is_finite(value: Any) -> bool:
    return math.isfinite(value) if isinstance(value, float) else -(2**63) <= value < 2**63


def _within(value: Any, kind: inspect.IntType | inspect.FloatType) -> bool:
    return (
        (kind.gt is None or value > kind.gt)
        and (kind.ge is None or value >= kind.ge)
        and (kind.lt is None or value < kind.lt)
        and (kind.le is None or value <= kind.le)
    )


def _bounds(kind: inspect.IntType | inspect.FloatType) -> str:
    given = (("above", kind.gt), ("of at least", kind.ge), ("below", kind.lt), ("up to", kind.le))
    words = [f"{word} {bound}" for word, bound in given if bound is not None]
    return " " + " and ".join(words) if words else ""
