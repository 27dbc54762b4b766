"""`thongsuot plan`: what a campaign would do, without doing any of it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from harness import plan_drill
from model import traffic
from model.links import touched_province
from model.migration import Migration
from model.plan import Objective, Phase, Plan, Replay
from reports.indicators import samples_needed
from scenarios.catalogue import EXPECTED
from scenarios.schedule import per_phase

MANY_LINKS = 12


def show(plan: Plan, console: Console) -> None:
    """Print the resolved timeline, the seed's arrivals, links, and whether each objective gets enough samples."""
    console.print(f"[bold]{plan.name}[/]  {plan.title}", highlight=False)
    if plan.purpose:
        console.print(plan.purpose.strip(), style="dim", highlight=False, markup=False)
    console.print(_phases(plan))
    console.print(_faults(plan) if plan.faults else "no faults")
    for fault in plan.faults:
        if len(fault.targets) > 1:
            console.print(f"{fault.id} breaks {', '.join(fault.targets)}", highlight=False, markup=False)
    if plan.control:
        console.print(f"control provinces: {', '.join(plan.control)}", highlight=False)
    if plan.migration:
        console.print(_migration(plan.migration, plan.stack.provinces), highlight=False)
    for part in plan_drill.parts(plan):
        console.print(part, highlight=False)
    if plan.targets is None:
        console.print(_links(plan), highlight=False, markup=False)
    console.print(_objectives(plan) if plan.objectives else "no objectives: judged on integrity and validity alone")
    console.print(
        f"seed {plan.seed} · defects: {', '.join(plan.defects) or 'none'} · nothing was started", highlight=False
    )


def _migration(migration: Migration, stack: Sequence[str]) -> str:
    starts = ", ".join(f"{code} from {start:g} s" for code, start in migration.starts(stack))
    lasts = migration.dossiers / migration.rate
    return f"migration: {migration.dossiers} legacy dossiers each, about {lasts:.0f} s: {starts}"


def expected_requests(plan: Plan, phases: Iterable[Phase]) -> Counter[str]:
    """Estimate the requests of each operation in some phases, nationwide."""
    counts: Counter[str] = Counter()
    for phase in phases:
        for journey, arrivals in _expected_journeys(plan, phase).items():
            for operation, calls in _calls(plan, journey).items():
                counts[operation] += calls * arrivals  # type: ignore[assignment]  # expectations aren't whole
    return counts


def _calls(plan: Plan, journey: str) -> Mapping[str, float]:
    """Return the requests of each operation that a journey makes: those that a targets file declares, or ours."""
    if plan.targets is None:
        return EXPECTED[journey]
    return Counter(step.operation for step in plan.targets.journeys.get(journey, ()))


def _expected_journeys(plan: Plan, phase: Phase) -> dict[str, float]:
    """Estimate the arrivals of a phase on each journey: by weight, or as recorded."""
    weights: Mapping[str, float] = plan.mix(phase)
    if isinstance(phase.curve, Replay):
        weights = Counter(who.journey for who in phase.curve.recording.who)
    each = plan.load.scale * phase.arrivals / sum(weights.values())
    return {journey: each * weight for journey, weight in weights.items()}


def expected_samples(plan: Plan, objective: Objective) -> tuple[float, int | None]:
    """Estimate the samples an objective gets in its scarcest scope: arrivals for interruptions, else requests.

    Returns:
        The estimate, and how many it needs: ``reports.indicators.samples_needed``.
    """
    phases = [phase for phase in plan.phases if not objective.phases or phase.name in objective.phases]
    if objective.indicator == "interruption":
        total = plan.load.scale * sum(phase.arrivals for phase in phases)
    else:
        counts = expected_requests(plan, phases)
        total = sum(count for name, count in counts.items() if not objective.operations or name in objective.operations)
    return total * _share(plan, objective), samples_needed(objective, plan)


def _share(plan: Plan, objective: Objective) -> float:
    """Return the share of the traffic in the objective's scarcest scope."""
    weights = traffic.province_weights(plan.stack.provinces)
    chosen = {code: weights[code] for code in objective.provinces} if objective.provinces else weights
    if objective.indicator == "isolation":
        touched = {touched_province(target) for fault in plan.faults for target in fault.targets}
        chosen = {code: weight for code, weight in chosen.items() if code not in touched}
        share = sum(fault.duration for fault in plan.faults) / plan.duration
        return min(share, 1.0) * (sum(chosen.values()) if objective.scope == "nation" else min(chosen.values()))
    return sum(chosen.values()) if objective.scope == "nation" else min(chosen.values())


def _phases(plan: Plan) -> Table:
    table = Table(title="timeline", title_justify="left", box=None, pad_edge=False)
    for name in ("from s", "to s", "phase", "arrivals/s", "arrivals", "requests/s ≈"):
        table.add_column(name, justify="left" if name == "phase" else "right")
    drawn = per_phase(plan)
    for index, (start, end, phase) in enumerate(plan.spans()):
        requests = sum(expected_requests(plan, [phase]).values())
        table.add_row(
            f"{start:g}",
            f"{end:g}",
            phase.name,
            _rates(plan, phase),
            f"{drawn[index]}",
            f"{requests / phase.duration:.0f}",
        )
    table.add_row("", f"{plan.duration:g}", "all", "", f"{drawn.total()}", "", style="bold")
    return table


def _rates(plan: Plan, phase: Phase) -> str:
    """Write a phase's rate: constant, from → to, or the kind of its curve with its lowest and highest rate."""
    rates = [plan.load.scale * rate for _, rate in phase.flow.points()]
    if phase.curve is not None:
        return f"{type(phase.curve).__name__.lower()} {min(rates):g} … {max(rates):g}"
    return f"{rates[0]:g}" if rates[0] == rates[-1] else f"{rates[0]:g} → {rates[-1]:g}"


def _faults(plan: Plan) -> Table:
    table = Table(title="faults", title_justify="left", box=None, pad_edge=False)
    for name in ("from s", "to s", "id", "kind", "target", "attributes"):
        table.add_column(name)
    for fault in sorted(plan.faults, key=lambda fault: fault.start):
        attributes = ", ".join(f"{name} {value}" for name, value in sorted(fault.attributes.items()))
        table.add_row(f"{fault.start:g}", f"{fault.end:g}", fault.id, fault.kind, fault.target, attributes)
    return table


def _links(plan: Plan) -> str:
    names = [link.name for link in plan.links]
    shown = ", ".join(names[:MANY_LINKS])
    more = f", … ({len(names) - MANY_LINKS} more)" if len(names) > MANY_LINKS else ""
    return f"links ({len(names)}, each behind a proxy): {shown}{more}"


def _objectives(plan: Plan) -> Table:
    table = Table(title="objectives", title_justify="left", box=None, pad_edge=False)
    for name in ("objective", "indicator", "scope", "target", "samples ≈", "needed", "enough"):
        table.add_column(name, justify="right" if name in ("target", "samples ≈", "needed") else "left")
    for objective in plan.objectives:
        samples, needed = expected_samples(plan, objective)
        counted = needed != 1
        enough = "yes" if needed is not None and samples >= needed else "[bold red]no[/]"
        quantile = f" p{objective.quantile * 100:g}" if objective.quantile else ""
        table.add_row(
            objective.name,
            objective.indicator + quantile,
            objective.scope,
            f"{objective.target:g}",
            f"{samples:.0f}" if counted else "—",
            (f"{needed}" if needed else "∞") if counted else "—",
            enough if counted else "—",
        )
    return table
