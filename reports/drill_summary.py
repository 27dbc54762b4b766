"""What is said of a drill: why it was held, how it was conducted, how all came back. Words, and their Markdown."""

from __future__ import annotations

from reports.alerts import AlertResult, Span
from reports.conduct import SteadyState, StepResult, StopFired
from reports.facts import Facts
from reports.figure import Figure
from reports.summary import DASH, GAP, markdown, moment, number, seconds, share, table

NAMED = 5  # provinces


def figure(found: Figure) -> str:
    """Write a figure with its bounds: ``3.10 s … 4.10 s``, ``never``, ``–``."""
    if found.never:
        return "never"
    if found.low is None or found.high is None or found.low == found.high:
        return seconds(found.seconds)
    return f"{seconds(found.low)} … {seconds(found.high)}"


def span(found: Span) -> str:
    """Write when an alert fired, for whom, and what was on: ``23.0 s – 31.0 s (province 14; f1)``."""
    few = f"province {', '.join(found.provinces)}" if found.provinces else "nation"
    where = few if len(found.provinces) <= NAMED else f"{len(found.provinces)} provinces"
    cause = ", ".join(found.faults) or "no fault on"
    return f"{moment(found.start)} – {moment(found.stop)} ({where}; {cause})"


def burns(alert: AlertResult) -> str:
    """Write when an alert fires."""
    long, short = seconds(alert.long_window), seconds(alert.short_window)
    return f"more than {share(alert.threshold)} failed over {long} and over {short}"


def step_state(step: StepResult) -> str:
    """Say what became of a person's step: ``done by terminal after 6 s``."""
    if step.missed:
        return f"missed: no answer within {seconds(step.timeout)}"
    if step.answer is None:
        return "never asked for" if step.asked is None else "no answer in the record"
    by = f" ({step.by})" if step.by == "unattended" else f" by {step.by or 'somebody'} after {seconds(step.seconds)}"
    return f"{step.answer}{by}"


def stop_state(stop: StopFired) -> str:
    """Say why a stop condition fired."""
    where = f", province {stop.province}" if stop.province else ""
    return f"{stop.indicator.replace('_', ' ')} {_plain(stop.value)} > {_plain(stop.limit)}{where}"


def steady(found: SteadyState) -> str:
    """Say what was seen before the first fault."""
    seen = f"availability {share(found.availability)}, response p95 {seconds(found.response_p95)}"
    state = "steady" if found.steady else f"not steady: {'; '.join(found.reasons) or 'no reason given'}"
    return f"{state} ({number(found.samples)} requests, {seen})"


def _plain(value: float | None) -> str:
    return DASH if value is None else f"{value:.4g}"


def text(facts: Facts) -> str:
    """Return the sections that a drill adds to ``summary.md``; empty where there is nothing to say."""
    sections = {
        "Drill": _drill(facts),
        "Conduct of the drill": _conduct(facts),
        "Recovery": _recovery(facts),
        "Alerts": _alerts(facts),
        "Control provinces": _compared(facts),
    }
    return "".join("\n" + "\n".join([f"## {title}", "", *lines]) + "\n" for title, lines in sections.items() if lines)


def _drill(facts: Facts) -> list[str]:
    drill = facts.plan.drill
    if drill is None:
        return []
    lines = [f"**{markdown(drill.id)}**: {markdown(drill.question)}", "", f"Source: {markdown(drill.source)}", ""]
    if drill.expects:
        lines += ["Expected:", "", *(f"- {markdown(line)}" for line in drill.expects), ""]
    return [*lines, "Runbook:", "", *(markdown(line).rstrip() for line in drill.runbook.strip().splitlines())]


def _conduct(facts: Facts) -> list[str]:
    verdict = facts.verdict
    lines = [f"- Steady state: {markdown(steady(verdict.steady_state))}"] if verdict.steady_state else []
    for planned in facts.plan.stops:
        fired = [stop for stop in verdict.stops if stop.stop == planned.name]
        said = "; ".join(f"fired at {moment(stop.t)}, {stop_state(stop)}" for stop in fired) or "didn't fire"
        lines.append(f"- Stop condition {markdown(planned.name)}: {markdown(said)}")
    if not verdict.steps:
        return lines
    rows = ((step.id, step.text, moment(step.asked), step_state(step), step.verdict) for step in verdict.steps)
    return [*lines, *([""] if lines else []), *table(("Step", "What to do", "Asked", "Answer", "Verdict"), rows)]


def _recovery(facts: Facts) -> list[str]:
    if not facts.verdict.recovery:
        return []
    head = ("Fault", "First failure", "First alert", "Recovered", "Drained", "Converged")
    rows = (
        (course.fault, *map(figure, (course.detect, course.alert, course.recover, course.drain, course.converge)))
        for course in facts.verdict.recovery
    )
    intro = f"The first two count from the fault's application, the others from its healing. {DASH}: can't be told."
    return [intro, "", *table(head, rows)]


def _alerts(facts: Facts) -> list[str]:
    rows = [
        (
            alert.name,
            burns(alert),
            "; ".join(found.note for found in alert.expected) or DASH,
            f"{len(alert.spans)}{GAP}times" if alert.spans else "never",
            alert.verdict,
        )
        for alert in facts.verdict.alerts
    ]
    return table(("Alert", "Fires when", "Expected", "Fired", "Verdict"), rows) if rows else []


def _compared(facts: Facts) -> list[str]:
    rows = [
        (row.group, row.moment, number(row.requests), share(row.availability), seconds(row.p95))
        for row in facts.compared
    ]
    return table(("Provinces", "When", "Requests", "Availability", "Response p95"), rows) if rows else []
