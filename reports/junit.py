"""JUnit XML of a run: a failure is a <failure>, what can't be told is an <error>, so that a CI server sees both.

One test case per objective, per integrity rule, per fault, per stop condition, per person's step, per alert, one for
the steady state, one for the load and one for the verdict itself: the file is green only where the verdict is ``pass``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from reports.alerts import AlertResult
from reports.book_rows import BookRow, book_rows
from reports.drill_summary import burns, span, steady, step_state, stop_state
from reports.facts import Facts, FaultLife, ObjectiveResult, audit_doubt, rule_verdict, rules
from reports.summary import MEANING, bounds, fault_state, listed, measured, moment, quantity, target, visible

TAGS = {"fail": "failure", "inconclusive": "error"}


@dataclass(frozen=True, slots=True)
class Case:
    """One test case.

    Attributes:
        name: What is tested.
        verdict: ``pass``, ``fail`` or ``inconclusive``.
        message: One line.
        detail: More of it.
    """

    name: str
    verdict: str
    message: str
    detail: str = ""


def text(facts: Facts) -> str:
    """Return ``junit.xml``."""
    suites = {
        "verdict": [_verdict(facts)],
        "load": [_load(facts)],
        "objectives": [_objective(result) for result in facts.verdict.objectives],
        "integrity": list(_integrity(facts)),
        "books": [_book(row) for row in book_rows(facts)],
        "faults": [_fault(life) for life in facts.faults],
        "conduct": list(_conduct(facts)),
        "alerts": [_alert(alert) for alert in facts.verdict.alerts],
    }
    root = ET.Element("testsuites", _totals([case for cases in suites.values() for case in cases]))
    root.set("name", visible(facts.plan.name))
    for name, cases in suites.items():
        if cases:
            root.append(_suite(f"{facts.plan.name}.{name}", cases))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _totals(cases: Sequence[Case]) -> dict[str, str]:
    counts = {"failures": "failure", "errors": "error"}
    found = [_tag(case) for case in cases]
    return {"tests": str(len(cases))} | {key: str(found.count(tag)) for key, tag in counts.items()}


def _tag(case: Case) -> str | None:
    return None if case.verdict == "pass" else TAGS.get(case.verdict, "error")


def _suite(name: str, cases: Sequence[Case]) -> ET.Element:
    suite = ET.Element("testsuite", {"name": visible(name)} | _totals(cases))
    for case in cases:
        element = ET.SubElement(suite, "testcase", classname=visible(name), name=visible(case.name))
        if tag := _tag(case):
            ET.SubElement(element, tag, message=visible(case.message)).text = visible(case.detail) or None
        elif case.message:
            ET.SubElement(element, "system-out").text = visible(case.message)
    return suite


def _verdict(facts: Facts) -> Case:
    reasons = facts.verdict.reasons
    return Case("verdict", facts.verdict.verdict, reasons[0] if reasons else "", "\n".join(reasons))


def _load(facts: Facts) -> Case:
    return Case("load is valid", "inconclusive" if facts.doubts else "pass", "; ".join(facts.doubts))


def _objective(result: ObjectiveResult) -> Case:
    observed = f"observed {quantity(result.indicator, result.observed)}, target {target(result)}"
    detail = f"95 % bounds {bounds(result)}; {result.samples or 0} samples; {result.provenance}"
    return Case(result.name, result.verdict, observed, detail)


def _integrity(facts: Facts) -> Iterator[Case]:
    doubt = audit_doubt(facts)
    for rule in rules(facts):
        codes = facts.verdict.integrity.codes(rule)
        if codes:
            yield Case(rule, rule_verdict(facts, rule), f"{len(codes)} dossiers: {MEANING[rule][1]}", listed(codes))
        else:
            yield Case(rule, rule_verdict(facts, rule), doubt)
    yield Case("unread", "inconclusive" if doubt else "pass", doubt)


def _book(row: BookRow) -> Case:
    found = "\n".join(f"{finding.category} {finding.key}: {finding.detail}" for finding in row.findings)
    return Case(row.entries, row.verdict, row.said or f"{row.acknowledged} acknowledged, all as they must be", found)


def _fault(life: FaultLife) -> Case:
    state = fault_state(life)
    verdict = "pass" if state == "proved and healed" else "inconclusive"
    message = f"{life.fault.kind} on {life.fault.target}: {state}, measured {measured(life.bite)}"
    return Case(life.fault.id, verdict, message)


def _conduct(facts: Facts) -> Iterator[Case]:
    seen = facts.verdict.steady_state
    if seen is not None:
        yield Case("steady state", "pass" if seen.steady else "inconclusive", steady(seen))
    for planned in facts.plan.stops:
        fired = [stop for stop in facts.verdict.stops if stop.stop == planned.name]
        said = "; ".join(f"fired at {moment(stop.t)}, {stop_state(stop)}" for stop in fired)
        yield Case(f"stop condition {planned.name}", "fail" if fired else "pass", said)
    for step in facts.verdict.steps:
        yield Case(f"step {step.id}", step.verdict, step_state(step), step.text)


def _alert(alert: AlertResult) -> Case:
    notes = "; ".join(found.note for found in alert.expected) or "not expected"
    fired = "; ".join(map(span, alert.spans)) or "never"
    return Case(alert.name, alert.verdict, notes, f"Fires when {burns(alert)}. Fired: {fired}.")
