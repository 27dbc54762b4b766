"""Who arrives: a persona per arrival, a pure function of the plan, its seed and the arrival's number."""

import bisect
import itertools
import random
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from model import people, places, procedures, traffic
from model.plan import Plan
from scenarios.schedule import due_times

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


T = TypeVar("T", bound=Hashable)


class Weighted(Generic[T]):
    """Draws values by weight."""

    def __init__(self, weights: Mapping[T, float]) -> None:
        self._values = [value for value, weight in weights.items() if weight > 0]
        self._edges = list(itertools.accumulate(weights[value] for value in self._values))

    def draw(self, rng: random.Random) -> T:
        """Return one value."""
        return self._values[bisect.bisect(self._edges, rng.random() * self._edges[-1])]


class Crowd:
    """Draws the arrivals of a plan.

    Attributes:
        plan: Whose arrivals they are.

    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._journeys = Weighted(plan.load.journeys)
        self._provinces = Weighted(traffic.province_weights(plan.stack.provinces))
        self._communes = {code: places.communes_of(code) for code in plan.stack.provinces}
        catalogue = procedures.procedures()
        self._online = Weighted({p.code: p.weight for p in catalogue.values() if p.online})
        self._counter = Weighted({p.code: p.weight for p in catalogue.values()})
        self._fees = {p.code: p.fee for p in catalogue.values()}
        self._endings = Weighted(ENDINGS)

    def arrivals(self, worker: int = 0, workers: int = 1) -> Iterator[Arrival]:
        """Yield the arrivals that are this worker's own, in the order in which they are due."""
        for number, due in enumerate(due_times(self.plan)):
            if number % workers == worker:
                yield self.arrival(number, due)

    def arrival(self, number: int, due: float) -> Arrival:
        """Draw one arrival; the same number gives the same arrival."""
        rng = random.Random((self.plan.seed << 40) ^ number)
        journey = self._journeys.draw(rng)
        province = self._provinces.draw(rng)
        commune = rng.choice(self._communes[province])
        wanted = self._online if journey == "submit-online" else self._counter
        procedure = wanted.draw(rng)
        return Arrival(
            number=number,
            intended=due,
            journey=journey,
            province=province,
            commune=commune.code,
            person=people.person(rng.randrange(10**7)),
            procedure=procedure,
            fee=self._fees[procedure],
            double_submit=rng.random() < DOUBLE_SUBMIT,
            ending=self._endings.draw(rng),
        )
