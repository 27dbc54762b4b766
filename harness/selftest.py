"""Does every campaign find what it looks for, and nothing else? Runs them, healthy and with each seeded defect.

A healthy system must pass; a defect must fail, and by a check that is meant to see it: the campaign's ``weaknesses``.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from string import ascii_letters
from typing import IO

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from harness.errors import UsageError
from model.books import keepers
from model.plan import Plan

PATIENCE = 600.0
"""Seconds after which a run is interrupted: three times the longest that a campaign may take."""
FAREWELL = 60.0
"""Seconds that an interrupted run has to heal what it broke, before it is killed and its watchdog heals."""


@dataclass(frozen=True, slots=True)
class Case:
    """One run.

    Attributes:
        campaign: A shipped one.
        seed: Of the run.
        defect: Seeded defect that is on; None: healthy.
        seen_by: Checks that are meant to see it.
    """

    campaign: str
    seed: int
    defect: str | None = None
    seen_by: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The case for people and for folders."""
        return f"{self.campaign}-{self.seed}-{self.defect or 'healthy'}"


@dataclass(frozen=True, slots=True)
class Trial:
    """How a case ended.

    Attributes:
        case: Which.
        verdict: pass, fail, inconclusive, or ``exit N`` or ``timed out`` where there is none.
        checks: What failed: ``failed`` in verdict.json.
        indicators: Of each objective of the campaign, by its name.
        reasons: The verdict's own.
        seconds: It took.
        right: Whether it ended as it must.
    """

    case: Case
    verdict: str
    checks: tuple[str, ...]
    indicators: Mapping[str, str]
    reasons: tuple[str, ...]
    seconds: float
    right: bool

    def kind(self, check: str) -> str:
        """Return what a check is about: an objective's indicator, a category of the audit."""
        return self.indicators.get(check, check.rpartition(": ")[2])


def cases(plans: Mapping[str, Plan], seeds: int, defects: Sequence[str] = ()) -> Iterator[Case]:
    """Yield every case of some campaigns: each weakness, and health seed by seed; or only some defects."""
    for name, plan in plans.items():
        for defect, seen_by in plan.weaknesses.items():
            if not defects or defect in defects:
                yield Case(name, plan.seed, defect, seen_by)
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
        raise UsageError("nothing to try: no campaign has this defect among its weaknesses (see `thongsuot list`)")
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
        ended = _wait([sys.executable, "-c", "from harness.cli import main; main()", *command], log)
    path = folder / "verdict.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    verdict = ended if ended == "timed out" else str(found.get("verdict", ended))
    checks = tuple(found.get("failed", ()))
    indicators = {objective["name"]: objective["indicator"] for objective in found.get("objectives", ())}
    right = is_right(case, verdict, checks)
    if right:
        shutil.rmtree(folder)
    reasons, seconds = tuple(found.get("reasons", ())), round(time.monotonic() - began, 1)
    return Trial(case, verdict, checks, indicators, reasons, seconds, right)


def _wait(command: Sequence[str], log: IO[bytes]) -> str:
    """Run a command and say how it ended; one that hangs is asked to end, so that it heals, and killed if need be."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    try:
        return f"exit {process.wait(PATIENCE)}"
    except subprocess.TimeoutExpired:
        process.terminate()  # SIGINT is ignored by what was started in the background
        with suppress(subprocess.TimeoutExpired):
            process.wait(FAREWELL)
        return "timed out"
    finally:
        process.kill()
        process.wait()


def is_right(case: Case, verdict: str, checks: Sequence[str]) -> bool:
    """Tell whether a case ended as it must."""
    if case.defect is None:
        return verdict == "pass"
    return verdict == "fail" and bool(set(checks) & set(case.seen_by))


def matrix(trials: Sequence[Trial]) -> Group:
    """Return which kind of check saw which defect, and which checks of those that are meant to.

    ● saw it and is meant to, ○ saw it as well; · is meant to and didn't.
    """
    tried = sorted((trial for trial in trials if trial.case.defect), key=lambda trial: trial.case.defect or "")
    kinds = sorted({trial.kind(check) for trial in tried for check in (*trial.checks, *trial.case.seen_by)})
    letters = dict(zip(kinds, ascii_letters[: len(kinds)], strict=True))
    table = Table("defect", "run", *letters.values(), "seen by", box=None, padding=(0, 1, 0, 0), header_style="bold")
    for trial in tried:
        seen_by = ", ".join(check for check in trial.case.seen_by if check in trial.checks)
        table.add_row(
            str(trial.case.defect),
            trial.case.campaign.partition("-")[0],
            *(_mark(trial, kind) for kind in letters),
            seen_by,
        )
    return Group(table, Text(" · ".join(f"{letter}\N{NO-BREAK SPACE}{kind}" for kind, letter in letters.items())))


def _mark(trial: Trial, kind: str) -> str:
    failed = {check for check in trial.checks if trial.kind(check) == kind}
    meant = {check for check in trial.case.seen_by if trial.kind(check) == kind}
    if failed:
        return "●" if failed & meant else "○"
    return "·" if meant else ""


def _line(trial: Trial, number: int, total: int) -> Text:
    what = trial.case.defect or f"healthy, seed {trial.case.seed}"
    seen = f"{trial.verdict}: {', '.join(trial.checks)}" if trial.checks else trial.verdict
    mark = ("ok   ", "green") if trial.right else ("WRONG", "bold red")
    line = Text.assemble(f"{number:3}/{total} ", mark, f" {trial.case.campaign:28} {what:28} {seen}")
    return line if trial.right else line.append("".join(f"\n          {reason}" for reason in trial.reasons[:5]))
