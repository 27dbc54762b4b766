"""What makes a drill of a campaign, for `thongsuot plan`."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from model import blast
from model.drill import OperatorStep, Stop
from model.plan import Plan


def parts(plan: Plan) -> Iterator[RenderableType]:
    """Yield purpose, blast radius, steady state, stop conditions, steps and alerts, as far as the plan has them."""
    if plan.drill:
        yield Text(f"drill {plan.drill.id}: {plan.drill.question}")
        yield Text(f"answers: {plan.drill.source}", style="dim")
    if plan.faults:
        yield _blast_radius(plan)
        yield Text(_steady_state(plan))
    if plan.stops:
        yield _stops(plan)
    if plan.steps:
        yield _steps(plan)
        yield Text("steps are acknowledged in the terminal, with `thongsuot ack RUN STEP`, or by `run --unattended`")
    if plan.alerts:
        yield _alerts(plan)


def _blast_radius(plan: Plan) -> Table:
    """Show what is broken whenever a fault begins, beside what is allowed."""
    radius = plan.blast_radius
    table = _table("blast radius", "at s", "faults", "provinces", "of the citizens")
    for fault, together in sorted(blast.moments(plan), key=lambda moment: moment[0].start):
        hurt = blast.provinces_hurt(plan, together)
        share = f"{blast.citizens_hurt(plan, hurt):.1%}"
        _add(table, f"{fault.start:g}", ", ".join(other.id for other in together), str(len(hurt)), share)
    allowed = "any" if radius.provinces is None else str(radius.provinces)
    _add(table, "", "allowed at once", allowed, f"{radius.citizens:.1%}")
    if radius.protected:
        _add(table, "", f"protected: {', '.join(radius.protected)}")
    return table


def _steady_state(plan: Plan) -> str:
    rule = plan.steady_state
    return (
        f"steady state, {rule.window:g} s before the first fault: at least {rule.samples} requests, "
        f"{rule.availability:.1%} of them succeed, 95 % within {rule.response_p95:g} s; else nothing is broken"
    )


def _stops(plan: Plan) -> Table:
    table = _table("stop conditions", "name", "every fault ends when", "scope")
    for stop in plan.stops:
        _add(table, stop.name, _condition(stop), stop.scope)
    return table


def _condition(stop: Stop) -> str:
    over = f"over {stop.window:g} s, from {stop.samples} requests on"
    match stop.indicator:
        case "error_ratio":
            return f"more than {stop.limit:.1%} of the requests fail, {over}"
        case "burn_rate":
            return f"“{stop.objective}” burns its error budget more than {stop.limit:g} times as fast, {over}"
        case "interruption":
            return f"nobody is served for more than {stop.limit:g} s"
        case "integrity":
            return f"more than {stop.limit:g} acknowledged dossiers aren't found"


def _steps(plan: Plan) -> Table:
    table = _table("steps", "at s", "within s", "step", "what people do", "if not")
    for step in sorted(plan.steps, key=lambda step: step.at):
        _add(table, f"{step.at:g}", f"{step.timeout:g}", step.id, step.text, _otherwise(step))
    return table


def _otherwise(step: OperatorStep) -> str:
    """Say what follows when nobody answers, or "no-go"."""
    if not step.decision:
        return "it is missed"
    return f"{', '.join(step.guards) or 'every fault'} ends, or isn't applied"


def _alerts(plan: Plan) -> Table:
    table = _table("alerts", "name", "objective", "burn rate above", "over s", "expected from")
    for alert in plan.alerts:
        expected = f"{', '.join(alert.expected)} within {alert.within:g} s" if alert.expected else "nothing"
        windows = f"{alert.long_window:g} and {alert.short_window:g}"
        _add(table, alert.name, alert.objective, f"{alert.burn_rate:g}", windows, expected)
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in columns:
        table.add_column(name)
    return table


def _add(table: Table, *cells: str) -> None:
    """Add a row; what a campaign says is text, never markup."""
    table.add_row(*map(Text, cells))
