"""`thongsuot doctor`: what this machine has, what is missing, and how to get it."""

import os
import resource
import shutil
import sys
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from faults.server import find_real
from harness.environment import PACKAGES, describe

FILES = 4096
"""Open files that a surge on all provinces may need."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked for.

    Attributes:
        name: What.
        found: What was found, empty if nothing.
        needed: Whether nothing works without it.
        remedy: How to get it.
    """

    name: str
    found: str
    needed: bool
    remedy: str


def findings() -> list[Finding]:
    """Look around."""
    about = describe()
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    cores = os.cpu_count() or 1
    programs = {
        "go": "a Go toolchain builds the real toxiproxy-server: `make toxiproxy`",
        "docker": "Debian: apt-get install docker.io",
        "prometheus": "Debian: apt-get install prometheus",
        "chromium": "Debian: apt-get install chromium (tests look at the report in it)",
    }
    return [
        Finding(
            "Python ≥ 3.11", str(about["python"]) if sys.version_info >= (3, 11) else "", True, "install Python 3.11"
        ),
        *(Finding(name, found, True, "make run") for name, found in _packages(about).items()),
        Finding(
            "cores ≥ 2", str(cores) if cores >= 2 else "", False, "with one core the load disturbs what it measures"
        ),
        Finding(f"open files ≥ {FILES}", str(soft) if soft >= FILES else "", False, f"ulimit -n {FILES}"),
        Finding(
            "toxiproxy-server",
            str(find_real() or ""),
            False,
            "make toxiproxy (needs Go); without it the embedded server is used",
        ),
        *(Finding(name, shutil.which(name) or "", False, remedy) for name, remedy in programs.items()),
    ]


def _packages(about: dict[str, object]) -> dict[str, str]:
    versions = about["packages"]
    assert isinstance(versions, dict)
    return {name: str(versions[name]) for name in PACKAGES}


def show(console: Console) -> bool:
    """Print what was found; returns whether all that is needed is there."""
    table = Table(box=None, pad_edge=False)
    for name in ("", "what", "found", "how to get it"):
        table.add_column(name)
    found = findings()
    for finding in found:
        mark = "[green]✓[/]" if finding.found else "[bold red]✗[/]" if finding.needed else "[yellow]–[/]"
        table.add_row(mark, finding.name, finding.found, "" if finding.found else finding.remedy)
    console.print(table)
    return all(finding.found or not finding.needed for finding in found)
