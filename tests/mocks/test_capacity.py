"""A station queues as theory says. Time is simulated: the event loop's clock leaps to the next timer."""

import asyncio
import math
import random
import selectors
import time

import httpx
import pytest
from prometheus_client import CollectorRegistry

from mocks import wire
from mocks.capacity import Station
from mocks.client import SENDER
from mocks.messages import callers, credential, proof
from mocks.metrics import Metrics
from mocks.tokens import Claims
from mocks.wire import Front, Nothing, Refusal, Route
from model.capacity import Capacity
from tests.conftest import BEARER, TOKEN


class LeapingClock(selectors.DefaultSelector):
    """Doesn't wait: says that as much time has passed."""

    now = 0.0

    def select(self, timeout=None):
        self.now += timeout or 0.0
        return super().select(0)


def simulated(main):
    """Run a coroutine on simulated time."""
    clock = LeapingClock()
    loop = asyncio.SelectorEventLoop(clock)
    loop.time = lambda: clock.now
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()


async def visit(station, waits):
    """Be served; note the time in the system, or the refusal."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        async with station.served():
            pass
        waits.append(loop.time() - began)
    except Refusal as refusal:
        waits.append(refusal)


async def arrivals(station, rate, number, seed=1):
    """Let so many arrive, independently of each other."""
    chance, waits, tasks = random.Random(seed), [], []
    for _ in range(number):
        await asyncio.sleep(chance.expovariate(rate))
        tasks.append(asyncio.create_task(visit(station, waits)))
    await asyncio.gather(*tasks)
    return waits


def stay(capacity, rate, number=20_000):
    waits = simulated(arrivals(Station(capacity, "1"), rate, number))
    return sum(waits) / len(waits)


@pytest.mark.parametrize("p95", [None, 0.3])
@pytest.mark.parametrize("utilisation", [0.5, 0.8])
def test_one_server_waits_as_pollaczek_and_khinchine_say(p95, utilisation):
    """M/G/1: the mean wait is λ E[S²] / 2 (1 − ρ). 20,000 arrivals come within 15 % of it."""
    capacity = Capacity(median=0.1, p95=p95, concurrency=1, queue=100_000, timeout=1e6)
    second_moment = capacity.mean**2 * math.exp(capacity.sigma**2)
    rate = utilisation * capacity.limit
    theory = capacity.mean + rate * second_moment / (2 * (1 - utilisation))
    assert stay(capacity, rate) == pytest.approx(theory, rel=0.15)


@pytest.mark.parametrize("p95", [None, 0.3])
def test_without_a_queue_it_turns_away_as_erlang_says(p95):
    """M/G/c/c: Erlang's B, whatever the distribution of the service time. 8 servers, 6 Erlang: 12.2 %."""
    capacity = Capacity(median=0.1, p95=p95, concurrency=8, queue=0)
    load = 6.0
    terms = [load**k / math.factorial(k) for k in range(9)]
    waits = simulated(arrivals(Station(capacity, "1"), load / capacity.mean, 20_000))
    lost = sum(isinstance(wait, Refusal) for wait in waits) / len(waits)
    assert lost == pytest.approx(terms[-1] / sum(terms), rel=0.1)


def test_service_times_have_the_median_and_the_quantile_that_were_asked_for():
    capacity = Capacity(median=0.05, p95=0.4, concurrency=20_000)
    waits = sorted(simulated(arrivals(Station(capacity, "7"), 1000, 20_000)))
    assert waits[10_000] == pytest.approx(0.05, rel=0.05)
    assert waits[19_000] == pytest.approx(0.4, rel=0.05)


def test_the_same_seed_gives_the_same_times():
    capacity = Capacity(median=0.05, p95=0.4)
    first, again, other = (simulated(arrivals(Station(capacity, seed), 50, 50)) for seed in ("1", "1", "2"))
    assert first == again != other


def test_who_comes_first_is_served_first_and_who_finds_the_queue_full_is_told_when_to_come_again():
    capacity = Capacity(median=1.0, concurrency=1, queue=2, retry_after=3)

    async def four():
        station, order = Station(capacity, "1"), []

        async def named(name):
            waits = []
            await visit(station, waits)
            order.append((name, waits[0]))

        await asyncio.gather(*map(named, "abcd"))
        return order

    (refused, answer), *served = simulated(four())
    assert (refused, answer.status, answer.headers) == ("d", 503, {"retry-after": "3"})
    assert served == [("a", 1.0), ("b", 2.0), ("c", 3.0)]


FLOOD = ["province:79"] * 6 + ["province:04"] * 2
"""Who comes, in this order, to one server with a room for five."""


async def come(order, fair, capacity):
    """Let them come; note who is served when, and who is turned away."""
    station, served, refused = Station(capacity, "1", fair), [], []

    async def named(who):
        try:
            async with station.served(who):
                pass
            served.append((who[-2:], asyncio.get_running_loop().time()))
        except Refusal:
            refused.append(who[-2:])

    await asyncio.gather(*map(named, order))
    return served, refused


def test_who_floods_a_shared_system_gives_way_to_who_does_not():
    """79 has come first and fills the room: its last two are turned away, and 04's turns are every other one."""
    served, refused = simulated(come(FLOOD, True, Capacity(median=1.0, concurrency=1, queue=5)))
    assert refused == ["79", "79"]
    assert served == [("79", 1.0), ("79", 2.0), ("04", 3.0), ("79", 4.0), ("04", 5.0), ("79", 6.0)]


def test_starves_province_lets_who_comes_first_take_every_place():
    served, refused = simulated(come(FLOOD, False, Capacity(median=1.0, concurrency=1, queue=5)))
    assert (refused, {who for who, _ in served}) == (["04", "04"], {"79"})


def test_lines_are_forgotten_when_nobody_stands_in_them_any_more():
    """Whoever was turned away or gave up left its line: afterwards one server is free, and nobody waits."""

    async def twice():
        capacity = Capacity(median=1.0, concurrency=1, queue=3, timeout=1.5)
        first = await come(FLOOD, True, capacity)
        return first, await come(["province:04"], True, capacity)

    (served, refused), (again, none) = simulated(twice())
    assert (len(served), len(refused), len(again), none) == (2, 6, 1, [])


def test_who_waits_too_long_is_turned_away_and_leaves_the_queue():
    capacity = Capacity(median=1.0, concurrency=1, queue=5, timeout=1.5)

    async def crowd():
        station, waits = Station(capacity, "1"), []
        await asyncio.gather(*(visit(station, waits) for _ in range(4)))
        await visit(station, waits)
        return waits

    waits = simulated(crowd())
    assert [wait for wait in waits if not isinstance(wait, Refusal)] == [1.0, 2.0, 1.0]
    assert [str(wait) for wait in waits if isinstance(wait, Refusal)] == ["no server was free within 1.5 s"] * 2


def test_a_province_with_a_capacity_sheds_load_and_stays_alive(stacks, submission):
    """One slow server: what it can't take is refused with Retry-After, what it took is there, health goes on."""
    capacity = {"province": {"median": 0.2, "concurrency": 1, "queue": 1, "retry_after": 2}}
    stack = stacks(capacity=capacity).start("province:01")
    officer = stack.officer()

    async def burst():
        async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
            url = stack.url("province:01")
            posts = [
                http.post(f"{url}/counter/dossiers", json=submission(), headers={**officer, **stack.key()})
                for _ in range(8)
            ]
            *answers, health = await asyncio.gather(*posts, http.get(f"{url}/healthz"))
            return answers, health

    taken, refused = [], []
    while not refused:  # of a burst that is held up on its way each may be served before the next one comes
        answers, health = asyncio.run(burst())
        taken += [answer.json()["code"] for answer in answers if answer.status_code == 201]
        refused += [answer for answer in answers if answer.status_code == 503]
        assert {answer.status_code for answer in answers} <= {201, 503}
        assert health.status_code == 200
    assert taken
    assert {(answer.json()["reason"], answer.headers["retry-after"]) for answer in refused} == {("busy", "2")}
    assert [item["code"] for item in stack.listing("province:01")] == sorted(taken)


@pytest.mark.parametrize(("defects", "answered"), [((), 200), (("starves-province",), 503)])
def test_a_shared_system_tells_who_asks_by_the_credential(stacks, defects, answered):
    """The room is full of province 79's requests, one of which is told so, when province 04's first one comes."""
    capacity = {"population": {"median": 0.001, "concurrency": 1, "queue": 4, "timeout": 60}}
    stack = stacks(provinces=("04", "79"), capacity=capacity, defects=defects, token=TOKEN).start("population")
    fault = f"{stack.url('population')}/control/faults/slow"
    slow = {"kind": "slow-database", "attributes": {"delay": 8000}, "lease": 60}

    async def ask(http, system):
        return await http.get(f"{stack.url('population')}/readyz", headers={SENDER: credential(system)})

    async def flood():
        async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
            many = [asyncio.create_task(ask(http, "province:79")) for _ in range(6)]
            await told(many, 1)
            one = asyncio.create_task(ask(http, "province:04"))
            await told([one, *many], 2)
            in_time = time.monotonic() - began < 8.0
            await http.delete(fault, headers=BEARER)  # whom nobody serves yet is served at once
            answers = await asyncio.gather(one, *many)
            return in_time, answers[0].status_code, [answer.status_code for answer in answers[1:]]

    async def told(asked, number):
        """Wait until so many have an answer."""
        async with asyncio.timeout(30):
            while sum(map(asyncio.Task.done, asked)) < number:
                await asyncio.sleep(0.01)

    in_time = False
    while not in_time:  # where the machine is held up the first is served before the room is full
        began = time.monotonic()
        assert stack.http.put(fault, json=slow, headers=BEARER).status_code == 200
        in_time, one, many = asyncio.run(flood())
    assert (one, many.count(503)) == (answered, 2 if answered == 200 else 1)


def desk(token):
    """Know whose session a token is: that of an officer of the commune that it names."""
    if not token.isdigit():
        raise Refusal(401, "unauthorised", "no session")
    return Claims("officer", token)


async def nothing(call):
    return Nothing()


def statuses(path, asking):
    """Ask a system with one server and a room for four, in this order, with these headers; return the statuses."""
    capacity = Capacity(median=1.0, concurrency=1, queue=4)
    routes = [Route("GET", "/open", "open", nothing), Route("GET", "/desk", "desk", nothing, auth=desk)]
    front = Front(Station(capacity, "1").served, capacity, callers(["04", "79"]))
    metrics = Metrics(CollectorRegistry(), "s", ("open", "desk", wire.UNMATCHED))
    transport = httpx.ASGITransport(wire.application(routes, metrics, front=front))

    async def asked():
        async with httpx.AsyncClient(transport=transport, base_url="http://mock") as http:
            calls = [http.get(path, headers=headers) for headers in asking]
            return [answer.status_code for answer in await asyncio.gather(*calls)]

    return simulated(asked())


FORGED = f"province:04 {proof('X-Sender', 'province:04', 'a guess')}"
FULL = [200] * 4


def test_names_that_anybody_can_invent_are_one_line():
    """Five invented names ask before a province does; an invented name after five nameless requests is one of them."""
    invented = [{SENDER: name} for name in ("province:79", "province:04", "ioc", FORGED, credential("province:99"))]
    assert statuses("/open", [*invented, {SENDER: credential("province:04")}]) == [*FULL, 503, 200]
    assert statuses("/open", [*[{}] * 5, {SENDER: FORGED}]) == [*FULL, 200, 503]


def test_whoever_has_a_session_has_a_line_of_their_own():
    """One desk asks five times before another asks once; what is no session is one line, whatever it says."""
    one, other = ({"Authorization": f"Bearer {commune}"} for commune in ("00004", "00008"))
    invented = [{"Authorization": f"Bearer made-up-{number}"} for number in range(5)]
    assert statuses("/desk", [*[one] * 5, other]) == [*FULL, 503, 200]
    assert statuses("/desk", [*invented, other]) == [401] * 4 + [503, 200]
    assert statuses("/open", [*[one] * 5, other]) == [*FULL, 200, 503]
