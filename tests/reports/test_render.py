"""What the reports of a record show, on records made up here: 34 provinces, 90 s, two faults, about 20,000 requests."""

import csv
import json
import random
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

from model.histogram import bucket_of, seconds_of, upper_of
from model.places import provinces
from model.plan import Fault, Limits, Load, Objective, Phase, Plan, Stack
from model.record import Record, RecordError
from reports import charts, openmetrics, render, series, summary, tables

BEGAN = 1_751_330_000.25
HOSTILE = "<script>alert(1)</script>]]>|\x1b[31m`*_[x](http://e.vil)&\"'\u202e\n@all"
CODES = tuple(provinces())
STEPS = ("vneid.authorize", "national.procedures", "population.lookup", "national.submit", "national.pay", "province.track")
RULES = ("lost", "duplicated", "divergent", "regressed", "phantom", "resurrected", "misrouted")
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
    """

    verdict: str = "pass"
    samples: bool = True
    say: Callable[[str], str] = str


def plan(kind: Kind) -> Plan:
    """A campaign of three phases, two faults and three objectives."""
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
            Objective(name="submit p95", indicator="response_time", target=2.0, quantile=0.95, provenance="proposal [P]"),
        ),
        stack=Stack(provinces=CODES),
        limits=Limits(),
    )


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
            (30.6, "fault_proved", {"fault": slow, "measured": {"delay": kind.say("2.01 s"), "before": "1.1 ms"}}),
            (36.1, "fault_applied", {"fault": cut, "link": "province:79->national", "kind": "down"}),
            (36.2, "fault_proved", {"fault": cut, "measured": "connection refused"}),
            (40.2, "fault_healed", {"fault": slow}),
            (40.5, "fault_gone", {"fault": slow, "measured": {"delay": "1.3 ms"}}),
            (46.2, "fault_healed", {"fault": cut}),
            (46.4, "fault_gone", {"fault": cut, "measured": {"delay": "0.9 ms"}}),
            (62.0, "system_exited", {"system": kind.say("province:01"), "status": -9}),
            (91.0, "load_stopped", {"planned": 3200, "started": 3200, "dropped": 0, "unfinished": 0}),
        ]
    text = [
        json.dumps({"t": t, "time": BEGAN + (-20 if t is None else t), "event": event, **fields}, ensure_ascii=False)
        for t, event, fields in lines
    ]
    record.path("events.jsonl").write_text("\n".join(text) + "\n", encoding="utf-8")


def verdict(kind: Kind) -> dict[str, object]:
    """verdict.json, in the shape that the judge writes."""
    say, failed = kind.say, kind.verdict == "fail"
    slow, cut = plan(kind).faults
    reasons = {
        "pass": [],
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
        "counts": {"lost": 3},
        "findings": findings if kind.verdict == "fail" else [],
        "sync_lag": {"p50": 0.21, "p95": 3.8, "p99": 9.7, "max": 10.4, "samples": 8811},
        "stale": 12,
        "recovered": 4,
        "systems": [
            {"system": kind.say(name), "pass": part, "dossiers": 88, "complete": True}
            for name in ("national", *(f"province:{code}" for code in CODES))
            for part in (1, 2)
        ],
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
    tables.seal(record)


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
    return 2, "national", f"H-{number}", f"k{number}", province, "00004", "00", 2, 2, json.dumps(history)


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
    return rendered(build(tmp_path_factory.mktemp("hostile"), Kind("fail", say=lambda text: HOSTILE + text)))


def rendered(record: Record) -> Record:
    render.write(record)
    return record
