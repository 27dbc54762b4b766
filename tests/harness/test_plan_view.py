"""`thongsuot plan` shows every curve, and counts what it brings."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from harness.cli import read_campaign
from harness.plan_view import expected_requests, show
from model.plan import Plan

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


def test_every_curve_is_shown_with_its_rates_and_arrivals(plan: Plan) -> None:
    """Scaled, as everything that is shown."""
    console = Console(width=200, record=True, file=io.StringIO())
    show(plan, console)
    rows = [" ".join(line.split()) for line in console.export_text().splitlines()]
    for row in (
        "0 10 constant 10 100",
        "10 20 ramp 10 → 20 150",
        "20 30 step step 2 … 6 40",
        "30 40 spike spike 10 … 100 190",
        "40 50 tape replay 0 … 4 6",
    ):
        assert any(shown.startswith(row) for shown in rows), (row, rows)


def test_a_replay_is_counted_by_its_own_journeys(plan: Plan) -> None:
    """Not by the weights of the others."""
    assert expected_requests(plan, plan.phases[-1:]) == {"national.track": 6}
    assert expected_requests(plan, plan.phases[:1])["province.claim"] == 100
