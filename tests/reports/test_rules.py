"""Rules of every objective shape: promtool evaluates them on series that are written down here, and some left out."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.prometheus import write
from model.campaign import shipped
from model.drill import Alert
from model.plan import Fault, Objective, Plan
from reports import rules
from tests.conftest import NEEDS_PROMTOOL, promtool
from tests.harness.plans import shipped_plan
from tests.reports.conftest import plan

pytestmark = NEEDS_PROMTOOL

OK = 'thongsuot_requests_total{operation="national.submit",province="01",outcome="ok"}'
BAD = 'thongsuot_requests_total{operation="national.submit",province="01",outcome="http_5xx"}'
OTHER = 'thongsuot_requests_total{operation="national.submit",province="79",outcome="ok"}'
OTHER_BAD = 'thongsuot_requests_total{operation="national.submit",province="79",outcome="http_5xx"}'
WITHIN = 'thongsuot_requests_within_total{operation="national.submit",province="01",seconds="2.0"}'
LAG = "thongsuot_sync_lag_seconds"
CUT = Fault(id="cut", kind="down", link="province:01->national", start=10, duration=10)


def objective(indicator: str, **changes: Any) -> Objective:
    """Return an objective of an indicator, for the nation."""
    fields = {"name": "aim", "indicator": indicator, "target": 0.9, "scope": "nation", "provenance": "test [A]"}
    return Objective(**(fields | changes))


def fired(folder: Path, campaign: Plan, series: dict[str, str], at: int) -> dict[str, set[str]]:
    """Return name -> provinces (empty: the nation) of the alerts that fire at a second, by asking promtool.

    Promtool only compares: what it got is in its complaint about an expectation that can't be met.
    """
    write(campaign, folder)
    names = [line.split("alert: ")[1] for line in (folder / "rules.yml").read_text().splitlines() if "alert: " in line]
    found: dict[str, set[str]] = {}
    for name in map(json.loads, names):
        case = {
            "rule_files": ["rules.yml"],
            "evaluation_interval": "1s",
            "tests": [
                {
                    "interval": "1s",
                    "input_series": [{"series": s, "values": values} for s, values in series.items()],
                    "alert_rule_test": [{"eval_time": f"{at}s", "alertname": name, "exp_alerts": []}],
                }
            ],
        }
        (folder / "case.yml").write_text(json.dumps(case))
        done = promtool("test", "rules", folder / "case.yml")
        said = done.stdout + done.stderr
        assert "unexpected error" not in said
        assert ("exp:[]" in said) == (done.returncode != 0), said
        if done.returncode:
            found[name] = {part.split('"')[1] for part in said.split("province=")[1:]} or {""}
    return found


def campaign(*objectives: Objective, **changes: Any) -> Plan:
    """Return a campaign of 60 s with these objectives."""
    return plan(objectives=objectives, **changes)


def test_every_shipped_campaign_has_rules_that_prometheus_takes(tmp_path: Path) -> None:
    for name in shipped():
        write(shipped_plan(name), tmp_path / name)
        done = promtool("check", "rules", tmp_path / name / "rules.yml")
        assert done.returncode == 0, done.stdout + done.stderr
        assert " 0 rules found" not in done.stdout


def test_prometheus_takes_the_configuration(tmp_path: Path) -> None:
    write(shipped_plan("cutover-morning"), tmp_path)
    (tmp_path / "targets").mkdir()
    for name in ("conductor", "systems"):
        (tmp_path / "targets" / f"{name}.json").write_text("[]")
    done = promtool("check", "config", tmp_path / "prometheus.yml")
    assert (done.returncode, "WARNING" in done.stdout) == (0, False), done.stdout + done.stderr


def test_text_of_a_campaign_stays_text(tmp_path: Path) -> None:
    """Quotes, backslashes, templates, line ends and matchers in names change no rule."""
    hostile = "a\"b\\c{{ $value }}'\n- alert: x # ünïcode"
    watched = objective("availability", name=hostile, target=0.95, provenance="two\nlines [A]")
    write(campaign(watched), tmp_path)
    done = promtool("check", "rules", tmp_path / "rules.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS: 6 rules found" in done.stdout
    assert len(fired(tmp_path, campaign(watched), {BAD: "0+1x60"}, 40)) == 2


def test_operations_are_matched_as_they_are_written(tmp_path: Path) -> None:
    """Neither a dot nor a quote nor a backslash of an operation is more than itself."""
    odd = ("national.submit", 'a"b', "c\\d")
    only = campaign(objective("availability", target=0.95, operations=odd))
    failing = BAD.replace("national.submit", "nationalXsubmit")
    assert fired(tmp_path, only, {failing: "0+1x60", OK: "0+1x60"}, 40) == {}
    assert len(fired(tmp_path, only, {BAD: "0+1x60"}, 40)) == 2


@pytest.mark.parametrize("bad", ["0+1x60", None])
def test_availability_fires_on_failures_and_not_without(bad: str | None, tmp_path: Path) -> None:
    """Half of the requests fail, with budget for one in 10: the slow burn (60 %) stays silent, so does the fast one."""
    series = {OK: "0+1x60"} | ({BAD: bad} if bad else {})
    strict = objective("availability", target=0.95)
    expected = {"aim (slow burn)": {""}} if bad else {}
    assert fired(tmp_path, campaign(strict), series, 40) == expected


def test_availability_fires_where_no_success_was_ever_counted(tmp_path: Path) -> None:
    """The success series doesn't exist: everything failed, which is not nothing."""
    found = fired(tmp_path, campaign(objective("availability", target=0.95)), {BAD: "0+1x60"}, 40)
    assert found == {"aim (fast burn)": {""}, "aim (slow burn)": {""}}


def test_availability_by_province_names_the_one_that_fails(tmp_path: Path) -> None:
    """Province 79 has no error series at all and stays silent beside 01, which has nothing else."""
    each = objective("availability", target=0.95, scope="province")
    found = fired(tmp_path, campaign(each), {BAD: "0+1x60", OTHER: "0+1x60"}, 40)
    assert found == {"aim (fast burn)": {"01"}, "aim (slow burn)": {"01"}}


def test_an_alert_of_the_campaign_takes_the_place_of_the_pair(tmp_path: Path) -> None:
    """Its burn rate and windows: half of the requests fail, it fires above 14.4 % of a budget of 1 %."""
    own = Alert(name="wake somebody", objective="aim", long_window=15, short_window=3)
    watched = campaign(objective("availability", target=0.99), alerts=(own,))
    assert fired(tmp_path, watched, {OK: "0+1x60", BAD: "0+1x60"}, 40) == {"wake somebody": {""}}
    assert fired(tmp_path, watched, {OK: "0+9x60", BAD: "0+1x60"}, 40) == {}


def test_an_alert_ends_when_the_failures_do(tmp_path: Path) -> None:
    """The short window forgets in seconds what the long one still knows."""
    watched = campaign(objective("availability", target=0.95))
    series = {OK: "0+1x90", BAD: "0+9x30 270x60"}
    assert "aim (slow burn)" in fired(tmp_path, watched, series, 30)
    assert fired(tmp_path, watched, series, 36) == {}


def test_a_target_that_no_share_can_miss_gets_no_alert() -> None:
    """14.4 times a budget of 60 % is more than everything."""
    text = rules.text(campaign(objective("availability", target=0.4)))
    assert "left out: 8.64 is more than every event" in text
    assert 'aim (fast burn)"' not in text


@pytest.mark.parametrize(("within", "silent"), [("0+1x60", True), ("0+0x60", False), (None, False)])
def test_response_time_fires_on_slow_requests(within: str | None, silent: bool, tmp_path: Path) -> None:
    """Requests beyond the threshold are what total and within differ by; no series of fast ones: all were slow."""
    fast = objective("response_time", target=2.0, quantile=0.95)
    series = {OK: "0+1x60"} | ({WITHIN: within} if within else {})
    expected = {} if silent else {"aim (fast burn)": {""}, "aim (slow burn)": {""}}
    assert fired(tmp_path, campaign(fast), series, 40) == expected


@pytest.mark.parametrize(("within", "silent"), [("0+1x60", True), ("0+0x60", False)])
def test_sync_lag_fires_on_late_steps(within: str, silent: bool, tmp_path: Path) -> None:
    late = objective("sync_lag", target=60.0, quantile=0.95)
    series = {
        OK: "0+1x60",
        f'{LAG}_count{{province="01"}}': "0+1x60",
        f'{LAG}_bucket{{province="01",le="60.0"}}': within,
    }
    expected = {} if silent else {"aim (fast burn)": {""}, "aim (slow burn)": {""}}
    assert fired(tmp_path, campaign(late), series, 40) == expected


def test_a_sync_lag_that_the_portal_has_no_edge_for_is_named() -> None:
    text = rules.text(campaign(objective("sync_lag", target=7.0)))
    assert "# Not here: aim (sync_lag): the portal's histogram has no edge at 7 s" in text


@pytest.mark.parametrize(("active", "expected"), [("1x60", {"aim (fast burn)", "aim (slow burn)"}), ("0x60", set())])
def test_isolation_looks_at_others_while_a_fault_is_on(active: str, expected: set[str], tmp_path: Path) -> None:
    """Province 01 is the faulty one and doesn't count; 79 fails, which does while the fault is on."""
    apart = campaign(objective("isolation", target=0.95), faults=(CUT,))
    fault = 'thongsuot_fault_active{fault="cut",kind="down",target="province:01->national"}'
    assert set(fired(tmp_path, apart, {OTHER_BAD: "0+1x60", OK: "0+1x60", fault: active}, 40)) == expected
    assert fired(tmp_path, apart, {OTHER: "0+1x60", BAD: "0+1x60", fault: "1x60"}, 40) == {}


@pytest.mark.parametrize(("refused", "expected"), [("0x60", {}), ("0x30 1x30", {"aim": {""}})])
def test_refusals_fire_at_the_first(refused: str, expected: dict[str, set[str]], tmp_path: Path) -> None:
    series = {OK: "0+1x60", 'thongsuot_refusals_total{operation="submit",province="01"}': refused}
    assert fired(tmp_path, campaign(objective("refusals", target=0)), series, 40) == expected


@pytest.mark.parametrize(
    ("load", "pending", "expected"),
    [
        ("0+1x20 20x40", "5x60", {"aim": {""}}),
        ("0+1x20 20x40", "0x60", {}),
        ("0+1x60", "5x60", {}),
    ],
)
def test_a_backlog_fires_when_it_outlives_the_load(
    load: str, pending: str, expected: dict[str, set[str]], tmp_path: Path
) -> None:
    """Messages that wait while load comes are synchronisation; 15 s after its end they are a backlog."""
    series = {OK: load, 'thongsuot_outbox_pending{system="province:01",link="province:01->national"}': pending}
    assert fired(tmp_path, campaign(objective("drain_time", target=15.0)), series, 50) == expected


@pytest.mark.parametrize(
    ("good", "expected"), [("0+1x60", {}), ("0+1x20 20x40", {"aim": {"01"}}), (None, {"aim": {"01"}})]
)
def test_an_interruption_fires_when_nothing_succeeds(
    good: str | None, expected: dict[str, set[str]], tmp_path: Path
) -> None:
    """No success and failures for 5 s; a success series that doesn't exist is no success."""
    held = campaign(objective("interruption", target=5.0, scope="province"))
    assert fired(tmp_path, held, {BAD: "0+1x60"} | ({OK: good} if good else {}), 40) == expected


def test_recovery_time_is_named_as_not_expressible() -> None:
    text = rules.text(campaign(objective("recovery_time", target=5.0)))
    assert "# Not here: aim (recovery_time): the first success" in text


def test_silence_of_the_conductor_is_an_alert(tmp_path: Path) -> None:
    """Without any series of the load nothing else can fire."""
    found = fired(tmp_path, campaign(objective("availability")), {"up": "1x60"}, 40)
    assert found == {"no series of the load": {""}}
