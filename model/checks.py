"""Whether a plan of the right shape makes sense: names that exist, faults inside the timeline, load that loads.

``CHECKS`` at the end is the list of all checks.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from model import curves, drill_checks, migration_checks, paths, places, target_checks
from model.links import PLATFORMS, matching, touched_province
from model.plan import LINK_KINDS, Day, Fault, Objective, Phase, Plan, Replay, Sine, Spike, Step
from model.scope import choices
from model.shape import Problem, did_you_mean, shown
from model.toml_lines import KeyPath

MAX_ARRIVALS = 1_000_000_000
"""Arrivals of a campaign [A]: 50 times what the nation files in a year, so more is a slip of the pen."""

MAX_DURATION = 31 * 86_400.0
"""Seconds of a campaign [A]."""

MOBILE_JOURNEY = "mobile-reception"
"""The journey of mobile reception teams."""

BOUNDARY_FREE = "boundary-free"
"""The journey to a counter of another province than the one that decides."""

SHARES = frozenset({"availability", "isolation"})
QUANTILES = frozenset({"response_time", "sync_lag"})

_PLAIN_NAME = re.compile(r"\w[\w +-]*")


@dataclass(frozen=True, slots=True)
class Known:
    """What the layers above know, by name.

    Attributes:
        journeys: The scenarios' catalogue.
        operations: What their requests do: ``national.submit``.
        defects: Seeded defects of the mocks.
        check_fault: Says what is wrong with a fault's attributes, one line each.
        platforms: Journey -> the platform that it needs.
        checks: What can fail besides objectives: ``lost``, ``document: lost``, ``alerts``.
    """

    journeys: frozenset[str]
    operations: frozenset[str]
    defects: frozenset[str]
    check_fault: Callable[[Fault], list[str]]
    platforms: Mapping[str, str] = field(default_factory=dict)
    checks: frozenset[str] = frozenset()


def problems(plan: Plan, known: Known) -> Iterator[Problem]:
    """Yield what is wrong with a plan."""
    for check in CHECKS:
        yield from check(plan, known)


def names_are_plain(plan: Plan, _: Known) -> Iterator[Problem]:
    """Refuse names that don't travel in CSV, in paths and in ``--set``."""
    named: list[tuple[KeyPath, str]] = [(("name",), plan.name)]
    named += [(("phases", index, "name"), phase.name) for index, phase in enumerate(plan.phases)]
    named += [(("faults", index, "id"), fault.id) for index, fault in enumerate(plan.faults)]
    named += [(("stops", index, "name"), stop.name) for index, stop in enumerate(plan.stops)]
    named += [(("steps", index, "id"), step.id) for index, step in enumerate(plan.steps)]
    named += [(("alerts", index, "name"), alert.name) for index, alert in enumerate(plan.alerts)]
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
    yield from _repeated([stop.name for stop in plan.stops], ("stops",), ("name",))
    yield from _repeated([step.id for step in plan.steps], ("steps",), ("id",))
    yield from _repeated([alert.name for alert in plan.alerts], ("alerts",), ("name",))
    yield from _repeated(plan.stack.provinces, ("stack", "provinces"), ())
    yield from _repeated(plan.stack.platforms, ("stack", "platforms"), ())


def provinces_exist(plan: Plan, _: Known) -> Iterator[Problem]:
    """Refuse a stack without provinces, and provinces that there are none of."""
    if not plan.stack.provinces:
        yield Problem(("stack", "provinces"), "is empty", 'name provinces, or write "all"')
    for index, code in enumerate(plan.stack.provinces):
        if code not in places.provinces():
            yield _unknown(("stack", "provinces", index), "province", code, places.provinces())


def capacities_are_of_systems(plan: Plan, _: Known) -> Iterator[Problem]:
    """Refuse the speed of a system that isn't part of the stack, and quantiles and time-outs below the median."""
    kinds = {system.partition(":")[0] for system in plan.systems}
    for name, capacity in plan.stack.capacity.items():
        path: KeyPath = ("stack", "capacity", name)
        if name not in kinds and name not in plan.systems:
            yield _no_system(plan, path, name, [*kinds, *plan.systems])
        for key in ("p95", "serves_within"):
            time = getattr(capacity, key)
            if time is not None and time < capacity.median:
                yield Problem((*path, key), f"{time:g} s is less than the median", "give a longer time")


def paths_fit(plan: Plan, _: Known) -> Iterator[Problem]:
    """Refuse paths of systems and operations that there are none of, and those under which nothing could be served."""
    start: KeyPath = ("stack", "paths")
    for misfit in paths.misfits(plan.stack.paths):
        where: KeyPath = (misfit.kind, misfit.path) if misfit.path else (misfit.kind,)
        yield Problem((*start, *where), misfit.what, misfit.remedy)
    for kind in plan.stack.paths:
        if kind in PLATFORMS and kind not in plan.stack.platforms:
            yield _no_platform((*start, kind), kind)


def centres_are_there(plan: Plan, _: Known) -> Iterator[Problem]:
    """Refuse topologies of provinces that there are none of, and mobile teams outside the stack, or none to go out."""
    for key, codes in (("one_level", plan.stack.one_level), ("mobile", plan.stack.mobile)):
        yield from _all_known(codes, ("stack", key), "province", places.provinces())
        yield from _repeated(codes, ("stack", key), ())
    for index, code in enumerate(plan.stack.mobile):
        if code not in plan.stack.provinces:
            yield _no_province(("stack", "mobile", index), code)
    if plan.journeys.get(MOBILE_JOURNEY) and not plan.stack.mobile:
        yield Problem(
            ("stack", "mobile"), f"is empty, and {MOBILE_JOURNEY} needs a team", "name provinces of the stack"
        )


def borders_are_there(plan: Plan, _: Known) -> Iterator[Problem]:
    """Refuse boundary-free intake where there is no other province."""
    if plan.journeys.get(BOUNDARY_FREE) and len(plan.stack.provinces) < 2:
        what = f"has one province, and {BOUNDARY_FREE} leads from one to another"
        yield Problem(("stack", "provinces"), what, "name two or more")


def connections_make_sense(plan: Plan, _: Known) -> Iterator[Problem]:
    """Refuse unconnected communes that no province of the stack has, and a connection that comes after the load."""
    here = {commune.code for code in plan.stack.provinces for commune in places.communes_of(code)}
    yield from _repeated(plan.stack.unconnected, ("stack", "unconnected"), ())
    for index, code in enumerate(plan.stack.unconnected):
        if code not in here:
            remedy = "give communes of the stack's provinces, or a share of them"
            yield Problem(("stack", "unconnected", index), f"no commune {shown(code)} in the stack", remedy)
    at, end = plan.stack.connected_at, plan.duration
    if at is not None and not plan.stack.unconnected:
        yield Problem(("stack", "connected_at"), "connects nothing", "give stack.unconnected, or leave it out")
    elif at is not None and at > end:
        what = f"is at {at:g} s, the timeline ends at {end:g} s"
        yield Problem(
            ("stack", "connected_at"), what, "connect them earlier, or leave it out: then they are at the end"
        )


def journeys_exist(plan: Plan, known: Known) -> Iterator[Problem]:
    """Refuse journeys that there are none of, and weights that add up to 0."""
    for path, weights in plan.mixes():
        for name in weights:
            if name not in known.journeys:
                yield _unknown((*path, name), "journey", name, known.journeys)
        total = sum(weights.values())
        if total == 0 or not math.isfinite(total):
            yield Problem(path, f"the weights add up to {shown(total)}", "give one journey a weight")


def platforms_are_there(plan: Plan, known: Known) -> Iterator[Problem]:
    """Refuse journeys, and complaints, whose platform isn't part of the stack."""
    for path, weights in plan.mixes():
        for name, weight in weights.items():
            platform = known.platforms.get(name)
            if weight and platform and platform not in plan.stack.platforms:
                yield _no_platform((*path, name), platform)
    if plan.load.complaints and "hotline" not in plan.stack.platforms:
        yield _no_platform(("load", "complaints"), "hotline")


def curves_fit(plan: Plan, _: Known) -> Iterator[Problem]:
    """Refuse phases without the numbers that their curve needs, with others, or too short for it."""
    for index, phase in enumerate(plan.phases):
        path: KeyPath = ("phases", index)
        own_rate = isinstance(phase.curve, Step | Replay)
        if own_rate and phase.rate is not None:
            yield Problem((*path, "rate"), f"{_kind(phase)} has rates of its own", "leave it out")
        if not own_rate and phase.rate is None:
            yield Problem((*path, "rate"), "is missing", "add it")
        if phase.curve is not None and phase.to is not None:
            yield Problem((*path, "to"), f"{_kind(phase)} is no ramp", "leave out either to or curve")
        if isinstance(phase.curve, Replay) and phase.journeys:
            yield Problem((*path, "journeys"), "a recording names the journeys itself", "leave it out")
        for key, what, remedy in _misfits(phase):
            yield Problem((*path, "curve", key), what, remedy)


def something_arrives(plan: Plan, _: Known) -> Iterator[Problem]:
    """Refuse timelines and arrivals that are nothing, or absurd."""
    if not plan.duration <= MAX_DURATION:
        yield Problem(("phases",), f"the phases last {plan.duration:g} s", f"stay within {MAX_DURATION:,.0f} s")
    arrivals = plan.arrivals
    if arrivals == 0:
        yield Problem(("phases",), "nobody arrives: every rate is 0", "give a phase a rate above 0")
    elif not arrivals <= MAX_ARRIVALS:
        yield Problem(("phases",), f"{arrivals:g} arrivals", f"lower rates or load.scale: {MAX_ARRIVALS:,} at most")


def faults_have_targets(plan: Plan, _: Known) -> Iterator[Problem]:
    """Refuse a network kind without a link of the stack, any other kind without a system of it, and empty scopes."""
    for index, fault in enumerate(plan.faults):
        path: KeyPath = ("faults", index)
        found = [*_one_kind_of_target(fault, path)] or [*_targets_exist(plan, fault, path)]
        yield from found or _scope_holds_something(plan, fault, path)


def _one_kind_of_target(fault: Fault, path: KeyPath) -> Iterator[Problem]:
    """Refuse targets of the wrong kind, none, or both the one and the many."""
    needed, other = _nouns(fault)
    for key in (other, f"{other}s"):
        if getattr(fault, key):
            yield Problem((*path, key), f"a fault of kind {fault.kind} breaks no {other}", f"give a {needed}")
    one, many = getattr(fault, needed), getattr(fault, f"{needed}s")
    if one is None and not many:
        yield Problem((*path, needed), f"is missing: {fault.kind} breaks a {needed}", f"give a {needed}")
    if one is not None and many:
        yield Problem((*path, f"{needed}s"), f"there is a {needed} as well", "give one of the two")


def _targets_exist(plan: Plan, fault: Fault, path: KeyPath) -> Iterator[Problem]:
    """Refuse names that there are none of, and patterns that nothing is like."""
    noun, _ = _nouns(fault)
    possible = choices(plan, fault)
    one = getattr(fault, noun)
    named = [((*path, noun), one)] if one is not None else []
    named += [((*path, f"{noun}s", n), name) for n, name in enumerate(getattr(fault, f"{noun}s"))]
    for where, name in named:
        if not matching(name, possible):
            yield _unknown_target(plan, where, noun, name)
        elif plan.control:
            yield from _spares_controls(plan, where, name, matching(name, possible))
    yield from _all_known(fault.provinces, (*path, "provinces"), "province", plan.stack.provinces)


def _spares_controls(plan: Plan, where: KeyPath, name: str, meant: Iterable[str]) -> Iterator[Problem]:
    """Refuse to break a control province by name, or what all provinces share."""
    if touched_province(name) in plan.control:
        yield Problem(where, f"breaks province {touched_province(name)}, which is a control", "break another")
    shared = [target for target in meant if touched_province(target) is None]
    if shared:
        yield Problem(where, f"breaks {shared[0]}, which control provinces share", "leave out control, or break less")


def _scope_holds_something(plan: Plan, fault: Fault, path: KeyPath) -> Iterator[Problem]:
    """Refuse a scope that is empty once provinces, controls and share are taken into account."""
    if fault.resolved:
        return
    keys = ("regions", "provinces", "share")
    left = next((key for key in keys if getattr(fault, key) not in ((), None)), _nouns(fault)[0])
    yield Problem((*path, left), "leaves nothing to break", "widen it, or take provinces out of control")


def faults_suit_the_stack(plan: Plan, _: Known) -> Iterator[Problem]:
    """Refuse what only containers can suffer where there are none."""
    for index, fault in enumerate(plan.faults):
        if fault.kind == "disconnect" and plan.stack.kind != "compose":
            yield Problem(("faults", index, "kind"), "disconnect needs containers", "add --stack compose")


def _nouns(fault: Fault) -> tuple[str, str]:
    """Return what a fault of this kind breaks, and what it doesn't."""
    return ("link", "system") if fault.kind in LINK_KINDS else ("system", "link")


def controls_exist(plan: Plan, _: Known) -> Iterator[Problem]:
    """Refuse control provinces that there are none of."""
    yield from _repeated(plan.control, ("control",), ())
    yield from _all_known(plan.control, ("control",), "province", plan.stack.provinces)


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
    held = [(fault, index, target) for index, fault in enumerate(plan.faults) for target in fault.targets]
    for fault, index, target in sorted(held, key=lambda item: item[0].start):
        before = latest.get(target)
        if before is not None and fault.start < before.end:
            yield Problem(
                ("faults", index, "start"),
                f"overlaps fault {shown(before.id)} on {target}",
                f"start it at {before.end:g} s or later",
            )
        if before is None or fault.end > before.end:
            latest[target] = fault


def cutover_fits(plan: Plan, _: Known) -> Iterator[Problem]:
    """Refuse a cutover after the end, and an interface that closes early when it is closed anyway."""
    if plan.cutover is None:
        return
    if plan.cutover.at >= plan.duration:
        what = f"is at {plan.cutover.at:g} s, the timeline ends at {plan.duration:g} s"
        yield Problem(("cutover", "at"), what, "set it earlier")
    for index, fault in enumerate(plan.faults):
        if fault.kind == "early-closure" and fault.end > plan.cutover.at:
            what = f"lasts until {fault.end:g} s, and T_cutover is at {plan.cutover.at:g} s"
            yield Problem(("faults", index, "duration"), what, "end it before T_cutover: it couldn't be seen to heal")


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
    capacities_are_of_systems,
    paths_fit,
    centres_are_there,
    borders_are_there,
    connections_make_sense,
    journeys_exist,
    platforms_are_there,
    curves_fit,
    something_arrives,  # integrates the curves, which must fit
    controls_exist,
    drill_checks.regions_exist,
    faults_have_targets,
    target_checks.external_suits,
    faults_fit_the_timeline,
    faults_do_not_overlap,
    cutover_fits,
    fault_attributes_fit,
    faults_suit_the_stack,
    objectives_can_be_judged,
    defects_exist,
    drill_checks.blast_radius_holds,
    drill_checks.stops_can_fire,
    drill_checks.steps_fit_the_timeline,
    drill_checks.alerts_can_fire,
    drill_checks.weaknesses_exist,
    migration_checks.migration_fits,
)


def _kind(phase: Phase) -> str:
    return type(phase.curve).__name__.lower()


def _misfits(phase: Phase) -> Iterator[tuple[str, str, str]]:
    """Yield (key, what is wrong, what to do) of a phase's curve."""
    match phase.curve:
        case Step(levels=levels, widths=widths) if widths and len(widths) != len(levels):
            yield "widths", f"{len(widths)} widths for {len(levels)} levels", "give one for each, or none"
        case Spike() as spike:
            yield from _spike(spike, phase.duration)
        case Sine(amplitude=amplitude) if amplitude > (phase.rate or 0.0):
            yield "amplitude", f"{amplitude:g} leads below 0", f"give at most the phase's rate, {phase.rate or 0.0:g}"
        case Day() as day:
            yield from _day(day, phase.duration)
        case Replay() as replay if (last := replay.recording.times[-1]) / replay.speed > phase.duration:
            yield (
                "speed",
                f"at {replay.speed:g}, {replay.file} lasts {last / replay.speed:g} s, the phase {phase.duration:g} s",
                f"set it to {math.ceil(1000 * last / phase.duration) / 1000:g} or more, or lengthen the phase",
            )


def _spike(spike: Spike, duration: float) -> Iterator[tuple[str, str, str]]:
    top, half = spike.top(duration), spike.width / 2
    if top < half or top + half > duration:
        where = f"lasts from {top - half:g} s to {top + half:g} s, the phase from 0 s to {duration:g} s"
        yield "width", where, "narrow it, move it with at, or lengthen the phase"


def _day(day: Day, duration: float) -> Iterator[tuple[str, str, str]]:
    total = sum(day.weights)
    if len(day.weights) != curves.HOURS:
        yield "weights", f"{len(day.weights)} weights for {curves.HOURS} hours", "give one for each, from midnight on"
    elif total == 0 or not math.isfinite(total):
        yield "weights", f"the weights add up to {shown(total)}", "give one hour a weight"
    if not day.seconds(duration) <= MAX_DURATION:
        yield "factor", f"the phase passes {day.seconds(duration):g} s", f"stay within {MAX_DURATION:,.0f} s"


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


def _no_platform(path: KeyPath, platform: str) -> Problem:
    return Problem(path, f"needs the platform {shown(platform)}", "add it to stack.platforms")


def _no_system(plan: Plan, path: KeyPath, name: str, known: Iterable[str]) -> Problem:
    """Say what is missing of a system that isn't part of the stack, or that there is none of this name."""
    _, _, code = name.partition(":")
    if name in PLATFORMS:
        return _no_platform(path, name)
    return _no_province(path, code) if code in places.provinces() else _unknown(path, "system", name, known)


def _no_province(path: KeyPath, code: str) -> Problem:
    return Problem(path, f"province {code} isn't part of the stack", "add it to stack.provinces")


def _unknown(path: KeyPath, noun: str, name: str, known: Iterable[str]) -> Problem:
    return Problem(path, f"unknown {noun} {shown(name)}", did_you_mean(name, known))


def _unknown_target(plan: Plan, path: KeyPath, noun: str, name: str) -> Problem:
    if "*" in name:
        return Problem(path, f"no {noun} is like {shown(name)}", "`thongsuot plan` names all links")
    code = touched_province(name if noun == "link" else f"->{name}")
    if code and code in places.provinces() and code not in plan.stack.provinces:
        return _no_province(path, code)
    return _unknown(path, noun, name, [link.name for link in plan.links] if noun == "link" else plan.systems)
