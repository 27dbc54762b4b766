"""Every indicator on literal runs: pass, fail, inconclusive; scopes and filters."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model.plan import Fault, Load, Objective, Phase, Plan, Stack
from reports import tables
from reports.audit import audit
from reports.indicators import INDICATORS, measure, samples_needed
from reports.outcome import Outcome
from reports.selection import Evidence, Window, exposure, touched, windows

Scene = Any  # tests/reports/conftest.py
Measure = Callable[..., Outcome]
SYNC = "province:14->national"


def goal(indicator: str, target: float, **changes: Any) -> Objective:
    return Objective(**{"name": indicator, "indicator": indicator, "target": target, "provenance": "test", **changes})


def fault(link: str = "citizen->province:14", start: float = 20, duration: float = 10, **changes: Any) -> Fault:
    return Fault(**{"id": "f1", "kind": "down", "link": link, "start": start, "duration": duration, **changes})


def measured(scene: Scene, objective: Objective) -> Outcome:
    record = scene.write()
    events = record.events()
    with tables.opened(record) as database:
        if objective.indicator == "sync_lag":  # the one that reads what the audit leaves
            audit(database, scene.plan.stack.provinces, events)
        return measure(objective, Evidence(database, scene.plan, events, windows(scene.plan, events, {})))


def failing(scene: Scene, province: str, seconds: range, outcome: str = "timeout") -> None:
    """Turn the requests and arrivals of a province in these seconds into failures."""
    for row in scene.rows["samples"]:
        if row[3] == province and row[0] in seconds:
            row[4] = outcome
    for row in scene.rows["arrivals"]:
        if row[3] == province and int(row[5]) in seconds:
            row[8] = "failed"


# availability


def test_availability_passes(scene: Scene) -> None:
    scene.with_load()
    result = measured(scene, goal("availability", 0.95))
    assert (result.verdict, result.observed, result.samples, result.high) == ("pass", 1.0, 60, 1.0)
    assert result.low == pytest.approx(0.05 ** (1 / 60))


def test_the_worst_province_decides(scene: Scene) -> None:
    """An average hides a dead province; a scope of province doesn't."""
    scene.with_load()
    failing(scene, "14", range(60))
    result = measured(scene, goal("availability", 0.4))
    assert (result.verdict, result.place, result.observed) == ("fail", "14", 0.0)
    assert result.reason == "province 14 observed 0 < 0.4 (n=60)"
    assert measured(scene, goal("availability", 0.4, scope="nation")).verdict == "pass"


def test_too_few_samples_are_inconclusive(scene: Scene) -> None:
    scene.with_load()
    result = measured(scene, goal("availability", 0.999))
    assert result.verdict == "inconclusive"
    assert "without a failure it takes n=2995" in result.reason
    assert result.reason.endswith("2 more provinces inconclusive")


def test_a_province_without_samples_is_inconclusive(scene: Scene) -> None:
    scene.with_load(provinces=("01", "14"))
    result = measured(scene, goal("availability", 0.9))
    assert (result.verdict, result.place, result.samples, result.observed) == ("inconclusive", "79", 0, None)
    assert measured(scene, goal("availability", 0.9, provinces=("01",))).verdict == "pass"


def test_a_province_that_the_plan_does_not_name_is_judged_too(scene: Scene) -> None:
    scene.with_load()
    for second in range(10):
        scene.sample(second, "96", "reset", count=10)
    assert measured(scene, goal("availability", 0.9)).place == "96"


def test_clustered_failures_widen_the_bounds(scene: Scene) -> None:
    """Ten failures in a row say more about the next ten than ten that are spread out."""
    scene.with_load()
    failing(scene, "14", range(0, 60, 6))
    spread = measured(scene, goal("availability", 0.5, provinces=("14",)))
    failing(scene, "01", range(10))
    clustered = measured(scene, goal("availability", 0.5, provinces=("01",)))
    assert spread.observed == clustered.observed
    assert clustered.low is not None
    assert spread.low is not None
    assert clustered.low < spread.low - 0.1


def test_only_responses_count(scene: Scene) -> None:
    """Every request is in the table twice, as response and as service; it is one sample."""
    scene.sample(1, "01", count=7)
    assert measured(scene, goal("availability", 0.5, scope="nation")).samples == 7


@pytest.mark.parametrize(
    ("changes", "verdict", "samples"),
    [
        ({}, "fail", 600),
        ({"phases": ("calm",)}, "pass", 300),
        ({"phases": ("surge",)}, "fail", 300),
        ({"operations": ("national.submit",)}, "fail", 600),
        ({"operations": ("province.accept",)}, "inconclusive", 0),
        ({"exclude_faults": True}, "inconclusive", 490),
        ({"exclude_faults": True, "settle": 10}, "pass", 390),
    ],
)
def test_filters(run: Callable[..., Scene], changes: dict[str, Any], verdict: str, samples: int) -> None:
    """Phases, operations, and the windows of faults with the second before them and the time to settle after."""
    scene = run(faults=(fault(start=30, duration=10),))
    scene.rows["samples"] = [[*row[:7], 10] for row in scene.rows["samples"]]
    failing(scene, "14", range(30, 50))
    result = measured(scene, goal("availability", 0.97, provinces=("14",), **changes))
    assert (result.verdict, result.samples) == (verdict, samples)


def test_a_fault_excludes_only_the_provinces_it_touches(run: Callable[..., Scene]) -> None:
    scene = run(faults=(fault(start=30, duration=10),))
    for code, samples in (("01", 60), ("14", 49)):
        assert measured(scene, goal("availability", 0.5, provinces=(code,), exclude_faults=True)).samples == samples


def test_a_fault_between_shared_systems_touches_everyone(run: Callable[..., Scene]) -> None:
    scene = run(faults=(fault(link="national->vneid", start=30, duration=10),))
    failing(scene, "01", range(30, 40))
    assert measured(scene, goal("availability", 0.9, provinces=("01",), exclude_faults=True)).verdict == "pass"


# response time


def slow(scene: Scene, hits: int, seconds: float, province: str = "01", outcome: str = "ok") -> None:
    for number in range(hits):
        scene.sample(number % 60, province, outcome, seconds)


@pytest.mark.parametrize(
    ("fast", "late", "failed", "verdict"),
    [
        (59, 0, 0, "pass"),
        (58, 0, 0, "inconclusive"),
        (190, 10, 0, "inconclusive"),
        (150, 50, 0, "fail"),
        (150, 0, 50, "fail"),
        (0, 0, 10, "fail"),
    ],
)
def test_response_time(scene: Scene, fast: int, late: int, failed: int, verdict: str) -> None:
    """A failed request counts as slower than any time: fast failures don't help."""
    slow(scene, fast, 0.1)
    slow(scene, late, 3.0)
    slow(scene, failed, 0.001, outcome="http_5xx")
    result = measured(scene, goal("response_time", 2.0, quantile=0.95, scope="nation"))
    assert (result.verdict, result.samples) == (verdict, fast + late + failed)


def test_response_time_figures(scene: Scene) -> None:
    """The quantile and its bounds are in seconds, at most 1 % off; infinite is None."""
    slow(scene, 500, 0.1)
    slow(scene, 400, 1.0)
    slow(scene, 100, 0.001, outcome="timeout")
    half = measured(scene, goal("response_time", 2.0, quantile=0.5, scope="nation"))
    assert (half.observed, half.low, half.high) == (
        pytest.approx(0.1, rel=0.01),
        pytest.approx(0.1, rel=0.01),
        pytest.approx(1.0, rel=0.01),
    )
    most = measured(scene, goal("response_time", 2.0, quantile=0.9, scope="nation"))
    assert (most.observed, most.low, most.high) == (
        pytest.approx(1.0, rel=0.01),
        pytest.approx(1.0, rel=0.01),
        None,
    )
    all_but = measured(scene, goal("response_time", 2.0, quantile=0.95, scope="nation"))
    assert (all_but.verdict, all_but.observed, all_but.low, all_but.high) == ("fail", None, None, None)


def test_a_bucket_that_straddles_the_target_decides_nothing(scene: Scene) -> None:
    slow(scene, 1000, 2.0)
    assert measured(scene, goal("response_time", 2.005, scope="nation")).verdict == "inconclusive"
    assert measured(scene, goal("response_time", 2.1, scope="nation")).verdict == "pass"
    assert measured(scene, goal("response_time", 1.9, scope="nation")).verdict == "fail"


# interruption


@pytest.mark.parametrize(
    ("failed", "target", "verdict", "observed"),
    [
        (range(0), 5, "pass", 0.0),
        (range(10, 12), 5, "pass", 0.0),
        (range(10, 13), 5, "pass", 3.201),
        (range(10, 20), 5, "fail", 10.201),
        (range(10, 20), 12, "pass", 10.201),
        (range(50, 60), 5, "fail", 10.0),
        (range(0, 60), 5, "fail", 60.0),
        (range(0), 2, "inconclusive", 0.0),
        (range(10, 20), 2, "fail", 10.201),
    ],
)
def test_interruption(scene: Scene, failed: range, target: float, verdict: str, observed: float) -> None:
    """From the first of 3 failed arrivals in a row, when it was due, to the finish of the next success."""
    scene.with_load()
    failing(scene, "14", failed)
    result = measured(scene, goal("interruption", target, provinces=("14",)))
    assert (result.verdict, result.observed) == (verdict, pytest.approx(observed))


@pytest.mark.parametrize("outcome", ["failed", "dropped", "unfinished"])
def test_arrivals_that_interrupt(scene: Scene, outcome: str) -> None:
    for second in range(60):
        scene.arrival(second, outcome=outcome if 10 <= second < 20 else "ok")
    assert measured(scene, goal("interruption", 5, provinces=("01",))).observed == pytest.approx(10.201)


def test_without_arrivals_an_interruption_cannot_be_seen(scene: Scene) -> None:
    scene.with_load(provinces=("01", "14"))
    result = measured(scene, goal("interruption", 5))
    assert (result.verdict, result.place, result.samples) == ("inconclusive", "79", 0)
    assert "too few arrivals" in result.reason


def test_an_interruption_ends_where_an_excluded_fault_begins(run: Callable[..., Scene]) -> None:
    scene = run(faults=(fault(start=30, duration=10),))
    failing(scene, "14", range(26, 50))
    assert measured(scene, goal("interruption", 5, provinces=("14",))).observed == pytest.approx(24.201)
    outside = measured(scene, goal("interruption", 5, provinces=("14",), exclude_faults=True, settle=20))
    assert (outside.verdict, outside.observed) == ("pass", pytest.approx(4.0))


def test_an_interruption_of_the_nation_needs_everyone_to_fail(scene: Scene) -> None:
    scene.with_load()
    failing(scene, "14", range(10, 40))
    assert measured(scene, goal("interruption", 5, scope="nation")).observed == 0.0


# refusals


@pytest.mark.parametrize(("target", "verdict"), [(0, "fail"), (1, "pass")])
def test_refusals(scene: Scene, target: float, verdict: str) -> None:
    scene.attempt("a", "fail", reason="reorganisation")
    scene.attempt("b", "fail", reason="validation", province="79")
    result = measured(scene, goal("refusals", target))
    assert (result.verdict, result.observed, result.place, result.samples) == (verdict, 1, "01", 1)


def test_refusals_without_writes_are_inconclusive(scene: Scene) -> None:
    assert measured(scene, goal("refusals", 0)).verdict == "inconclusive"


# dossiers


@pytest.mark.parametrize(("target", "verdict"), [(2, "pass"), (3, "fail")])
def test_dossiers_are_counted_once(scene: Scene, target: float, verdict: str) -> None:
    """What was sent again under the same key is one; what was refused, or isn't a dossier, is none."""
    scene.attempt("a", "ok", "G1")
    scene.attempt("a", "ok", "G1")
    scene.attempt("b", "ok", "G2")
    scene.attempt("c", "fail", reason="validation")
    result = measured(scene, goal("dossiers", target, provinces=("01",)))
    assert (result.verdict, result.observed, result.place) == (verdict, 2, "01")


def test_a_province_without_dossiers_has_none(scene: Scene) -> None:
    scene.attempt("a", "ok", "G1")
    result = measured(scene, goal("dossiers", 1))
    assert (result.verdict, result.observed, result.place) == ("fail", 0, "14")


# sync lag


def lags(scene: Scene, count: int, lag: float, province: str = "01", missing: bool = False) -> None:
    for number in range(count):
        code = f"G{province}-{lag}-{number}"
        scene.attempt(code, "ok", code, province)
        scene.book(f"province:{province}", code, code, (1, 2))
        scene.book("national", code, code, (1,) if missing else (1, 2), lag=lag, province=province)


@pytest.mark.parametrize(
    ("fast", "late", "missing", "verdict"),
    [
        (59, 0, 0, "pass"),
        (58, 0, 0, "inconclusive"),
        (60, 40, 0, "fail"),
        (60, 0, 40, "fail"),
        (0, 0, 0, "inconclusive"),
    ],
)
def test_sync_lag(scene: Scene, fast: int, late: int, missing: int, verdict: str) -> None:
    """A step that the portal never got is slower than any."""
    scene.event("t0")
    lags(scene, fast, 1.0)
    lags(scene, late, 20.0)
    lags(scene, missing, 1.5, missing=True)
    result = measured(scene, goal("sync_lag", 10.0, scope="nation", quantile=0.95))
    assert (result.verdict, result.samples) == (verdict, fast + late + missing)
    if fast and not missing:
        assert result.observed == pytest.approx(20.0 if late else 1.0)


def test_sync_lag_without_t0_is_inconclusive(scene: Scene) -> None:
    lags(scene, 60, 1.0)
    assert measured(scene, goal("sync_lag", 10.0, scope="nation")).verdict == "inconclusive"


# recovery time


@pytest.mark.parametrize(
    ("failed", "verdict", "observed"),
    [
        (range(20, 30), "pass", 0.201),
        (range(20, 32), "pass", 2.201),
        (range(20, 33), "pass", 3.201),
        (range(20, 40), "fail", 10.201),
        (range(20, 60), "fail", None),
        (range(40, 45), "fail", 15.201),
    ],
)
def test_recovery_time(run: Callable[..., Scene], failed: range, verdict: str, observed: float | None) -> None:
    """Healed at 30 s; the first success after which no three arrivals in a row fail."""
    scene = run(faults=(fault(),))
    failing(scene, "14", failed)
    result = measured(scene, goal("recovery_time", 5.0))
    assert (result.verdict, result.place) == (verdict, "14")
    assert result.observed == (None if observed is None else pytest.approx(observed))


def test_recovery_lasts_until_the_next_fault(run: Callable[..., Scene]) -> None:
    """What fails under the second fault isn't held against the first."""
    both = (fault(start=10, duration=5), fault(id="f2", start=40, duration=5))
    scene = run(faults=both)
    failing(scene, "14", range(10, 15))
    failing(scene, "14", range(40, 45))
    assert measured(scene, goal("recovery_time", 5.0)).observed == pytest.approx(0.201)


def test_recovery_cannot_be_told(run: Callable[..., Scene]) -> None:
    """No fault, no healing, no arrivals after it, or too short a time after it."""
    assert measured(run("none"), goal("recovery_time", 5.0)).verdict == "inconclusive"
    unhealed = run("unhealed", faults=(fault(),))
    unhealed.events = [event for event in unhealed.events if event["event"] != "fault_healed"]
    assert measured(unhealed, goal("recovery_time", 5.0)).verdict == "inconclusive"
    silent = run("silent", faults=(fault(start=50, duration=10),))
    assert measured(silent, goal("recovery_time", 5.0)).verdict == "inconclusive"
    short = run("short", faults=(fault(start=47, duration=10),))
    failing(short, "14", range(47, 60))
    assert measured(short, goal("recovery_time", 5.0)).verdict == "inconclusive"


# drain time


@pytest.mark.parametrize(
    ("fields", "verdict", "observed"),
    [
        ({"seconds": 3.0, "drained": True, "backlog": 0}, "pass", 3.0),
        ({"seconds": 9.0, "drained": True, "backlog": 0}, "fail", 9.0),
        ({"seconds": 3.0, "drained": False, "backlog": 7}, "fail", None),
        ({}, "inconclusive", None),
        (None, "inconclusive", None),
    ],
)
def test_drain_time(scene: Scene, fields: dict[str, Any] | None, verdict: str, observed: float | None) -> None:
    if fields is not None:
        scene.event("drain_finished", 70.0, **fields)
    result = measured(scene, goal("drain_time", 5.0))
    assert (result.verdict, result.observed) == (verdict, observed)


# isolation


def test_isolation(run: Callable[..., Scene]) -> None:
    """What others see while a fault is on in province 14; what 14 sees, and what others see later, doesn't matter."""
    scene = run(faults=(fault(),))
    failing(scene, "14", range(20, 30))
    failing(scene, "01", range(40, 60))
    passing = measured(scene, goal("isolation", 0.7))
    assert (passing.verdict, passing.samples, passing.place) == ("pass", 10, "01")
    failing(scene, "79", range(20, 28))
    broken = measured(scene, goal("isolation", 0.7))
    assert (broken.verdict, broken.place, broken.observed) == ("fail", "79", 0.2)


def test_isolation_without_an_untouched_province_is_inconclusive(run: Callable[..., Scene]) -> None:
    assert measured(run("none"), goal("isolation", 0.5)).verdict == "inconclusive"
    everyone = run("everyone", faults=(fault(link="national->vneid"),))
    assert measured(everyone, goal("isolation", 0.5)).verdict == "inconclusive"
    few = run("few", faults=(fault(),))
    assert measured(few, goal("isolation", 0.9)).verdict == "inconclusive"


# what they share


def test_every_indicator_of_a_plan_is_there() -> None:
    from typing import get_args

    from model.plan import Indicator

    assert set(INDICATORS) == set(get_args(Indicator))


@pytest.mark.parametrize("indicator", sorted(INDICATORS))
@pytest.mark.parametrize("scope", ["province", "nation"])
def test_an_empty_record_never_passes(scene: Scene, indicator: str, scope: str) -> None:
    assert measured(scene, goal(indicator, 0.5, scope=scope)).verdict == "inconclusive"


@pytest.mark.parametrize("indicator", sorted(INDICATORS))
def test_names_cannot_break_the_queries(scene: Scene, indicator: str) -> None:
    odd = ("o'clock", "%", "{x}")
    objective = goal(indicator, 0.5, phases=odd, operations=odd, provinces=odd)
    assert measured(scene, objective).verdict == "inconclusive"


def campaign(**changes: Any) -> Plan:
    phases = (Phase(name="calm", duration=30, rate=1), Phase(name="surge", duration=60, rate=1))
    load, stack = Load(journeys={"a": 1}), Stack(provinces=("01", "14"))
    return Plan(**{"name": "x", "phases": phases, "load": load, "stack": stack, **changes})


@pytest.mark.parametrize(
    ("objective", "needed"),
    [
        (goal("availability", 0.999), 2995),
        (goal("isolation", 1.0), None),
        (goal("response_time", 2.0, quantile=0.99), 299),
        (goal("sync_lag", 60.0), 59),
        (goal("interruption", 5.0), 54),
        (goal("interruption", 5.0, phases=("calm",)), 18),
        (goal("interruption", 5.0, exclude_faults=True, provinces=("14",)), 48),
        (goal("refusals", 0), 1),
    ],
)
def test_samples_needed(objective: Objective, needed: int | None) -> None:
    assert samples_needed(objective, campaign(faults=(fault(),))) == needed


def test_windows_come_from_the_events_else_from_the_plan() -> None:
    plan = campaign(faults=(fault(), fault(id="f2", link=SYNC, start=50), fault(id="f3", link="national->payment")))
    events = [
        {"t": 21.5, "time": 0, "event": "fault_applied", "fault": "f1"},
        {"t": 33.0, "time": 0, "event": "fault_healed", "fault": "f1"},
    ]
    assert windows(plan, events, {}) == (
        Window("f1", 21.5, 33.0, frozenset({"14"}), True),
        Window("f2", 50, 60, frozenset({"14"}), False, False),
        Window("f3", 20, 30, None, False, False),
    )


def test_a_killed_process_takes_its_cohabitants_along() -> None:
    killed = Fault(id="k", kind="kill", system="province:14", start=1, duration=1)
    stack = {"province:01": {"pid": 7}, "province:14": {"pid": 7}, "province:79": {"pid": 8}}
    assert touched(killed, stack) == {"01", "14"}
    assert touched(killed, {}) == {"14"}
    assert touched(Fault(id="k", kind="kill", system="national", start=1, duration=1), stack) is None


def test_exposure_is_what_phases_and_faults_leave() -> None:
    plan = campaign()
    cuts = (Window("a", 20, 40, frozenset({"14"})), Window("b", 80, 95, None))
    objective = goal("interruption", 5, exclude_faults=True, settle=5)
    assert exposure(objective, plan, cuts, "14") == 20 + 35
    assert exposure(objective, plan, cuts, "01") == 80
    assert exposure(objective, plan, cuts, None) == 80
    assert exposure(goal("interruption", 5, phases=("calm",)), plan, cuts, "14") == 30


def test_nothing_is_written_beside_the_record(run: Callable[..., Scene], tmp_path: Path) -> None:
    measured(run("only"), goal("availability", 0.9))
    assert [path.name for path in tmp_path.iterdir()] == ["only"]
