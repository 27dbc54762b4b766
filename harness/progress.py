"""What people see while a run goes on: a live view on a terminal, a line now and then elsewhere."""

import time
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live as Screen
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.live import Live
from model import places

NEAR = 0.7
"""Share of its limit from which on a stop condition is shown."""
LINE_EVERY = 5.0
"""Seconds between two lines where there is no terminal."""


class Progress(Protocol):
    """Tells people how the run goes."""

    def step(self, text: str) -> None:
        """Tell which step of the run begins."""

    def show(self, live: Live, t: float) -> None:
        """Show the load's state ``t`` seconds after t0."""

    def close(self) -> None:
        """Leave the terminal as it was."""


def progress_for(console: Console) -> Progress:
    """Return the view that fits the console."""
    return ScreenProgress(console) if console.is_terminal else LineProgress(console)


class LineProgress:
    """One line per step, and one every few seconds of load."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown = float("-inf")

    def step(self, text: str) -> None:
        """Print the step."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def show(self, live: Live, t: float) -> None:
        """Print a line when the last one is old enough."""
        if time.monotonic() - self._shown >= LINE_EVERY:
            self._shown = time.monotonic()
            self._console.print(f"  t={t:5.0f} s  {summary(live, t)}", highlight=False, markup=False, soft_wrap=True)

    def close(self) -> None:
        """Nothing to leave behind."""


class ScreenProgress:
    """A panel that is redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._screen: Screen | None = None

    def step(self, text: str) -> None:
        """Print the step above the panel."""
        self._console.print(Text(text, style="dim"), soft_wrap=True)

    def show(self, live: Live, t: float) -> None:
        """Redraw the panel."""
        if self._screen is None:
            self._screen = Screen(console=self._console, refresh_per_second=4, transient=True)
            self._screen.start()
        self._screen.update(panel(live, t))

    def close(self) -> None:
        """Take the panel away."""
        if self._screen is not None:
            self._screen.stop()
            self._screen = None


def summary(live: Live, t: float) -> str:
    """Say in one line how the load goes."""
    p95 = live.quantile(0.95)
    parts = [
        live.plan.phase_at(t),
        f"offered {live.offered(t):.0f} arrivals/s",
        f"{live.rate():.0f} requests/s",
        f"p95 {p95 * 1000:.0f} ms" if p95 is not None else "p95 –",
        f"{live.errors()} errors",
        f"faults: {', '.join(sorted(live.faults)) or 'none'}",
        f"worst provinces: {worst(live)}",
        *notices(live),
    ]
    return " · ".join(parts)


def panel(live: Live, t: float) -> RenderableType:
    """Draw the state of the load."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", justify="right")
    table.add_column()
    p95, errors = live.quantile(0.95), live.errors()
    table.add_row(
        "phase", Text(f"{live.plan.phase_at(t)}  {max(t, 0):.0f} of {live.plan.duration:.0f} s", style="bold")
    )
    table.add_row("offered", f"{live.offered(t):.1f} arrivals/s, {live.arrivals.total()} have ended")
    table.add_row("achieved", f"{live.rate():.0f} requests/s")
    table.add_row("response time", f"p95 {p95 * 1000:.0f} ms" if p95 is not None else "–")
    table.add_row("errors", Text(str(errors), style="bold red" if errors else "green"))
    table.add_row("faults", Text(", ".join(sorted(live.faults)) or "none", style="yellow" if live.faults else ""))
    table.add_row("worst provinces", worst(live))
    for notice in notices(live):
        table.add_row("", Text(notice, style="bold yellow"))
    bar = ProgressBar(total=live.plan.duration, completed=min(max(t, 0.0), live.plan.duration), width=60)
    return Group(table, bar)


def worst(live: Live) -> str:
    """Name the provinces that fare worst: by failed requests, or, where none failed, by response time."""
    names = places.provinces()
    failing, slowest = live.failing(), live.slowest()
    if failing:
        return ", ".join(f"{names[code].name} {share:.0%} failed" for code, share in failing)
    return ", ".join(f"{names[code].name} p95 {seconds * 1000:.0f} ms" for code, seconds in slowest) or "–"


def notices(live: Live) -> list[str]:
    """Say which steps wait for somebody, and which stop conditions have fired or come near their limit."""
    texts = [f"step {name}: {left:.0f} s left" for name, left in live.open_steps.items()]
    if live.fired:
        return [*texts, f"stopped by {live.fired}"]
    found = [(stop, live.stops.get(stop.name, 0.0)) for stop in live.plan.stops]
    near = [(stop, value) for stop, value in found if value > 0 and value >= NEAR * stop.limit]
    return [*texts, *(f"{stop.name} at {value:.3g}, stops above {stop.limit:g}" for stop, value in near)]
