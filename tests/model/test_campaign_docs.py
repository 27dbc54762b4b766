"""docs/campaigns.md names every key of a campaign, and its examples are campaigns."""

import re
from pathlib import Path

import msgspec
import pytest

from model.campaign import load
from model.capacity import Capacity
from model.drill import Alert, BlastRadius, Drill, OperatorStep, SteadyState, Stop
from model.migration import Migration
from model.plan import (
    Cutover,
    Day,
    Drain,
    Fault,
    Limits,
    Load,
    Objective,
    Patience,
    Phase,
    Plan,
    Replay,
    Sine,
    Spike,
    Stack,
    Step,
)
from tests.model.test_campaign import KNOWN

TEXT = (Path(__file__).parents[2] / "docs" / "campaigns.md").read_text(encoding="utf-8")
STRUCTS: list[type[msgspec.Struct]] = [
    *(Plan, Stack, Load, Patience, Phase, Step, Spike, Sine, Day, Replay, Fault, Objective, Limits, Drain, Cutover),
    *(Drill, BlastRadius, SteadyState, Stop, OperatorStep, Alert, Migration, Capacity),
]
HEAD = 'name = "x"\n[load.journeys]\ntrack = 1\n'
EXAMPLES = [text for text in re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL) if "[[phases]]" in text]


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_every_key_is_documented(struct: type[msgspec.Struct]) -> None:
    """In backquotes, a row or a sentence of its own, or as a section."""
    for name in struct.__struct_fields__:
        assert re.search(rf"`[\[\w.]*{name}\]*`", TEXT), name


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_a_phase(example: str, tmp_path: Path) -> None:
    """It can be copied."""
    (tmp_path / "july.csv").write_text("time,journey\n0,track\n3600,track\n")
    (tmp_path / "c.toml").write_text(HEAD + example, encoding="utf-8")
    assert load(tmp_path / "c.toml", KNOWN).arrivals > 0


def test_there_is_an_example_of_every_curve() -> None:
    assert {kind for text in EXAMPLES for kind in re.findall(r'kind = "(\w+)"', text)} == {
        *("step", "spike", "sine", "day", "replay")
    }
