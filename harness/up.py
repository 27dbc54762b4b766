"""`thongsuot up`: a campaign's systems and proxies, without load, until Ctrl-C."""

import time
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table

from harness.errors import HarnessError
from harness.generator import Crew
from harness.interrupt import Interrupt
from harness.progress import Progress
from harness.run import bring_up, into_containers, open_record, start_watchdog
from model.plan import Plan


def stay_up(plan: Plan, out: Path, toxiproxy: str, console: Console, progress: Progress) -> None:
    """Bring the stack up, say where everything is, and wait for Ctrl-C; raises HarnessError when a system ends."""
    with Interrupt() as interrupt, ExitStack() as cleanup:
        record, events = open_record(plan, out)
        cleanup.callback(events.close)
        watchdog = start_watchdog(record, events, cleanup)
        crew = Crew()
        if plan.stack.kind == "compose":
            crew, toxiproxy = into_containers(plan, record, watchdog, crew, cleanup, progress)
        parts = bring_up(plan, record, events, watchdog, toxiproxy, cleanup, progress, crew)
        _tell(record.json("stack.json"), record.path("stack.json"), console)
        while not interrupt.requested:
            time.sleep(0.2)
            for system, status in parts.stack.exited():
                raise HarnessError(f"{system} ended with status {status}; see {record.path('logs')}")
        progress.step("stopping")


def _tell(stack: dict[str, dict[str, dict[str, str]]], path: Path, console: Console) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("system", "as people reach it", "past the proxy", "pid"):
        table.add_column(name)
    for name, system in stack["systems"].items():
        table.add_row(name, system["url"], system["direct_url"], str(system["pid"]))
    console.print(table)
    console.print(
        f"Toxiproxy: {stack['toxiproxy']['api']} ({stack['toxiproxy']['kind']}) · links: {path}", soft_wrap=True
    )
    console.print(f"locust -f scenarios/locustfile.py --host {stack['systems']['national']['url']}", soft_wrap=True)
    console.print("Ctrl-C stops everything.")
