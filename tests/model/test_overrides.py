import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.overrides import OverrideError, apply
from model.toml_lines import KeyPath


def data() -> dict[str, Any]:
    return {
        "name": "x",
        "load": {"scale": 1},
        "phases": [{"name": "base", "rate": 1}, {"name": "surge", "rate": 5}, {"name": "0"}],
        "faults": [{"id": "cut-79", "start": 1}],
        "answers": [1, 2],
        "objectives": [{"name": "p95 of 1.5 s", "target": 1}],
    }


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("load.scale=0.5", ("load", "scale"), 0.5),
        (" load.scale = 0.5 ", ("load", "scale"), 0.5),
        ("phases.surge.rate=80", ("phases", 1, "rate"), 80),
        ("phases.1.rate=80", ("phases", 1, "rate"), 80),
        ("phases.0.rate=80", ("phases", 2, "rate"), 80),
        ("faults.cut-79.duration=3", ("faults", 0, "duration"), 3),
        ("answers.1=7", ("answers", 1), 7),
        ('objectives."p95 of 1.5 s".target=2', ("objectives", 0, "target"), 2),
        ("limits.dropped=0.1", ("limits", "dropped"), 0.1),
        ("load.gaps=constant", ("load", "gaps"), "constant"),
        ("load.gaps='constant'", ("load", "gaps"), "constant"),
        ("name=a=b", ("name",), "a=b"),
        ("name=", ("name",), ""),
        ('stack.provinces=["01", "79"]', ("stack", "provinces"), ["01", "79"]),
        ("stack.provinces=all", ("stack", "provinces"), "all"),
        ("phases.surge={name='s'}", ("phases", 1), {"name": "s"}),
        ("name=1\nseed = 2", ("name",), "1\nseed = 2"),
        ("name=[1,", ("name",), "[1,"),
    ],
)
def test_an_override_sets_one_value(override: str, path: KeyPath, value: object) -> None:
    changed = data()
    assert apply(changed, override) == path
    found: Any = changed
    for part in path:
        found = found[part]
    assert found == value


@pytest.mark.parametrize(
    ("override", "path", "what"),
    [
        ("nonsense", (), "isn't key=value"),
        ("=1", (), "isn't key=value"),
        ("", (), "isn't key=value"),
        (".=1", (), "isn't key=value"),
        ("phases.surg.rate=1", ("phases", "surg"), "no such item"),
        ("phases.9.rate=1", ("phases", "9"), "no such item"),
        ("phases.-1.rate=1", ("phases", "-1"), "no such item"),
        ("answers.x=1", ("answers", "x"), "no such item"),
        ("name.x=1", ("name", "x"), '"x" has no keys'),
        ("load.scale.x.y=1", ("load", "scale", "x"), "1 has no keys"),
    ],
)
def test_an_override_that_does_not_fit_names_its_key(override: str, path: KeyPath, what: str) -> None:
    with pytest.raises(OverrideError) as caught:
        apply(data(), override)
    assert (caught.value.problem.path, caught.value.problem.what) == (path, what)


@given(st.text(), st.text())
def test_any_text_sets_a_value_or_is_an_override_error(key: str, value: str) -> None:
    changed = data()
    try:
        path = apply(changed, f"{key}={value}")
    except OverrideError:
        assert changed.keys() == data().keys()
    else:
        assert path[0] in changed


@given(st.integers(-(10**6), 10**6) | st.floats(allow_nan=False, allow_infinity=False) | st.booleans())
def test_values_are_read_as_toml_reads_them(value: float) -> None:
    changed = data()
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    apply(changed, f"load.scale={text}")
    assert changed["load"]["scale"] == tomllib.loads(f"v = {text}")["v"] == value
