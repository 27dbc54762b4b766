"""Reports, given tasks, meetings and the operation centre."""

import time
from datetime import datetime, timedelta

import pytest

from mocks.ioc import FRESH
from mocks.meetings import SEATS
from mocks.reporting import due
from mocks.timestamps import CLOCK

TODAY = datetime.now(CLOCK).date()


def report(**changes):
    return {"unit": "H01.00004", "form": "BC-1", "period": str(TODAY), "figures": {"n": 1}, **changes}


def test_a_report_is_counted_once_and_other_figures_are_refused(stacks):
    stack = stacks(platforms=("reporting",)).start("reporting")
    answers = [stack.post("reporting", "/reports", report()).json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert (answers[0]["code"], answers[0]["late"]) == (f"H01.00004:BC-1:{TODAY}", False)
    assert stack.post("reporting", "/reports", report(figures={"n": 2})).status_code == 409
    assert len(stack.get("reporting", "/reports").json()["items"]) == 1
    assert stack.entries("reporting") == [("report", answers[0]["code"], "H01.00004")]


def test_a_late_report_is_taken_and_flagged(stacks):
    stack = stacks(platforms=("reporting",)).start("reporting")
    assert stack.post("reporting", "/reports", report(period=str(TODAY - timedelta(days=3)))).json()["late"] is True
    for wrong in ({"period": "31-12-2025"}, {"unit": "Hà Nội"}, {"figures": {"n": "x"}}):
        assert stack.post("reporting", "/reports", report(**wrong)).status_code == 422


def test_a_report_is_due_at_noon_of_the_next_day():
    assert due(TODAY).date() == TODAY + timedelta(days=1)
    assert due(TODAY).hour == 12
    assert due(TODAY).utcoffset() == timedelta(hours=7)


def test_tasks_are_given_to_provinces_and_progress_is_noted_once(stacks):
    stack = stacks(platforms=("tasks",)).start("tasks")
    (task, *others) = stack.get("tasks", "/tasks", params={"unit": "H01"}).json()["items"]
    assert len(others) == 2
    assert (task["status"], task["reports"]) == ("given", 0)
    key = stack.key()
    path = f"/tasks/{task['code']}/progress"
    answers = [stack.post("tasks", path, {"status": "done"}, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    stack.kill("tasks")
    stack.start("tasks")
    items = stack.get("tasks", "/tasks").json()["items"]
    assert len(items) == 3
    assert (items[0]["status"], items[0]["reports"]) == ("done", 1)
    assert stack.entries("tasks") == [("progress", key["Idempotency-Key"], "H01")]
    for code in ("NV9999", "NV٠٠٠١", "x"):
        assert (
            stack.post("tasks", f"/tasks/{code}/progress", {"status": "done"}, headers=stack.key()).status_code == 404
        )


def test_a_meeting_has_so_many_seats(stacks):
    stack = stacks(platforms=("meetings",)).start("meetings")
    code = stack.get("meetings", "/meetings").json()["items"][0]["code"]

    def go(what, number):
        return stack.post("meetings", f"/meetings/{code}/{what}", {"unit": f"H01.{number:05d}"})

    for number in range(SEATS):
        assert go("join", number).status_code == 200
    assert go("join", 0).json()["taken"] == SEATS
    full = go("join", SEATS)
    assert (full.status_code, full.headers["retry-after"]) == (503, "5")
    assert go("leave", 0).json()["taken"] == SEATS - 1
    assert go("join", SEATS).status_code == 200
    assert stack.post("meetings", "/meetings/none/join", {"unit": "H01"}).status_code == 404


def test_the_dashboard_adds_up_and_names_who_is_silent(stacks, eventually):
    stack = stacks(provinces=("01", "79"), platforms=("ioc",)).start("national").start("ioc").start("province:01")
    officer = stack.officer()
    for _ in range(3):
        stack.intake(officer)

    def shown():
        found = stack.get("ioc", "/dashboard").json()
        return [found[name] for name in ("provinces", "states", "silent", "waiting")]

    eventually(lambda: shown() == [{"01": 3}, {"2": 3}, ["79"], 0])


@pytest.mark.parametrize("defects", [(), ("ioc-uncached",)])
def test_dashboards_ask_the_systems_once_a_second(stacks, defects):
    """20 that the province answered in time count: a request that it didn't may never have come to it."""
    stack = stacks(platforms=("ioc",), defects=defects).start("national").start("province:01").start("ioc")
    began, polls, heard = time.monotonic(), 0, 0
    while heard < 20:
        shown = stack.get("ioc", "/dashboard")
        assert shown.status_code == 200
        polls, heard = polls + 1, heard + ("01" in shown.json()["provinces"])
    took = time.monotonic() - began
    asked = stack.metric("province:01", 'thongsuot_system_requests_total{code="2xx",operation="statistics"')
    assert 20 <= asked <= polls if defects else 1 <= asked <= 1 + took / FRESH


def test_reports_lost_acknowledges_what_it_does_not_keep(stacks):
    stack = stacks(platforms=("reporting",), defects=("reports-lost",)).start("reporting")
    units = {f"H{number:02d}" for number in range(60)}
    for unit in units:  # which are lost depends on the day
        assert stack.post("reporting", "/reports", report(unit=unit, period="2025-07-01")).status_code == 201
    kept = {owner for _, _, owner in stack.entries("reporting")}
    assert kept < units
    assert 3 <= len(units - kept) <= 25


def test_tasks_lost_progress_acknowledges_what_it_does_not_keep(stacks):
    stack = stacks(platforms=("tasks",), defects=("tasks-lost-progress",)).start("tasks")
    keys = {f"k-{number}" for number in range(60)}
    for key in keys:
        path, headers = "/tasks/NV0001/progress", {"Idempotency-Key": key}
        assert stack.post("tasks", path, {"status": "doing"}, headers=headers).status_code == 201
    kept = {key for _, key, _ in stack.entries("tasks")}
    assert kept < keys
    assert 3 <= len(keys - kept) <= 25


def test_seats_never_freed_fills_a_meeting_that_everybody_left(stacks):
    stack = stacks(platforms=("meetings",), defects=("seats-never-freed",)).start("meetings")
    for number in range(SEATS):
        for what in ("join", "leave"):
            unit = {"unit": f"H01.{number:05d}"}
            assert stack.post("meetings", f"/meetings/giao-ban/{what}", unit).status_code == 200
    assert stack.post("meetings", "/meetings/giao-ban/join", {"unit": "H79"}).status_code == 503
