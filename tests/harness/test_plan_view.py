"""`thongsuot plan` shows every curve, and counts what it brings."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from harness.cli import read_campaign
from harness.plan_view import expected_requests, show
from model.campaign import CampaignError
from model.plan import Plan
from scenarios.schedule import due_times

CURVES = """\
name = "curves"
[stack]
provinces = ["01"]
[load]
scale = 2
[load.journeys]
process = 1
[[phases]]
name = "constant"
duration = 10
rate = 5
[[phases]]
name = "ramp"
duration = 10
rate = 5
to = 10
[[phases]]
name = "step"
duration = 10
curve = { kind = "step", levels = [1, 3] }
[[phases]]
name = "spike"
duration = 10
rate = 5
curve = { kind = "spike", peak = 50, width = 2 }
[[phases]]
name = "tape"
duration = 10
curve = { kind = "replay", file = "tape.csv" }
"""


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    (tmp_path / "c.toml").write_text(CURVES)
    (tmp_path / "tape.csv").write_text("time,journey\n1,track\n1.5,track\n7,track\n")
    return read_campaign(str(tmp_path / "c.toml"), None, None, None)


def shown(plan: Plan) -> list[str]:
    console = Console(width=200, record=True, file=io.StringIO())
    show(plan, console)
    return [" ".join(line.split()) for line in console.export_text().splitlines()]


def test_every_curve_is_shown_with_its_rates_and_arrivals(tmp_path: Path, plan: Plan) -> None:
    """Scaled, as everything that is shown."""
    found = shown(read_campaign(str(tmp_path / "c.toml"), None, ['load.gaps="constant"'], None))
    for row in (
        "0 10 constant 10 100",
        "10 20 ramp 10 → 20 150",
        "20 30 step step 2 … 6 40",
        "30 40 spike spike 10 … 100 190",
        "40 50 tape replay 0 … 4 6",
    ):
        assert any(line.startswith(row) for line in found), (row, found)


@pytest.mark.parametrize("seed", [1, 2])
def test_arrivals_are_those_of_the_seed(tmp_path: Path, plan: Plan, seed: int) -> None:
    """As many as the run will send, not as many as are expected."""
    drawn = read_campaign(str(tmp_path / "c.toml"), seed, None, None)
    found, due = shown(drawn), list(due_times(drawn))
    assert any(line.startswith(f"50 all {len(due)}") for line in found), found
    assert any(line.startswith(f"10 20 ramp 10 → 20 {sum(10 <= at < 20 for at in due)} ") for line in found), found


def test_a_replay_is_counted_by_its_own_journeys(plan: Plan) -> None:
    """Not by the weights of the others."""
    assert expected_requests(plan, plan.phases[-1:]) == {"national.track": 6}
    assert expected_requests(plan, plan.phases[:1])["province.claim"] == pytest.approx(140)


def test_a_phase_is_counted_by_its_own_mix(tmp_path: Path) -> None:
    (tmp_path / "tape.csv").write_text("time,journey\n1,track\n")
    (tmp_path / "c.toml").write_text(CURVES)
    found = read_campaign(str(tmp_path / "c.toml"), None, ["phases.ramp.journeys={track=1}"], None)
    assert expected_requests(found, found.phases[1:2]) == {"national.track": 150}
    assert set(found.journeys) == {"process", "track"}
    with pytest.raises(CampaignError, match="a recording names the journeys itself"):
        read_campaign(str(tmp_path / "c.toml"), None, ["phases.tape.journeys={track=1}"], None)
