"""Burn-rate alerts as data: what the judge evaluates on samples, and what a monitoring system would be given.

An error budget is 1 - target of an availability objective; a burn rate of 1 spends it in just the objective's period.
An alert fires where the share of failed requests is above burn rate times budget over a long window (it matters) and
over a short one as well (it still goes on): Beyer and others, *The Site Reliability Workbook*, chapter 5 [P].
"""

import math
from dataclasses import dataclass

from model.drill import Alert
from model.plan import Plan, Scope


@dataclass(frozen=True, slots=True)
class Rule:
    """One alert, resolved.

    Attributes:
        name: Of the alert.
        objective: Name of the objective whose budget burns.
        scope: ``province``: each province fires by itself; ``nation``: all together.
        threshold: Share of failed requests above which it fires; from 1 on it never does.
        long_window: Whole seconds.
        short_window: Whole seconds.
        provinces: Only these; empty means all.
        operations: Only these; empty means all.
    """

    name: str
    objective: str
    scope: Scope
    threshold: float
    long_window: int
    short_window: int
    provinces: tuple[str, ...]
    operations: tuple[str, ...]


def rule(plan: Plan, alert: Alert) -> Rule:
    """Resolve an alert of a plan: ``threshold = burn_rate · (1 - target)``, windows rounded up to whole seconds."""
    objective = next(found for found in plan.objectives if found.name == alert.objective)
    return Rule(
        name=alert.name,
        objective=objective.name,
        scope=objective.scope,
        threshold=round(alert.burn_rate * (1 - objective.target), 12),
        long_window=math.ceil(alert.long_window),
        short_window=math.ceil(alert.short_window),
        provinces=objective.provinces,
        operations=objective.operations,
    )
