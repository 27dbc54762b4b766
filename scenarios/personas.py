"""Who arrives: a persona per arrival, a pure function of the plan, its seed and the arrival's number."""

import bisect
import hashlib
import itertools
import struct
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from model import people, places, procedures, traffic
from model.checks import BOUNDARY_FREE, MOBILE_JOURNEY
from model.plan import Plan
from model.replay import Who
from scenarios.schedule import due_times, replayed

DOUBLE_SUBMIT = 0.03
"""Share of submissions sent twice under one key: the second click of an impatient person [A]."""
IN_TURN = 8
"""One arrival in so many, if it wants a service without paper, takes the 25 in turn, so that none goes without [A]."""
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
        fee: VND that the procedure costs; of a rehearsal none is due.
        double_submit: Whether the submission is sent twice.
        ending: How an officer's work ends: a key of ``ENDINGS``.
        seed: Of the random choices that this person makes on the way: pauses before a retry.
        one_level: Whether the province's service centre has one level.
        elsewhere: Commune of another province that the dossier is for, of a boundary-free journey; else empty.
        test: Whether the person rehearses: logs in in test mode, and files what is no official dossier.
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
    elsewhere: str = ""
    test: bool = False


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
        self._ends = [end for _, end, _ in plan.spans()][:-1]
        self._journeys = [Weighted(plan.mix(phase)) for phase in plan.phases]
        self._provinces = Weighted(traffic.province_weights(plan.stack.provinces))
        self._teams = Weighted(traffic.province_weights(plan.stack.mobile)) if plan.stack.mobile else self._provinces
        self._one_level = frozenset(plan.stack.one_level)
        self._communes = {code: places.communes_of(code) for code in plan.stack.provinces}
        catalogue = procedures.procedures()
        self._online = Weighted({p.code: p.weight for p in catalogue.values() if p.online})
        self._services = [p.code for p in catalogue.values() if p.database]
        self._paperless = Weighted({code: catalogue[code].weight for code in self._services})
        self._business = Weighted({p.code: p.weight for p in catalogue.values() if p.online and p.field == "business"})
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
        journey = known.journey or self._journeys[bisect.bisect(self._ends, due)].at(draw[0] * _UNIT)
        where = self._teams if journey == MOBILE_JOURNEY else self._provinces
        province = known.province or where.at(draw[1] * _UNIT)
        communes = self._communes[province]
        procedure = self._wanted(journey, number, draw[3] * _UNIT)
        test = draw[2] * _UNIT < self.plan.load.test_share  # its low bits choose the commune: nothing to do with these
        return Arrival(
            number=number,
            intended=due,
            journey=journey,
            province=province,
            commune=known.commune or communes[draw[2] % len(communes)].code,
            person=people.person(draw[4] % 10**7),
            procedure=procedure,
            fee=0 if test else self._fees[procedure],
            double_submit=draw[5] * _UNIT < DOUBLE_SUBMIT,
            ending=self._endings.at(draw[6] * _UNIT),
            seed=draw[7],
            one_level=province in self._one_level,
            elsewhere=self._elsewhere(province, draw[7]) if journey == BOUNDARY_FREE else "",
            test=test,
        )

    def _elsewhere(self, province: str, luck: int) -> str:
        """Return a commune of another province, each province as likely [A]; of this one where there is no other."""
        others = [code for code in self.plan.stack.provinces if code != province] or [province]
        communes = self._communes[others[luck % len(others)]]
        return communes[luck // len(others) % len(communes)].code

    def _wanted(self, journey: str, number: int, share: float) -> str:
        """Return the procedure that an arrival wants: by how often it is filed, among those of its journey."""
        if journey == "business":
            return self._business.at(share)
        if journey.startswith("data-only"):
            turn, others = divmod(number, IN_TURN)
            return self._paperless.at(share) if others else self._services[turn % len(self._services)]
        online = journey.startswith("submit-") or journey in {"assisted", "keep-session"}
        return (self._online if online else self._counter).at(share)

    def _recorded(self, number: int) -> Who:
        return next((part[number] for part in self._replayed if number in part.numbers), _ANYONE)
