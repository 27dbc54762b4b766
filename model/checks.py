"""Whether a plan of the right shape makes sense: names that exist, faults inside the timeline, load that loads.

``CHECKS`` at the end is the list of all checks.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from model import places
from model.links import touched_province
from model.plan import Fault, Objective, Plan
from model.shape import Problem, did_you_mean, shown
from model.toml_lines import KeyPath

MAX_ARRIVALS = 1_000_000_000
"""Arrivals of a campaign [A]: 50 times what the nation files in a year, so more is a slip of the pen."""

MAX_DURATION = 31 * 86_400.0
"""Seconds of a campaign [A]."""

SHARES = frozenset({"availability", "isolation"})
QUANTILES = frozenset({"response_time", "sync_lag"})
PROCESS_KINDS = frozenset({"kill"})

_PLAIN_NAME = re.compile(r"\w[\w +-]*")


@dataclass(frozen=True, slots=True)
class Known:
    """What the layers above know, by name.

    Attributes:
        journeys: The scenarios' catalogue.
        operations: What their requests do: ``national.submit``.
        defects: Seeded defects of the mocks.
        check_fault: Says what is wrong with a fault's attributes, one line each.
    """

    journeys: frozenset[str]
    operations: frozenset[str]
    defects: frozenset[str]
    check_fault: Callable[[Fault], list[str]]


def problems(plan: Plan, known: Known) -> Iterator[Problem]:
    """Yield what is wrong with a plan."""
    for check in CHECKS:
        yield from check(plan, known)


def names_are_plain(plan: Plan, _: Known) -> Iterator[Problem]:
    """Refuse names that don't travel in CSV, in paths and in ``--set``."""
    named: list[tuple[KeyPath, str]] = [(("name",), plan.name)]
    named += [(("phases", index, "name"), phase.name) for index, phase in enumerate(plan.phases)]
    named += [(("faults", index, "id"), fault.id) for index, fault in enumerate(plan.faults)]
    for path, name in named:
        if not _PLAIN_NAME.fullmatch(name):
            yield Problem(path, f"{shown(name)} isn't a plain name", "use letters, digits, space, _, + and -")
    for index, objective in enumerate(plan.objectives):
        if not objective.name.isprintable():
            yield Problem(("objectives", index, "name"), "isn't printable", "leave out control characters")


def names_are_unique(plan: Plan, _: Known) -> Iterator[Problem]:
    """Refuse what can't be told apart by name."""
    yield from _repeated([phase.name for phase in plan.phases], ("phases",), ("name",))
    yield from _repeated([fault.id for fault in plan.faults], ("faults",), ("id",))
    yield from _repeated([objective.name for objective in plan.objectives], ("objectives",), ("name",))
    yield from _repeated(plan.stack.provinces, ("stack", "provinces"), ())


def provinces_exist(plan: Plan, _: Known) -> Iterator[Problem]:
    """Refuse a stack without provinces, and provinces that there are none of."""
    if not plan.stack.provinces:
        yield Problem(("stack", "provinces"), "is empty", 'name provinces, or write "all"')
    for index, code in enumerate(plan.stack.provinces):
        if code not in places.provinces():
            yield _unknown(("stack", "provinces", index), "province", code, places.provinces())


def journeys_exist(plan: Plan, known: Known) -> Iterator[Problem]:
    """Refuse journeys that there are none of, and weights that add up to 0."""
    for name in plan.load.journeys:
        if name not in known.journeys:
            yield _unknown(("load", "journeys", name), "journey", name, known.journeys)
    total = sum(plan.load.journeys.values())
    if total == 0 or not math.isfinite(total):
        yield Problem(("load", "journeys"), f"the weights add up to {shown(total)}", "give one journey a weight")


def something_arrives(plan: Plan, _: Known) -> Iterator[Problem]:
    """Refuse timelines and arrivals that are nothing, or absurd."""
    if not plan.duration <= MAX_DURATION:
        yield Problem(("phases",), f"the phases last {plan.duration:g} s", f"stay within {MAX_DURATION:,.0f} s")
    arrivals = plan.load.scale * sum(phase.arrivals for phase in plan.phases)
    if arrivals == 0:
        yield Problem(("phases",), "nobody arrives: every rate is 0", "give a phase a rate above 0")
    elif not arrivals <= MAX_ARRIVALS:
        yield Problem(("phases",), f"{arrivals:g} arrivals", f"lower rates or load.scale: {MAX_ARRIVALS:,} at most")


def faults_have_targets(plan: Plan, _: Known) -> Iterator[Problem]:
    """Refuse a ``kill`` without a system of the stack, and any other kind without a link of it."""
    links = {link.name for link in plan.links}
    for index, fault in enumerate(plan.faults):
        path: KeyPath = ("faults", index)
        needed, other = ("system", "link") if fault.kind in PROCESS_KINDS else ("link", "system")
        target: str | None = getattr(fault, needed)
        if getattr(fault, other) is not None:
            yield Problem((*path, other), f"a fault of kind {fault.kind} breaks no {other}", f"give a {needed}")
        elif target is None:
            yield Problem((*path, needed), f"is missing: {fault.kind} breaks a {needed}", f"give a {needed}")
        elif target not in (links if needed == "link" else plan.systems):
            yield _unknown_target(plan, (*path, needed), needed, target)


def faults_fit_the_timeline(plan: Plan, _: Known) -> Iterator[Problem]:
    """Refuse faults that aren't healed when the schedule ends."""
    for index, fault in enumerate(plan.faults):
        path: KeyPath = ("faults", index)
        if fault.start >= plan.duration:
            yield Problem(
                (*path, "start"),
                f"starts at {fault.start:g} s, the timeline ends at {plan.duration:g} s",
                "start earlier",
            )
        elif fault.end > plan.duration + 1e-9:
            yield Problem(
                (*path, "duration"),
                f"lasts until {fault.end:g} s, the timeline ends at {plan.duration:g} s",
                "start earlier, shorten it or lengthen a phase",
            )


def faults_do_not_overlap(plan: Plan, _: Known) -> Iterator[Problem]:
    """Refuse two faults at a time on one link or system: healing one would heal, or hide, the other."""
    latest: dict[str, Fault] = {}
    for index, fault in sorted(enumerate(plan.faults), key=lambda item: item[1].start):
        before = latest.get(fault.target)
        if before is not None and fault.start < before.end:
            yield Problem(
                ("faults", index, "start"),
                f"overlaps fault {shown(before.id)} on {fault.target}",
                f"start it at {before.end:g} s or later",
            )
        if before is None or fault.end > before.end:
            latest[fault.target] = fault


def fault_attributes_fit(plan: Plan, known: Known) -> Iterator[Problem]:
    """Refuse attributes that the fault catalogue refuses."""
    for index, fault in enumerate(plan.faults):
        for line in known.check_fault(fault):
            yield Problem(("faults", index, "attributes"), line, f"correct the attributes of {fault.kind}")


def objectives_can_be_judged(plan: Plan, known: Known) -> Iterator[Problem]:
    """Refuse scopes that don't exist, and numbers that don't fit the indicator."""
    phases = [phase.name for phase in plan.phases]
    for index, objective in enumerate(plan.objectives):
        path: KeyPath = ("objectives", index)
        yield from _numbers(objective, path)
        yield from _all_known(objective.phases, (*path, "phases"), "phase", phases)
        yield from _all_known(objective.provinces, (*path, "provinces"), "province", plan.stack.provinces)
        yield from _all_known(objective.operations, (*path, "operations"), "operation", known.operations)


def defects_exist(plan: Plan, known: Known) -> Iterator[Problem]:
    """Refuse seeded defects that the mocks don't have."""
    yield from _all_known(plan.defects, ("defects",), "defect", known.defects)


CHECKS: tuple[Callable[[Plan, Known], Iterator[Problem]], ...] = (
    names_are_plain,
    names_are_unique,
    provinces_exist,
    journeys_exist,
    something_arrives,
    faults_have_targets,
    faults_fit_the_timeline,
    faults_do_not_overlap,
    fault_attributes_fit,
    objectives_can_be_judged,
    defects_exist,
)


def _numbers(objective: Objective, path: KeyPath) -> Iterator[Problem]:
    indicator = objective.indicator
    if indicator in SHARES and objective.target > 1:
        yield Problem((*path, "target"), f"{objective.target:g} is no share", "give a number from 0 to 1")
    if indicator in QUANTILES and objective.quantile is None:
        yield Problem((*path, "quantile"), f"is missing: {indicator} needs one", "add it: quantile = 0.95")
    if indicator not in QUANTILES and objective.quantile is not None:
        yield Problem((*path, "quantile"), f"{indicator} has no quantile", "leave it out")


def _repeated(names: Iterable[str], before: KeyPath, after: KeyPath) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            yield Problem((*before, index, *after), f"{shown(name)} comes twice", "keep one, or rename it")
        seen.add(name)


def _all_known(names: Iterable[str], path: KeyPath, noun: str, known: Iterable[str]) -> Iterator[Problem]:
    choices = frozenset(known)
    for index, name in enumerate(names):
        if name not in choices:
            yield _unknown((*path, index), noun, name, choices)


def _unknown(path: KeyPath, noun: str, name: str, known: Iterable[str]) -> Problem:
    return Problem(path, f"unknown {noun} {shown(name)}", did_you_mean(name, known))


def _unknown_target(plan: Plan, path: KeyPath, noun: str, name: str) -> Problem:
    code = touched_province(name if noun == "link" else f"->{name}")
    if code in places.provinces() and code not in plan.stack.provinces:
        return Problem(path, f"province {code} isn't part of the stack", "add it to stack.provinces")
    return _unknown(path, noun, name, [link.name for link in plan.links] if noun == "link" else plan.systems)
