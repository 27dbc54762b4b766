"""Does every drill find what it looks for, and nothing else? Runs them, healthy and with each seeded defect.

A healthy system must pass; a defect must fail, and by a check that is meant to see it (``seen_by`` in mocks.defects).
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from harness.errors import UsageError
from mocks.defects import DEFECTS
from model.books import keepers
from model.plan import Plan

PATIENCE = 600.0
"""Seconds after which a run is given up: three times the longest that a drill may take."""


@dataclass(frozen=True, slots=True)
class Case:
    """One run.

    Attributes:
        campaign: A shipped one.
        seed: Of the run.
        defect: Seeded defect that is on; None: healthy.
    """

    campaign: str
    seed: int
    defect: str | None = None

    @property
    def name(self) -> str:
        """The case for people and for folders."""
        return f"{self.campaign}-{self.seed}-{self.defect or 'healthy'}"


@dataclass(frozen=True, slots=True)
class Trial:
    """How a case ended.

    Attributes:
        case: Which.
        verdict: pass, fail, inconclusive, or ``exit N`` where there is none.
        checks: What failed: categories of the audit, indicators of objectives, ``alerts``, ``crash``.
        reasons: The verdict's own.
        seconds: It took.
        right: Whether it ended as it must.
    """

    case: Case
    verdict: str
    checks: tuple[str, ...]
    reasons: tuple[str, ...]
    seconds: float
    right: bool


def cases(plans: Mapping[str, Plan], seeds: int, defects: Sequence[str] = ()) -> Iterator[Case]:
    """Yield every case of some campaigns: each weakness, and health seed by seed; or only some defects."""
    for name, plan in plans.items():
        weaknesses = plan.drill.weaknesses if plan.drill else ()
        yield from (Case(name, plan.seed, defect) for defect in weaknesses if not defects or defect in defects)
    if not defects:
        yield from healthy(plans, seeds)


def healthy(plans: Mapping[str, Plan], seeds: int) -> Iterator[Case]:
    """Yield the healthy runs of some campaigns, seed by seed: interrupted, all have been tried with as many."""
    return (Case(name, plan.seed + n) for n in range(seeds) for name, plan in plans.items())


def checks(plan: Plan) -> set[str]:
    """Return the checks of a campaign that not every campaign has: indicators, books, migration, alerts."""
    books = keepers(plan.stack.provinces, plan.stack.platforms, plan.stack.mobile).values()
    found = {objective.indicator for objective in plan.objectives} | {book for kept in books for book in kept}
    return found | ({"migration"} if plan.migration else set()) | ({"alerts"} if plan.alerts else set())


def fewest(plans: Mapping[str, Plan]) -> dict[str, Plan]:
    """Choose few campaigns that together have every check: always the one with the most missing ones per arrival."""
    missing = set[str]().union(*map(checks, plans.values()))
    chosen = {}
    while missing:
        name = max(plans, key=lambda name: len(checks(plans[name]) & missing) / plans[name].arrivals)
        chosen[name] = plans[name]
        missing -= checks(plans[name])
    return chosen


def run(chosen: Iterable[Case], out: Path, jobs: int, toxiproxy: str, console: Console) -> list[Trial]:
    """Run cases, some at a time, and print each as it ends; keeps the records of those that ended wrong.

    Interrupted, it begins no further case, waits for those that run (a terminal's Ctrl-C interrupts them as well), and
    keeps what was tried.
    """
    waiting = list(chosen)
    if not waiting:
        raise UsageError("nothing to try: no drill has this defect among its weaknesses (see `thongsuot list`)")
    out.mkdir(parents=True, exist_ok=True)
    trials = []
    pool = ThreadPoolExecutor(jobs)
    try:
        futures = [pool.submit(_try, case, out, toxiproxy) for case in waiting]
        for future in as_completed(futures):
            trials.append(future.result())
            console.print(_line(trials[-1], len(trials), len(waiting)), soft_wrap=True)
    finally:
        pool.shutdown(cancel_futures=True)
        tried = [asdict(trial) for trial in trials]
        (out / "selftest.json").write_text(json.dumps(tried, indent=2, ensure_ascii=False))
    return trials


def _try(case: Case, out: Path, toxiproxy: str) -> Trial:
    folder = out / case.name
    command = ["run", case.campaign, "--seed", str(case.seed), "--out", str(folder), "--toxiproxy", toxiproxy]
    command += ["--unattended", *(["--defect", case.defect] if case.defect else [])]
    began = time.monotonic()
    with (out / f"{case.name}.log").open("wb") as log:
        done = subprocess.run(
            [sys.executable, "-c", "from harness.cli import main; main()", *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE,
            check=False,
        )
    path = folder / "verdict.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    verdict = str(found.get("verdict", f"exit {done.returncode}"))
    checks = tuple(sorted(failed_checks(found)))
    right = is_right(case, verdict, checks)
    if right:
        shutil.rmtree(folder)
    return Trial(case, verdict, checks, tuple(found.get("reasons", ())), round(time.monotonic() - began, 1), right)


def failed_checks(verdict: Mapping[str, Any]) -> set[str]:
    """Name what failed in a ``verdict.json``."""
    harmed = (*verdict.get("integrity", {}).items(), *verdict.get("books", {}).items())
    found = {name for name, codes in harmed if isinstance(codes, list) and codes}
    found |= {result["indicator"] for result in verdict.get("objectives", ()) if result["verdict"] == "fail"}
    return found | ({"alerts"} if any(a.get("verdict") == "fail" for a in verdict.get("alerts", ())) else set())


def is_right(case: Case, verdict: str, checks: Sequence[str]) -> bool:
    """Tell whether a case ended as it must."""
    if case.defect is None:
        return verdict == "pass"
    return verdict == "fail" and bool(set(checks) & set(DEFECTS[case.defect].seen_by))


def matrix(trials: Sequence[Trial]) -> Group:
    """Return which check saw which defect: ● saw it and is meant to, ○ saw it as well; · is meant to and didn't."""
    tried = sorted((trial for trial in trials if trial.case.defect), key=lambda trial: trial.case.defect or "")
    found = sorted({check for trial in tried for check in (*trial.checks, *_meant(trial))})
    letters = dict(zip(found, ascii_lowercase, strict=False))
    table = Table("defect", "run", *letters.values(), box=None, padding=(0, 1, 0, 0), header_style="bold")
    for trial in tried:
        row = (str(trial.case.defect), trial.case.campaign.partition("-")[0])
        table.add_row(*row, *(_mark(trial, check) for check in letters))
    return Group(table, Text(" · ".join(f"{letter}\N{NO-BREAK SPACE}{check}" for check, letter in letters.items())))


def _meant(trial: Trial) -> tuple[str, ...]:
    return DEFECTS[trial.case.defect].seen_by if trial.case.defect else ()


def _mark(trial: Trial, check: str) -> str:
    if check in trial.checks:
        return "●" if check in _meant(trial) else "○"
    return "·" if check in _meant(trial) else ""


def _line(trial: Trial, number: int, total: int) -> Text:
    what = trial.case.defect or f"healthy, seed {trial.case.seed}"
    seen = f"{trial.verdict}: {', '.join(trial.checks)}" if trial.checks else trial.verdict
    mark = ("ok   ", "green") if trial.right else ("WRONG", "bold red")
    line = Text.assemble(f"{number:3}/{total} ", mark, f" {trial.case.campaign:28} {what:28} {seen}")
    return line if trial.right else line.append("".join(f"\n          {reason}" for reason in trial.reasons[:5]))
