from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.plan import Fault, Load, Objective, Phase, Plan, Spike, Stack, Step, as_builtins
from model.shape import did_you_mean, problems, shown
from model.toml_lines import KeyPath

GOOD = as_builtins(
    Plan(
        name="x",
        phases=(
            Phase(name="p", duration=1, rate=1),
            Phase(name="s", duration=9, rate=1, curve=Spike(peak=5, width=2)),
            Phase(name="w", duration=1, curve=Step(levels=(1, 2), widths=(1, 1))),
        ),
        load=Load(journeys={"track": 1}),
        faults=(Fault(id="f", kind="down", link="a->b", start=0, duration=1, attributes={"latency": 1}),),
        objectives=(Objective(name="o", indicator="sync_lag", target=1, provenance="[A]", quantile=0.9),),
        stack=Stack(provinces=("01",)),
    )
)
junk = st.recursive(
    st.sampled_from([None, True, "", "x", "poisson", 0, 1, -1, 31, 32, 257, 0.5, 1.0, 2.5, -0.1, "a" * 81]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "x"]), inner, max_size=2),
    max_leaves=3,
)


def listed(value: Any) -> Any:
    """Make lists of tuples, as TOML has them, and copies of everything."""
    if isinstance(value, dict):
        return {key: listed(item) for key, item in value.items() if item is not None}
    return [listed(item) for item in value] if isinstance(value, list | tuple) else value


def places(value: Any, above: KeyPath = ()) -> list[KeyPath]:
    items = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    return [(*above, key) for key, _ in items] + [p for key, item in items for p in places(item, (*above, key))]


def parent(data: Any, path: KeyPath) -> Any:
    for part in path[:-1]:
        data = data[part]
    return data


def test_a_whole_plan_has_no_problems() -> None:
    assert list(problems(listed(GOOD), Plan)) == []


@given(st.sampled_from(places(listed(GOOD))), junk)
def test_shape_and_msgspec_agree_on_a_changed_value(path: KeyPath, value: object) -> None:
    """What converts has no problems, what doesn't has one, at or inside the value (or at its parent)."""
    if value is None:
        return
    data = listed(GOOD)
    parent(data, path)[path[-1]] = value
    found = list(problems(data, Plan))
    assert bool(found) == (not converts(data))
    assert all(problem.path[: len(path)] == path for problem in found)


@given(st.sampled_from([path for path in places(listed(GOOD)) if isinstance(path[-1], str)]))
def test_shape_and_msgspec_agree_on_a_missing_key(path: KeyPath) -> None:
    data = listed(GOOD)
    del parent(data, path)[path[-1]]
    assert [problem.path for problem in problems(data, Plan)] == ([] if converts(data) else [path])


@given(st.sampled_from([(), ("load",), ("phases", 0), ("phases", 1, "curve"), ("faults", 0), ("limits",), ("stack",)]))
def test_shape_and_msgspec_agree_on_an_unknown_key(table: KeyPath) -> None:
    data = listed(GOOD)
    parent(data, (*table, "x"))["lod"] = 1
    assert not converts(data)
    assert [(p.path, p.what) for p in problems(data, Plan)] == [((*table, "lod"), "unknown key")]


def converts(data: object) -> bool:
    try:
        msgspec.convert(data, Plan)
    except msgspec.ValidationError:
        return False
    return True


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 2**63, -(2**63) - 1, 10**400])
def test_numbers_that_are_not_finite_or_too_long_are_refused(value: float) -> None:
    data = listed(GOOD) | {"seed": value}
    data["load"]["scale"] = value
    wrong = {problem.path for problem in problems(data, Plan)}
    assert wrong == {("seed",), ("load", "scale")}


def test_the_nearest_word_is_proposed() -> None:
    assert did_you_mean("scal", ["scale", "gaps"]) == 'did you mean "scale"?'
    assert did_you_mean("xyzzy", ["b", "a"]) == "known: a, b"
    assert did_you_mean("x", []) == "there are none"
    assert did_you_mean("?", [f"w{n:02d}" for n in range(20)]).endswith("w11, …")


@given(st.text() | st.floats() | st.lists(st.text()))
def test_values_are_shown_on_one_line_of_60_characters(value: object) -> None:
    assert len(shown(value)) <= 60
    assert "\n" not in shown(value)
