"""Whether a campaign's migration makes sense: provinces of the stack, and a start inside the timeline."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from model.plan import Plan
from model.shape import Problem, did_you_mean, shown

if TYPE_CHECKING:
    from model.checks import Known


def migration_fits(plan: Plan, _: "Known") -> Iterator[Problem]:
    """Refuse provinces that aren't part of the stack or come twice, and starts after the timeline's end."""
    if plan.migration is None:
        return
    seen: set[str] = set()
    for index, code in enumerate(plan.migration.provinces):
        if code not in plan.stack.provinces:
            remedy = did_you_mean(code, plan.stack.provinces)
            yield Problem(("migration", "provinces", index), f"unknown province {shown(code)}", remedy)
        if code in seen:
            yield Problem(("migration", "provinces", index), f"{shown(code)} comes twice", "keep one")
        seen.add(code)
    for code, start in plan.migration.starts(plan.stack.provinces):
        if start >= plan.duration:
            what = f"{code} would begin at {start:g} s, the timeline ends at {plan.duration:g} s"
            yield Problem(("migration", "start"), what, "start earlier, or shorten stagger")
            return
