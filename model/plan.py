"""The campaign plan: what a run will do, as frozen values.

``model.campaign`` makes a plan of a TOML file and checks it; ``plan.json`` of a record is a plan written down.
Times are seconds, rates are arrivals per second, everywhere.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec

from model.links import Link, links, systems

Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]

FaultKind = Literal["latency", "timeout", "reset_peer", "bandwidth", "down", "kill"]
Indicator = Literal[
    "availability",
    "response_time",
    "interruption",
    "refusals",
    "sync_lag",
    "recovery_time",
    "drain_time",
    "isolation",
]
Scope = Literal["province", "nation"]


class Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every part of a plan: frozen, by keyword, unknown keys refused."""


class Phase(Value, frozen=True, kw_only=True):
    """A stretch of the timeline with one arrival-rate curve.

    Attributes:
        name: Unique in the campaign; samples carry it.
        duration: Seconds.
        rate: Arrivals per second at its start.
        to: Arrivals per second at its end; a straight ramp leads there. None: ``rate`` holds.
    """

    name: Name
    duration: Positive
    rate: NotNegative
    to: NotNegative | None = None

    @property
    def end_rate(self) -> float:
        """Arrivals per second at the end of the phase."""
        return self.rate if self.to is None else self.to

    @property
    def arrivals(self) -> float:
        """The integral of the rate over the phase: expected arrivals."""
        return self.duration * (self.rate + self.end_rate) / 2


class Load(Value, frozen=True, kw_only=True):
    """Who arrives, and how the generator treats them.

    Attributes:
        journeys: Weight of each journey, by its name in the scenarios' catalogue.
        gaps: ``poisson`` (independent citizens) or ``constant`` (evenly spaced).
        max_in_flight: Journeys that one worker keeps in flight; an arrival above it is dropped, counted, recorded.
        connect_timeout: Seconds until a connection attempt is given up.
        request_timeout: Seconds until a request is given up.
        grace: Seconds that journeys in flight get to finish when the schedule ends.
        workers: Locust workers; 0 chooses by cores and rate.
        scale: Multiplies every rate.
    """

    journeys: dict[str, NotNegative]
    gaps: Literal["poisson", "constant"] = "poisson"
    max_in_flight: Annotated[int, msgspec.Meta(ge=1)] = 2000
    connect_timeout: Positive = 5.0
    request_timeout: Positive = 10.0
    grace: NotNegative = 10.0
    workers: Annotated[int, msgspec.Meta(ge=0, le=256)] = 0
    scale: Positive = 1.0


class Fault(Value, frozen=True, kw_only=True):
    """Something that breaks on the run's clock, and heals.

    Attributes:
        id: Unique in the campaign.
        kind: A kind of the fault catalogue.
        link: The link that it breaks, ``source->target`` (network kinds).
        system: The system that it breaks (process kinds).
        start: Seconds from t0.
        duration: Seconds that it is held.
        stream: ``downstream`` (replies) or ``upstream`` (requests).
        attributes: Of the kind: integers in the units of the kind's own documentation.
    """

    id: Name
    kind: FaultKind
    start: NotNegative
    duration: Positive
    link: str | None = None
    system: str | None = None
    stream: Literal["downstream", "upstream"] = "downstream"
    attributes: dict[str, int] = {}

    @property
    def end(self) -> float:
        """Seconds from t0 at which it is healed."""
        return self.start + self.duration

    @property
    def target(self) -> str:
        """The link or system that it breaks."""
        return self.link or self.system or ""


class Objective(Value, frozen=True, kw_only=True):
    """A service-level objective.

    Attributes:
        name: Unique in the campaign.
        indicator: What is measured.
        target: A share for ``availability`` and ``isolation``, a count for ``refusals``, seconds otherwise.
        provenance: Where the number comes from: law, dispatch, proposal, own default, with its tag.
        scope: ``province`` judges each province, the worst one decides; ``nation`` judges all together.
        quantile: For ``response_time`` and ``sync_lag``.
        operations: Only these operations; empty means all.
        phases: Only these phases; empty means all.
        provinces: Only these provinces; empty means all.
        exclude_faults: Leave out what the faults' provinces saw while a fault was on (and ``settle`` seconds after it).
        settle: Seconds after a fault's healing that ``exclude_faults`` leaves out as well.
    """

    name: Name
    indicator: Indicator
    target: NotNegative
    provenance: Annotated[str, msgspec.Meta(min_length=1)]
    scope: Scope = "province"
    quantile: Annotated[float, msgspec.Meta(gt=0, lt=1)] | None = None
    operations: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()
    provinces: tuple[str, ...] = ()
    exclude_faults: bool = False
    settle: NotNegative = 0.0


class Limits(Value, frozen=True, kw_only=True):
    """What the generator must keep to; beyond it, its measurements prove nothing.

    Attributes:
        late_p99: Seconds; 99 % of the arrivals start at most this much after they were due.
        dropped: Share of planned arrivals that may be dropped.
        unfinished: Share of started arrivals that may be unfinished when the grace ends.
    """

    late_p99: Positive = 0.1
    dropped: Share = 0.0
    unfinished: Share = 0.001


class Drain(Value, frozen=True, kw_only=True):
    """How long synchronisation may take to empty its outboxes after the load.

    Attributes:
        timeout: Seconds.
    """

    timeout: Positive = 30.0


class Stack(Value, frozen=True, kw_only=True):
    """What the campaign runs against.

    Attributes:
        kind: ``local``: processes on loopback.
        provinces: Province codes; a campaign file may leave them out for all 34.
        province_processes: Processes that the provincial systems share.
    """

    kind: Literal["local"] = "local"
    provinces: tuple[str, ...] = ()
    province_processes: Annotated[int, msgspec.Meta(ge=1, le=34)] = 2


class Plan(Value, frozen=True, kw_only=True):
    """A campaign, resolved: everything that a run needs to know, and nothing that it finds out.

    Attributes:
        name: The campaign's name.
        title: One line for people.
        purpose: What the campaign is meant to show.
        answers: Rows of the mission's table (1-31) that it answers.
        seed: Of every random choice.
        phases: The timeline.
        load: Who arrives.
        faults: What breaks.
        objectives: What must hold.
        limits: What the generator must keep to.
        drain: Bound on the synchronisation after the load.
        stack: What it runs against.
        defects: Seeded defects that are switched on.
    """

    name: Name
    title: str = ""
    purpose: str = ""
    answers: tuple[Annotated[int, msgspec.Meta(ge=1, le=31)], ...] = ()
    seed: int = 1
    phases: Annotated[tuple[Phase, ...], msgspec.Meta(min_length=1)]
    load: Load
    faults: tuple[Fault, ...] = ()
    objectives: tuple[Objective, ...] = ()
    limits: Limits = Limits()
    drain: Drain = Drain()
    stack: Stack = Stack()
    defects: tuple[str, ...] = ()

    @property
    def duration(self) -> float:
        """Seconds from t0 to the end of the schedule."""
        return sum(phase.duration for phase in self.phases)

    @property
    def systems(self) -> tuple[str, ...]:
        """Every system of the stack."""
        return systems(self.stack.provinces)

    @property
    def links(self) -> tuple[Link, ...]:
        """Every link of the stack."""
        return links(self.stack.provinces)

    def spans(self) -> Iterator[tuple[float, float, Phase]]:
        """Yield (start, end, phase) in seconds from t0, in order."""
        start = 0.0
        for phase in self.phases:
            yield start, start + phase.duration, phase
            start += phase.duration

    def phase_at(self, t: float) -> str:
        """Name the phase at ``t`` seconds; the last one after the end."""
        for _, end, phase in self.spans():
            if t < end:
                return phase.name
        return self.phases[-1].name


def encode(plan: Plan) -> bytes:
    """Write a plan as JSON, keys in a fixed order."""
    return msgspec.json.format(msgspec.json.encode(plan, order="deterministic"), indent=2) + b"\n"


def decode(data: bytes) -> Plan:
    """Read a plan written by ``encode``; raises ``msgspec.DecodeError`` or ``msgspec.ValidationError``."""
    return msgspec.json.decode(data, type=Plan)


def as_builtins(plan: Plan) -> dict[str, Any]:
    """Return a plan as plain dictionaries and lists."""
    result: dict[str, Any] = msgspec.to_builtins(plan)
    return result
