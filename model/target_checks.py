"""Whether a campaign can be run against the systems of a targets file, and may."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from model.links import PEOPLE, Link
from model.plan import LINK_KINDS, PROCESS_KINDS, Fault, Plan, Replay
from model.shape import Problem, shown
from model.targets import Targets, declared_as

if TYPE_CHECKING:
    from model.checks import Known

UNSEEN = frozenset({"sync_lag", "drain_time", "convergence_time", "memory_growth", "descriptor_growth", "retry_rate"})
"""Indicators that need look-ups which only our mocks offer."""
PROVABLE = frozenset({"latency", "timeout", "reset_peer", "down"})
"""Kinds that are proved with a few plain requests, on any system."""
INSIDE = frozenset({"error-rate", "maintenance-page", "slow-database"})
"""Kinds inside a system that are proved with a few plain requests, on any system with a control endpoint."""
PROBES = 10.0
"""Requests per second and broken link or system, beside those of the journeys, that proofs of faults take at most:
``harness.gate`` holds them to it."""


def external_suits(plan: Plan, known: "Known") -> Iterator[Problem]:
    """Refuse what can't be done to systems that somebody else runs, and a load above what is authorised."""
    if plan.stack.kind == "external" and plan.targets is None:
        yield Problem(("stack", "kind"), "external systems need to be named", "give a file with --targets")
    if plan.targets is None:
        return
    yield from _ours_alone(plan)
    yield from _journeys(plan, plan.targets, known)
    for index, fault in enumerate(plan.faults):
        yield from _fault(plan.targets, fault, index)
    for index, objective in enumerate(plan.objectives):
        if objective.indicator in UNSEEN:
            what = f"{objective.indicator} can't be seen on external systems"
            yield Problem(("objectives", index, "indicator"), what, "leave the objective out")
    yield from _rate(plan, plan.targets)


def _ours_alone(plan: Plan) -> Iterator[Problem]:
    """Refuse what is done to mocks alone."""
    for key in ("defects", "migration", "cutover"):
        if getattr(plan, key):
            yield Problem((key,), "is done to our own mocks alone", "leave it out with --targets")
    if plan.stack.capacity:
        yield Problem(("stack", "capacity"), "is the speed of our own mocks", "leave it out with --targets")
    if plan.stack.paths:
        yield Problem(("stack", "paths"), "are those of our own mocks", "leave them out: the targets file has its own")
    if plan.stack.unconnected:
        yield Problem(("stack", "unconnected"), "is about our own mocks", "leave it out with --targets")
    if plan.load.complaints:
        yield Problem(("load", "complaints"), "go to our own hotline alone", "set it to 0 with --targets")
    if plan.load.test_share:
        yield Problem(("load", "test_share"), "is marked at our own mocks alone", "set it to 0 with --targets")
    for index, stop in enumerate(plan.stops):
        if stop.indicator == "integrity":
            what = "integrity is looked up after the load on external systems"
            yield Problem(("stops", index, "indicator"), what, "leave the stop condition out")


def _journeys(plan: Plan, targets: Targets, known: "Known") -> Iterator[Problem]:
    """Refuse journeys without requests of their own, and operations that no sample may name."""
    weighed = [((*path, name), name, weight) for path, weights in plan.mixes() for name, weight in weights.items()]
    for path, name, weight in weighed:
        if weight and name not in targets.journeys:
            what = "the targets file doesn't say how it goes there"
            yield Problem(path, what, f"add [[journeys.{name}]] to it, or give the journey no weight")
        for step in targets.journeys.get(name, ()):
            if step.operation not in known.operations:
                what = f"the targets file names an unknown operation {shown(step.operation)}"
                yield Problem(path, what, "use those that `thongsuot plan` estimates, such as national.submit")


def _fault(targets: Targets, fault: Fault, index: int) -> Iterator[Problem]:
    path = ("faults", index)
    if fault.kind not in LINK_KINDS:
        for system in fault.targets:
            yield from _inside(targets, fault, system, path)
        return
    for link in fault.targets:
        yield from _link(targets, link, path)
    if fault.kind not in PROVABLE:
        what = f"{fault.kind} can only be proved on our own mocks"
        yield Problem((*path, "kind"), what, "use latency, timeout, reset_peer or down")


def _inside(targets: Targets, fault: Fault, system: str, path: tuple[str, int]) -> Iterator[Problem]:
    name = declared_as(system)
    one = targets.systems.get(name)
    if fault.kind in PROCESS_KINDS or one is None or one.control is None:
        what = f"{fault.kind} would break {system}, a system that this harness didn't start"
        given = f"leave it out, or declare systems.{name}.control in the targets file: who allows faults inside it"
        yield Problem((*path, "kind"), what, "leave it out" if fault.kind in PROCESS_KINDS else given)
    elif fault.kind not in INSIDE:
        what = f"{fault.kind} can only be proved on our own mocks"
        yield Problem((*path, "kind"), what, "use error-rate, maintenance-page or slow-database")
    elif not one.probe:
        what = f"{system} has no probe in the targets file, so no fault inside it can be proved"
        yield Problem((*path, "system"), what, 'add probe = "/path that answers 200"')


def _link(targets: Targets, link: str, path: tuple[str, int]) -> Iterator[Problem]:
    source, _, system = link.partition("->")
    name = declared_as(system)
    if source != PEOPLE:
        yield Problem((*path, "link"), f"{link} isn't ours: we only dial from {PEOPLE}", f"break {PEOPLE}->{system}")
    elif name not in targets.systems:
        yield Problem((*path, "link"), f"{system} isn't in the targets file", "add it there, or break another link")
    elif targets.systems[name].url.startswith("https://"):
        what = f"{link} carries TLS, through which no fault can be proved"
        yield Problem((*path, "link"), what, "break a link to an http:// address")
    elif not targets.systems[name].probe:
        what = f"{system} has no probe in the targets file, so no fault on {link} can be proved"
        yield Problem((*path, "link"), what, 'add probe = "/path that answers 200"')


def _rate(plan: Plan, targets: Targets) -> Iterator[Problem]:
    peak = peak_requests(plan, targets)
    if not rate_for_load(plan, targets):
        what = f"of {targets.rate:g} requests/s, {PROBES:g} for each link or system that a fault breaks leave none"
        yield Problem(("faults",), what, "break less, or have a higher rate authorised")
    elif peak > rate_for_load(plan, targets):
        what = f"up to {peak:.4g} requests/s would leave, {rate_for_load(plan, targets):g} are authorised for them"
        yield Problem(("load", "scale"), what, f"lower it to {_scale(plan, peak, targets):g} or less")


def _scale(plan: Plan, peak: float, targets: Targets) -> float:
    return float(f"{plan.load.scale * rate_for_load(plan, targets) / peak * 0.999:.3g}")


def peak_requests(plan: Plan, targets: Targets) -> float:
    """Return the requests per second at the peak of the schedule, as the weights of the journeys mix."""
    if any(isinstance(phase.curve, Replay) for phase in plan.phases):
        return plan.peak * max(map(len, targets.journeys.values()), default=0)
    return max(plan.load.scale * phase.flow.peak * _steps(plan.mix(phase), targets) for phase in plan.phases)


def _steps(weights: Mapping[str, float], targets: Targets) -> float:
    """Return how many requests an arrival makes on average."""
    whole = sum(weight * len(targets.journeys.get(name, ())) for name, weight in weights.items())
    return whole / sum(weights.values())


def rate_for_load(plan: Plan, targets: Targets) -> float:
    """Return the authorised rate less what proofs of faults may take of it."""
    return max(targets.rate - PROBES * sum(len(fault.targets) for fault in plan.faults), 0.0)


def controlled(plan: Plan) -> tuple[str, ...]:
    """Return the systems inside which faults are switched on."""
    inside = {target for fault in plan.faults if fault.kind not in LINK_KINDS for target in fault.targets}
    return tuple(name for name in plan.systems if name in inside)


def proxied(plan: Plan) -> tuple[Link, ...]:
    """Return the links that go through a proxy of ours: those that a fault breaks."""
    broken = {target for fault in plan.faults for target in fault.targets}
    return tuple(link for link in plan.links if link.name in broken)
