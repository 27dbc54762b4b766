"""Burn-rate alerts on literal samples: when they fire, for whom, and whether in time."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.drill import Alert
from model.plan import Fault, Objective
from reports import burn, tables
from reports.alerts import AlertResult, results
from reports.judge import judge
from reports.selection import Evidence, windows
from reports.validity import fault_results

Run = Callable[..., Any]  # of tests/reports/conftest.py

FAULT = Fault(id="f1", kind="down", link="citizen->province:14", start=20, duration=10)
GOAL = Objective(name="goal", indicator="availability", target=0.95, provenance="test")
ALERT = Alert(name="page", objective="goal", burn_rate=10, long_window=4, short_window=2, expected=("f1",), within=5)


def drill(run: Run, name: str = "run", **changes: Any) -> Any:
    fields = {"faults": (FAULT,), "objectives": (GOAL,), "alerts": (ALERT,)}
    return run(name, **(fields | changes))


def failing(scene: Any, seconds: Iterable[int], province: str = "14") -> None:
    for row in scene.rows["samples"]:
        if row[3] == province and row[0] in seconds:
            row[4] = "http_5xx"


def alert(scene: Any) -> AlertResult:
    record = scene.write()
    events = record.events()
    proved = {fault.id: fault.proved for fault in fault_results(scene.plan, events)}
    with tables.opened(record) as database:
        (result,) = results(Evidence(database, scene.plan, events, windows(scene.plan, events, {})), proved)
        return result


def test_a_rule_is_burn_rate_times_budget_over_whole_seconds(run: Run) -> None:
    scene = drill(run)
    rounded = Alert(name="page", objective="goal", burn_rate=14.4, long_window=14.2, short_window=3)
    rule = burn.rule(scene.plan, rounded)
    assert (rule.threshold, rule.long_window, rule.short_window, rule.scope) == (0.72, 15, 3, "province")


def test_an_alert_fires_when_both_windows_are_above_the_threshold(run: Run) -> None:
    """Of 1 request a second, 3 of the last 4 and 2 of the last 2 are more than half: from the third failure on."""
    scene = drill(run)
    failing(scene, range(20, 30))
    result = alert(scene)
    assert [(span.start, span.stop, span.provinces, span.faults) for span in result.spans] == [
        (23.0, 31.0, ("14",), ("f1",))
    ]
    assert [(found.fault, found.seconds, found.low, found.verdict) for found in result.expected] == [
        ("f1", 3.0, 2.0, "pass")
    ]


def test_a_short_window_ends_the_alert_soon_after_the_healing(run: Run) -> None:
    scene = drill(run, alerts=(Alert(name="page", objective="goal", burn_rate=10, long_window=20, short_window=1),))
    failing(scene, range(5, 30))
    assert alert(scene).spans[-1].stop == 31.0


def test_an_alert_that_stays_silent_fails_the_run(run: Run) -> None:
    scene = drill(run, objectives=(Objective(name="goal", indicator="availability", target=0.5, provenance="t"),))
    (found,) = alert(scene).expected
    assert (found.verdict, found.seconds) == ("fail", None)
    result = judge(scene.record)
    assert result.verdict == "fail"
    assert "alert page: stayed silent for f1; it must fire within 5 s" in result.reasons


def test_a_late_alert_fails(run: Run) -> None:
    scene = drill(run)
    failing(scene, range(24, 30))
    (found,) = alert(scene).expected
    assert (found.verdict, found.seconds) == ("fail", 7.0)
    assert found.note == "fired 7 s after f1 began, later than 5 s"


def test_another_provinces_alert_is_not_the_faults(run: Run) -> None:
    scene = drill(run)
    failing(scene, range(20, 30), "79")
    result = alert(scene)
    assert result.spans[0].provinces == ("79",)
    assert result.verdict == "fail"


def test_the_nations_alert_is_any_faults(run: Run) -> None:
    nation = Objective(name="goal", indicator="availability", target=0.98, scope="nation", provenance="test")
    scene = drill(run, objectives=(nation,))
    failing(scene, range(20, 30))
    result = alert(scene)
    assert (result.scope, result.spans[0].provinces, result.verdict) == ("nation", (), "pass")


def test_firing_without_a_fault_is_shown_and_not_judged(run: Run) -> None:
    scene = drill(run)
    failing(scene, [*range(5, 10), *range(20, 30), *range(50, 55)])
    result = alert(scene)
    assert [span.faults for span in result.spans] == [(), ("f1",), ()]
    assert result.verdict == "pass"


def test_an_alert_that_always_fires_shows_nothing(run: Run) -> None:
    scene = drill(run)
    failing(scene, range(60))
    (found,) = alert(scene).expected
    assert found.verdict == "inconclusive"
    assert found.note == "was firing before f1 began, for no fault: it shows nothing"


def test_an_alert_that_fires_for_one_fault_counts_for_the_next(run: Run) -> None:
    second = Fault(id="f2", kind="down", link="province:14->national", start=28, duration=10)
    both = Alert(name="page", objective="goal", burn_rate=10, long_window=4, short_window=2, expected=("f1", "f2"))
    scene = drill(run, faults=(FAULT, second), alerts=(both,))
    failing(scene, range(20, 38))
    assert [(found.seconds, found.verdict) for found in alert(scene).expected] == [(3.0, "pass"), (0.0, "pass")]


@pytest.mark.parametrize("without", ["fault_applied", "fault_proved"])
def test_a_fault_that_was_not_on_expects_nothing(run: Run, without: str) -> None:
    scene = drill(run)
    scene.events = [event for event in scene.events if event["event"] != without]
    assert alert(scene).verdict == "inconclusive"


def test_no_requests_are_inconclusive(run: Run) -> None:
    scene = drill(run)
    scene.rows["samples"] = [row for row in scene.rows["samples"] if row[0] not in range(15, 40)]
    assert alert(scene).verdict == "inconclusive"


def test_a_request_counts_when_its_failure_was_there(run: Run) -> None:
    """A time-out of 6 s tells nobody anything before 6 s have passed: the first, due at 20 s, at the end of 26 s."""
    scene = drill(run, alerts=(Alert(name="page", objective="goal", burn_rate=10, long_window=4, short_window=2),))
    scene.rows["samples"] = [row for row in scene.rows["samples"] if row[3] != "14"]
    for second in range(60):
        scene.sample(second, "14", "timeout" if 20 <= second < 30 else "ok", 6.0 if 20 <= second < 30 else 0.01)
    assert alert(scene).spans[0].start == 27.0


@settings(max_examples=25)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=25), st.integers(1, 6), st.integers(1, 3))
def test_sql_agrees_with_the_definition(
    tmp_path_factory: pytest.TempPathFactory,
    new_scene: Callable[..., Any],
    seconds: list[int],
    long: int,
    short: int,
) -> None:
    """Second by second; 0: no request, 1: one succeeds, 2: one fails, 3: one of each."""
    scene = new_scene(tmp_path_factory.mktemp("alerts") / "record")
    rule = Alert(name="page", objective="goal", burn_rate=10, long_window=max(long, short), short_window=short)
    scene.plan = type(scene.plan)(
        **{name: getattr(scene.plan, name) for name in ("name", "phases", "load", "stack")},
        objectives=(GOAL,),
        alerts=(rule,),
    )
    for second, what in enumerate(seconds):
        for outcome in {0: [], 1: ["ok"], 2: ["reset"], 3: ["ok", "reset"]}[what]:
            scene.sample(second, "01", outcome, 0.001)
    found = {s for span in alert(scene).spans for s in range(int(span.start) - 1, int(span.stop) - 1)}
    assert found == {second for second in range(len(seconds) + 8) if fires(seconds, second, (rule.long_window, short))}


def fires(seconds: list[int], at: int, widths: tuple[float, ...]) -> bool:
    """Return whether more than half of the requests failed, over each window up to a second."""
    for width in widths:
        window = [seconds[s] for s in range(max(0, at - int(width) + 1), at + 1) if s < len(seconds)]
        failed, total = sum(what >= 2 for what in window), sum((0, 1, 1, 2)[what] for what in window)
        if not total or not failed > 0.5 * total:
            return False
    return True
