"""The drills that ship: what each of them must say, and that every seeded defect has one that looks for it."""

import re
from pathlib import Path

import pytest

from harness.cli import read_campaign
from mocks.defects import DEFECTS
from model.campaign import shipped
from model.obligations import OBLIGATIONS
from model.plan import Plan
from model.traffic import HANOI_IN_3_WEEKS

PLANS = {name: read_campaign(name, None, None, None) for name in shipped()}
DRILLS = {name: plan for name, plan in PLANS.items() if plan.drill}
README = Path(__file__).parents[2] / "README.md"
LONGEST = 100.0
"""Seconds of schedule: with start, drain, audit and report a drill must end within 180 s."""


@pytest.mark.parametrize("plan", DRILLS.values(), ids=list(DRILLS))
def test_a_drill_says_what_it_is_for(plan: Plan) -> None:
    drill = plan.drill
    assert drill
    assert plan.name.startswith(f"{drill.id[0].lower()}{int(drill.id[1:]):02d}-")
    assert re.search(r"\[(S[0-4]|P)(,\s?S[0-4])*\]", drill.source)
    assert plan.answers
    assert drill.expects
    assert len(re.findall(r"^\d+\. ", drill.runbook, re.MULTILINE)) >= 5


@pytest.mark.parametrize("plan", DRILLS.values(), ids=list(DRILLS))
def test_a_drill_is_short_bounded_and_judged(plan: Plan) -> None:
    assert plan.duration <= LONGEST
    assert plan.faults or plan.name.startswith("l")
    assert plan.objectives
    assert plan.blast_radius.protected or plan.blast_radius.provinces is not None


def test_every_defect_says_which_checks_see_it() -> None:
    assert [name for name, defect in DEFECTS.items() if not defect.seen_by] == []


def test_every_defect_has_a_drill_that_looks_for_it() -> None:
    looked_for = {name for plan in DRILLS.values() for name in plan.drill.weaknesses}  # type: ignore[union-attr]
    assert set(DEFECTS) - looked_for == set()


def test_every_drill_looks_for_something() -> None:
    assert [name for name, plan in DRILLS.items() if not plan.drill.weaknesses] == []  # type: ignore[union-attr]


ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.+?) \|$", re.MULTILINE)


def test_the_readme_says_what_answers_each_obligation() -> None:
    answers = {row: [name for name, plan in PLANS.items() if row in plan.answers] for row in OBLIGATIONS}
    table = {int(row): (what, by) for row, what, by in ROW.findall(README.read_text(encoding="utf-8"))}
    assert [row for row, names in answers.items() if not names] == []
    shown = {row: ", ".join(f"`{name}`" for name in names) for row, names in answers.items()}
    assert table == {row: (what, shown[row]) for row, what in OBLIGATIONS.items()}


def test_there_are_sixteen_drills() -> None:
    found = [plan.drill.id for plan in DRILLS.values() if plan.drill and plan.drill.id.startswith("F")]
    assert sorted(found, key=lambda name: int(name[1:])) == [f"F{number}" for number in range(1, 17)]


def test_every_row_is_answered_by_a_campaign_that_judges_something() -> None:
    assert sorted(OBLIGATIONS) == list(range(1, 32))
    assert {row for plan in PLANS.values() if plan.objectives for row in plan.answers} == set(OBLIGATIONS)


@pytest.mark.parametrize("number", range(1, 12))
def test_there_is_a_load_of_every_number(number: int) -> None:
    found = [plan for name, plan in PLANS.items() if name.startswith(f"l{number:02d}-")]
    assert len(found) == 1
    assert found[0].purpose
    assert all(objective.provenance for objective in found[0].objectives)


def test_the_row_of_a_defect_is_answered_where_it_is_looked_for() -> None:
    """One of the drills that look for a defect answers the row that it stands for."""
    answered = {name: set[int]() for name in DEFECTS}
    for plan in DRILLS.values():
        for name in plan.drill.weaknesses if plan.drill else ():
            answered[name] |= set(plan.answers)
    assert [name for name, defect in DEFECTS.items() if defect.row and defect.row not in answered[name]] == []


def test_hanoi_registers_all_its_dossiers() -> None:
    plan = PLANS["l04-hanoi-replay"]
    assert plan.arrivals == pytest.approx(HANOI_IN_3_WEEKS)
    assert set(plan.load.journeys) == {"shift-intake"}


@pytest.mark.parametrize(
    ("changes", "provinces", "one_level"),
    [
        (["stack.provinces=merged"], 23, 2),
        (["stack.provinces=pilot"], 9, 2),
        (["stack.one_level=all"], 34, 34),
        (["stack.one_level=[]"], 34, 0),
    ],
)
def test_a_preset_stands_for_its_provinces(changes: list[str], provinces: int, one_level: int) -> None:
    plan = read_campaign("l03-soak", None, ["stack.provinces=all", *changes], None)
    assert (len(plan.stack.provinces), len(plan.stack.one_level)) == (provinces, one_level)
