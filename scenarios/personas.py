"""Who arrives: a persona per arrival, a pure function of the plan, its seed and the arrival's number."""

import bisect
import hashlib
import itertools
import struct
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from model import people, places, procedures, traffic
from model.checks import MOBILE_JOURNEY
from model.plan import Plan
from model.replay import Who
from scenarios.schedule import due_times, replayed

DOUBLE_SUBMIT = 0.03
"""Share of submissions sent twice under one key: the second click of an impatient person [A]."""
ENDINGS = {"return": 0.86, "papers": 0.06, "fee": 0.04, "stop": 0.04}
"""How an officer's work on a dossier ends: result returned, more papers asked, fee asked, stopped [A]."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One arrival: when, who, where, and what for.

    Attributes:
        number: Position in the schedule.
        intended: Seconds from t0.
        journey: A name of the catalogue.
        province: Code of the province.
        commune: Code of the commune.
        person: Who arrives.
        procedure: Code of the procedure wanted.
        fee: VND that the procedure costs.
        double_submit: Whether the submission is sent twice.
        ending: How an officer's work ends: a key of ``ENDINGS``.
        seed: Of the random choices that this person makes on the way: pauses before a retry.
        one_level: Whether the province's service centre has one level.
    """

    number: int
    intended: float
    journey: str
    province: str
    commune: str
    person: people.Person
    procedure: str
    fee: int
    double_submit: bool
    ending: str
    seed: int = 0
    one_level: bool = False


T = TypeVar("T", bound=Hashable)


class Weighted(Generic[T]):
    """Draws values by weight."""

    def __init__(self, weights: Mapping[T, float]) -> None:
        self._values = [value for value, weight in weights.items() if weight > 0]
        self._edges = list(itertools.accumulate(weights[value] for value in self._values))

    def at(self, share: float) -> T:
        """Return the value at a share, from 0 to below 1, of the whole weight: uniform shares draw by weight."""
        return self._values[bisect.bisect(self._edges, share * self._edges[-1])]


_WORDS = struct.Struct("<8Q")
_UNIT = 2.0**-53
_ANYONE = Who("", "", "")


def draws(seed: int, number: int) -> tuple[int, ...]:
    """Return 8 random whole numbers of 53 bits: a hash of seed and number, so that each arrival has its own at once.

    BLAKE2b of both; 10 times as fast as seeding a generator for every arrival.
    """
    digest = hashlib.blake2b(b"%d %d" % (seed, number), digest_size=64, person=b"arrival").digest()
    return tuple([word >> 11 for word in _WORDS.unpack(digest)])


class Crowd:
    """Draws the arrivals of a plan.

    Attributes:
        plan: Whose arrivals they are.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._journeys = Weighted(plan.load.journeys)
        self._provinces = Weighted(traffic.province_weights(plan.stack.provinces))
        self._teams = Weighted(traffic.province_weights(plan.stack.mobile)) if plan.stack.mobile else self._provinces
        self._one_level = frozenset(plan.stack.one_level)
        self._communes = {code: places.communes_of(code) for code in plan.stack.provinces}
        catalogue = procedures.procedures()
        self._online = Weighted({p.code: p.weight for p in catalogue.values() if p.online})
        self._paperless = Weighted({p.code: p.weight for p in catalogue.values() if p.database})
        self._counter = Weighted({p.code: p.weight for p in catalogue.values()})
        self._fees = {p.code: p.fee for p in catalogue.values()}
        self._endings = Weighted(ENDINGS)
        self._replayed = replayed(plan)

    def arrivals(self, worker: int = 0, workers: int = 1) -> Iterator[Arrival]:
        """Yield the arrivals that are this worker's own, in the order in which they are due."""
        for number, due in enumerate(due_times(self.plan)):
            if number % workers == worker:
                yield self.arrival(number, due)

    def arrival(self, number: int, due: float) -> Arrival:
        """Draw one arrival, or what its recording leaves open; the same number gives the same arrival."""
        draw = draws(self.plan.seed, number)
        known = self._recorded(number) if self._replayed else _ANYONE
        journey = known.journey or self._journeys.at(draw[0] * _UNIT)
        where = self._teams if journey == MOBILE_JOURNEY else self._provinces
        province = known.province or where.at(draw[1] * _UNIT)
        communes = self._communes[province]
        procedure = self._wanted(journey).at(draw[3] * _UNIT)
        return Arrival(
            number=number,
            intended=due,
            journey=journey,
            province=province,
            commune=known.commune or communes[draw[2] % len(communes)].code,
            person=people.person(draw[4] % 10**7),
            procedure=procedure,
            fee=self._fees[procedure],
            double_submit=draw[5] * _UNIT < DOUBLE_SUBMIT,
            ending=self._endings.at(draw[6] * _UNIT),
            seed=draw[7],
            one_level=province in self._one_level,
        )

    def _wanted(self, journey: str) -> Weighted[str]:
        """Return the procedures that people of a journey may want."""
        if journey.startswith("data-only"):
            return self._paperless
        return self._online if journey.startswith("submit-") or journey == "assisted" else self._counter

    def _recorded(self, number: int) -> Who:
        return next((part[number] for part in self._replayed if number in part.numbers), _ANYONE)
