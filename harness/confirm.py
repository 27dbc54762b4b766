"""What would be touched outside, shown before anything leaves, and whether a person, or CI by name, wants it."""

import sys
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness import external
from harness.errors import UsageError
from harness.external import Addresses
from model.links import PEOPLE
from model.plan import Plan
from model.target_checks import peak_requests, proxied, rate_for_load
from model.targets import Auth


def show(plan: Plan, console: Console) -> None:
    """Print what a run would touch; names are looked up, nothing is sent. Raises UsageError as ``resolved`` does."""
    targets = plan.targets
    assert targets is not None
    found = external.resolved(plan)
    said = targets.authorised
    console.print(_table(plan, found))
    lines = (
        f"authorised by {said.by}: {said.reference}, {said.date.isoformat()}",
        f"window: {targets.window.start.isoformat()} to {targets.window.end.isoformat()}",
        f"rate: at most {rate_for_load(plan, targets):g} of {targets.rate:g} requests/s for the journeys; "
        f"the plan's peak is {peak_requests(plan, targets):.4g}",
        f"kill switch: touch {targets.kill_switch}",
        f"links that faults break, through our own proxy: {_links(plan)}",
        *_controls(plan),
        f"integrity: {_integrity(plan)}",
    )
    for line in lines:
        console.print(Text(line), soft_wrap=True)


def _table(plan: Plan, found: Addresses) -> Table:
    targets = plan.targets
    assert targets is not None
    table = Table(title="external systems", title_justify="left", box=None, pad_edge=False)
    for name in ("system", "url", "leads to", "declared", "authentication"):
        table.add_column(name)
    for system, url in targets.urls(plan.systems).items():
        one = targets.target(system)
        cells = (system, url, ", ".join(found[system]), ", ".join(one.addresses), _auth(one.auth))
        table.add_row(*map(Text, cells))
    return table


def _auth(auth: Auth | None) -> str:
    if auth is None:
        return "none"
    return f"{auth.kind}, from {f'${auth.env}' if auth.env else auth.file}"


def _links(plan: Plan) -> str:
    return ", ".join(link.name for link in proxied(plan) if link.source == PEOPLE) or "none"


def _controls(plan: Plan) -> Iterator[str]:
    """Say inside which systems faults are switched on, by whose leave."""
    assert plan.targets is not None
    for system, found in external.resolved_controls(plan).items():
        one = plan.targets.control(system)
        yield (
            f"faults inside {system}: {one.url} (leads to {', '.join(found)}), authentication {_auth(one.auth)}, "
            f"authorised by {one.authorised.by}: {one.authorised.reference}, {one.authorised.date.isoformat()}, "
            f"window {one.window.start.isoformat()} to {one.window.end.isoformat()}"
        )


def _integrity(plan: Plan) -> str:
    assert plan.targets is not None
    audit = plan.targets.audit
    match audit.mode:
        case "none":
            return "not asked: the targets file has no look-up"
        case "all":
            return f"every acknowledged dossier is looked up once at {audit.system}"
        case "sample":
            return f"{audit.number} acknowledged dossiers are looked up once at {audit.system}, seed {audit.seed}"


def confirm(plan: Plan, yes: str | None, console: Console) -> None:
    """Show what would be touched and have it confirmed; raises UsageError, and then nothing was sent.

    Args:
        plan: What would be run.
        yes: What ``--yes`` names: the reference of the authorisation.
        console: Where it is shown.
    """
    assert plan.targets is not None
    reference = plan.targets.authorised.reference
    external.check(plan)
    show(plan, console)
    if yes is None and not sys.stdin.isatty():
        raise UsageError(f"nobody is there to confirm; give --yes {reference!r}, the reference of the authorisation")
    if yes is None:
        console.print(Text(f"Type the reference of the authorisation, {reference}, to begin:"), soft_wrap=True)
        yes = sys.stdin.readline().strip()
    if yes != reference:
        raise UsageError(f"{yes!r} isn't the reference of the authorisation; nothing was sent, give {reference!r}")
