"""How much is broken at once: provinces, and the share of the citizens who file there."""

from collections.abc import Iterable, Iterator

from model.links import matching, touched_province
from model.plan import Fault, Plan
from model.traffic import province_weights

_ROUNDING = 1e-9


def provinces_hurt(plan: Plan, faults: Iterable[Fault]) -> frozenset[str]:
    """Return the provinces that these faults touch: all of them where a fault breaks what all provinces share."""
    touched = {touched_province(target) for fault in faults for target in fault.targets if fault.kind != "noop"}
    return frozenset(plan.stack.provinces if None in touched else (code for code in touched if code))


def citizens_hurt(plan: Plan, provinces: Iterable[str]) -> float:
    """Return the share of the citizens who file in these provinces."""
    weights = province_weights(plan.stack.provinces)
    return sum(weights[code] for code in provinces)


def excess(plan: Plan, faults: Iterable[Fault]) -> str | None:
    """Say how these faults, all on at once, exceed the campaign's blast radius; None where they don't."""
    radius, hurt = plan.blast_radius, provinces_hurt(plan, faults)
    if radius.provinces is not None and len(hurt) > radius.provinces:
        return f"{len(hurt)} provinces at once, {radius.provinces} allowed"
    share = citizens_hurt(plan, hurt)
    if share > radius.citizens + _ROUNDING:
        return f"{share:.1%} of the citizens at once, {radius.citizens:.1%} allowed"
    return None


def protected(plan: Plan, fault: Fault) -> str | None:
    """Return the first target that is protected, or that leads to a protected system."""
    return next((target for target in fault.targets if _guarded(plan, target)), None)


def _guarded(plan: Plan, target: str) -> bool:
    return any(matching(pattern, _names(target)) for pattern in plan.blast_radius.protected)


def _names(target: str) -> Iterator[str]:
    """Yield a target and, of a link, the system that it leads to."""
    yield target
    if "->" in target:
        yield target.partition("->")[2]


def moments(plan: Plan) -> Iterator[tuple[Fault, list[Fault]]]:
    """Yield each fault, in the order of the plan, with all that are on when it begins, itself included."""
    for fault in plan.faults:
        yield fault, [other for other in plan.faults if other.start <= fault.start < other.end]


def violations(plan: Plan) -> Iterator[tuple[int, str, str]]:
    """Yield how the plan breaks its blast radius: number of the fault, what it breaks, what to do."""
    for index, (fault, together) in enumerate(moments(plan)):
        target = protected(plan, fault)
        if target is not None:
            yield index, f"{target}, which is protected", "break another, or unprotect it"
        too_much = excess(plan, together)
        if too_much:
            yield index, too_much, "break less, at another time, or widen blast_radius"
