"""Seeded defects as the harness sees them: what else a campaign needs so that a defect can show itself."""

import msgspec

from model import blast, traffic
from model.campaign import CampaignError
from model.links import province_system
from model.plan import Fault, Plan

KILLED_BY = "ack-before-commit"
"""A process that acknowledges before it commits loses something only when it is killed."""
KILL_AT, KILL_FOR = 0.5, 2.0
"""When the process is killed, as a share of the schedule, and how many seconds it stays away."""


def with_triggers(plan: Plan) -> Plan:
    """Add the faults that the plan's defects need: a kill of the busiest province for ``ack-before-commit``.

    Raises CampaignError where that is more than the campaign may break.
    """
    if KILLED_BY not in plan.defects or any(fault.kind == "kill" for fault in plan.faults):
        return plan
    weights = traffic.province_weights(plan.stack.provinces)
    busiest = max(weights, key=lambda code: weights[code])
    kill = Fault(
        id="kill-under-load",
        kind="kill",
        system=province_system(busiest),
        start=plan.duration * KILL_AT,
        duration=min(KILL_FOR, plan.duration * (1 - KILL_AT)),
    )
    changed = msgspec.structs.replace(plan, faults=(*plan.faults, kill))
    for _, broken, _ in blast.violations(changed):
        raise CampaignError(
            f"--defect {KILLED_BY}: kills {kill.system} to show itself, which breaks {broken}; "
            "widen blast_radius, or leave the defect out"
        )
    return changed
