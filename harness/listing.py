"""`thongsuot list`: the catalogues, each in one table."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from faults.catalogue import KINDS
from mocks.defects import DEFECTS
from model import places
from model.campaign import shipped
from model.links import PLATFORMS, SHARED_SYSTEMS
from scenarios.catalogue import JOURNEYS


def show(console: Console) -> None:
    """Print campaigns, journeys, fault kinds, seeded defects and systems."""
    _print(console, "campaigns", ((name, "") for name in shipped()))
    _print(console, "journeys", ((name, text) for name, (_, text) in JOURNEYS.items()))
    _print(console, "fault kinds", ((name, kind.summary) for name, kind in KINDS.items()))
    _print(console, "seeded defects", ((name, defect.summary) for name, defect in DEFECTS.items()))
    _print(console, "systems", ((name, "") for name in SHARED_SYSTEMS))
    _print(console, "platforms, where a campaign asks for them", ((name, "") for name in PLATFORMS))
    _print(console, "", ((f"province:{code}", place.name) for code, place in places.provinces().items()))


def _print(console: Console, title: str, rows: Iterable[tuple[str, str]]) -> None:
    table = Table(title=title or None, title_justify="left", title_style="bold", box=None, show_header=False)
    for row in rows:
        table.add_row(*row)
    console.print(table)
