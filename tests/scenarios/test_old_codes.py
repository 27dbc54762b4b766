"""People with forms of before: they mend what is refused, choose where they are asked, and file under one key each."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import pytest

from model import hamlets, people, places
from scenarios.http import Reply
from scenarios.journeys import old_codes
from scenarios.personas import Arrival
from scenarios.session import JourneyFailed, Session
from scenarios.writes import Result, Write

SPLIT_HEIR = "00008"
ARRIVAL = Arrival(5, 1.0, "submit-split", "01", SPLIT_HEIR, people.person(1), "2.000815", 0, False, "return")


class Portal:
    """A transport that answers as a portal does; ``strict`` resolves as it should, else it takes everything."""

    def __init__(self, strict: bool = True) -> None:
        self.strict = strict
        self.sent: list[dict[str, Any]] = []

    def send(self, system: str, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        if path.startswith("/authorize"):
            return _reply("ok", None, 302, {"location": "https://portal.invalid/callback?code=c"})
        if path.startswith("/dossiers/"):
            shown = {"code": "G01.00008-250701-0001", "state": 1, "sequence": 1, "history": [[1, 1, 0.0, 0.0]]}
            return _reply("ok", shown, 200)
        if path in ("/dossiers", "/counter/dossiers"):
            self.sent.append(json.loads(body))
            return self._filed(self.sent[-1], 1 if system == "national" else 2)
        person = ARRIVAL.person
        said = {"access_token": "t", "session": "s", "items": [{"code": "2.000815"}], "error_code": 0}
        return _reply("ok", said | {"SoDinhDanh": person.id_number, "HoVaTen": person.name}, 200)

    def _filed(self, body: dict[str, Any], state: int) -> Reply:
        made = {"code": "G01.00008-250701-0001", "state": state, "sequence": 1}
        unit = places.successors(body["legacy_commune"])
        if not self.strict:
            return _reply("ok", made, 201)
        if unit is None or places.communes()[unit.default].province != "01":
            return _reply("http_4xx", {"reason": "validation"}, 422)
        if not body.get("commune") and hamlets.successor(unit, body.get("hamlet", "")) is None:
            candidates = [{"code": code} for code in unit.successors]
            return _reply("http_4xx", {"reason": "validation", "candidates": candidates}, 422)
        return _reply("ok", made, 201)


def _reply(outcome: str, content: object, status: int, headers: Mapping[str, str] = {}) -> Reply:
    body = b"" if content is None else json.dumps(content).encode()
    return Reply(outcome, True, began=1.0, finished=2.0, status=status, body=body, headers=dict(headers))


class Notes:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[str, str]] = []
        self.ledger: list[tuple[Write, Result]] = []

    def request(self, arrival: Arrival, operation: str, outcome: str, intended: float, answer: Any) -> None:
        self.outcomes.append((operation, outcome))

    def invoke(self, arrival: Arrival, write: Write) -> int:
        return 0

    def complete(self, arrival: Arrival, op: int, write: Write, result: Result) -> None:
        self.ledger.append((write, result))


def walked(seed: int, portal: Portal, split: bool = True) -> Notes:
    notes = Notes()
    session = Session(dataclasses.replace(ARRIVAL, seed=seed), portal, notes, intended=0.0, run="r")
    old_codes.submit(session, split=split)
    return notes


SEEDS = range(60)


@pytest.mark.parametrize("split", [True, False])
def test_everybody_gets_through_and_is_registered_once(split: bool) -> None:
    """Whatever is refused on the way is provably not applied; every submission has a key of its own."""
    refused = 0
    for seed in SEEDS:
        portal = Portal()
        notes = walked(seed, portal, split)
        assert {outcome for _, outcome in notes.outcomes} == {"ok"}
        assert [result.event for _, result in notes.ledger] == ["fail"] * (len(notes.ledger) - 1) + ["ok"]
        assert len({write.key for write, _ in notes.ledger}) == len({write.payload_hash for write, _ in notes.ledger})
        refused += len(notes.ledger) - 1
        last = portal.sent[-1]
        unit = places.successors(last["legacy_commune"])
        assert unit
        assert SPLIT_HEIR in (last.get("commune"), hamlets.successor(unit, last.get("hamlet", "")))
    assert refused > 0


def test_of_a_split_commune_some_name_the_hamlet_and_others_choose() -> None:
    ways = set()
    for seed in SEEDS:
        portal = Portal()
        walked(seed, portal)
        ways |= {name for name in ("hamlet", "commune") if name in portal.sent[-1]}
    assert ways == {"hamlet", "commune"}


def test_who_is_not_asked_goes_home_with_what_the_portal_made_of_it() -> None:
    """A portal that takes everything is found out by the audit, not by the citizen."""
    for seed in SEEDS:
        portal = Portal(strict=False)
        assert [result.event for _, result in walked(seed, portal).ledger] == ["ok"]


def test_a_refusal_without_the_right_candidate_ends_the_journey() -> None:
    portal, seed = Portal(), _seed_that_must_choose()
    portal._filed = lambda body, state: _reply(  # type: ignore[method-assign]  # another answer
        "http_4xx", {"reason": "validation", "candidates": [{"code": "00025"}]}, 422
    )
    with pytest.raises(JourneyFailed, match="submit_old_code: http_4xx"):
        walked(seed, portal)


def _seed_that_must_choose() -> int:
    for seed in SEEDS:
        portal = Portal()
        walked(seed, portal)
        if len(portal.sent) == 2 and "commune" in portal.sent[-1]:
            return seed
    raise AssertionError("nobody had to choose")


def test_an_officer_files_for_the_commune_of_today() -> None:
    portal, notes = Portal(), Notes()
    session = Session(dataclasses.replace(ARRIVAL, seed=3), portal, notes, intended=0.0, run="r")
    assert old_codes.intake(session) == "G01.00008-250701-0001"
    assert {operation for operation, _ in notes.outcomes} == {
        *("province.session", "province.population", "province.intake_old_code")
    }
    assert notes.ledger[-1][0].operation == "intake"
