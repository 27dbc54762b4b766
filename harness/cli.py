"""The command `thongsuot`. See `thongsuot --help`.

Heavy libraries are imported by the command that needs them: the first request leaves within seconds.
"""

import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.text import Text

from faults.server import ToxiproxyMissing
from faults.toxiproxy import ProxyError
from faults.watchdog_client import WatchdogError
from harness.errors import HarnessError, UsageError
from harness.exits import BROKEN, FAIL, INTERRUPTED, PASS, USAGE
from harness.interrupt import Interrupted
from harness.ports import LOOPBACK
from model import targets_file
from model.campaign import CampaignError, Known, load
from model.plan import Plan
from model.record import Record, RecordError

if TYPE_CHECKING:
    from harness.generator import Crew

EXITS = (
    "Exit codes: 0 pass · 1 fail · 2 usage or campaign error, nothing was run · 3 inconclusive · "
    "4 the harness itself broke · 130 interrupted."
)
COLOURS = {"pass": "bold green", "fail": "bold red", "inconclusive": "bold yellow"}

app = typer.Typer(
    name="thongsuot",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Rehearses the switch to two-level local government, and proves that dossiers flow without interruption.",
    epilog=EXITS,
)
out_console, err_console = Console(), Console(stderr=True)

Campaign = Annotated[str, typer.Argument(help="A campaign that ships (see `list`), or the path of a TOML file.")]
RecordFolder = Annotated[Path, typer.Argument(help="The folder that `run` wrote.")]
Seed = Annotated[int | None, typer.Option(help="Takes the place of the campaign's seed.")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change the campaign: phases.surge.rate=80, load.scale=0.5, …"),
]
DefectNames = Annotated[
    list[str] | None, typer.Option("--defect", metavar="NAME", help="Switch a seeded defect on (see `list`).")
]
Out = Annotated[Path | None, typer.Option(help="Folder of the record; it must be empty or not be there yet.")]
ToxiproxyChoice = Annotated[
    str, typer.Option("--toxiproxy", metavar="auto|real|embedded|http://HOST:PORT", help="Which Toxiproxy server.")
]
TargetsFile = Annotated[
    Path | None, typer.Option("--targets", metavar="FILE", help="Load other people's systems, as this file allows it.")
]
StackKind = Annotated[
    str | None, typer.Option("--stack", metavar="local|compose", help="Takes the place of the campaign's stack.kind.")
]


def main() -> None:
    """Run the command; the exit code starts from "the harness broke", and only a known end changes it."""
    code = BROKEN
    try:
        said = app(standalone_mode=False)
        code = said if isinstance(said, int) else BROKEN
    except (typer.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except Interrupted as interruption:
        code = _tell(str(interruption), INTERRUPTED)
    except (UsageError, CampaignError, RecordError) as error:
        code = _tell(str(error), USAGE)
    except (HarnessError, ToxiproxyMissing, ProxyError, WatchdogError) as error:
        code = _tell(str(error), BROKEN)
    except Exception as error:
        code = _unforeseen(error)
    for number in (signal.SIGINT, signal.SIGTERM):  # the end is told: a last Ctrl-C doesn't change the exit code
        signal.signal(number, signal.SIG_IGN)
    sys.exit(code)


def _tell(message: str, code: int) -> int:
    err_console.print(Text(f"thongsuot: {message}"), soft_wrap=True)
    return code


def _unforeseen(error: Exception) -> int:
    """Usage errors of the command line are Click's own; anything else is a defect of the harness."""
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):
        return _tell(f"{error.format_message()} (see `thongsuot --help`)", USAGE)
    traceback.print_exception(error)
    return _tell(f"internal error: {error!r}; everything that was started is stopped", BROKEN)


@app.command("list", epilog="Example: thongsuot list")
def list_() -> int:
    """List the campaigns, journeys, fault kinds, seeded defects and systems."""
    from harness.listing import show

    show(out_console)
    return PASS


@app.command(epilog="Example: thongsuot plan cutover-morning --set phases.surge.rate=100")
def plan(
    campaign: Campaign,
    seed: Seed = None,
    changes: Changes = None,
    defects: DefectNames = None,
    targets: TargetsFile = None,
) -> int:
    """Show what a campaign would do: timeline, arrivals, links, samples per objective. Starts nothing."""
    from harness.plan_view import show

    chosen = read_campaign(campaign, seed, changes, defects, targets)
    show(chosen, out_console)
    if chosen.targets is not None:
        from harness.confirm import show as show_targets

        show_targets(chosen, out_console)
    return PASS


@app.command(
    epilog="Examples: thongsuot run cutover-morning · thongsuot run mine.toml --out runs/mine --seed 7 · "
    "thongsuot run cutover-morning --defect drop-sync · "
    "thongsuot run drill.toml --unattended · "
    f"thongsuot run cutover-morning --stack compose · "
    f"thongsuot run cutover-morning --expect-workers 2 --bind 10.0.0.1. {EXITS}"
)
def run(
    campaign: Campaign,
    out: Out = None,
    seed: Seed = None,
    changes: Changes = None,
    defects: DefectNames = None,
    toxiproxy: ToxiproxyChoice = "auto",
    workers: Annotated[int | None, typer.Option(min=0, max=256, help="Locust workers on this machine.")] = None,
    expect_workers: Annotated[int, typer.Option(min=0, max=256, help="Workers on other hosts to wait for.")] = 0,
    bind: Annotated[
        str, typer.Option(metavar="ADDR[:PORT]", help="Where those reach the master and the systems.")
    ] = LOOPBACK,
    unattended: Annotated[bool, typer.Option(help="Acknowledge every step itself at once: for CI.")] = False,
    prometheus: Annotated[bool, typer.Option("--prometheus", help="Let a Prometheus scrape it, and ask that.")] = False,
    keep_tsdb: Annotated[bool, typer.Option("--keep-tsdb", help="Keep that Prometheus' data in the record.")] = False,
    stack: StackKind = None,
    targets: TargetsFile = None,
    yes: Annotated[
        str | None, typer.Option("--yes", metavar="REFERENCE", help="With --targets: names the authorisation, for CI.")
    ] = None,
) -> int:
    """Rehearse a campaign: stack, load, faults, healing, drain, audit, verdict, report."""
    _check_targets(targets, stack, yes)
    chosen = read_campaign(campaign, seed, _with_stack(changes, stack), defects, targets)
    _check_choice(toxiproxy)
    _check_stack(chosen, toxiproxy, expect_workers)
    monitored = _monitored(chosen, prometheus, keep_tsdb)
    crew = _crew(chosen, workers, expect_workers, bind)
    if chosen.targets is not None:
        from harness.confirm import confirm

        confirm(chosen, yes, out_console)
    from harness.progress import progress_for
    from harness.run import run as rehearse

    folder, progress = out or _default_out(chosen), progress_for(err_console)
    finished = rehearse(chosen, folder, toxiproxy, progress, crew, unattended=unattended, monitored=monitored)
    _print_verdict(finished.verdict, finished.reasons)
    out_console.print(Text(f"report: {finished.report}"), soft_wrap=True)
    for failure in finished.failures:
        err_console.print(Text(f"NOT HEALED: {failure}", style="bold red"), soft_wrap=True)
    return finished.code


@app.command(
    epilog="Examples: thongsuot ack runs/mine announce · thongsuot ack runs/mine cut-over --answer go. "
    "Exit codes: 0 acknowledged · 2 there is nothing to acknowledge, or not so."
)
def ack(
    run: Annotated[Path, typer.Argument(help="The record's folder of a run that goes on.")],
    step: Annotated[str, typer.Argument(help="A step that it asks for.")],
    answer: Annotated[
        str | None, typer.Option(metavar="done|go|no-go", help="A deed is done; a decision needs go or no-go.")
    ] = None,
) -> int:
    """Acknowledge a step of a drill from another terminal."""
    from harness.ack import acknowledge

    out_console.print(Text(acknowledge(run, step, answer)), soft_wrap=True)
    return PASS


@app.command(epilog="Example: thongsuot worker --master 10.0.0.1:5557")
def worker(
    master: Annotated[str, typer.Option(metavar="ADDR[:PORT]", help="The master that `run --bind` told.")],
    name: Annotated[str | None, typer.Option(help="Unique among the workers; default: host and process id.")] = None,
    spool: Annotated[
        Path | None, typer.Option(help="Folder that keeps what was recorded until the master has it.")
    ] = None,
    plan: Annotated[
        str, typer.Option("--plan", metavar="FINGERPRINT", help="The only plan that it may run, as `run` says it.")
    ] = "",
) -> int:
    """Send load for a run on another host, until that run is over."""
    from harness.remote import work

    return work(*address(master), name, spool, plan, err_console)


@app.command(epilog=f"Example: thongsuot judge runs/mine. {EXITS}")
def judge(
    record: RecordFolder,
    prometheus: Annotated[
        str | None, typer.Option(metavar="URL", help="Ask this Prometheus for the same figures, and compare.")
    ] = None,
) -> int:
    """Judge a record again, offline: writes audit.json and verdict.json, the same bytes every time."""
    from reports import judge as judging
    from reports import tables

    opened = _opened(record)
    tables.seal(opened)
    if prometheus:
        _ask(opened, prometheus)
    judgement = judging.judge(opened)
    judging.write(opened, judgement)
    _print_verdict(judgement.verdict, judgement.reasons)
    return judging.exit_code(judgement.verdict)


def _ask(record: Record, url: str) -> None:
    """Ask a Prometheus for the figures of a run; raises UsageError where none answers."""
    from harness.prometheus_api import PrometheusError
    from harness.promql import ask, summary

    try:
        answers = ask(record, url)
    except PrometheusError as error:
        raise UsageError(f"--prometheus {error}; give the http://HOST:PORT of one that holds this run") from None
    for line in summary(record, answers):
        out_console.print(Text(line), soft_wrap=True)


@app.command(epilog="Example: thongsuot rules cutover-morning --out prometheus")
def rules(
    campaign: Campaign, out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("prometheus")
) -> int:
    """Write a campaign's objectives and alerts as Prometheus configuration and rules."""
    from harness.prometheus import write

    for path in write(read_campaign(campaign, None, None, None), out):
        out_console.print(Text(str(path)), soft_wrap=True)
    return PASS


@app.command(epilog="Example: thongsuot report runs/mine")
def report(record: RecordFolder) -> int:
    """Write report.html, summary.md, junit.xml and metrics.om of a judged record again."""
    from reports import render

    out_console.print(Text(f"report: {render.write(_opened(record))}"), soft_wrap=True)
    return PASS


@app.command(
    epilog="Examples: thongsuot selftest · thongsuot selftest f05-lost-after-commit · "
    "thongsuot selftest --defect drop-sync · thongsuot selftest --fewest --seeds 20 --jobs 2"
)
def selftest(
    campaigns: Annotated[list[str] | None, typer.Argument(help="Shipped campaigns; default: every one.")] = None,
    defects: DefectNames = None,
    fewest: Annotated[bool, typer.Option("--fewest", help="No defects; as few campaigns as have every check.")] = False,
    seeds: Annotated[int, typer.Option(min=0, help="Healthy runs of each campaign.")] = 1,
    jobs: Annotated[int, typer.Option(min=1, max=16, help="Runs at a time.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Folder of logs, and of the records that went wrong.")] = None,
    toxiproxy: ToxiproxyChoice = "auto",
) -> int:
    """Run every campaign, healthy and with each seeded defect that it must find; 0 where all end as they must."""
    from harness import selftest as trying
    from model.campaign import shipped

    _check_choice(toxiproxy)
    if fewest and defects:
        raise UsageError("--fewest runs no defects; leave it out, or --defect")
    plans = {name: read_campaign(name, None, None, None) for name in campaigns or shipped()}
    chosen = trying.healthy(trying.fewest(plans), seeds) if fewest else trying.cases(plans, seeds, defects or ())
    folder = out or Path("runs") / f"selftest-{time.strftime('%Y%m%d-%H%M%S')}"
    trials = trying.run(chosen, folder, jobs, toxiproxy, out_console)
    wrong = sum(not trial.right for trial in trials)
    if any(trial.case.defect for trial in trials):
        out_console.print(trying.matrix(trials))
    out_console.print(Text(f"{len(trials) - wrong} of {len(trials)} as they must; {folder / 'selftest.json'}"))
    return FAIL if wrong else PASS


@app.command(epilog='Example: thongsuot up cutover-morning --set \'stack.provinces=["01", "79"]\'')
def up(
    campaign: Annotated[str, typer.Argument(help="Whose systems to bring up.")] = "cutover-morning",
    out: Out = None,
    changes: Changes = None,
    defects: DefectNames = None,
    toxiproxy: ToxiproxyChoice = "auto",
    stack: StackKind = None,
) -> int:
    """Bring up a campaign's systems and proxies alone, until Ctrl-C."""
    chosen = read_campaign(campaign, None, _with_stack(changes, stack), defects)
    _check_choice(toxiproxy)
    _check_stack(chosen, toxiproxy, 0)
    from harness.progress import LineProgress
    from harness.up import stay_up

    stay_up(chosen, out or _default_out(chosen), toxiproxy, out_console, LineProgress(err_console))
    return PASS


@app.command(epilog="Example: thongsuot doctor")
def doctor() -> int:
    """Look at this machine: what is found, what is missing, how to get it."""
    from harness.doctor import show

    return PASS if show(out_console) else BROKEN


def read_campaign(
    campaign: str,
    seed: int | None,
    changes: list[str] | None,
    defects: list[str] | None,
    targets: Path | None = None,
) -> Plan:
    """Make a plan of a campaign file, a targets file and the command line; raises CampaignError."""
    from faults.catalogue import validate
    from harness.defects import with_triggers
    from mocks.defects import DEFECTS
    from reports.failed import CHECKS
    from scenarios.catalogue import JOURNEYS, OPERATIONS, PLATFORMS

    known = Known(frozenset(JOURNEYS), OPERATIONS, frozenset(DEFECTS), validate, PLATFORMS, CHECKS)
    allowed = targets_file.load(targets) if targets else None
    return with_triggers(load(campaign, known, changes or [], seed=seed, defects=defects or [], targets=allowed))


def _check_targets(targets: Path | None, stack: str | None, yes: str | None) -> None:
    """Refuse options that don't go together; raises UsageError."""
    if targets and stack:
        raise UsageError(f"--stack {stack}: --targets names systems that run already; leave one of the two out")
    if yes is not None and not targets:
        raise UsageError("--yes: confirms the load of external systems; give --targets, or leave it out")


def _check_choice(toxiproxy: str) -> None:
    if toxiproxy not in ("auto", "real", "embedded") and not toxiproxy.startswith("http://"):
        raise UsageError(f"--toxiproxy {toxiproxy}: give auto, real, embedded or http://HOST:PORT")


def _monitored(plan: Plan, prometheus: bool, keep: bool) -> Literal["no", "yes", "keep"]:
    """Decide about a Prometheus; raises UsageError where one is wanted and none is found."""
    if not prometheus:
        if keep:
            raise UsageError("--keep-tsdb: there is no data to keep without --prometheus; give both")
        return "no"
    if plan.stack.kind == "compose":
        from harness.compose import check_prometheus

        check_prometheus()
    else:
        from harness.prometheus import find

        find()
    return "keep" if keep else "yes"


def _with_stack(changes: list[str] | None, stack: str | None) -> list[str]:
    return [*(changes or []), *([f"stack.kind={stack}"] if stack else [])]


def _check_stack(plan: Plan, toxiproxy: str, remote: int) -> None:
    """Refuse what can't go together with containers; raises UsageError."""
    if plan.stack.kind != "compose":
        return
    if toxiproxy != "auto":
        raise UsageError(f"--toxiproxy {toxiproxy}: a stack of containers has a Toxiproxy of its own; leave it out")
    if remote:
        raise UsageError("--expect-workers: a stack of containers has workers of its own; say how many with --workers")
    from harness.compose import check

    check()


def _crew(plan: Plan, workers: int | None, remote: int, bind: str) -> "Crew":
    """Decide who sends the load; raises UsageError."""
    from harness.generator import PORT, Crew, worker_count

    if bind != LOOPBACK and not remote:
        raise UsageError(f"--bind {bind}: is for workers on other hosts; say how many with --expect-workers")
    if remote:
        host, port = address(bind)
        return Crew(local=workers or 0, remote=remote, bind=host, port=port or PORT)
    return Crew(local=workers or worker_count(plan, os.cpu_count() or 1))


def address(text: str) -> tuple[str, int]:
    """Split ``ADDR[:PORT]``; port 0 where there is none; raises UsageError."""
    host, colon, port = text.partition(":")
    if not host or (colon and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536)):
        raise UsageError(f"{text}: is no address; give ADDR or ADDR:PORT")
    return host, int(port) if colon else 0


def _default_out(plan: Plan) -> Path:
    return Path("runs") / f"{plan.name.replace(' ', '-')}-{time.strftime('%Y%m%d-%H%M%S')}"


def _opened(folder: Path) -> Record:
    """Open a record; raises RecordError where it isn't one."""
    record = Record(folder)
    record.plan()
    return record


def _print_verdict(verdict: str, reasons: Sequence[str]) -> None:
    out_console.print(Text.assemble("verdict: ", (verdict, COLOURS[verdict])))
    for reason in reasons:
        out_console.print(Text(f"  - {reason}"), soft_wrap=True)
