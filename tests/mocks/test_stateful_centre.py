"""What the Government's centre sees of units agrees with small models: reports, tasks, meetings, dashboards."""

from itertools import count
from unittest.mock import patch

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from mocks import ioc, meetings
from mocks.draw import percentile
from model.books import content_hash
from tests.mocks.inside import Line
from tests.mocks.machines import Machine, answers, finds, refuses, run

NOON = 1_751_432_400.0  # Unix seconds: 2 July 2025, 12:00 in Việt Nam, when reports on 1 July are due
DAY = 86_400.0  # seconds
PERIODS = ["2025-06-30", "2025-07-01", "2025-07-02"]
UNITS = ["H01", "H79", "H01.00004"]
PICK = st.integers(0, 10_000)


def listing(inside, name, path):
    """Return all that a system lists, two at a time."""
    items, after = [], ""
    while after is not None:
        page = inside.get(name, path, params={"after": after, "limit": 2}).json()
        items, after = items + page["items"], page["next"]
    return items


class Reports(Machine):
    """Units report on days, in time and late, once and again."""

    names = platforms = ("reporting",)

    def prepare(self):
        self.taken = {}  # code -> [report, late], in the order of arrival
        self.undo.enter_context(patch("mocks.reporting.datetime", self.clock.dated()))

    @rule(
        unit=st.sampled_from(UNITS), form=st.sampled_from(["BC-1", "BC-2"]), period=st.sampled_from(PERIODS),
        figure=st.integers(0, 1),
    )  # fmt: skip
    def report(self, unit, form, period, figure):
        content = {"unit": unit, "form": form, "period": period, "figures": {"Tiếp nhận": 5, "Quá hạn": figure}}
        code = f"{unit}:{form}:{period}"
        answer = self.inside.post("reporting", "/reports", content)
        known = self.taken.setdefault(code, [content, self.clock.now > NOON + DAY * (PERIODS.index(period) - 1)])
        if known[0] != content:
            refuses(answer, 409, "transition")
        else:
            answers(answer, 201, {"code": code, "late": known[1], "sequence": 1, "error_code": 0})

    @precondition(lambda self: self.taken)
    @rule(number=PICK)
    def report_again(self, number):
        code = list(self.taken)[number % len(self.taken)]
        content, late = self.taken[code]
        answer = self.inside.post("reporting", "/reports", content)
        answers(answer, 201, {"code": code, "late": late, "sequence": 1, "error_code": 0})

    @rule(change=st.sampled_from([{"unit": "01"}, {"period": "2100-01-01"}, {"period": "today"}, {"figures": [1]}]))
    def what_is_no_report(self, change):
        content = {"unit": "H01", "form": "BC-1", "period": "2025-07-01", "figures": {}, **change}
        refuses(self.inside.post("reporting", "/reports", content), 422, "validation")

    @rule(seconds=st.sampled_from([NOON - 1_751_328_000.0, 1.0, DAY / 2]))
    def time_goes_by(self, seconds):
        self.clock.now += seconds

    @invariant()
    def lists_agree(self):
        expected = [(code, late, report["figures"]) for code, (report, late) in self.taken.items()]
        listed = listing(self.inside, "reporting", "/reports")
        assert [(item["code"], item["late"], item["figures"]) for item in listed] == expected
        entries = [("report", code, report["unit"], content_hash(report)) for code, (report, _) in self.taken.items()]
        listed = listing(self.inside, "reporting", "/entries")
        assert [(item["book"], item["key"], item["owner"], item["value"]) for item in listed] == entries


class Tasks(Machine):
    """Provinces are given tasks, and report how far they are."""

    names = platforms = ("tasks",)
    options = {"provinces": ("01", "79")}  # noqa: RUF012

    @initialize()
    def given(self):
        items = self.listed("")
        assert {item["unit"] for item in items} == {"H01", "H79"}
        assert {(item["status"], item["reports"]) for item in items} == {("given", 0)}
        self.tasks = {item["code"]: item for item in items}
        assert len(self.tasks) == len(items)
        self.book, self.calls = [], []

    def listed(self, unit):
        return self.inside.get("tasks", "/tasks", params={"unit": unit} if unit else {}).json()["items"]

    @rule(number=PICK, status=st.sampled_from(["doing", "done"]))
    def progress(self, number, status):
        code = sorted(self.tasks)[number % len(self.tasks)]
        path, headers, content = f"/tasks/{code}/progress", self.key(), {"status": status, "text": "đúng tiến độ"}
        answers(self.say(path, headers, content), 201, self.noted(code, status))
        self.tasks[code]["status"] = status
        self.tasks[code]["reports"] += 1
        self.book.append((headers["Idempotency-Key"], self.tasks[code]["unit"]))
        self.calls.append((path, headers, content, self.noted(code, status)))

    def say(self, path, headers, content):
        return self.inside.post("tasks", path, content, headers=headers)

    def noted(self, code, status):
        return {"code": code, "status": status, "sequence": 1, "error_code": 0}

    @precondition(lambda self: self.calls)
    @rule(number=PICK)
    def say_it_again(self, number):
        path, headers, content, said = self.calls[number % len(self.calls)]
        answers(self.say(path, headers, content), 201, said)
        refuses(self.say(path, headers, {**content, "text": "khác"}), 422, "validation")
        other = next(f"/tasks/{code}/progress" for code in self.tasks if code not in path)
        refuses(self.say(other, headers, content), 422, "validation")

    @rule(code=st.sampled_from(["NV0000", "NV9999", "NV1", "x"]))
    def a_task_that_nobody_was_given(self, code):
        refuses(self.say(f"/tasks/{code}/progress", self.key(), {"status": "done"}), 404, "unknown")

    @rule(status=st.sampled_from(["given", "", None]))
    def what_is_no_progress(self, status):
        code = next(iter(self.tasks))
        refuses(self.say(f"/tasks/{code}/progress", self.key(), {"status": status}), 422, "validation")

    @invariant()
    def lists_agree(self):
        assert self.listed("") == list(self.tasks.values())
        for unit in ("H01", "H79"):
            assert self.listed(unit) == [task for task in self.tasks.values() if task["unit"] == unit]
        listed = listing(self.inside, "tasks", "/entries")
        assert [(item["key"], item["owner"]) for item in listed] == self.book


class Meetings(Machine):
    """Units join and leave; who comes when all seats are taken is turned away; a restart sends nobody home."""

    names = platforms = ("meetings",)
    seats = 3

    def prepare(self):
        listed = self.inside.get("meetings", "/meetings").json()["items"]
        self.titles = {item["code"]: item["title"] for item in listed}
        self.present = {code: set() for code in self.titles}

    def shown(self, code):
        taken = len(self.present[code])
        return {"code": code, "title": self.titles[code], "seats": self.seats, "taken": taken}

    @rule(number=PICK, units=st.lists(st.integers(0, 5), min_size=1, max_size=4))
    def join(self, number, units):
        for unit in units:
            self.join_one(list(self.titles)[number % len(self.titles)], f"H01.{unit:05d}")

    def join_one(self, code, unit):
        answer = self.inside.post("meetings", f"/meetings/{code}/join", {"unit": unit})
        present = self.present[code]
        if unit not in present and len(present) == self.seats:
            refuses(answer, 503, "busy")
            assert int(answer.headers["retry-after"]) > 0
            return
        present.add(unit)
        answers(answer, 200, self.shown(code))

    @rule(number=PICK, unit=st.integers(0, 5))
    def leave(self, number, unit):
        code, unit = list(self.titles)[number % len(self.titles)], f"H01.{unit:05d}"
        self.present[code].discard(unit)
        answers(self.inside.post("meetings", f"/meetings/{code}/leave", {"unit": unit}), 200, self.shown(code))

    @rule(path=st.sampled_from(["join", "leave"]))
    def no_such_meeting(self, path):
        refuses(self.inside.post("meetings", f"/meetings/x/{path}", {"unit": "H01"}), 404, "unknown")
        refuses(self.inside.post("meetings", f"/meetings/giao-ban/{path}", {"unit": "01"}), 422, "validation")

    @invariant()
    def the_list_agrees(self):
        listed = self.inside.get("meetings", "/meetings").json()["items"]
        assert listed == [self.shown(code) for code in self.titles]


class Dashboards(Machine):
    """Dashboards poll while counters take dossiers in; lines to provinces and portal break and are mended."""

    names = ("ioc", "national", "province:01", "province:79")
    platforms = ("ioc",)
    options = {"provinces": ("01", "79")}  # noqa: RUF012
    timed = ("mocks.ioc",)
    places = {"01": "00004", "79": "26740"}  # noqa: RUF012

    def prepare(self):
        self.states = {"01": {}, "79": {}}  # province -> code -> state, of official dossiers
        self.tests = dict.fromkeys(self.states, 0)
        self.waiting = 0
        self.lines = {name: Line(self.inside, name) for name in self.names[1:]}
        self.restarted()

    def restarted(self):
        self.shown, self.asked = None, [line.asked for line in self.lines.values()]
        ioc = self.inside.systems["ioc"]
        ioc._national = self.lines["national"]
        ioc._provinces = {code: self.lines[f"province:{code}"] for code in self.states}

    def content(self, province):
        applicant = {"SoDinhDanh": "001090000005", "HoVaTen": "Nguyễn Văn A"}
        where = {"province": province, "commune": self.places[province]}
        return {"procedure": "2.000815", **where, "applicant": applicant, "form": {}}

    @rule(province=st.sampled_from(["01", "79"]), test=st.integers(0, 3))
    def take_in(self, province, test):
        mode = {"test": test == 0, "role": "cb"}
        officer = self.inside.bearer(f"province:{province}", "officer", self.places[province], **mode)
        headers = {**officer, **self.key()}
        answer = self.inside.post(f"province:{province}", "/counter/dossiers", self.content(province), headers=headers)
        assert answer.status_code == 201, answer.text
        if test:
            self.states[province][answer.json()["code"]] = 2
        else:
            self.tests[province] += 1

    @precondition(lambda self: 2 in self.states["01"].values())
    @rule()
    def process(self):
        code = next(code for code, state in self.states["01"].items() if state == 2)
        headers = {**self.inside.officer(), **self.key()}
        answer = self.inside.post("province:01", f"/dossiers/{code}/steps", {"action": "process"}, headers=headers)
        assert answer.status_code == 200, answer.text
        self.states["01"][code] = 4

    @rule(province=st.sampled_from(["01", "79"]))
    def submit(self, province):
        headers = {**self.inside.citizen(), **self.key()}
        answer = self.inside.post("national", "/dossiers", self.content(province), headers=headers)
        assert answer.status_code == 201, answer.text
        self.waiting += 1

    @rule(name=st.sampled_from(names[1:]))
    def a_line_is_cut_or_mended(self, name):
        self.lines[name].cut = not self.lines[name].cut

    @rule(seconds=st.sampled_from([0.4, 1.1]))
    def time_goes_by(self, seconds):
        self.clock.now += seconds

    @rule()
    def a_dashboard_polls(self):
        if self.shown is None or self.clock.now - self.shown["taken"] > 1.0:
            self.shown = self.figures()
            self.asked = [number + 1 for number in self.asked]
        answers(self.inside.get("ioc", "/dashboard"), 200, self.shown)

    def figures(self):
        heard = [code for code in self.states if not self.lines[f"province:{code}"].cut]
        standing = [state for code in heard for state in self.states[code].values()]
        return {
            "taken": self.clock.now,
            "provinces": {code: len(self.states[code]) for code in heard},
            "states": {str(state): standing.count(state) for state in set(standing)},
            "waiting": None if self.lines["national"].cut else self.waiting,
            "silent": [code for code in self.states if code not in heard],
            "test": sum(self.tests[code] for code in heard),
        }

    @invariant()
    def each_was_asked_as_often_as_it_had_to_be(self):
        assert [line.asked for line in self.lines.values()] == self.asked


@pytest.fixture(autouse=True)
def few_seats(monkeypatch):
    """A meeting is full soon."""
    monkeypatch.setattr(meetings, "SEATS", Meetings.seats)


@pytest.mark.parametrize("machine", [Reports, Tasks, Meetings])
def test_the_system_agrees_with_the_model(machine):
    run(machine, examples=12, steps=20)


def test_the_dashboard_agrees_with_the_model():
    run(Dashboards, examples=12, steps=20)


def seed_of(defect, identity, share=20):
    """Return a seed with which a defect strikes this identity."""
    return next(number for number in count() if percentile(f"{number}:{defect}:{identity}") < share)


def test_the_machine_finds_reports_that_are_lost():
    finds(Reports, defects=["reports-lost"], seed=seed_of("reports-lost", "H01:2025-07-01"))


@pytest.mark.parametrize("defect", ["tasks-lost-progress", "duplicate-on-retry"])
def test_the_machine_finds_a_defect_of_tasks(defect):
    finds(Tasks, defects=[defect], seed=seed_of("tasks-lost-progress", "k-1"))


def test_the_machine_finds_seats_that_are_never_freed():
    finds(Meetings, defects=["seats-never-freed"])


def test_the_machine_finds_dashboards_that_ask_each_time():
    finds(Dashboards, defects=["ioc-uncached"])


def test_the_machine_finds_that_silence_is_shown_as_no_dossiers(monkeypatch):
    ask = ioc._figures

    async def figures(client, path, type_):
        return await ask(client, path, type_) or (type_({}, 0, 0) if path == "/statistics" else None)

    monkeypatch.setattr(ioc, "_figures", figures)
    finds(Dashboards)
