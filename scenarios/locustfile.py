"""The same journeys under stock Locust, as a closed model: `locust -f scenarios/locustfile.py --host URL`.

`--host` is the national portal (`thongsuot up` prints its address); its `/directory` names the other systems. Here
citizens wait for replies before they come again, so figures are Locust's own and no verdict is drawn from them.
"""

import random
import secrets
import time
from typing import Any
from urllib.parse import urlsplit

import locust

from model import places
from model.plan import Load, Phase, Plan, Stack
from scenarios.catalogue import JOURNEYS, Memory
from scenarios.http import Pool
from scenarios.network import Network
from scenarios.personas import Arrival, Crowd
from scenarios.session import Answer, JourneyFailed, Session

WEIGHTS = {"submit-online": 4, "counter-intake": 2, "process": 3, "track": 3}
CONNECT_TIMEOUT, REQUEST_TIMEOUT = 5.0, 60.0  # seconds; clients in the field read with 60 s [P]


class Statistics:
    """Reports every request to Locust's own statistics; keeps no ledger."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment

    def request(self, arrival: Arrival, operation: str, outcome: str, intended: float, answer: Answer) -> None:
        """Fire Locust's request event."""
        self._environment.events.request.fire(
            request_type=operation.partition(".")[0],
            name=operation,
            response_time=(answer.finished - answer.began) * 1000,
            response_length=0,
            exception=None if outcome == "ok" else RuntimeError(f"{outcome} {answer.detail}"),
            context={"province": arrival.province},
        )

    def invoke(self, *_: object) -> int:
        """Keep nothing."""
        return 0

    def complete(self, *_: object) -> None:
        """Keep nothing."""


class Person(locust.User):
    """One persona after another, each on one journey."""

    wait_time = locust.between(1, 5)
    memory = Memory()

    def on_start(self) -> None:
        """Ask the portal where the other systems are."""
        address = urlsplit(self.host or "").netloc
        if not address:
            raise locust.exception.StopUser("give the portal's address with --host http://HOST:PORT")
        portal = Pool(address, CONNECT_TIMEOUT, REQUEST_TIMEOUT)
        reply = portal.request("GET", "/directory", {}, b"")
        if reply.outcome != "ok":
            raise locust.exception.StopUser(f"{self.host}/directory: {reply.outcome} {reply.detail}")
        directory = {**reply.json()["systems"], "national": address}
        self.network = Network(directory, CONNECT_TIMEOUT, REQUEST_TIMEOUT, paths=reply.json()["paths"])
        self.crowd = Crowd(_plan(tuple(code for code in places.provinces() if f"province:{code}" in directory)))
        self.run_id = secrets.token_hex(4)

    @locust.task
    def live(self) -> None:
        """Walk one journey."""
        arrival = self.crowd.arrival(random.randrange(2**31), 0.0)
        session = Session(arrival, self.network, Statistics(self.environment), time.monotonic(), self.run_id)
        try:
            JOURNEYS[arrival.journey][0](session, self.memory)
        except JourneyFailed:
            return


def _plan(provinces: tuple[str, ...]) -> Plan:
    return Plan(
        name="locustfile",
        seed=random.randrange(2**31),
        phases=(Phase(name="all", duration=1, rate=1),),
        load=Load(journeys={name: float(weight) for name, weight in WEIGHTS.items()}),
        stack=Stack(provinces=provinces),
    )
