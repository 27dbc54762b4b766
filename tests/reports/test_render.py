"""What the reports of a record show, on records made up here: 34 provinces, 90 s, two faults, about 20,000 requests."""

import csv
import json
import os
import random
import re
import shutil
import subprocess
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from model.drill import Alert, Drill, OperatorStep, Stop
from model.histogram import bucket_of, seconds_of, upper_of
from model.places import provinces
from model.plan import Fault, Load, Objective, Phase, Plan, Stack
from model.record import Record, RecordError
from reports import charts, judge, openmetrics, render, series, summary, tables, thresholds
from reports import facts as facts_module
from tests.conftest import NEEDS_PROMTOOL

BEGAN = 1_751_330_000.25
MIB = 2**20
HOSTILE = "<script>alert(1)</script>]]>|\x1b[31m`*_[x](http://e.vil)&\"'\u202e\n@all"
CODES = tuple(provinces())
STEPS = (
    "vneid.authorize",
    "national.procedures",
    "population.lookup",
    "national.submit",
    "national.pay",
    "province.track",
)
RULES = ("lost", "duplicated", "divergent", "regressed", "phantom", "resurrected", "misrouted", "misfiled")
PHASES = (("baseline", 20.0, 10.0), ("surge", 40.0, 60.0), ("recovery", 30.0, 20.0))
LOST = ("H29.79-250701-0017", "H29.79-250701-0023", "H26.01-250701-0140")
MISROUTED = tuple(f"H29.79-250701-{number:04}" for number in range(1000, 1130))


@dataclass(frozen=True)
class Kind:
    """A made-up record.

    Attributes:
        verdict: Of its verdict.json.
        samples: Whether anything was measured.
        say: Puts its mark on every text.
        drill: Whether it is a drill.
    """

    verdict: str = "pass"
    samples: bool = True
    say: Callable[[str], str] = str
    drill: bool = False


def plan(kind: Kind) -> Plan:
    """Make a campaign of three phases, two faults and three objectives."""
    say = kind.say
    return Plan(
        name=say("cutover-morning")[:80],
        title=say("Cutover morning, 1 July 2025"),
        purpose=say("Shows that dossiers flow while the portals move to two levels of local government."),
        phases=tuple(Phase(name=name, duration=duration, rate=rate) for name, duration, rate in PHASES),
        load=Load(journeys={say("submit_online"): 3, say("track"): 1}),
        faults=(
            Fault(
                id=say("hanoi-slow")[-80:],
                kind="latency",
                link="citizen->province:01",
                start=30,
                duration=10,
                attributes={"latency": 2000},
            ),
            Fault(id=say("hcmc-cut")[-80:], kind="down", link="province:79->national", start=36, duration=10),
        ),
        objectives=(
            Objective(
                name="submit p95", indicator="response_time", target=2.0, quantile=0.95, provenance="proposal [P]"
            ),
        ),
        stack=Stack(provinces=CODES),
        **(drill_parts(say) if kind.drill else {}),
    )


RUNBOOK = """
1. Read the alert: which province?
2. Announce the outage on the hotline.
   a. Say when it began.

3. Switch to the manual branch & tell the one-stop officers.
"""


def drill_parts(say: Callable[[str], str]) -> dict[str, Any]:
    """What a drill's plan has besides."""
    return {
        "drill": Drill(
            id=say("F1")[:80],
            source=say("synchronous, interconnected, uninterrupted information and data [S0]"),
            question=say("Do dossiers survive a cut of ten minutes?"),
            expects=(say("nothing is lost"), say("the backlog drains within 30 s")),
            runbook=say(RUNBOOK),
        ),
        "control": ("48", "92"),
        "stops": (
            Stop(name=say("too many errors")[-80:], indicator="error_ratio", limit=0.6),
            Stop(name="a dossier is gone", indicator="integrity", limit=0),
        ),
        "steps": (
            OperatorStep(id="announce", text=say("announce the outage on the hotline"), at=32, timeout=20),
            OperatorStep(id="manual", text=say("switch to the manual branch"), at=40, timeout=10),
        ),
        "alerts": (Alert(name=say("page")[-80:], objective=say("accepted submissions")[-80:], expected=("hcmc-cut",)),),
    }


def build(folder: Path, kind: Kind) -> Record:
    """Write a record of a kind."""
    folder.mkdir(parents=True, exist_ok=True)
    record = Record(folder)
    record.write_plan(plan(kind))
    write_events(record, kind)
    record.write_json("verdict.json", verdict(kind))
    record.write_json("environment.json", environment(kind))
    if kind.samples:
        record.write_json("audit.json", audit(kind))
        write_tables(record, kind)
    return record


def environment(kind: Kind) -> dict[str, object]:
    return {
        "python": kind.say("3.11.7"),
        "platform": kind.say("Linux x86_64"),
        "cores": 2,
        "versions": {"locust": "2.47.0", "duckdb": "1.3.2"},
        "toxiproxy": "real",
    }


def write_events(record: Record, kind: Kind) -> None:
    """Write the life of a run: systems, t0, phases, both faults to the end, load and audit."""
    slow, cut = (fault.id for fault in plan(kind).faults)
    lines: list[tuple[float | None, str, dict[str, object]]] = [(None, "run_started", {})]
    lines += [(None, "system_started", {"system": kind.say(f"province:{code}"), "pid": 100}) for code in CODES]
    if kind.samples:
        lines += [
            (0.0, "t0", {}),
            (0.0, "phase_started", {"phase": "baseline"}),
            (30.1, "fault_applied", {"fault": slow, "link": "citizen->province:01", "kind": "latency"}),
            (30.6, "fault_proved", {"fault": slow, "measured": probe(kind, 2.0052)}),
            (36.1, "fault_applied", {"fault": cut, "link": "province:79->national", "kind": "down"}),
            (36.2, "fault_proved", {"fault": cut, "measured": "connection refused"}),
            (40.2, "fault_healed", {"fault": slow}),
            (40.5, "fault_gone", {"fault": slow, "measured": {"delay": "1.3 ms"}}),
            (46.2, "fault_healed", {"fault": cut}),
            (46.4, "fault_gone", {"fault": cut, "measured": {"delay": "0.9 ms"}}),
            (62.0, "system_exited", {"system": kind.say("province:01"), "status": -9}),
            (91.0, "load_stopped", {"planned": 3200, "started": 3200, "dropped": 0, "unfinished": 0}),
            (95.0, "run_finished", {}),
        ]
    text = [
        json.dumps({"t": t, "time": BEGAN + (-20 if t is None else t), "event": event, **fields}, ensure_ascii=False)
        for t, event, fields in lines
    ]
    record.path("events.jsonl").write_text("\n".join(text) + "\n", encoding="utf-8")


def probe(kind: Kind, took: float) -> dict[str, object]:
    return {
        "outcome": kind.say("ok"),
        "seconds": took,
        "bytes": 182,
        "expected_seconds": 2.0,
        "healthy_outcome": "ok",
        "healthy_seconds": 0.010589,
    }


def verdict(kind: Kind) -> dict[str, object]:
    """verdict.json, in the shape that the judge writes."""
    say, failed = kind.say, kind.verdict == "fail"
    slow, cut = plan(kind).faults
    reasons = {
        "pass": ["3 objectives met over 3200 arrivals; no dossier came to harm; 2 faults proved and healed"],
        "fail": ["lost: 3 acknowledged dossiers are absent", "misrouted: 130 dossiers are in the wrong province"],
        "inconclusive": ["no requests were recorded: nothing can be said", "the audit did not take place"],
    }
    measured = {"observed": 1.42, "low": 1.36, "high": 1.51, "samples": 3127}
    return {
        "verdict": kind.verdict,
        "reasons": [say(reason) for reason in reasons[kind.verdict]],
        "objectives": [
            {
                "name": say("accepted submissions"),
                "indicator": "availability",
                "scope": "province",
                "target": 0.999,
                **({"observed": 0.99996, "low": 0.9991, "high": 1.0, "samples": 3127} if kind.samples else {}),
                "verdict": "pass" if kind.samples else "inconclusive",
                "provenance": say("own default [A]"),
            },
            {
                "name": "submit p95",
                "indicator": "response_time",
                "scope": "nation",
                "target": 2.0,
                **(measured if kind.samples else {"observed": None, "low": None, "high": None, "samples": 0}),
                "verdict": "pass" if kind.samples else "inconclusive",
                "provenance": "proposal, not law [P]",
            },
            {
                "name": "refused for reorganisation",
                "indicator": "refusals",
                "scope": "nation",
                "target": 0,
                "observed": 2 if failed else 0,
                "low": 2 if failed else 0,
                "high": 2 if failed else 0,
                "samples": 3127,
                "verdict": kind.verdict,
                "provenance": "dispatch [S0, S2]",
            },
        ],
        "integrity": integrity(kind),
        "load": {
            "planned": 3200,
            "started": 3200 if kind.samples else 0,
            "dropped": 0,
            "unfinished": 0,
            "late_p99_seconds": 0.0123 if kind.samples else None,
        },
        "faults": [
            {"id": f.id, "kind": f.kind, "link": f.link, "proved": kind.samples, "healed": kind.samples}
            for f in (slow, cut)
        ],
        **(drill_verdict(kind) if kind.drill else {}),
    }


def bounded(seconds: float | None, low: float | None, high: float | None, why: str, never: bool = False) -> Any:
    return {"seconds": seconds, "low": low, "high": high, "why": why, "never": never}


def drill_verdict(kind: Kind) -> dict[str, object]:
    """What verdict.json has of a drill, as the judge writes it."""
    say, (slow, cut) = kind.say, (fault.id for fault in plan(kind).faults)
    stops, (announce, manual), (alert,) = plan(kind).stops, plan(kind).steps, plan(kind).alerts
    unknown = bounded(None, None, None, say("no step was taken before it was healed"))
    step = {"decision": False, "by": None, "answer": None, "seconds": None}
    return {
        "steady_state": {
            **{"steady": True, "t": 29.0, "samples": 4210, "availability": 1.0, "response_p95": 0.121},
            "reasons": [],
        },
        "stops": [
            {"stop": stops[0].name, "t": 44.2, "indicator": "error_ratio", "value": 0.713, "limit": 0.6}
            | {"province": say("79")}
        ],
        "steps": [
            step
            | {"id": "announce", "text": announce.text, "timeout": 20, "asked": 32.0, "missed": False}
            | {"answer": "done", "by": say("terminal"), "seconds": 6.5, "verdict": "pass"},
            step
            | {"id": "manual", "text": manual.text, "timeout": 10, "asked": 40.0, "missed": True, "verdict": "fail"},
        ],
        "recovery": [
            {
                **{"fault": slow, "applied": 30.1, "healed": 40.2, "provinces": ["01"]},
                "detect": bounded(None, None, None, "no request failed while it was on (n=310)", never=True),
                "alert": bounded(None, None, None, "no alert fired while it was on", never=True),
                **{"recover": bounded(0.4, 0, 0.4, "province 01"), "drain": unknown, "converge": unknown},
            },
            {
                **{"fault": cut, "applied": 36.1, "healed": 46.2, "provinces": ["79"]},
                **{"detect": bounded(1.2, 0.1, 1.2, ""), "alert": bounded(4.9, 3.9, 4.9, "page")},
                "recover": bounded(3.1, 2.2, 3.1, "province 79"),
                "drain": bounded(5.25, 5.25, 5.25, "12 steps waited at the healing"),
                "converge": bounded(7.5, 7.5, 7.5, "normal: a step waits for 0.4 s"),
            },
        ],
        "alerts": [
            {
                **{"name": alert.name, "objective": alert.objective, "scope": "province", "verdict": "pass"},
                **{"threshold": 0.144, "long_window": 15, "short_window": 3},
                "spans": [
                    {"start": 12.0, "stop": 14.0, "provinces": ["22"], "faults": []},
                    {"start": 41.0, "stop": 50.0, "provinces": ["79"], "faults": [cut]},
                ],
                "expected": [
                    {"fault": cut, "within": 15, "seconds": 4.9, "low": 3.9, "verdict": "pass"}
                    | {"note": say("fired 4.9 s after hcmc-cut began")}
                ],
            }
        ],
    }


def integrity(kind: Kind) -> dict[str, object]:
    failed = kind.verdict == "fail"
    lists = {rule: [] for rule in RULES} | (
        {"lost": [kind.say(code) for code in LOST], "misrouted": list(MISROUTED)} if failed else {}
    )
    return {"acknowledged": 2981 * kind.samples, "read": 5962 * kind.samples, "unread": 0, **lists}


def audit(kind: Kind) -> dict[str, object]:
    findings = [
        {
            "category": "lost",
            "code": kind.say(code),
            "key": kind.say(f"key-{code}"),
            "province": kind.say("79"),
            "commune": kind.say("26734"),
            "detail": kind.say("acknowledged at 44.1 s, absent in the portal and in the province"),
        }
        for code in LOST
    ]
    return {
        "counts": {"lost": 3, "held": 2},
        "findings": findings if kind.verdict == "fail" else [],
        "sync_lag": {"p50": 0.21, "p95": 3.8, "p99": 9.7, "max": 10.4, "samples": 8811},
        "stale": 12,
        "recovered": 4,
        "systems": [
            {"system": kind.say(name), "pass": part, "dossiers": 88, "complete": True}
            for name in ("national", *(f"province:{code}" for code in CODES))
            for part in (1, 2)
        ],
        "entries": entries(kind),
    }


def entries(kind: Kind) -> dict[str, object]:
    found = {
        "category": "duplicated",
        "book": "document",
        "key": kind.say("d-7-send"),
        "detail": kind.say("H01 has it 2 times"),
    }
    return {
        "acknowledged": {"document": 40, "call": 7, "report": 0},
        "unread": {"call": 2} if kind.verdict == "fail" else {},
        "unread_systems": [],
        "findings": [found] if kind.verdict == "fail" else [],
    }


def write_tables(record: Record, kind: Kind) -> None:
    """Spool some 3,200 arrivals and 19,000 requests with two visible faults, and seal the spools."""
    rng = random.Random(7)
    counts: Counter[tuple[object, ...]] = Counter()
    arrivals, start = [], 0.0
    for phase, duration, rate in PHASES:
        for i in range(round(duration * rate)):
            arrivals.append(journey(rng, kind, counts, phase, len(arrivals), start + i / rate))
        start += duration
    spool(record, "samples", [(*key, count) for key, count in counts.items()])
    spool(record, "arrivals", arrivals)
    spool(record, "reads", [read(rng, number) for number in range(600)])
    spool(record, "processes", [*looks(kind)])
    tables.seal(record)


def looks(kind: Kind) -> Iterator[tuple[object, ...]]:
    """Look at two processes every 2 s: the portal's grows, the provinces' is started anew after 50 s."""
    for t in range(0, 90, 2):
        yield t, kind.say("national"), BEGAN - 5, 60 * MIB + t * MIB // 2, 40 + t, 100 * t, t
        yield t, kind.say("provinces-1"), BEGAN + 49 * (t >= 50), 80 * MIB, 250, 10 * (t % 50), 0


def spool(record: Record, table: str, rows: list[tuple[object, ...]]) -> None:
    with record.spool(table, "w1").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def journey(
    rng: random.Random, kind: Kind, counts: Counter[tuple[object, ...]], phase: str, number: int, t: float
) -> tuple[object, ...]:
    """Count one citizen's requests and return the row of the arrival."""
    province = rng.choices(CODES, [9 if code in {"01", "79"} else 1 for code in CODES])[0]
    cut = province == "79" and 36 <= t < 46 and kind.verdict == "fail"
    slow = province == "01" and 30 <= t < 40
    outcome, done = "ok", t + 0.004
    for step in STEPS:
        broken = cut and step in {"national.submit", "province.track"}
        outcome = rng.choice(("timeout", "http_5xx", "reset")) if broken else "ok"
        lasts = 10.0 if outcome == "timeout" else rng.lognormvariate(-3.4, 0.6) + (2.0 if slow else 0.0)
        count(counts, done, lasts, phase, kind.say(step), province, outcome)
        done += lasts
        if broken:
            break
    result = "ok" if outcome == "ok" else "failed"
    return number, 1, kind.say("submit_online"), province, "00004", t, t + rng.uniform(0.001, 0.012), done, result


def count(
    counts: Counter[tuple[object, ...]], t: float, lasts: float, phase: str, step: str, province: str, outcome: str
) -> None:
    counts[int(t), phase, step, province, outcome, "response", bucket_of(lasts + 0.002)] += 1
    counts[int(t), phase, step, province, outcome, "service", bucket_of(lasts)] += 1


def read(rng: random.Random, number: int) -> tuple[object, ...]:
    province = CODES[number % len(CODES)]
    occurred = BEGAN + number / 10
    history = [[1, 1, occurred, occurred], [2, 2, occurred + 1, occurred + 1 + rng.uniform(0.1, 0.4)]]
    return 2, "national", f"H-{number}", f"k{number}", province, "00004", "00", 2, 2, json.dumps(history), False, False


@pytest.fixture(scope="session")
def passed(tmp_path_factory: pytest.TempPathFactory) -> Record:
    return rendered(build(tmp_path_factory.mktemp("passed"), Kind()))


@pytest.fixture(scope="session")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Record:
    return rendered(build(tmp_path_factory.mktemp("failed"), Kind("fail")))


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Record:
    return rendered(build(tmp_path_factory.mktemp("empty"), Kind("inconclusive", samples=False)))


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Record:
    return rendered(
        build(tmp_path_factory.mktemp("hostile"), Kind("fail", say=lambda text: HOSTILE + text, drill=True))
    )


@pytest.fixture(scope="session")
def drilled(tmp_path_factory: pytest.TempPathFactory) -> Record:
    return rendered(build(tmp_path_factory.mktemp("drilled"), Kind("fail", drill=True)))


def rendered(record: Record) -> Record:
    render.write(record)
    return record


REPORTS = ("report.html", "summary.md", "junit.xml", "metrics.om")


def page(record: Record) -> str:
    return record.path("report.html").read_text(encoding="utf-8")


def facts(record: Record) -> facts_module.Facts:
    with tables.opened(record) as db:
        return series.read(record, db)


def tiny(folder: Path, samples: list[tuple[object, ...]] = (), arrivals: list[tuple[object, ...]] = ()) -> Record:
    """Write a record without audit whose tables hold just these rows."""
    record = build(folder, Kind("inconclusive", samples=False))
    spool(record, "samples", list(samples))
    spool(record, "arrivals", list(arrivals))
    tables.seal(record)
    return record


def sample(second: int, outcome: str, lasts: float, count: int = 1) -> tuple[object, ...]:
    return second, "surge", "national.submit", "01", outcome, "response", bucket_of(lasts), count


class Elements(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data

    def row(self, start: str) -> list[str]:
        """Return the cells of the first row that begins so, spaces made plain."""
        tidy = ([" ".join(cell.split()) for cell in row] for row in self.rows)
        return next(row for row in tidy if row and row[0].startswith(start))


def test_write_returns_the_page_and_writes_all_four_reports(passed: Record) -> None:
    """The page, summary.md, junit.xml and metrics.om are in the record, and no drafts."""
    assert render.write(passed) == passed.path("report.html")
    assert all(passed.path(name).stat().st_size for name in REPORTS)
    assert not list(passed.directory.glob(".*"))


def test_what_a_migration_leaves_to_a_person_is_told_beside_what_is_broken(passed: Record) -> None:
    page = passed.path("report.html").read_text()
    assert "recovered (outcome unknown to the client, later present),\n2 held by a migration for a person" in page


def test_the_same_record_gives_the_same_bytes(failed: Record, tmp_path: Path) -> None:
    """A copy of a record in another folder gives byte by byte the same reports."""
    copy = Record(tmp_path / "elsewhere")
    shutil.copytree(failed.directory, copy.directory)
    for name in REPORTS:
        copy.path(name).unlink()
    render.write(copy)
    assert all(copy.path(name).read_bytes() == failed.path(name).read_bytes() for name in REPORTS)


def test_rendering_a_90_second_run_takes_less_than_a_second_and_a_half(passed: Record) -> None:
    """34 provinces, 90 s and 19,000 requests take under 1.5 s of a processor."""
    start = time.process_time()
    render.write(passed)
    assert time.process_time() - start < 1.5


@pytest.mark.parametrize("name", ["passed", "failed", "empty", "hostile"])
def test_the_page_refers_to_nothing_outside_itself(name: str, request: pytest.FixtureRequest) -> None:
    """The page has no script, no import, and no link but to its own sections."""
    html = page(request.getfixturevalue(name))
    elements = Elements(html)
    links = [value for _, attribute, value in elements.attributes if attribute in {"src", "href", "data", "action"}]
    assert all(link.startswith("#") or link == "data:," for link in links)
    assert not {"script", "iframe", "object", "img", "base", "form"} & set(elements.tags)
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("passed", ("PASS", "Đạt", "✔")),
        ("failed", ("FAIL", "Không đạt", "✘", "lost: 3 acknowledged dossiers are absent")),
        ("empty", ("INCONCLUSIVE", "Chưa đủ căn cứ kết luận", "?", "the audit did not take place")),
    ],
)
def test_verdict_and_reasons_come_first(name: str, words: tuple[str, ...], request: pytest.FixtureRequest) -> None:
    """Verdict in both languages with its sign, and every reason, stand before all figures."""
    html = page(request.getfixturevalue(name))
    head = html[html.index("<h1>") : html.index('<dl class="keys"')]
    assert all(word in head for word in words)


def test_sections_stand_in_the_agreed_order(passed: Record) -> None:
    """Timeline, objectives, integrity, books, faults, then provinces to judging again."""
    found = [value for tag, name, value in Elements(page(passed)).attributes if tag == "h2" and name == "id"]
    order = (
        "timeline objectives integrity books faults provinces operations processes generator events environment again"
    )
    assert " ".join(found) == order


def test_a_broken_rule_shows_its_first_hundred_codes(failed: Record) -> None:
    """Of 130 misrouted dossiers the page shows 100 codes and says where the other 30 are."""
    cells = Elements(page(failed)).row("misrouted")
    assert cells[1:3] == ["130", "✘ fail"]
    assert len(re.findall(r"H29\.79-250701-\d{4}", cells[3])) == 100
    assert cells[3].endswith("and 30 more, see audit.json")
    assert all(code in Elements(page(failed)).row("lost")[3] for code in LOST)


def test_a_fault_shows_its_life_and_its_proof(passed: Record) -> None:
    """The row of a fault has planned window, applied, proved, measured, healed, gone and what was measured then."""
    cells = Elements(page(passed)).row("hanoi-slow")
    assert [cell.replace("\u00a0", " ") for cell in cells[1:]] == [
        "30.0 s – 40.0 s",
        "30.1 s",
        "30.6 s",
        "ok, 2.01 s (fault: 2 s; healthy: ok, 10.6 ms)",
        "40.2 s",
        "40.5 s",
        "delay 1.3 ms",
        "✔ proved and healed",
    ]


def test_provinces_stand_worst_first(failed: Record) -> None:
    """The province whose link was cut is on top, with availability, errors and its interruption."""
    rows = facts(failed).provinces
    assert [row.code for row in rows[:2]] == ["79", "01"]
    assert len(rows) == 34
    assert rows[0].availability < 1 == rows[1].availability
    assert 9 < rows[0].interruption < 13
    cells = Elements(page(failed)).row("Hồ Chí Minh")
    assert cells[1] == "79"
    assert "timeout" in cells[-1]


def test_processes_show_what_they_hold(passed: Record) -> None:
    """A process that was restarted has answered in both its lives."""
    rows = [[cell.strip() for cell in row] for row in Elements(page(passed)).rows]
    assert ["national", "1×", "8,800", "88", "60.0 MiB", "104.0 MiB", "", "40", "128"] in rows
    assert ["provinces-1", "2×", "860", "0", "80.0 MiB", "80.0 MiB", "", "250"] in [row[:8] for row in rows]
    (drawn,) = re.findall(r'aria-label="from 60.0 MiB to 104.0 MiB">.*?class="p50" d="M([^"]*)h.1"', page(passed))
    heights = [float(point.split()[1]) for point in drawn.split("L")]
    assert (heights[0], heights[-1], heights == sorted(heights, reverse=True)) == (7.5, 2.0, True)


def test_no_process_is_shown_where_nobody_looked(empty: Record) -> None:
    assert 'id="processes"' not in page(empty)
    assert "p50" not in charts.spark((None, None), "nothing")


def test_a_figure_that_json_has_as_null_is_infinite_where_something_was_measured(passed: Record) -> None:
    """A missed quantile without an observed value reads ∞, one without samples –."""
    missed = facts_module.ObjectiveResult(
        name="p95", verdict="fail", indicator="response_time", target=2.0, samples=90, low=1.5
    )
    assert summary.objective_cells(missed)[1:3] == ("∞", "1.50\u00a0s … ∞")
    assert Elements(page(passed)).row("submit p95")[1].replace("\u00a0", " ") == "≤ 2 s"
    unmeasured = facts_module.ObjectiveResult(name="p95", verdict="inconclusive", indicator="response_time", samples=0)
    assert summary.objective_cells(unmeasured)[1:3] == ("–", "–")


def test_an_empty_record_says_what_is_missing(empty: Record) -> None:
    """Without samples, audit and t0 the page says so, and no rule reads pass."""
    html = page(empty)
    assert "The load never began." in html
    assert "No request was recorded." in html
    assert "Empty rows below prove nothing: there was no audit." in html
    assert Elements(html).row("lost")[2] == "? inconclusive"
    assert "never applied" in html


def test_a_table_row_stands_for_every_province_of_the_plan_without_samples(empty: Record) -> None:
    """Provinces that nobody asked are listed with dashes."""
    assert Elements(page(empty)).row("Hà Nội")[1:5] == ["01", "0", "0", "–"]


def test_what_the_judge_writes_can_be_rendered(passed: Record, tmp_path: Path) -> None:
    """A record judged for real renders, with the judge's verdict and reasons."""
    record = Record(tmp_path / "judged")
    shutil.copytree(passed.directory, record.directory)
    judgement = judge.judge(record)
    judge.write(record, judgement)
    render.write(record)
    assert judgement.verdict != "pass"
    assert f" {judgement.verdict.upper()} – Cutover" in record.path("summary.md").read_text(encoding="utf-8")
    assert all(reason in " ".join(Elements(page(record)).text) for reason in judgement.reasons)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("verdict.json", None, "not there"),
        ("verdict.json", '{"verdict": 3}', "Expected `str`"),
        ("audit.json", '{"findings": [1]}', "Expected `object`"),
        ("samples.parquet", "PAR1", "Parquet"),
    ],
)
def test_a_foreign_file_is_named(name: str, content: str | None, message: str, tmp_path: Path) -> None:
    """A file that is missing or isn't what it should be raises RecordError with its name, and nothing is written."""
    record = build(tmp_path / "record", Kind("inconclusive", samples=False))
    record.path(name).unlink(missing_ok=True)
    if content is not None:
        record.path(name).write_text(content)
    with pytest.raises(RecordError, match=re.escape(name)) as caught:
        render.write(record)
    assert message in str(caught.value)
    assert not record.path("report.html").exists()


def test_quantiles_are_order_statistics_over_merged_buckets(tmp_path: Path) -> None:
    """Of 20 requests the 19th by duration is p95, the 10th p50."""
    rows = [sample(5, "ok", (i + 1) / 10) for i in range(20)]
    line = facts(tiny(tmp_path / "r", rows)).timeline
    assert line.p50[5] == pytest.approx(1.0, rel=0.01)
    assert line.p95[5] == pytest.approx(1.9, rel=0.01)
    assert line.p95[4] is None


def test_a_failed_request_is_slower_than_any_time(tmp_path: Path) -> None:
    """With 6 fast failures among 100 requests p95 is infinite and shown as ∞, p50 is not."""
    record = tiny(tmp_path / "r", [sample(0, "ok", 0.1, 94), sample(0, "http_5xx", 0.001, 6)])
    render.write(record)
    row = facts(record).operations[0]
    assert row.p50 == pytest.approx(0.1, rel=0.01)
    assert row.p95 == float("inf")
    assert Elements(page(record)).row("national.submit")[4] == "∞"


def test_an_interruption_runs_from_the_first_failure_to_the_next_success(tmp_path: Path) -> None:
    """Three failures in a row count, two don't."""
    told = ["ok", "failed", "failed", "ok", "failed", "failed", "failed", "ok"]
    rows = [(i, 1, "submit", "01", "00004", 1.0 * i, 1.0 * i, i + 0.5, outcome) for i, outcome in enumerate(told)]
    found = {row.code: row for row in facts(tiny(tmp_path / "r", [], rows)).provinces}
    assert found["01"].interruption == pytest.approx(3.5)
    assert found["04"].interruption is None


def test_a_day_is_shown_in_at_most_600_points(tmp_path: Path) -> None:
    """86,400 s become 600 slices of 144 s, and rates stay per second."""
    record = tiny(tmp_path / "r", [sample(second, "ok", 0.05, 2) for second in range(86_400)])
    line = facts(record).timeline
    assert (line.width, len(line.requests), line.end) == (144, 600, 86_400)
    assert set(line.requests) == {2.0}
    assert "V" in charts.timeline(facts(record), 1000)
    render.write(record)
    assert record.path("report.html").stat().st_size < 400_000
    assert record.path("metrics.om").stat().st_size < 5_000_000


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0, "0 ms"), (0.0123, "12.3 ms"), (0.3, "300 ms"), (1.5, "1.50 s"), (2.0, "2 s"), (312.4, "312 s")],
)
def test_durations_have_three_digits(value: float | None, text: str) -> None:
    assert summary.seconds(value).replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "100 %"), (0.999999, "99.9999 %"), (0.99996, "99.996 %"), (0.9705, "97.05 %"), (0.0, "0 %"), (None, "–")],
)
def test_a_share_short_of_all_never_reads_100_percent(value: float | None, text: str) -> None:
    assert summary.share(value).replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        ("connection refused", "connection refused"),
        ({"delay": "1.3 ms", "gone": None}, "delay 1.3 ms"),
        ({"outcome": "refused", "seconds": 9.6e-05, "expected_seconds": None}, "refused, 0.10 ms"),
    ],
)
def test_a_measurement_of_any_shape_is_written_out(value: object, text: str) -> None:
    assert summary.measured(value).replace("\u00a0", " ") == text


def test_hostile_text_is_shown_and_never_obeyed(hostile: Record) -> None:
    """Markup in any text stays text: no script element, no control or direction character in any report."""
    elements = Elements(page(hostile))
    assert "script" not in elements.tags
    assert not any(name.startswith("on") for _, name, _ in elements.attributes)
    assert "<script>alert(1)</script>]]>|␛[31m" in "".join(elements.text)
    for name in REPORTS:
        assert not set("\x1b\u202e") & set(hostile.path(name).read_text(encoding="utf-8"))


def test_hostile_text_breaks_no_markdown(hostile: Record) -> None:
    """Every row of a Markdown table has as many cells as its head, and no HTML, link, mention or code opens."""
    text = hostile.path("summary.md").read_text(encoding="utf-8")
    assert "<script" not in text
    assert "@all" not in text
    assert "://" not in text
    assert not re.search(r"(?<!\\)\[x\]", text)
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(cells) == 1


def junit(record: Record) -> ET.Element:
    return ET.fromstring(record.path("junit.xml").read_bytes())  # noqa: S314 - we wrote it ourselves


def cases(record: Record) -> dict[str, ET.Element]:
    root = junit(record)
    return {f"{case.get('classname').rpartition('.')[2]}/{case.get('name')}": case for case in root.iter("testcase")}


def test_junit_has_a_case_for_everything_that_is_judged(passed: Record) -> None:
    """Verdict, load, 3 objectives, 7 rules and unread, 2 books, 2 faults; all green in a passed run."""
    found = cases(passed)
    root = junit(passed)
    assert set(found) == {
        "verdict/verdict",
        "load/load is valid",
        *(f"objectives/{name}" for name in ("accepted submissions", "submit p95", "refused for reorganisation")),
        *(f"integrity/{rule}" for rule in (*RULES, "unread")),
        "books/documents",
        "books/hotline calls",
        "faults/hanoi-slow",
        "faults/hcmc-cut",
    }
    assert (root.get("name"), root.get("tests"), root.get("failures"), root.get("errors")) == (
        "cutover-morning",
        "18",
        "0",
        "0",
    )
    assert not list(root.iter("failure")) + list(root.iter("error"))


def test_junit_fails_what_failed(failed: Record) -> None:
    """Lost, misrouted, a book, the missed objective and the verdict fail and name the dossiers; the rest is green."""
    found = cases(failed)
    red = {name for name, case in found.items() if case.find("failure") is not None}
    assert red == {
        "verdict/verdict",
        "integrity/lost",
        "integrity/misrouted",
        "books/documents",
        "objectives/refused for reorganisation",
    }
    assert LOST[0] in found["integrity/lost"].find("failure").text
    assert [name for name, case in found.items() if case.find("error") is not None] == ["books/hotline calls"]


def test_junit_has_errors_where_nothing_can_be_said(empty: Record) -> None:
    """Without samples and audit every case is an error, none is green."""
    assert all(case.find("error") is not None for case in cases(empty).values())


def test_junit_survives_hostile_text(hostile: Record) -> None:
    """The file parses and the texts arrive."""
    assert any("<script>alert(1)</script>]]>|␛[31m" in name for name in cases(hostile))


def test_junit_judges_the_conduct_of_a_drill(drilled: Record) -> None:
    """The stop condition that fired and the deed that was missed fail; the other ones, steady state and alert pass."""
    found = cases(drilled)
    conduct = {name: case for name, case in found.items() if name.startswith(("conduct/", "alerts/"))}
    assert set(conduct) == {
        *("conduct/steady state", "conduct/stop condition too many errors", "conduct/stop condition a dossier is gone"),
        *("conduct/step announce", "conduct/step manual", "alerts/page"),
    }
    red = {name for name, case in conduct.items() if case.find("failure") is not None}
    assert red == {"conduct/stop condition too many errors", "conduct/step manual"}
    assert "province 79" in conduct["conduct/stop condition too many errors"].find("failure").get("message")


def test_a_drill_says_why_it_is_held_and_what_people_do(drilled: Record) -> None:
    """Id, question, source and expectations; the runbook keeps its lines, and its markup is text."""
    html = page(drilled)
    told = "".join(Elements(html).text)
    for text in ("Drill F1", "Do dossiers survive a cut of ten minutes?", "uninterrupted information and data [S0]"):
        assert text in told
    assert "the backlog drains within 30 s" in told
    assert RUNBOOK.strip() in told
    assert "manual branch &amp; tell" in html


def test_a_drill_shows_its_conduct(drilled: Record) -> None:
    """Steady state, the stop condition that fired and the one that didn't, who answered and who didn't."""
    found = Elements(page(drilled))
    tidy = " ".join("".join(found.text).split())
    assert "before the first fault: steady (4,210 requests, availability 100 %, response p95 121 ms)." in tidy
    assert found.row("too many errors")[1:] == [
        "error ratio above 0.6",
        "error ratio 0.713 > 0.6, province 79",
        "44.2 s",
    ]
    assert found.row("a dossier is gone")[2] == "no"
    assert found.row("32.0 s")[2:] == ["done by terminal after 6.50 s", "✔ pass"]
    assert found.row("40.0 s")[2] == "missed: no answer within 10 s"


def test_a_drill_shows_how_all_came_back(drilled: Record) -> None:
    """Bounds where there are two, never, unknown with its reason."""
    found = Elements(page(drilled))
    rows = [row for row in found.rows if len(row) == 6 and "provinces" in row[0]]
    assert [" ".join(cell.split()) for cell in rows[1][1:4]] == [
        "100 ms … 1.20 s",
        "3.90 s … 4.90 spage",
        "2.20 s … 3.10 sprovince 79",
    ]
    assert " ".join(rows[1][4].split()) == "5.25 s12 steps waited at the healing"
    assert " ".join(rows[1][5].split()).startswith("7.50 snormal: a step waits for 0.4 s")
    assert rows[0][1].startswith("neverno request failed")
    assert rows[0][4].strip() == "–no step was taken before it was healed"


def test_alerts_are_shown_with_what_was_on(drilled: Record) -> None:
    """In the table each span with its cause, in the chart a bar each."""
    html = page(drilled)
    row = Elements(html).row("page")
    assert "12.0 s – 14.0 s (province 22; no fault on)" in row[2]
    assert "41.0 s – 50.0 s (province 79; hcmc-cut)" in row[2]
    assert html.count('class="bar alert"') == 4  # two spans, on two drawings
    assert html.count('class="bar step"') == 4


def test_control_provinces_are_compared_with_the_others(drilled: Record) -> None:
    """Of those that a fault touches 5 % failed while one was on; control provinces and the others fared well."""
    rows = {(row.group, row.moment): row for row in facts(drilled).compared}
    assert len(rows) == 6
    assert rows["touched by a fault", "while a fault was on"].availability < 0.96
    assert all(row.availability == 1 for (group, _), row in rows.items() if group != "touched by a fault")
    assert sum(row.requests for row in rows.values()) == facts(drilled).requests
    assert Elements(page(drilled)).row("control")[1] == "while a fault was on"


def test_the_summary_of_a_drill_says_the_same(drilled: Record, passed: Record) -> None:
    """Drill, conduct, recovery, alerts, control provinces; a campaign that is no drill has none of them."""
    heads = ["Drill", "Conduct of the drill", "Recovery", "Alerts", "Control provinces"]
    text = drilled.path("summary.md").read_text(encoding="utf-8").replace("\u00a0", " ")
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")][-5:] == heads
    assert "2. Announce the outage on the hotline.\n   a. Say when it began." in text
    assert "- Stop condition a dossier is gone: didn't fire" in text
    assert "| manual | switch to the manual branch | 40.0 s | missed: no answer within 10 s | fail |" in text
    assert not [head for head in heads if f"## {head}" in passed.path("summary.md").read_text(encoding="utf-8")]


LINE = re.compile(r"(\w+)(\{.*\})? (\S+) (\d+\.\d{3})")


def metrics(record: Record) -> dict[str, list[tuple[float, float]]]:
    """Return (time, value) of every series; a series that comes back after another one, or a line askew, fails."""
    found: dict[str, list[tuple[float, float]]] = {}
    last = ""
    lines = record.path("metrics.om").read_text(encoding="utf-8").splitlines()
    assert lines[-1] == "# EOF"
    for line in lines[:-1]:
        if line.startswith("# "):
            continue
        name, labels, value, at = LINE.fullmatch(line).groups()
        key = name + (labels or "")
        assert key == last or key not in found
        last = key
        found.setdefault(key, []).append((float(at), float(value)))
    return found


def test_metrics_are_cumulative_from_t0(failed: Record) -> None:
    """Every counter starts at 0 at t0, never falls, moves in time, and ends at what the samples say."""
    found = {name: points for name, points in metrics(failed).items() if "_total" in name}
    for points in found.values():
        times, values = zip(*points, strict=True)
        assert points[0] == (BEGAN, 0)
        assert list(times) == sorted(set(times))
        assert list(values) == sorted(values)
    requests = sum(points[-1][1] for name, points in found.items() if name.startswith("thongsuot_requests_total"))
    assert requests == facts(failed).requests
    arrivals = sum(points[-1][1] for name, points in found.items() if name.startswith("thongsuot_arrivals_total"))
    assert arrivals == 3200


def test_every_error_series_exists_from_the_first_sample(passed: Record) -> None:
    """For each operation and province all seven outcomes are there, also those that never came."""
    outcomes = defaultdict(set)
    for name in metrics(passed):
        if match := re.fullmatch(r'thongsuot_requests_total\{(.*),outcome="(\w+)"\}', name):
            outcomes[match[1]].add(match[2])
    assert len(outcomes) == 34 * len(STEPS)
    assert {frozenset(names) for names in outcomes.values()} == {frozenset(facts_module.OUTCOMES)}


def test_the_histogram_is_cumulative_over_its_edges(failed: Record) -> None:
    """Counts grow from edge to edge, the last is the count, and failures are only in the last."""
    last = {name: points[-1][1] for name, points in metrics(failed).items()}
    name = 'thongsuot_response_seconds_bucket{operation="national.submit",le="%s"}'
    counts = [last[name % edge] for edge in (*map(str, thresholds.EDGES), "+Inf")]
    assert counts == sorted(counts)
    assert counts[-1] == last['thongsuot_response_seconds_count{operation="national.submit"}'] == 3200
    failures = sum(row.errors.get(outcome, 0) for row in facts(failed).provinces for outcome in facts_module.ERRORS)
    assert counts[-2] == 3200 - failures


def test_the_fault_gauge_is_one_while_the_fault_is_held(passed: Record) -> None:
    """Applied at 30.1 s and healed at 40.2 s: 1 from 31 s to 40 s."""
    points = metrics(passed)['thongsuot_fault_active{fault="hanoi-slow",kind="latency",target="citizen->province:01"}']
    assert [at - BEGAN for at, value in points if value] == list(range(31, 41))


@pytest.mark.parametrize("edge", thresholds.EDGES)
def test_a_histogram_edge_counts_whole_buckets_only(edge: float) -> None:
    """The last bucket that counts lies at or below the edge, the next one reaches beyond it."""
    assert upper_of(thresholds.below(edge)) <= edge * (1 + 1e-9) < upper_of(thresholds.below(edge) + 1)


def test_sql_and_python_agree_on_what_a_bucket_lasts(passed: Record) -> None:
    """Twice the midpoint in microseconds, computed in SQL, is seconds_of for every bucket up to an hour."""
    with tables.opened(passed) as db:
        rows = db.execute(
            f"SELECT bucket, {openmetrics.HALF_MICROS} FROM (SELECT unnest(range(2000)) AS bucket)"
        ).fetchall()
    assert all(half / 2e6 == pytest.approx(seconds_of(bucket), abs=1e-6) for bucket, half in rows)


@NEEDS_PROMTOOL
@pytest.mark.parametrize("name", ["passed", "empty", "hostile"])
def test_prometheus_loads_the_metrics(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """The promtool of Prometheus makes blocks of metrics.om without complaint."""
    path = request.getfixturevalue(name).path("metrics.om")
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(path), str(tmp_path / "blocks")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "blocks").iterdir())


def contrast(a: str, b: str) -> float:
    """Contrast ratio of two colours, WCAG 2."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_text_has_contrast_in_light_dark_and_print() -> None:
    """Every colour of text stands out from what it is on by at least 4.5 to 1, lines of charts by 3 to 1."""
    sheet = files("reports").joinpath("templates", "report.css").read_text(encoding="utf-8")
    schemes = [
        dict(re.findall(r"--([\w-]+): (#\w{6})", block)) for block in re.findall(r":root \{(.*?)\}", sheet, re.DOTALL)
    ]
    assert len(schemes) == 3
    for scheme in schemes:
        grounds = ("paper", "pass-tint", "fail-tint", "open-tint")
        pairs = [("ink", ground) for ground in grounds] + [("muted", ground) for ground in (*grounds, "faint")]
        pairs += [("link", "paper"), ("pass", "pass-tint"), ("fail", "fail-tint"), ("open", "open-tint")]
        pairs += [(tone, "paper") for tone in ("pass", "fail", "open")]
        assert [pair for pair in pairs if contrast(scheme[pair[0]], scheme[pair[1]]) < 4.5] == []
        assert [line for line in ("p50", "p95", "achieved") if contrast(scheme[line], scheme["paper"]) < 3] == []


class Browser:
    """Chromium over its DevTools protocol: commands by ``call``, what it said meanwhile in ``events``."""

    def __init__(self, address: str) -> None:
        websocket = pytest.importorskip("websocket", reason="websocket-client isn't here")
        self.events: list[dict[str, Any]] = []
        self._socket = websocket.create_connection(address, timeout=30)
        self._number = 0
        self._session: dict[str, str] = {}
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: object) -> Any:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters, **self._session}))
        while (answer := json.loads(self._socket.recv())).get("id") != self._number:
            self.events.append(answer)
        assert "result" in answer, answer
        return answer["result"]

    def open(self, path: Path, width: int, scheme: str) -> None:
        """Load a page in a window of this width and wait until it has loaded."""
        self.events.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        document = self.call("Page.navigate", url=path.as_uri())["loaderId"]
        while not self._loaded(document):
            self.events.append(json.loads(self._socket.recv()))
        assert self.evaluate("!!document.querySelector('h1')")

    def _loaded(self, document: str) -> bool:
        """Tell whether a document is there, in place of the one before it, and has loaded."""
        there = False
        for event in self.events:
            if event.get("method") == "Page.frameNavigated":
                there = event["params"]["frame"]["loaderId"] == document
            elif event.get("method") == "Page.loadEventFired" and there:
                return True
        return False

    def evaluate(self, expression: str) -> Any:
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def said(self, *methods: str) -> list[dict[str, Any]]:
        return [event["params"] for event in self.events if event.get("method") in methods]


FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
)


@contextmanager
def chromium() -> Iterator[str]:
    """Start a headless Chromium without network of its own; yield the address of its DevTools."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None and os.environ.get("CI") == "true":
        pytest.fail("no Chromium on PATH: CI has to look at the report")
    if program is None:
        pytest.skip("no Chromium on PATH: apt-get install chromium")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen([program, *FLAGS, f"--user-data-dir={home}", "about:blank"], **quiet) as process:
            try:
                yield devtools(Path(home) / "DevToolsActivePort")
            finally:
                process.terminate()


def devtools(announcement: Path) -> str:
    """Wait until Chromium has announced its port."""
    deadline = time.monotonic() + 30
    while not announcement.exists() or announcement.read_text().count("\n") < 1:
        assert time.monotonic() < deadline, "Chromium didn't come up"
        time.sleep(0.05)
    port, path = announcement.read_text().split()
    return f"ws://127.0.0.1:{port}{path}"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as address:
        yield Browser(address)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("name", ["passed", "failed", "empty", "hostile", "drilled"])
def test_the_page_loads_quietly_in_chromium(
    name: str, width: int, scheme: str, browser: Browser, request: pytest.FixtureRequest
) -> None:
    """No console message, no request but for the page itself, nothing wider than the window, one timeline to see."""
    path = request.getfixturevalue(name).path("report.html")
    browser.open(path, width, scheme)
    assert browser.evaluate("innerWidth") == width
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert (
        browser.evaluate("[...document.querySelectorAll('svg.timeline')].filter(e => e.checkVisibility()).length") == 1
    )
    wide = "!e.closest('.scroll, svg') && e.getBoundingClientRect().right > document.documentElement.clientWidth + 1"
    assert browser.evaluate(f"[...document.querySelectorAll('main *')].filter(e => {wide}).map(e => e.outerHTML)") == []
    assert browser.said("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown") == []
    requested = {event["request"]["url"] for event in browser.said("Network.requestWillBeSent")}
    assert requested <= {path.as_uri(), "data:,"}


def test_the_other_books_are_judged_in_every_report(passed: Record, failed: Record) -> None:
    """A book with a finding fails, one that couldn't be looked up proves nothing, one without entries isn't shown."""
    found = cases(failed)
    assert [child.tag for child in found["books/documents"]] == ["failure"]
    assert found["books/documents"].findtext("failure") == "duplicated d-7-send: H01 has it 2 times"
    assert [child.tag for child in found["books/hotline calls"]] == ["error"]
    text = failed.path("summary.md").read_text(encoding="utf-8")
    assert "| documents | 40 | fail | 1 duplicated |" in text
    assert "H01 has it 2 times" in page(failed)
