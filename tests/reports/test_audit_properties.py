"""Random healthy histories have no finding; one that is spoilt in one way has that finding, and no other.

What the screen clears could have had no finding: the audit says the same when it looks at every dossier one by one.
"""

import json
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.dossier import TRANSITIONS, State, may_follow
from model.record import COLUMNS, Record
from reports import screen, tables
from reports.audit import Audit, audit

Scene = Any  # tests/reports/conftest.py
PROVINCES = ("01", "14", "79")
READ = {name: place for place, name in enumerate(COLUMNS["reads"])}


def path_of(chance: random.Random, first: int) -> tuple[int, ...]:
    """Walk the life cycle for some steps."""
    states, before = [State(first)], None
    for _ in range(chance.randrange(6)):
        ways = sorted(TRANSITIONS[states[-1]] | ({before} if before and states[-1] is State.MORE_PAPERS else set()))
        if not ways:
            break
        target = chance.choice(ways)
        assert may_follow(target, states[-1], before)
        before = states[-1]
        states.append(target)
    return tuple(map(int, states))


def add_dossier(chance: random.Random, scene: Scene, name: str, length: int = 0) -> tuple[int, ...]:
    """Acknowledge a dossier, perhaps after a time-out, and some of its steps; store it."""
    province, operation = chance.choice(PROVINCES), chance.choice(("submit", "intake"))
    states = (1, 2, 4, 9, 10) if length else path_of(chance, 1 if operation == "submit" else 2)
    if length:
        operation = "submit"
    for _ in range(chance.randrange(2)):
        scene.attempt(name, chance.choice(("info", None)), province=province, operation=operation)
    scene.attempt(name, "ok", f"C-{name}", province, operation)
    for sequence, state in enumerate(states[1:], 2):
        scene.step(f"C-{name}", sequence, state, province, outcome=chance.choice(("ok", "ok", "info")))
    scene.stored(f"C-{name}", name, states, province)
    return states


def add_unacknowledged(chance: random.Random, scene: Scene, name: str) -> bool:
    """Attempt one in vain: refused, unknown and absent, or unknown and stored; tells whether it is stored."""
    province = chance.choice(PROVINCES)
    outcome, stored = chance.choice((("fail", False), ("info", False), ("info", True), (None, True)))
    scene.attempt(name, outcome, province=province)
    if stored:
        scene.stored(f"C-{name}", name, (1, 2), province)
    return stored


def reads(scene: Scene, place: str, number: int) -> list[list[Any]]:
    """Return the rows of the victim in the portal or the provinces, in one pass."""
    rows = [row for row in scene.rows["reads"] if row[READ["key"]] == "victim" and row[0] == number]
    return [row for row in rows if (row[READ["system"]] == "national") == (place == "portal")]


def drop(*places: tuple[str, int]) -> Callable[[Scene, random.Random], None]:
    def mutate(scene: Scene, chance: random.Random) -> None:
        gone = [id(row) for place, number in places for row in reads(scene, place, number)]
        scene.rows["reads"] = [row for row in scene.rows["reads"] if id(row) not in gone]

    return mutate


def change(column: str, value: Callable[[Any], Any], *sides: str) -> Callable[[Scene, random.Random], None]:
    def mutate(scene: Scene, chance: random.Random) -> None:
        for row in reads(scene, chance.choice(sides), 2):
            row[READ[column]] = value(row[READ[column]])

    return mutate


def hole(history: str) -> str:
    steps = json.loads(history)
    return json.dumps([*steps[:2], *steps[3:]])


def backwards(history: str) -> str:
    steps = json.loads(history)
    return json.dumps([[number, state, -occurred, applied] for number, state, occurred, applied in steps])


def add_second_code(scene: Scene, chance: random.Random) -> None:
    row = reads(scene, "portal", 2)[0]
    scene.stored("C-second", "victim", (1, 2), row[4])


def add_phantom(scene: Scene, chance: random.Random) -> None:
    scene.stored("C-phantom", "nobody", (1, 2), chance.choice(PROVINCES))


def add_resurrected(scene: Scene, chance: random.Random) -> None:
    scene.attempt("refused", "fail", province="14")
    scene.stored("C-refused", "refused", (1, 2), "14")


def add_missing_step(scene: Scene, chance: random.Random) -> None:
    row = reads(scene, "portal", 2)[0]
    scene.step("C-victim", 6, 10, row[4])


def move(scene: Scene, chance: random.Random) -> None:
    for number in (1, 2):
        for row in reads(scene, "province", number):
            row[READ["system"]] = {"province:01": "province:79"}.get(row[READ["system"]], "province:01")


def copy(scene: Scene, chance: random.Random) -> None:
    for number in (1, 2):
        row = list(reads(scene, "province", number)[0])
        row[READ["system"]] = {"province:01": "province:79"}.get(row[READ["system"]], "province:01")
        scene.rows["reads"].append(row)


MUTATIONS: dict[str, tuple[str, Callable[[Scene, random.Random], None]]] = {
    "gone from the portal": ("lost", drop(("portal", 1), ("portal", 2))),
    "gone from the province": ("lost", drop(("province", 1), ("province", 2))),
    "gone from both": ("lost", drop(*((place, number) for place in ("portal", "province") for number in (1, 2)))),
    "gone between the readings": ("lost", drop(("province", 2))),
    "late": ("stale", drop(("portal", 1))),
    "second code": ("duplicated", add_second_code),
    "other state": ("divergent", change("state", lambda _: 8, "portal", "province")),
    "other hash": ("divergent", change("hash", lambda _: "f" * 64, "portal", "province")),
    "other length": ("divergent", change("sequence", lambda value: value + 1, "portal", "province")),
    "hole": ("regressed", change("history", hole, "portal", "province")),
    "times reversed": ("regressed", change("history", backwards, "portal", "province")),
    "no history": ("regressed", change("history", lambda _: "", "portal")),
    "acknowledged step missing": ("regressed", add_missing_step),
    "nobody's dossier": ("phantom", add_phantom),
    "refused dossier": ("resurrected", add_resurrected),
    "other commune": ("misrouted", change("commune", lambda _: "00001", "portal", "province")),
    "rehearsal": ("misfiled", change("test", lambda marked: not marked, "portal", "province")),
    "other province's system": ("misrouted", move),
    "another province's system as well": ("misrouted", copy),
}


def audited(record: Record, one_by_one: bool = False) -> Audit:
    """Audit a record; ``one_by_one``: with a screen that lets no dossier pass."""
    reason = "suspected" if one_by_one else None
    with tables.opened(record) as database, pytest.MonkeyPatch.context() as patch:
        if reason:
            patch.setattr(screen, "why_not_history", lambda states, channel: reason)
        return audit(database, PROVINCES, record.events())


@pytest.mark.parametrize("name", ["", *MUTATIONS])
@given(seed=st.integers(0, 2**32))
@settings(max_examples=2)
def test_one_mutation_is_one_finding(new_scene: Callable[[Path], Scene], name: str, seed: int) -> None:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        scene = new_scene(Path(folder))
        add_dossier(chance, scene, "victim", length=5)
        for number in range(chance.randrange(6)):
            add_dossier(chance, scene, f"d{number}")
        stored = [f"C-u{n}" for n in range(chance.randrange(4)) if add_unacknowledged(chance, scene, f"u{n}")]
        category, mutate = MUTATIONS.get(name, ("", None))
        if mutate:
            mutate(scene, chance)
        scene.with_readings()
        record = scene.write(tables_without=("samples", "arrivals"))
        result, slow = audited(record), audited(record, one_by_one=True)
    assert result == slow
    found = {kind for kind, codes in result.codes.items() if codes and kind != "recovered"}
    assert found == ({category} if category else set())
    assert result.codes["recovered"] == tuple(sorted(stored))
    assert result.counts["unread"] == 0
