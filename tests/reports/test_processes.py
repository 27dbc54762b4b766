"""Indicators of processes on literal looks at them."""

from collections.abc import Iterable
from typing import Any

import pytest

from model.plan import Objective
from reports import tables
from reports.indicators import measure
from reports.outcome import Outcome
from reports.selection import Evidence

Scene = Any  # tests/reports/conftest.py
Look = list[object]


def measured(scene: Scene, indicator: str, target: float, looks: Iterable[Look]) -> Outcome:
    scene.rows["processes"] = [*looks]
    record = scene.write()
    objective = Objective(name="o", indicator=indicator, target=target, provenance="test", scope="nation")  # type: ignore[arg-type]
    with tables.opened(record) as database:
        return measure(objective, Evidence(database, scene.plan, (), ()))


def looks(
    process: str = "national", kept: int = 0, opened: float = 0, number: int = 60, busy: int = 50, began: float = 5.0
) -> list[Look]:
    """Look at a process every 2 s: its caches fill for 15 looks, and it keeps so many bytes of each request."""
    rows: list[Look] = []
    for n in range(number):
        answered = n * busy
        memory = 50_000_000 + min(n, 15) * 1_000_000 + kept * answered
        rows.append([n * 2.0, process, began, memory, 40 + int(opened * answered), answered, 0])
    return rows


def test_what_is_kept_of_each_request_is_found_to_the_byte(scene: Scene) -> None:
    """The caches that fill at first don't count."""
    result = measured(scene, "memory_growth", 1000, looks(kept=4096))
    assert (result.verdict, result.observed) == ("fail", 4096)
    assert result.note.startswith("process national: 4096 bytes more with each request (n=")


def test_a_process_that_keeps_nothing_passes(scene: Scene) -> None:
    assert (measured(scene, "memory_growth", 1000, looks()).verdict, scene.rows["processes"][-1][5]) == ("pass", 2950)


def test_what_a_rush_needs_and_gives_back_is_no_leak(scene: Scene) -> None:
    """Three looks of four are in a rush with 100 connections more, at the end as well."""
    rush = looks()
    for row in (row for n, row in enumerate(rush) if n > 20 and n % 4):
        row[4] = 140
    assert measured(scene, "descriptor_growth", 0.01, rush).observed == 0


def test_one_leaking_process_decides(scene: Scene) -> None:
    result = measured(scene, "descriptor_growth", 0.05, [*looks("a"), *looks("b", opened=0.5), *looks("c")])
    assert result.verdict == "fail"
    assert result.observed == pytest.approx(0.5, abs=0.01)
    assert result.note.startswith("process b: ")


@pytest.mark.parametrize("few", [{"number": 6}, {"busy": 1}])
def test_a_process_that_has_hardly_worked_tells_nothing(scene: Scene, few: dict[str, int]) -> None:
    assert measured(scene, "memory_growth", 1000, looks(kept=9000, **few)).verdict == "inconclusive"


def test_a_process_that_is_restarted_begins_anew(scene: Scene) -> None:
    """The new one is smaller than the old one was, and leaks nevertheless."""
    second = [[130.0 + float(str(row[0])), *row[1:]] for row in looks(kept=4096, began=99.0)]
    result = measured(scene, "memory_growth", 1000, [*looks(kept=200), *second])
    assert (result.verdict, result.observed) == ("fail", 4096)


def test_the_retry_rate_is_the_most_between_two_looks(scene: Scene) -> None:
    rows = looks()
    for n, row in enumerate(rows):
        row[6] = 0 if n < 30 else 4 if n < 40 else 204
    result = measured(scene, "retry_rate", 8.0, rows)
    assert (result.verdict, result.observed, result.samples) == ("fail", 100.0, 204)
    assert measured(scene, "retry_rate", 100.0, rows).verdict == "pass"


def test_where_nobody_was_turned_away_nothing_is_shown(scene: Scene) -> None:
    result = measured(scene, "retry_rate", 8.0, looks())
    assert (result.verdict, result.note) == (
        "inconclusive",
        "no system turned another away, so none was put to the test",
    )
