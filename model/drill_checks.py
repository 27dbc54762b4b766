"""Whether what makes a drill of a campaign makes sense: blast radius, stop conditions, people's steps, alerts."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from model import blast
from model.links import matching
from model.plan import Plan
from model.regions import REGIONS
from model.shape import Problem, did_you_mean, shown
from model.toml_lines import KeyPath

if TYPE_CHECKING:
    from model.checks import Known


def regions_exist(plan: Plan, _: "Known") -> Iterator[Problem]:
    """Refuse regions that there are none of."""
    for index, fault in enumerate(plan.faults):
        for n, region in enumerate(fault.regions):
            if region not in REGIONS:
                yield _unknown(("faults", index, "regions", n), "region", region, REGIONS)


def blast_radius_holds(plan: Plan, _: "Known") -> Iterator[Problem]:
    """Refuse faults on what is protected, and more at once than the campaign allows."""
    names = [*plan.systems, *(link.name for link in plan.links)]
    for n, pattern in enumerate(plan.blast_radius.protected):
        if not matching(pattern, names):
            yield Problem(
                ("blast_radius", "protected", n), f"nothing is like {shown(pattern)}", "name links or systems"
            )
    for index, broken, remedy in blast.violations(plan):
        yield Problem(("faults", index), f"breaks {broken}", remedy)


def stops_can_fire(plan: Plan, _: "Known") -> Iterator[Problem]:
    """Refuse stop conditions that can't be measured."""
    for index, stop in enumerate(plan.stops):
        path: KeyPath = ("stops", index)
        if stop.indicator == "burn_rate":
            yield from _availability_objective(plan, stop.objective, (*path, "objective"))
        elif stop.objective is not None:
            yield Problem((*path, "objective"), f"{stop.indicator} has no objective", "leave it out")
        if stop.indicator == "error_ratio" and stop.limit >= 1:
            yield Problem((*path, "limit"), f"a share is never above {stop.limit:g}", "give a number below 1")


def steps_fit_the_timeline(plan: Plan, _: "Known") -> Iterator[Problem]:
    """Refuse steps after the end, and decisions that come too late for the faults that they guard."""
    starts = {fault.id: fault.start for fault in plan.faults}
    for index, step in enumerate(plan.steps):
        path: KeyPath = ("steps", index)
        if step.at + step.timeout > plan.duration:
            what = f"may be answered until {step.at + step.timeout:g} s, the timeline ends at {plan.duration:g} s"
            yield Problem((*path, "timeout"), what, "ask earlier, shorten it or lengthen a phase")
        if step.guards and not step.decision:
            yield Problem((*path, "guards"), "only a decision guards faults", "add decision = true")
        for n, name in enumerate(step.guards):
            if name not in starts:
                yield _unknown((*path, "guards", n), "fault", name, starts)
            elif step.at + step.timeout > starts[name]:
                what = f"may be decided until {step.at + step.timeout:g} s, {name} starts at {starts[name]:g} s"
                yield Problem((*path, "timeout"), what, "ask earlier, or start the fault later")


def alerts_can_fire(plan: Plan, _: "Known") -> Iterator[Problem]:
    """Refuse alerts without an availability objective, and faults that there are none of."""
    faults = [fault.id for fault in plan.faults]
    targets = {objective.name: objective.target for objective in plan.objectives}
    for index, alert in enumerate(plan.alerts):
        path: KeyPath = ("alerts", index)
        yield from _availability_objective(plan, alert.objective, (*path, "objective"))
        threshold = alert.burn_rate * (1 - targets.get(alert.objective, 0.999))
        if threshold >= 1:
            what = f"fires above {threshold:.0%} of failed requests: never"
            yield Problem((*path, "burn_rate"), what, "lower it, or raise the objective's target")
        if alert.short_window > alert.long_window:
            yield Problem((*path, "short_window"), "is longer than long_window", "shorten it")
        for n, name in enumerate(alert.expected):
            if name not in faults:
                yield _unknown((*path, "expected", n), "fault", name, faults)


def weaknesses_exist(plan: Plan, known: "Known") -> Iterator[Problem]:
    """Refuse weaknesses that the mocks don't have, and checks that the verdict hasn't."""
    checks = known.checks | {objective.name for objective in plan.objectives}
    for name, seen_by in plan.weaknesses.items():
        if name not in known.defects:
            yield _unknown(("weaknesses", name), "defect", name, known.defects)
        for n, check in enumerate(seen_by):
            if check not in checks:
                yield _unknown(("weaknesses", name, n), "check", check, checks)


def _availability_objective(plan: Plan, name: str | None, path: KeyPath) -> Iterator[Problem]:
    """Refuse anything but the name of an availability objective that leaves an error budget."""
    possible = {found.name: found for found in plan.objectives if found.indicator == "availability"}
    if name is None:
        yield Problem(path, "is missing: a burn rate needs an availability objective", "name one")
    elif name not in possible:
        yield _unknown(path, "availability objective", name, possible)
    elif possible[name].target >= 1:
        yield Problem(path, f"{shown(name)} leaves no error budget to burn", "name one with a target below 1")


def _unknown(path: KeyPath, noun: str, name: str, known: Iterable[str]) -> Problem:
    return Problem(path, f"unknown {noun} {shown(name)}", did_you_mean(name, known))
