"""Plans that the benchmarks run."""

from model.plan import Load, Phase, Plan, Stack


def plan_for(journey: str, seconds: float, rate: float) -> Plan:
    """Return a plan of one phase at a constant rate."""
    return Plan(
        name="benchmark",
        seed=1,
        phases=(Phase(name="all", duration=seconds, rate=rate),),
        load=Load(journeys={journey: 1.0}, gaps="constant", connect_timeout=10.0, grace=10.0),
        stack=Stack(provinces=("01",)),
    )
