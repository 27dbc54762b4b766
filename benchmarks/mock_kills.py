"""`python -m benchmarks.mock_kills [--kills 100] [--at-once 20] [--seed 1]`: kill -9 of mocks under load.

Runs of a campaign with every system and every kind of write, ``--at-once`` kills in each: every system in its turn, in
a random order, at a random moment, away for a random time. A killed system starts again on its own state. The run's own
audit says what became of everything that was acknowledged: nothing may be lost, duplicated, altered or unread, neither
dossiers nor entries of other books, nor the legacy dossiers and accounts that a migration moves meanwhile. The seed
decides who dies when. Writes DATE-mock-kills.json and .md.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.__main__ import RESULTS, machine
from model.links import PLATFORMS, province_system, systems
from model.record import Record

COMMAND = Path(sys.executable).with_name("thongsuot")
PROVINCES = ("01", "11", "79")
SYSTEMS = systems(PROVINCES, PLATFORMS)
FIRST = 8.0  # seconds of load before the first kill
EVERY = 2.0  # seconds from one kill to the next, a little more or less
AWAY = (0.5, 1.5)  # seconds
LAST = 6.0  # seconds of load after the last kill
PATIENCE = 420.0  # seconds that a run may take beyond its load
JUDGED = (0, 1, 3)
HARM = ("lost", "duplicated", "divergent", "regressed", "phantom", "resurrected", "misrouted", "misfiled")

CAMPAIGN = """
name = "mock-kills"
title = "Every kind of write, and a migration, while systems are killed"
seed = {seed}

[stack]
provinces = {provinces}
platforms = {platforms}
mobile = ["79"]

[migration]
start = {first}
dossiers = 400
rate = 10

[load.journeys]
submit-online = 6
counter-intake = 6
process = 6
data-only = 3
data-only-counter = 2
resume-draft = 2
counter-weak-line = 2
send-document = 3
receive-documents = 3
call-hotline = 2
ops-alert = 2
report = 2
poll-tasks = 2
join-meeting = 1
watch-dashboard = 1
submit-old-code = 2
assisted = 2
novice-intake = 2
mobile-reception = 2

[load.patience]
retries = 3

[drain]
timeout = 60

[steady_state]
window = 10
availability = 0.5
response_p95 = 30
samples = 1

[[phases]]
name = "all"
duration = {duration}
rate = {rate}

[[objectives]]
name = "requests answered"
indicator = "availability"
scope = "nation"
target = 0.1
provenance = "own default [A]: what counts here is the audit"
"""

FAULT = """
[[faults]]
id = "{id}"
kind = "kill"
system = "{system}"
start = {start}
duration = {duration}
"""


@dataclass(frozen=True, slots=True)
class Kill:
    """Who dies, when (seconds from t0), and for how long (seconds)."""

    id: str
    system: str
    start: float
    duration: float


@dataclass(slots=True)
class Outcome:
    """What came of one run.

    Attributes:
        kills: What was planned.
        killed: Systems of the kills that were carried out and proved.
        acknowledged: Dossiers, entries of other books that were acknowledged, and what was migrated.
        problems: What wasn't as it should be.
    """

    kills: Sequence[Kill]
    killed: list[str] = field(default_factory=list)
    acknowledged: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def draw(seed: int, number: int, names: Sequence[str] = SYSTEMS) -> list[Kill]:
    """Draw the kills of a run: every system once before one has its second turn."""
    chance = Random(f"{seed}")
    order = [name for _ in range(number // len(names) + 1) for name in chance.sample(names, len(names))][:number]
    return [
        Kill(
            id=f"kill-{index}",
            system=system,
            start=round(FIRST + index * EVERY + chance.uniform(0, EVERY / 4), 3),
            duration=round(chance.uniform(*AWAY), 3),
        )
        for index, system in enumerate(order)
    ]


def campaign(kills: Sequence[Kill], seed: int, rate: float) -> str:
    """Write the campaign file of a run."""
    load = CAMPAIGN.format(
        seed=seed,
        provinces=json.dumps(PROVINCES),
        platforms=json.dumps(PLATFORMS),
        first=FIRST,
        duration=round(kills[-1].start + kills[-1].duration + LAST, 3),
        rate=rate,
    )
    return load + "".join(FAULT.format(**asdict(kill)) for kill in kills)


def run(kills: Sequence[Kill], seed: int, rate: float, folder: Path) -> Outcome:
    """Run a campaign, and look at its audit; the record stays in ``folder``."""
    folder.mkdir(parents=True)
    file, record = folder / "campaign.toml", folder / "record"
    file.write_text(campaign(kills, seed, rate), encoding="utf-8")
    outcome = Outcome(kills)
    patience = kills[-1].start + PATIENCE
    with (folder / "output").open("wb") as output:
        command = [str(COMMAND), "run", str(file), "--out", str(record), "--toxiproxy", "embedded"]
        code = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, timeout=patience, check=False
        ).returncode
    if code not in JUDGED:
        outcome.problems.append(f"exit code {code}: see {folder / 'output'}")
        return outcome
    kept = Record(record)
    events = kept.events()
    outcome.killed = [event["system"] for event in events if event["event"] == "fault_proved"]
    look(kept.json("audit.json"), outcome)
    moved = {event["system"]: event["moved"] for event in events if event["event"] == "migration_finished"}
    outcome.acknowledged["migrated"] = sum(moved.values())
    outcome.problems += [f"{name} did not migrate" for name in map(province_system, PROVINCES) if name not in moved]
    return outcome


def look(audit: dict[str, Any], outcome: Outcome) -> None:
    """Note what an audit found, and how much it had to look at."""
    counts, entries = audit["counts"], audit["entries"]
    outcome.acknowledged = {"dossier": counts["acknowledged"], **entries["acknowledged"]}
    found = [f"{item['category']} {item['code']}: {item['detail']}" for item in audit["findings"]]
    outcome.problems += [text for text in found if text.partition(" ")[0] in HARM]
    outcome.problems += [f"{item['category']} {item['book']} {item['key']}" for item in entries["findings"]]
    unread = {read["system"] for read in audit["systems"] if not read["complete"]} | {*entries["unread_systems"]}
    outcome.problems += [f"not read: {system}" for system in sorted(unread)]
    if not counts["acknowledged"]:
        outcome.problems.append("nothing was acknowledged")


def series(kills: int, at_once: int, seed: int, rate: float, folder: Path) -> Iterator[Outcome]:
    """Run campaigns until so many kills were carried out; a run that kills nobody is the last."""
    done = 0
    while done < kills:
        outcome = run(draw(seed, min(at_once, kills - done)), seed, rate, folder / str(seed))
        done += len(outcome.killed)
        seed += 1
        yield outcome
        if not outcome.killed:
            return


def markdown(outcomes: Sequence[Outcome]) -> str:
    """Return a series as a table: a line for each kind of system."""
    killed = Counter(system.partition(":")[0] for outcome in outcomes for system in outcome.killed)
    kept: Counter[str] = Counter()
    for outcome in outcomes:
        kept.update(outcome.acknowledged)
    lines = ["| system | kills |", "| --- | ---: |", *(f"| {name} | {killed[name]} |" for name in sorted(killed))]
    problems = [problem for outcome in outcomes for problem in outcome.problems]
    held = ", ".join(f"{name} {count:,}" for name, count in kept.items())
    said = [f"{killed.total()} kills in {len(outcomes)} runs. Acknowledged: {held}."]
    said += problems or ["Nothing that was acknowledged is lost, duplicated, altered or unread."]
    return "\n".join([*lines, "", *said])


def main() -> int:
    """Run a series; 1 when something came to harm."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mock_kills", description="kill -9 of mocks under load.")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--at-once", type=int, default=20, help="kills in one run")
    parser.add_argument("--rate", type=float, default=15.0, help="arrivals per second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mock-kills-"))
    sys.stderr.write(f"records stay in {folder}\n")
    outcomes = []
    for outcome in series(options.kills, options.at_once, options.seed, options.rate, folder):
        outcomes.append(outcome)
        sys.stderr.write(f"{len(outcome.killed)} of {len(outcome.kills)} kills; {outcome.problems or 'no harm'}\n")
    busy = f"Load average while it ran: {os.getloadavg()[2]:.1f}."
    text = f"Measured {time.strftime('%Y-%m-%d')} on {machine()}. {busy}\n\n{markdown(outcomes)}"
    options.out.mkdir(parents=True, exist_ok=True)
    name = options.out / f"{time.strftime('%Y-%m-%d')}-mock-kills"
    found = {"seed": options.seed, "load": os.getloadavg()[2], "runs": [asdict(outcome) for outcome in outcomes]}
    name.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")
    name.with_suffix(".md").write_text(text + "\n")
    print(text)
    return 1 if any(outcome.problems for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
