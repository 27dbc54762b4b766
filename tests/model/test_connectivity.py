"""Partial connectivity: a share of the communes, or a list of them, on any campaign."""

from pathlib import Path

import pytest

from model import places
from model.campaign import CampaignError, load
from model.connectivity import drawn
from model.plan import Plan
from tests.model.test_campaign import KNOWN

TEXT = """
name = "c"
[stack]
provinces = ["01", "22"]
[load.journeys]
track = 1
[[phases]]
name = "p"
duration = 30
rate = 10
"""


def plan_of(tmp_path: Path, *changes: str, seed: int = 1) -> Plan:
    path = tmp_path / "c.toml"
    path.write_text(TEXT, encoding="utf-8")
    return load(path, KNOWN, changes, seed=seed)


def test_a_share_is_drawn_of_the_stacks_communes_by_the_seed(tmp_path: Path) -> None:
    communes = {commune.code for code in ("01", "22") for commune in places.communes_of(code)}
    found = plan_of(tmp_path, "stack.unconnected=0.1").stack.unconnected
    assert len(set(found)) == len(found) == round(0.1 * len(communes))
    assert set(found) <= communes
    assert plan_of(tmp_path, "stack.unconnected=0.1").stack.unconnected == found
    assert plan_of(tmp_path, "stack.unconnected=0.1", seed=2).stack.unconnected != found


@pytest.mark.parametrize(("share", "count"), [("0", 0), ("0.0", 0), ("0.0001", 1)])
def test_none_of_them_or_one_at_least(tmp_path: Path, share: str, count: int) -> None:
    assert len(plan_of(tmp_path, f"stack.unconnected={share}").stack.unconnected) == count


def test_all_of_them() -> None:
    assert len(drawn(1.0, places.provinces(), 1)) == 3321


def test_a_list_is_taken_as_it_is(tmp_path: Path) -> None:
    assert plan_of(tmp_path, 'stack.unconnected=["00008", "00004"]').stack.unconnected == ("00008", "00004")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["stack.unconnected=1.5"], "stack.unconnected: 1.5 is no share; give a number from 0 to 1"),
        (["stack.unconnected=nan"], "stack.unconnected: nan is no share; give a number from 0 to 1"),
        (["stack.unconnected=true"], "stack.unconnected: must be a list, not true; write [ … ]"),
        (
            ['stack.unconnected=["26734"]'],
            'stack.unconnected.0: no commune "26734" in the stack; give communes of the stack\'s provinces, '
            "or a share of them",
        ),
        (['stack.unconnected=["00004", "00004"]'], 'stack.unconnected.1: "00004" comes twice; keep one, or rename it'),
        (["stack.connected_at=5"], "stack.connected_at: connects nothing; give stack.unconnected, or leave it out"),
        (
            ["stack.unconnected=0.1", "stack.connected_at=31"],
            "stack.connected_at: is at 31 s, the timeline ends at 30 s; connect them earlier, or leave it out: "
            "then they are at the end",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(tmp_path: Path, changes: list[str], message: str) -> None:
    with pytest.raises(CampaignError) as error:
        plan_of(tmp_path, *changes)
    assert str(error.value).endswith(message)
