"""Which links and systems a fault breaks: patterns, provinces and shares, resolved to names while a plan is made."""

import random
from collections.abc import Iterable

import msgspec

from model.links import matching, touched_province
from model.plan import LINK_KINDS, Fault, Plan
from model.regions import REGIONS


def resolve(plan: Plan) -> Plan:
    """Return a plan whose faults name every link and system that they break; ``checks`` finds those without any."""
    faults = tuple(msgspec.structs.replace(fault, resolved=_targets(plan, fault)) for fault in plan.faults)
    return msgspec.structs.replace(plan, faults=faults)


def choices(plan: Plan, fault: Fault) -> tuple[str, ...]:
    """Name everything that a fault of this kind could break."""
    return tuple(link.name for link in plan.links) if fault.kind in LINK_KINDS else plan.systems


def _targets(plan: Plan, fault: Fault) -> tuple[str, ...]:
    """Name what a fault breaks, in the order of the stack; a pattern passes over control provinces."""
    possible = choices(plan, fault)
    named = set(fault.patterns)
    meant = {name for pattern in fault.patterns for name in matching(pattern, possible)}
    found = [name for name in possible if name in meant]
    found = [name for name in found if name in named or touched_province(name) not in plan.control]
    if fault.provinces or fault.regions:
        wanted = {*fault.provinces, *(code for region in fault.regions for code in REGIONS.get(region, ()))}
        found = [name for name in found if touched_province(name) in wanted]
    if fault.share is not None:
        drawn = _drawn(found, fault.share, f"{plan.seed}:{fault.id}:share")
        found = [name for name in found if touched_province(name) in drawn]
    return tuple(found)


def _drawn(names: Iterable[str], share: float, seed: str) -> frozenset[str]:
    """Draw a share of the provinces that names touch: rounded, one at least where there is one."""
    provinces = sorted({code for code in map(touched_province, names) if code})
    count = min(len(provinces), max(1, round(share * len(provinces))))
    return frozenset(random.Random(seed).sample(provinces, count))
