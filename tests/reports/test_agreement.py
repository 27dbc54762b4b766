"""Two roads to the same figures: what makes them agree, and what a difference does to the verdict."""

from collections.abc import Callable
from typing import Any, get_args

import pytest

from model.plan import Indicator, Objective
from model.record import RecordError
from reports import judge, promql, selectors
from reports.agreement import FILE, Answers, Asked, agree
from tests.reports.conftest import Scene

ANSWERED = Objective(name="answered", indicator="availability", target=0.5, scope="nation", provenance="test [A]")


@pytest.mark.parametrize(
    ("mine", "other", "same"),
    [
        (1.0, 0.991, True),
        (1.0, 0.989, False),
        (0.0, 0.0, True),
        (0.0, 0.001, False),
        (None, None, True),
        (None, 0.0, True),
        (None, 0.2, False),
        (0.0, None, False),
        (0.7, None, False),
    ],
)
def test_figures_agree_within_1_percent(mine: float | None, other: float | None, same: bool) -> None:
    """A series that isn't there never agrees with a figure, not even with 0."""
    assert agree(mine, other) is same


def asked(value: float, samples: float) -> list[Any]:
    found = Asked(objective="answered", query="…", values={"": value}, samples={"": samples})
    return [Answers(source="live", objectives=(found,))]


@pytest.mark.parametrize(
    ("value", "samples", "reason"),
    [
        (1.0, 180.0, None),
        (0.995, 181.0, None),
        (0.98, 180.0, "the record says 1, PromQL says 0.98"),
        (1.0, 170.0, "samples: the record says 180, PromQL says 170"),
    ],
)
def test_a_difference_makes_the_verdict_inconclusive(
    run: Callable[..., Scene], value: float, samples: float, reason: str | None
) -> None:
    """Its share or the samples that it rests on; the same file, the same verdict."""
    record = run(objectives=(ANSWERED,)).write()
    assert judge.judge(record).verdict == "pass"
    record.write_json(FILE, asked(value, samples))
    judgement = judge.judge(record)
    assert judgement.verdict == ("inconclusive" if reason else "pass")
    assert (f"prometheus (live): answered: {reason}" in judgement.reasons) is bool(reason)
    assert judge.judge(record) == judgement


def test_an_objective_that_was_not_asked_decides_nothing(run: Callable[..., Scene]) -> None:
    record = run(objectives=(ANSWERED,)).write()
    record.write_json(FILE, [Answers(source="live", objectives=(Asked(objective="answered", unsaid="because"),))])
    assert judge.judge(record).verdict == "pass"


def test_a_foreign_file_is_a_record_error(run: Callable[..., Scene]) -> None:
    record = run(objectives=(ANSWERED,)).write()
    record.path(FILE).write_text('{"source": 1}')
    with pytest.raises(RecordError, match=r"prometheus\.json: not what a Prometheus said .*remove it"):
        judge.judge(record)


def test_every_indicator_is_asked_or_says_why_not() -> None:
    asked = {*selectors.RATIOS, "drain_time", "refusals"}
    assert asked | promql.NOT_COUNTED.keys() == set(get_args(Indicator))
    assert not asked & promql.NOT_COUNTED.keys()
