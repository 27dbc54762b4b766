"""`thongsuot worker`: sends load for a run on another host.

A child process does the work. Should it die, this process delivers what it had recorded and not delivered, so that no
acknowledged dossier is missing from the ledger.
"""

import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from os import getpid
from pathlib import Path

from rich.console import Console
from rich.text import Text

from harness.errors import UsageError
from harness.exits import BROKEN, PASS, USAGE
from harness.generator import PORT
from harness.interrupt import Interrupt
from harness.processes import Child, stop_all


class Nobody:
    """Guards nothing: the lifeline ends a worker when this process dies."""

    def add_process(self, pid: int) -> None:
        """Do nothing."""


def work(host: str, port: int, name: str | None, spool: Path | None, plan: str, console: Console) -> int:
    """Work for a master until its run is over; returns the exit code.

    Raises:
        UsageError: The spool can't be used.
        Interrupted: Ctrl-C.
    """
    with Interrupt() as interrupt, ExitStack() as cleanup:
        folder = spool or Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="thongsuot-")))
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(f"{folder}: is not empty; name another folder with --spool")
        folder.mkdir(parents=True, exist_ok=True)
        where = [str(folder.resolve()), "--host", host, "--port", str(port or PORT)]
        name = name or f"{socket.gethostname()}-{getpid()}"
        child = Child(
            f"load worker {name}",
            ["scenarios.load", "worker", *where, "--name", name, "--plan", plan, "--deliver"],
            folder / "worker.log",
            Nobody(),
        )
        cleanup.callback(stop_all, [child])
        code = _follow(child, interrupt, console)
        if code == BROKEN and (folder / "brief.json").exists():
            _deliver(where, console)
        return code


def _follow(child: Child, interrupt: Interrupt, console: Console) -> int:
    """Tell what the worker says until it ends."""
    while child.alive():
        interrupt.check("the worker; its master notices")
        _tell(child, console)
    _tell(child, console)
    match child.process.returncode:
        case 0:
            return PASS
        case 2:
            return USAGE
        case status:
            console.print(
                Text(f"thongsuot: {child.name} ended with status {status}: {child.last_words()}"), soft_wrap=True
            )
            return BROKEN


def _tell(child: Child, console: Console) -> None:
    said = child.hear_if_alive(0.2)
    match said:
        case {"joined": index}:
            console.print(f"joined as worker {index}", highlight=False)
        case {"refused": reason}:
            console.print(Text(f"thongsuot: {reason}"), soft_wrap=True)


def _deliver(where: list[str], console: Console) -> None:
    """Deliver the rest of a dead worker's spool."""
    courier = [sys.executable, "-m", "scenarios.load", "courier", *where]
    ended = subprocess.run(courier, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    delivered = "delivered what it had recorded" if ended.returncode == 0 else f"COULD NOT DELIVER {where[0]}"
    console.print(Text(delivered), soft_wrap=True)
