"""What a worker takes from its master: the plan that is allowed here, and no other."""

from model import plan as plans
from model.plan import Plan


class Refused(Exception):
    """Master and worker don't come together: why, and what to do."""


def checked(data: bytes, allowed: str) -> Plan:
    """Return a plan that came from a master; raises Refused where it isn't the one that is allowed here.

    Args:
        data: The plan as it was written.
        allowed: Its fingerprint; empty: a plan that leads to systems of the master's own.
    """
    found = plans.fingerprint(data)
    if allowed and found != allowed:
        raise Refused(
            f"the plan was altered: its fingerprint is {found[:16]}, {allowed[:16]} is allowed; nothing was sent"
        )
    plan = plans.decode(data)
    if plan.targets is not None and not allowed:
        raise Refused("the plan loads other people's systems: start the worker with --plan and what `run` says")
    return plan
