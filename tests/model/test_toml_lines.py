import json
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.toml_lines import KeyPath, lines

keys = st.from_regex(r"[a-z0-9_-]{1,3}", fullmatch=True) | st.text("ab.= \"'#[]é\\", max_size=4)
scalars = st.sampled_from(
    [
        *("1", "-2.5", "inf", "nan", "true", "0x1F", "1979-05-27 07:32:00", "1979-05-27T07:32:00Z", "07:32:00"),
        *('""', "''", '"a # b"', "'[x]'", r'"\" ] = \\"', '"""a"""', "'''\n[x]\n'''", '"""\n\n""q"\\""" = 1\n"""""'),
        *("'''it''s'''''", '"""a \\\n  b"""'),
    ]
)
spaces = st.sampled_from(["", " ", "\n", " # ]}\n", "\n\n\t", "\r\n"])
remarks = st.sampled_from(["", "\n", " # x = 1", "\n# [x]\n", "\r\n\n"])


def quoted(key: str) -> str:
    return key if key and all(char in "abcdefghijklmnopqrstuvwxyz0123456789_-" for char in key) else json.dumps(key)


@st.composite
def arrays(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    items = [draw(spaces) + value + draw(spaces) for value in draw(st.lists(values, max_size=3))]
    trailing = draw(st.booleans())
    comma = "," + draw(spaces) if items and trailing else draw(spaces)
    return "[" + ",".join(items) + comma + "]"


@st.composite
def inline_tables(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    pairs = draw(st.dictionaries(keys, values, max_size=3))
    return "{ " + " , ".join(f"{quoted(key)} = {value}" for key, value in pairs.items()) + " }"


values = st.recursive(scalars, lambda inner: arrays(inner) | inline_tables(inner), max_leaves=6)
dotted = st.lists(keys.map(quoted), min_size=1, max_size=3).map(" . ".join)
headers = st.builds(lambda key, mark: mark.format(key), dotted, st.sampled_from(["[{}]", "[[ {} ]]", " [{}]"]))
pairs = st.builds("{} = {}".format, dotted, values)
statements = st.builds(str.__add__, headers | pairs, remarks)


def is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except ValueError:
        return False
    return True


@st.composite
def documents(draw: st.DrawFn) -> str:
    """TOML, statement by statement: one that would break the document (a key twice) is left out."""
    text = draw(remarks).lstrip(" ")
    for statement in draw(st.lists(statements, max_size=8)):
        longer = f"{text}{statement}\n"
        text = longer if is_toml(longer) else text
    return text


def paths(value: object, above: KeyPath = ()) -> Iterator[KeyPath]:
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*above, key)
        yield from paths(item, (*above, key))


@given(documents())
def test_every_value_of_any_document_has_a_line_of_that_document(text: str) -> None:
    found = lines(text)
    assert set(found) == set(paths(tomllib.loads(text)))
    assert all(1 <= line <= text.count("\n") + 1 for line in found.values())


@given(documents(), st.integers(0, 5))
def test_lines_move_with_what_stands_before(text: str, shift: int) -> None:
    moved = lines("# before\n" * shift + text)
    assert moved == {path: line + shift for path, line in lines(text).items()}


@given(st.lists(values, min_size=1, max_size=5))
def test_a_key_has_the_line_it_was_written_on(written: list[str]) -> None:
    """However many lines the values before it take."""
    text, expected = "[t]\n", {}
    for number, value in enumerate(written):
        expected["t", f"k{number}"] = text.count("\n") + 1
        text += f"k{number} = {value}\n"
    assert expected.items() <= lines(text).items()


@given(st.text())
def test_any_text_ends_and_raises_nothing(text: str) -> None:
    lines(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("# only\n", {}),
        ("a = 1", {("a",): 1}),
        ("\n\na.b = 1\n", {("a",): 3, ("a", "b"): 3}),
        ("[a.b]\nc = 1\n[a]\nd = 2", {("a",): 1, ("a", "b"): 1, ("a", "b", "c"): 2, ("a", "d"): 4}),
        ("[[p]]\n[[p]]\nx = 1", {("p",): 1, ("p", 0): 1, ("p", 1): 2, ("p", 1, "x"): 3}),
        (
            "[[p]]\n[[p.q]]\nx = 1\n[[p]]\n[p.r]\ny = 2",
            {
                ("p",): 1,
                ("p", 0): 1,
                ("p", 0, "q"): 2,
                ("p", 0, "q", 0): 2,
                ("p", 0, "q", 0, "x"): 3,
                ("p", 1): 4,
                ("p", 1, "r"): 5,
                ("p", 1, "r", "y"): 6,
            },
        ),
        ("l = [\n  1,\n  2\n]\nz = 1", {("l",): 1, ("l", 0): 2, ("l", 1): 3, ("z",): 5}),
        (
            "t = { a = 1, b.c = [ 2 ] }",
            {("t",): 1, ("t", "a"): 1, ("t", "b"): 1, ("t", "b", "c"): 1, ("t", "b", "c", 0): 1},
        ),
        ('m = """\n[x]\ny = 1\n"""\nz = 1', {("m",): 1, ("z",): 5}),
        ("a = 1\r\nb = 2\r\n", {("a",): 1, ("b",): 2}),
        ("a = '\u2028\x85'\nb = 2\n", {("a",): 1, ("b",): 2}),
        ('"a.b" = 1\n"\\u0061" = 2', {("a.b",): 1, ("a",): 2}),
    ],
)
def test_literal_documents(text: str, expected: dict[KeyPath, int]) -> None:
    tomllib.loads(text)
    assert lines(text) == expected
