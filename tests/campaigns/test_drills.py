"""The drills that ship: what each of them must say, and that every seeded defect has one that looks for it."""

import re
from collections.abc import Callable
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


def test_every_defect_has_a_campaign_that_looks_for_it() -> None:
    assert set(DEFECTS) - {name for plan in PLANS.values() for name in plan.weaknesses} == set()


def test_every_drill_looks_for_something() -> None:
    assert [name for name, plan in DRILLS.items() if not plan.weaknesses] == []


ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.+?) \|$", re.MULTILINE)


def test_the_readme_says_what_answers_each_obligation() -> None:
    answers = {row: [name for name, plan in PLANS.items() if row in plan.answers] for row in OBLIGATIONS}
    table = {int(row): (what, by) for row, what, by in ROW.findall(README.read_text(encoding="utf-8"))}
    assert [row for row, names in answers.items() if not names] == []
    shown = {row: ", ".join(f"`{name}`" for name in names) for row, names in answers.items()}
    assert table == {row: (what, shown[row]) for row, what in OBLIGATIONS.items()}


def test_drills_are_numbered_without_a_gap() -> None:
    found = [plan.drill.id for plan in DRILLS.values() if plan.drill and plan.drill.id.startswith("F")]
    assert len(found) >= 19
    assert sorted(found, key=lambda name: int(name[1:])) == [f"F{n}" for n in range(1, len(found) + 1)]


def test_vneid_goes_out_where_its_row_is_answered() -> None:
    """Slow is what the evening peak shows; out, with sessions that are kept, is what the row asks for."""
    out = [
        name
        for name, plan in PLANS.items()
        if 30 in plan.answers
        and plan.load.journeys.get("keep-session")
        and any("citizen->vneid" in fault.targets for fault in plan.faults if fault.kind in ("down", "partition"))
    ]
    assert out == ["f18-vneid-down"]


def walks(plan: Plan, *journeys: str) -> bool:
    """Tell whether arrivals take one of some journeys."""
    taken = {*plan.load.journeys, *(name for phase in plan.phases for name in phase.journeys)}
    return any(name.startswith(journeys) for name in taken)


def breaks(plan: Plan, kind: str, target: str = "") -> bool:
    """Tell whether a fault of a kind breaks something."""
    return any(re.match(kind, fault.kind) and any(target in name for name in fault.targets) for fault in plan.faults)


def judges(plan: Plan, *names: str) -> bool:
    """Tell whether an objective is about an operation, or has an indicator."""
    return any(name == goal.indicator or name in goal.operations for goal in plan.objectives for name in names)


ROWS: dict[int, Callable[[Plan], bool]] = {
    1: lambda plan: plan.load.test_share > 0,
    2: lambda plan: plan.cutover is not None and walks(plan, "old-interface"),
    3: lambda plan: judges(plan, "sync_lag", "drain_time"),
    4: lambda plan: judges(plan, "refusals"),
    5: lambda plan: walks(plan, "call-hotline") and judges(plan, "province.incident"),
    6: lambda plan: walks(plan, "assisted") and walks(plan, "novice-intake"),
    7: lambda plan: breaks(plan, "bandwidth"),
    8: lambda plan: judges(plan, "national.throttled"),
    9: lambda plan: "codes" in plan.stack.platforms,
    10: lambda plan: walks(plan, "send-document") and "axis" in plan.stack.platforms,
    11: lambda plan: judges(plan, "reporting.report"),
    12: lambda plan: judges(plan, "tasks.list") and breaks(plan, "down", "tasks"),
    13: lambda plan: judges(plan, "meetings.join") and breaks(plan, "maintenance-page", "meetings"),
    14: lambda plan: walks(plan, "data-only") and "specialised" in plan.stack.platforms,
    15: lambda plan: judges(plan, "ioc.dashboard"),
    16: lambda plan: walks(plan, "submit-online"),
    17: lambda plan: plan.migration is not None or breaks(plan, "missing-workflow") or walks(plan, "submit-split"),
    18: lambda plan: plan.migration is not None or breaks(plan, "kill") or walks(plan, "counter-weak-line"),
    19: lambda plan: plan.migration is not None or breaks(plan, "missing-accounts"),
    20: lambda plan: walks(plan, "centre-intake") and 0 < len(plan.stack.one_level) < len(plan.stack.provinces),
    21: lambda plan: bool(plan.faults or plan.stack.capacity),
    22: lambda plan: breaks(plan, ".*", "population") or breaks(plan, ".*", "specialised") or bool(plan.stack.capacity),
    23: lambda plan: breaks(plan, "kill", "province") or judges(plan, "memory_growth"),
    24: lambda plan: plan.migration is not None,
    25: lambda plan: walks(plan, "broker"),
    26: lambda plan: any(goal.indicator == "dossiers" and goal.target == HANOI_IN_3_WEEKS for goal in plan.objectives),
    27: lambda plan: bool(plan.stack.unconnected),
    28: lambda plan: walks(plan, "mobile-reception"),
    29: lambda plan: len(plan.stack.provinces) == 9,
    30: lambda plan: breaks(plan, ".*", "->vneid"),
    31: lambda plan: breaks(plan, "lost-callback"),
}
"""Row -> whether a campaign has what the row asks for: a load and a check, not its number alone."""


def test_every_row_is_answered_by_a_campaign_that_has_what_it_asks_for() -> None:
    assert sorted(ROWS) == sorted(OBLIGATIONS) == list(range(1, 32))
    assert {row for plan in PLANS.values() if plan.objectives for row in plan.answers} == set(OBLIGATIONS)


@pytest.mark.parametrize("plan", PLANS.values(), ids=list(PLANS))
def test_a_campaign_has_what_the_rows_that_it_answers_ask_for(plan: Plan) -> None:
    assert [row for row in plan.answers if not ROWS[row](plan)] == []


def test_every_row_with_a_defect_is_looked_into() -> None:
    """Rows whose failure is one of a crowd or of the network have faults in place of defects."""
    assert set(OBLIGATIONS) - {defect.row for defect in DEFECTS.values()} == {25, 26, 29}


@pytest.mark.parametrize("number", range(1, 12))
def test_there_is_a_load_of_every_number(number: int) -> None:
    found = [plan for name, plan in PLANS.items() if name.startswith(f"l{number:02d}-")]
    assert len(found) == 1
    assert found[0].purpose
    assert all(objective.provenance for objective in found[0].objectives)


def test_the_row_of_a_defect_is_answered_where_it_is_looked_for() -> None:
    """One of the campaigns that look for a defect answers the row that it stands for."""
    answered = {name: set[int]() for name in DEFECTS}
    for plan in PLANS.values():
        for name in plan.weaknesses:
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
