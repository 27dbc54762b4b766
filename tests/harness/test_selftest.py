"""Which cases the self-test tries, and when a case is right."""

import json
import time
from pathlib import Path

import pytest
from rich.console import Console

from harness.cli import read_campaign
from harness.errors import UsageError
from harness.selftest import Case, Trial, cases, checks, failed_checks, fewest, healthy, is_right, matrix, run
from model.campaign import shipped

F5 = "f05-lost-after-commit"
PLANS = {F5: read_campaign(F5, None, None, None)}


def test_each_weakness_is_tried_once_and_health_with_every_seed() -> None:
    found = list(cases(PLANS, 3))
    assert [case.seed for case in found if case.defect is None] == [5, 6, 7]
    assert {case.defect for case in found if case.defect} == {"outbox-in-memory", "drop-sync", "ack-before-commit"}


def test_a_defect_alone_is_tried_where_it_is_looked_for() -> None:
    assert list(cases(PLANS, 3, ["drop-sync"])) == [Case(F5, 5, "drop-sync")]
    assert list(cases(PLANS, 3, ["collapse-status"])) == []


def test_the_fewest_campaigns_have_every_check() -> None:
    plans = {name: read_campaign(name, None, None, None) for name in shipped()}
    chosen = fewest(plans)
    assert set().union(*map(checks, chosen.values())) == set().union(*map(checks, plans.values()))
    assert len(chosen) <= len(plans) / 3


def test_health_is_asked_seed_by_seed() -> None:
    plans = {name: read_campaign(name, None, None, None) for name in (F5, "f01-portal-out")}
    found = [(case.campaign, case.seed, case.defect) for case in healthy(plans, 2)]
    assert found == [(F5, 5, None), ("f01-portal-out", 1, None), (F5, 6, None), ("f01-portal-out", 2, None)]


def test_an_interrupted_self_test_begins_no_further_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []

    def interrupted(case: Case, *_: object) -> Trial:
        begun.append(case)
        if len(begun) == 2:
            raise KeyboardInterrupt
        time.sleep(0.02)
        return Trial(case, "pass", (), (), 1.0, True)

    monkeypatch.setattr("harness.selftest._try", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run([Case(F5, seed) for seed in range(200)], tmp_path, 1, "embedded", Console(quiet=True))
    assert len(begun) < 200
    assert json.loads((tmp_path / "selftest.json").read_text())[0]["verdict"] == "pass"


def test_the_matrix_tells_who_saw_what() -> None:
    trials = [
        Trial(Case(F5, 5), "pass", (), (), 60.0, True),
        Trial(Case(F5, 5, "drop-sync"), "fail", ("availability", "lost"), (), 60.0, True),
    ]
    console = Console(width=80)
    with console.capture() as captured:
        console.print(matrix(trials))
    header, row, legend = captured.get().splitlines()
    assert header.split() == ["defect", "run", "a", "b", "c", "d"]
    assert row.split() == ["drop-sync", "f05", "○", "·", "●", "·"]
    assert legend.replace("\N{NO-BREAK SPACE}", " ") == "a availability · b divergent · c lost · d regressed"


def test_nothing_to_try_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to try"):
        run([], tmp_path, 1, "embedded", Console())


def test_what_failed_is_named() -> None:
    verdict = {
        "verdict": "fail",
        "integrity": {"acknowledged": 5, "lost": ["H01"], "duplicated": [], "unread": 0},
        "objectives": [
            {"indicator": "availability", "verdict": "fail"},
            {"indicator": "sync_lag", "verdict": "inconclusive"},
        ],
        "alerts": [{"verdict": "fail"}],
    }
    assert failed_checks(verdict) == {"lost", "availability", "alerts"}
    assert failed_checks({}) == set()


@pytest.mark.parametrize(
    ("defect", "verdict", "checks", "right"),
    [
        (None, "pass", (), True),
        (None, "inconclusive", (), False),
        (None, "exit 4", (), False),
        ("drop-sync", "fail", ("lost",), True),
        ("drop-sync", "fail", ("availability",), False),
        ("drop-sync", "pass", (), False),
        ("drop-sync", "inconclusive", ("lost",), False),
    ],
)
def test_a_case_is_right_when_it_ends_as_it_must(
    defect: str | None, verdict: str, checks: tuple[str, ...], right: bool
) -> None:
    assert is_right(Case(F5, 1, defect), verdict, checks) is right
