"""The campaign plan: what a run will do, as frozen values.

``model.campaign`` makes a plan of a TOML file and checks it; ``plan.json`` of a record is a plan written down.
Times are seconds, rates are arrivals per second, everywhere.
"""

import hashlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import chain
from typing import Annotated, Any, Literal, get_args

import msgspec

from model import curves, replay
from model.capacity import Capacity
from model.centres import ONE_LEVEL
from model.curves import Curve
from model.drill import Alert, BlastRadius, Drill, OperatorStep, SteadyState, Stop
from model.links import Link, Platform, links, systems
from model.migration import Migration
from model.targets import Targets
from model.values import Name, NotNegative, Positive, Share, Value

LinkFault = Literal[
    "latency",
    "timeout",
    "reset_peer",
    "bandwidth",
    "slow_close",
    "slicer",
    "limit_data",
    "noop",
    "down",
    "partition",
    "flap",
    "brownout",
    "slow-accept",
]
ProcessFault = Literal["kill", "restart", "pause", "cpu-limit", "memory-limit", "disconnect"]
ApplicationFault = Literal[
    "error-rate",
    "maintenance-page",
    "stale-reads",
    "slow-database",
    "missing-workflow",
    "missing-accounts",
    "lost-callback",
    "wrong-code-table",
    "wrong-data",
    "early-closure",
]
FaultKind = Literal[LinkFault, ProcessFault, ApplicationFault]
LINK_KINDS: frozenset[str] = frozenset(get_args(LinkFault))
PROCESS_KINDS: frozenset[str] = frozenset(get_args(ProcessFault))
Indicator = Literal[
    "availability",
    "response_time",
    "interruption",
    "refusals",
    "dossiers",
    "sync_lag",
    "detection_time",
    "recovery_time",
    "drain_time",
    "convergence_time",
    "isolation",
    "memory_growth",
    "descriptor_growth",
    "retry_rate",
]
Scope = Literal["province", "nation"]


class Step(Value, frozen=True, kw_only=True, tag="step", tag_field="kind"):
    """A staircase: see ``curves.step``.

    Attributes:
        levels: Arrivals per second, each in its turn.
        widths: How long each level lasts, relative to the others; empty: all equally long.
    """

    levels: Annotated[tuple[NotNegative, ...], msgspec.Meta(min_length=1)]
    widths: tuple[Positive, ...] = ()

    def over(self, duration: float, _: float) -> Curve:
        """Return the curve of a phase of so many seconds."""
        return curves.step(duration, self.levels, self.widths)


class Spike(Value, frozen=True, kw_only=True, tag="spike", tag_field="kind"):
    """A triangle on the phase's rate: see ``curves.spike``.

    Attributes:
        peak: Arrivals per second at its top.
        width: Seconds from its beginning to its end.
        at: Seconds from the phase's start to its top; None: in the middle of the phase.
    """

    peak: NotNegative
    width: Positive
    at: NotNegative | None = None

    def top(self, duration: float) -> float:
        """Return the seconds from the phase's start to the top."""
        return duration / 2 if self.at is None else self.at

    def over(self, duration: float, rate: float) -> Curve:
        """Return the curve of a phase of so many seconds around a rate."""
        return curves.spike(duration, rate, self.peak, self.top(duration), self.width)


class Sine(Value, frozen=True, kw_only=True, tag="sine", tag_field="kind"):
    """A wave around the phase's rate: see ``curves.Sine``.

    Attributes:
        amplitude: Arrivals per second above and below the rate.
        period: Seconds from crest to crest.
        shift: Seconds by which the wave is moved to the right; it begins at the rate, rising.
    """

    amplitude: NotNegative
    period: Positive
    shift: NotNegative = 0.0

    def over(self, duration: float, rate: float) -> Curve:
        """Return the curve of a phase of so many seconds around a rate."""
        return curves.Sine(duration, rate, self.amplitude, self.period, self.shift)


class Day(Value, frozen=True, kw_only=True, tag="day", tag_field="kind"):
    """A day, compressed; the phase's rate is its mean over 24 hours: see ``curves.day``.

    Attributes:
        weights: Of the 24 hours, from midnight on.
        factor: How many times as fast as a clock; None: the phase is one whole day.
        start: Hour at which the phase begins; 7.5 is half past seven.
    """

    weights: tuple[NotNegative, ...]
    factor: Positive | None = None
    start: Annotated[float, msgspec.Meta(ge=0, lt=curves.HOURS)] = 0.0

    def seconds(self, duration: float) -> float:
        """Return how much of a day passes in a phase."""
        return curves.DAY if self.factor is None else duration * self.factor

    def over(self, duration: float, rate: float) -> Curve:
        """Return the curve of a phase of so many seconds with a mean rate."""
        return curves.day(duration, rate, self.weights, self.seconds(duration) / duration, self.start)


class Replay(Value, frozen=True, kw_only=True, tag="replay", tag_field="kind", dict=True):
    """Arrivals as they were recorded: see ``curves.Recorded`` and ``model.replay``.

    Attributes:
        file: CSV or Parquet file, relative to the campaign file.
        speed: How many times as fast as recorded.
        recorded: What the file holds, filled in when the campaign is read: ``replay.encode``.
    """

    file: Annotated[str, msgspec.Meta(min_length=1)]
    speed: Positive = 1.0
    recorded: str = ""

    @cached_property
    def recording(self) -> replay.Recording:
        """The recorded arrivals, in the recording's own time."""
        return replay.decode(self.recorded)

    def over(self, duration: float, _: float) -> curves.Recorded:
        """Return the curve of a phase of so many seconds."""
        return curves.Recorded(duration, [time / self.speed for time in self.recording.times])


class Phase(Value, frozen=True, kw_only=True, dict=True):
    """A stretch of the timeline with one curve of arrivals per second.

    Attributes:
        name: Unique in the campaign; samples carry it.
        duration: Seconds.
        rate: Arrivals per second: at its start, or what ``curve`` takes it for; ``step`` and ``replay`` need none.
        to: Arrivals per second at its end; a straight ramp leads there. None: ``rate`` holds.
        curve: Another shape than constant or ramp.
        journeys: Weights in place of the load's while it lasts; empty: the load's.
    """

    name: Name
    duration: Positive
    rate: NotNegative | None = None
    to: NotNegative | None = None
    curve: Step | Spike | Sine | Day | Replay | None = None
    journeys: dict[str, NotNegative] = {}  # noqa: RUF012  msgspec copies it

    @cached_property
    def flow(self) -> Curve:
        """The curve as a function of the seconds since the phase began; ``load.scale`` isn't in it."""
        rate = self.rate or 0.0
        if self.curve is not None:
            return self.curve.over(self.duration, rate)
        return curves.ramp(self.duration, rate, rate if self.to is None else self.to)

    @property
    def arrivals(self) -> float:
        """The integral of the curve over the phase: expected arrivals."""
        return self.flow.integral(self.duration)


class Patience(Value, frozen=True, kw_only=True):
    """Whether a citizen whose request failed sends it again, and when.

    Attributes:
        retries: How often at most; 0: never.
        first_pause: Seconds from the failure to the first retry.
        factor: How many times longer each further pause is.
        jitter: Share of the pause by which it is longer or shorter, at random.
        give_up_after: Seconds after the request was first due from which on no retry is begun.
    """

    retries: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0
    first_pause: Positive = 1.0
    factor: Annotated[float, msgspec.Meta(ge=1)] = 2.0
    jitter: Share = 0.5
    give_up_after: Positive = 60.0


class Load(Value, frozen=True, kw_only=True):
    """Who arrives, and how the generator treats them.

    Attributes:
        journeys: Weight of each journey, by its name in the scenarios' catalogue.
        gaps: ``poisson`` (independent citizens) or ``constant`` (evenly spaced).
        max_in_flight: Journeys that one worker keeps in flight; an arrival above it is dropped, counted, recorded.
        connect_timeout: Seconds until a connection attempt is given up.
        first_byte_timeout: Seconds until a reply that hasn't begun is given up; None: ``request_timeout``.
        request_timeout: Seconds until a request is given up.
        grace: Seconds that journeys in flight get to finish when the schedule ends.
        workers: Locust workers; 0 chooses by cores and rate.
        scale: Multiplies every rate; of a replay, it leaves arrivals out or repeats them.
        patience: What citizens do whose request failed.
        complaints: Share of the citizens whose journey failed who then call the hotline.
        test_share: Share of the arrivals who rehearse: they log in in test mode, and what they file isn't official.
    """

    journeys: dict[str, NotNegative]
    gaps: Literal["poisson", "constant"] = "poisson"
    max_in_flight: Annotated[int, msgspec.Meta(ge=1)] = 2000
    connect_timeout: Positive = 5.0
    first_byte_timeout: Positive | None = None
    request_timeout: Positive = 10.0
    grace: NotNegative = 10.0
    workers: Annotated[int, msgspec.Meta(ge=0, le=256)] = 0
    scale: Positive = 1.0
    patience: Patience = Patience()
    complaints: Share = 0.0
    test_share: Share = 0.0


class Fault(Value, frozen=True, kw_only=True):
    """Something that breaks on the run's clock, and heals.

    Attributes:
        id: Unique in the campaign.
        kind: A kind of the fault catalogue.
        link: The link that it breaks, ``source->target``, or a pattern: ``province:*->national`` (network kinds).
        links: Several of them, in place of ``link``.
        system: The system that it breaks, or a pattern: ``province:*`` (process and application kinds).
        systems: Several of them, in place of ``system``.
        provinces: Of what the patterns name, only what touches these provinces; empty: all.
        regions: The same by region: ``model.regions``.
        share: Share of the provinces that it strikes, drawn by the plan's seed and its own id; None: all.
        start: Seconds from t0.
        duration: Seconds that it is held.
        stream: ``downstream`` (replies) or ``upstream`` (requests).
        attributes: Of the kind: integers in the units of the kind's own documentation.
        resolved: The links or systems that it breaks, filled in when the campaign is read: ``model.scope``.
    """

    id: Name
    kind: FaultKind
    start: NotNegative
    duration: Positive
    link: str | None = None
    links: tuple[str, ...] = ()
    system: str | None = None
    systems: tuple[str, ...] = ()
    provinces: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    share: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    stream: Literal["downstream", "upstream"] = "downstream"
    attributes: dict[str, int] = {}  # noqa: RUF012  msgspec copies it
    resolved: tuple[str, ...] = ()

    @property
    def end(self) -> float:
        """Seconds from t0 at which it is healed."""
        return self.start + self.duration

    @property
    def patterns(self) -> tuple[str, ...]:
        """What it breaks, as the campaign names it."""
        return tuple(name for name in (self.link, *self.links, self.system, *self.systems) if name)

    @property
    def targets(self) -> tuple[str, ...]:
        """The links or systems that it breaks, each by its name."""
        return self.resolved or self.patterns

    @property
    def target(self) -> str:
        """What it breaks, for people: a name, or patterns and how many they are."""
        if len(self.targets) == 1:
            return self.targets[0]
        return f"{', '.join(self.patterns)} ({len(self.targets)})"


class Objective(Value, frozen=True, kw_only=True):
    """A service-level objective.

    Attributes:
        name: Unique in the campaign.
        indicator: What is measured.
        target: A share for ``availability`` and ``isolation``, a count for ``refusals`` and ``dossiers``, bytes per
            request for ``memory_growth``, descriptors per request for ``descriptor_growth``, requests per second for
            ``retry_rate``, seconds otherwise.
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
        loop_delay: Seconds; in 95 % of its seconds a worker's event loop comes at most this much late.
        cpu: Share of one core that a worker may use in 95 % of its seconds.
        dropped: Share of planned arrivals that may be dropped.
        unfinished: Share of started arrivals that may be unfinished when the grace ends.
    """

    late_p99: Positive = 0.1
    loop_delay: Positive = 0.25
    cpu: Share = 0.95
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
        kind: ``local``: processes on loopback; ``compose``: containers of docker-compose.yml; ``external``: systems
            that somebody else runs.
        provinces: Province codes; a campaign file may leave them out for all 34.
        province_processes: Processes that the provincial systems share.
        platforms: Shared systems besides the portal, VNeID, population and payment.
        capacity: Speed of systems, by name or by kind (``province``); those without are as fast as they can be.
        one_level: Provinces whose service centre has one level, with branches; the others have two: ``model.centres``.
        mobile: Provinces with mobile reception teams, each with a line of its own: ``mobile->province:11``.
        paths: Kind of system -> path of one of its operations -> where the mocks serve it instead: ``model.paths``.
        unconnected: Communes that aren't connected to the portal at first; a campaign file may give their share.
        connected_at: Seconds from t0 at which they are connected; None: when the schedule ends.
    """

    kind: Literal["local", "compose", "external"] = "local"
    provinces: tuple[str, ...] = ()
    province_processes: Annotated[int, msgspec.Meta(ge=1, le=34)] = 2
    platforms: tuple[Platform, ...] = ()
    capacity: dict[str, Capacity] = {}  # noqa: RUF012  msgspec copies it
    one_level: tuple[str, ...] = ONE_LEVEL
    mobile: tuple[str, ...] = ()
    paths: dict[str, dict[str, str]] = {}  # noqa: RUF012  msgspec copies it
    unconnected: tuple[str, ...] = ()
    connected_at: NotNegative | None = None


class Cutover(Value, frozen=True, kw_only=True):
    """When the provinces' old public interfaces close: T_cutover.

    Attributes:
        at: Seconds from t0 at which they begin to lead to the national portal.
        redirect: Seconds that they do before they are closed.
    """

    at: NotNegative
    redirect: Positive = 10.0


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
        cutover: When the provinces' old interfaces close; None: they stay open.
        defects: Seeded defects that are switched on.
        control: Provinces that no fault may touch: what the others are compared with.
        weaknesses: Seeded defects that it must find, each by itself, by one of some checks: the name of an objective,
            a category of the audit (``lost``), one of a book (``document: lost``), ``alerts``.
        drill: Why it is held, where it is a drill.
        blast_radius: The most that it may break at once.
        steady_state: What must hold before the first fault.
        stops: What ends every fault at once.
        steps: What people do.
        alerts: Who would have been woken, and must be.
        migration: Legacy dossiers that move while the load goes on.
        targets: Where the systems are, where somebody else runs them, and who allowed the load.
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
    cutover: Cutover | None = None
    defects: tuple[str, ...] = ()
    control: tuple[str, ...] = ()
    weaknesses: Mapping[str, Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]] = msgspec.field(
        default_factory=dict
    )
    drill: Drill | None = None
    blast_radius: BlastRadius = BlastRadius()
    steady_state: SteadyState = SteadyState()
    stops: tuple[Stop, ...] = ()
    steps: tuple[OperatorStep, ...] = ()
    alerts: tuple[Alert, ...] = ()
    migration: Migration | None = None
    targets: Targets | None = None

    @property
    def duration(self) -> float:
        """Seconds from t0 to the end of the schedule."""
        return sum(phase.duration for phase in self.phases)

    @property
    def arrivals(self) -> float:
        """Expected arrivals."""
        return self.load.scale * sum(phase.arrivals for phase in self.phases)

    @property
    def peak(self) -> float:
        """Arrivals per second that the plan doesn't exceed."""
        return self.load.scale * max(phase.flow.peak for phase in self.phases)

    def mix(self, phase: Phase) -> dict[str, float]:
        """Return the weights of the journeys in a phase."""
        return phase.journeys or self.load.journeys

    @property
    def journeys(self) -> dict[str, float]:
        """Every journey that the campaign names, with the greatest of its weights."""
        found = [weights for _, weights in self.mixes()]
        return {name: max(weights.get(name, 0.0) for weights in found) for name in dict.fromkeys(chain(*found))}

    def mixes(self) -> Iterator[tuple[tuple[str | int, ...], dict[str, float]]]:
        """Yield every table of journeys' weights: where the campaign has it, and what it says."""
        yield ("load", "journeys"), self.load.journeys
        for index, phase in enumerate(self.phases):
            if phase.journeys:
                yield ("phases", index, "journeys"), phase.journeys

    def rate_at(self, t: float) -> float:
        """Return the arrivals per second at ``t`` seconds: none after the end, those of the start before it."""
        for start, end, phase in self.spans():
            if t < end:
                return self.load.scale * phase.flow.rate(t - start)
        return 0.0

    def arrivals_between(self, start: float, stop: float) -> float:
        """Return how many arrivals are expected from ``start`` to ``stop``, seconds from t0."""
        return self.load.scale * sum(
            phase.flow.integral(stop - begin) - phase.flow.integral(start - begin)
            for begin, end, phase in self.spans()
            if begin < stop and start < end
        )

    def points(self) -> Iterator[tuple[float, float]]:
        """Yield (seconds from t0, arrivals per second) to draw the planned load with straight lines."""
        for start, _, phase in self.spans():
            yield from ((start + x, self.load.scale * rate) for x, rate in phase.flow.points())

    @property
    def systems(self) -> tuple[str, ...]:
        """Every system of the stack."""
        return systems(self.stack.provinces, self.stack.platforms)

    @property
    def links(self) -> tuple[Link, ...]:
        """Every link of the stack."""
        return links(self.stack.provinces, self.stack.platforms, self.stack.mobile)

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


def fingerprint(data: bytes) -> str:
    """Return what tells one written plan from any other: SHA-256, in hex."""
    return hashlib.sha256(data).hexdigest()


def decode(data: bytes) -> Plan:
    """Read a plan written by ``encode``; raises ``msgspec.DecodeError`` or ``msgspec.ValidationError``."""
    plan = msgspec.json.decode(data, type=Plan)
    for phase in plan.phases:
        if isinstance(phase.curve, Replay):
            _check_recording(phase.name, phase.curve)
    return plan


def _check_recording(phase: str, curve: Replay) -> None:
    try:
        _ = curve.recording
    except ValueError as error:
        raise msgspec.ValidationError(f"no recorded arrivals in phase {phase}: {error}") from None


def as_builtins(plan: Plan) -> dict[str, Any]:
    """Return a plan as plain dictionaries and lists."""
    result: dict[str, Any] = msgspec.to_builtins(plan)
    return result
