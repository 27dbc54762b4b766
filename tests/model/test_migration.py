"""The migration of a campaign: who begins when, and what is refused."""

from pathlib import Path

import pytest

from model.campaign import load
from model.plan import decode, encode
from tests.model.test_campaign import GOOD, KNOWN, error_of, written

HEAD = GOOD.count("\n") + 1


def test_provinces_begin_one_after_the_other(tmp_path: Path) -> None:
    text = GOOD + "\n[migration]\nstart = 5\nprovinces = ['79', '01']\nstagger = 2\n"
    plan = load(written(tmp_path, text), KNOWN)
    assert plan.migration is not None
    assert [*plan.migration.starts(plan.stack.provinces)] == [("79", 5.0), ("01", 7.0)]
    assert decode(encode(plan)) == plan


def test_left_out_provinces_are_all_of_the_stack(tmp_path: Path) -> None:
    plan = load(written(tmp_path, GOOD + "\n[migration]\nstart = 0\n"), KNOWN)
    assert plan.migration is not None
    assert [*plan.migration.starts(plan.stack.provinces)] == [("01", 0.0), ("79", 0.0)]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("start = 30", "migration.start: 01 would begin at 30 s, the timeline ends at 30 s; "),
        ("start = 5\nstagger = 25", "migration.start: 79 would begin at 30 s, the timeline ends at 30 s; "),
        ("start = 5\nprovinces = ['02']", 'migration.provinces.0: unknown province "02"; known: 01, 79'),
        ("start = 5\nprovinces = ['01', '01']", 'migration.provinces.1: "01" comes twice; keep one'),
        ("dossiers = 5", "migration.start: is missing; add it"),
        ("start = 5\nrate = 0", "migration.rate: 0 isn't allowed; give a number above 0"),
        ("start = 5\nbatch = 0", "migration.batch: 0 isn't allowed; "),
        ("start = 5\nspeed = 1", "migration.speed: unknown key; "),
    ],
)
def test_a_migration_that_makes_no_sense_is_refused(tmp_path: Path, keys: str, message: str) -> None:
    assert message in error_of(written(tmp_path, f"{GOOD}\n[migration]\n{keys}\n"))
