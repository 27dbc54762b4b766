"""Stop conditions fire on what is known, in the scope that they name, and never on too little."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from harness.live import Ended, Live
from harness.stops import NATION, TOLD_WITHIN, Reading, Stops
from model.drill import Stop
from model.plan import Plan
from tests.harness.fakes import live_of, requests
from tests.harness.plans import short_plan


def stops_of(*stops: Stop, doubts: Mapping[str, int] | None = None) -> Stops:
    return Stops(with_stops(*stops), lambda: doubts or {})


def with_stops(*stops: Stop) -> Plan:
    return msgspec.structs.replace(short_plan("objectives.requests answered.target=0.9"), stops=stops)


RATIO = Stop(name="r", indicator="error_ratio", limit=0.4, window=5, samples=10)


def reading(stops: Stops, t: float, live: Live) -> Reading:
    (found,) = stops.look(t, live)
    return found


def test_the_error_ratio_counts_what_ended_in_the_window(tmp_path: Path) -> None:
    """A request that timed out was due long before: it counts when it is known."""
    stops = stops_of(RATIO)
    assert not reading(stops, 20.0, live_of(tmp_path, requests(19, 6))).fires
    found = reading(stops, 21.0, live_of(tmp_path, requests(3, 6, ok=False)))
    assert (found.value, found.place, found.fires) == (0.5, NATION, True)
    assert reading(stops, 25.5, live_of(tmp_path)).value == 0.0
    assert reading(stops, 26.5, live_of(tmp_path, requests(26, 10))).value == 0.0


def test_too_few_requests_fire_nothing(tmp_path: Path) -> None:
    """Nine of nine failed, ten are needed; a limit that is just reached isn't exceeded."""
    stops = stops_of(RATIO)
    assert not reading(stops, 1.0, live_of(tmp_path, requests(1, 9, ok=False))).fires
    assert reading(stops, 1.2, live_of(tmp_path, requests(1, 1, ok=False))).fires
    assert not reading(stops_of(RATIO), 1.0, live_of(tmp_path, requests(1, 6), requests(1, 4, ok=False))).fires


def test_each_province_by_itself(tmp_path: Path) -> None:
    """One that fails is drowned by the nation, unless it is looked at by itself."""
    seen = [requests(1, 100), requests(1, 10, ok=False, province="79")]
    assert not reading(stops_of(RATIO), 2.0, live_of(tmp_path, *seen)).fires
    found = reading(stops_of(msgspec.structs.replace(RATIO, scope="province")), 2.0, live_of(tmp_path, *seen))
    assert (found.value, found.place, found.fires) == (1.0, "79", True)


def test_a_burn_rate_is_a_multiple_of_the_budget_of_its_objective(tmp_path: Path) -> None:
    """30 % failed with a budget of 10 % burn three times as fast; only the objective's operations count."""
    stop = Stop(name="b", indicator="burn_rate", limit=2.5, samples=10, objective="requests answered")
    seen = [requests(1, 7), requests(1, 3, ok=False)]
    found = reading(stops_of(stop), 2.0, live_of(tmp_path, *seen))
    assert found.value == pytest.approx(3.0)
    assert found.fires
    plan = with_stops(stop)
    narrow = msgspec.structs.replace(plan.objectives[0], operations=("national.submit",))
    stops = Stops(msgspec.structs.replace(plan, objectives=(narrow,)), dict)
    assert reading(stops, 2.0, live_of(tmp_path, *seen)).value == 0.0


CUT = Stop(name="c", indicator="interruption", limit=3, scope="province")


def failed(*due: float, province: str = "79", after: float = 0.5) -> list[Ended]:
    return [Ended(province, moment, moment + after, False) for moment in due]


def test_an_interruption_lasts_from_the_first_failed_arrival_to_the_last(tmp_path: Path) -> None:
    """Of at least three; a success that was due later ends it."""
    stops = stops_of(CUT)
    two = failed(10.0, 12.0)
    assert reading(stops, 20.0, live_of(tmp_path, ended=two)).value == 0.0
    found = reading(stops, 20.0, live_of(tmp_path, ended=failed(14.0)))
    assert (found.value, found.place, found.fires) == (4.5, "79", True)
    assert reading(stops, 21.0, live_of(tmp_path, ended=[Ended("79", 13.0, 13.1, True)])).value == 0.0


def test_an_interruption_waits_until_every_worker_has_told(tmp_path: Path) -> None:
    """A success of the same second may be on its way."""
    stops = stops_of(CUT)
    seen = failed(10.0, 12.0, 14.0)
    assert not reading(stops, 14.5 + TOLD_WITHIN - 0.1, live_of(tmp_path, ended=seen)).fires
    assert reading(stops, 14.5 + TOLD_WITHIN + 0.1, live_of(tmp_path)).fires


def test_one_province_that_is_served_serves_the_nation(tmp_path: Path) -> None:
    """Not itself alone."""
    seen = [*failed(10.0, 12.0, 14.0), Ended("01", 14.5, 14.6, True)]
    nation = msgspec.structs.replace(CUT, scope="nation")
    assert reading(stops_of(nation), 20.0, live_of(tmp_path, ended=seen)).value == 0.0
    assert reading(stops_of(CUT), 20.0, live_of(tmp_path, ended=seen)).place == "79"


@pytest.mark.parametrize(("scope", "value", "place"), [("nation", 3.0, NATION), ("province", 2.0, "79")])
def test_doubts_about_integrity_are_counted(scope: str, value: float, place: str, tmp_path: Path) -> None:
    """All together, or of the worst province."""
    stop = msgspec.convert({"name": "i", "indicator": "integrity", "limit": 1, "scope": scope}, Stop)
    found = reading(stops_of(stop, doubts={"01": 1, "79": 2}), 1.0, live_of(tmp_path))
    assert (found.value, found.place, found.fires) == (value, place, True)
