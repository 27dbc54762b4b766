"""A fault on many links or systems is judged as one."""

from typing import Any

import pytest

from model.plan import Fault, Load, Phase, Plan, Stack
from reports.selection import touched, windows
from reports.validity import fault_results

LINKS = ("province:01->national", "province:79->national")


def fault(**what: Any) -> Fault:
    return Fault(**{"id": "f", "kind": "partition", "start": 1, "duration": 2, "links": LINKS, **what})


def plan(made: Fault) -> Plan:
    phase = Phase(name="all", duration=10, rate=1)
    return Plan(
        name="x", phases=(phase,), load=Load(journeys={"track": 1}), faults=(made,), stack=Stack(provinces=("01", "79"))
    )


def events(*rows: tuple[float, str, str]) -> list[dict[str, Any]]:
    return [{"t": t, "time": t, "event": name, "fault": "f", "link": link} for t, name, link in rows]


def life(link: str, proof: str = "fault_proved", late: float = 0.0) -> list[tuple[float, str, str]]:
    return [(1 + late, "fault_applied", link), (2, proof, link), (3 + late, "fault_healed", link)]


def test_it_touches_the_provinces_at_all_its_ends() -> None:
    assert touched(fault(), {}) == {"01", "79"}
    assert touched(fault(links=(), kind="pause", systems=("province:01", "province:79")), {}) == {"01", "79"}


def test_it_touches_everyone_where_one_of_its_links_is_shared() -> None:
    assert touched(fault(links=(*LINKS, "national->vneid")), {}) is None


def test_systems_of_one_process_fall_together_but_not_with_a_fault_inside_one() -> None:
    """A paused process takes its neighbours with it; an error rate inside one of them doesn't."""
    stack = {name: {"pid": 7} for name in ("province:01", "province:79")}
    assert touched(fault(links=(), kind="pause", system="province:01"), stack) == {"01", "79"}
    assert touched(fault(links=(), kind="error-rate", system="province:01"), stack) == {"01"}


def test_its_window_reaches_from_the_first_change_to_the_last_healing() -> None:
    (window,) = windows(plan(fault()), events(*life(LINKS[0]), *life(LINKS[1], late=0.5)), {})
    assert (window.start, window.stop) == (1, 3.5)


@pytest.mark.parametrize(("second", "proved"), [("fault_proved", True), ("fault_unproved", False)])
def test_it_is_proved_only_if_no_link_is_unproved(second: str, proved: bool) -> None:
    (result,) = fault_results(plan(fault()), events(*life(LINKS[0]), *life(LINKS[1], second)))
    assert (result.proved, result.link) == (proved, f"{', '.join(LINKS)} (2)")
