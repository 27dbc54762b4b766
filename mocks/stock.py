"""The legacy dossiers that a province starts with: those of the old provinces that it was formed of.

All of it is invented [A], and drawn from a seed. States are those of dossiers that wait for nobody at the one-stop
counter: more papers or a fee asked, stopped, done, returned; about half are archived. One in four belongs to a unit
that was split, where the province has one: in the real table it is one in twenty.
"""

import hashlib
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache

import msgspec

from mocks.register import CLOCK
from model import hamlets, places, procedures
from model.dossier import Channel, State, dossier_code
from model.places import LegacyUnit

SPLIT_SHARE = 0.25
ARCHIVED_SHARE = 0.6  # of those that are returned
PATHS: tuple[tuple[State, ...], ...] = (
    (State.RECEIVED, State.PROCESSING, State.DONE, State.RETURNED),
    (State.RECEIVED, State.PROCESSING, State.DONE, State.RETURNED),
    (State.RECEIVED, State.PROCESSING, State.DONE, State.RETURNED),
    (State.RECEIVED, State.PROCESSING, State.DONE),
    (State.RECEIVED, State.PROCESSING, State.MORE_PAPERS),
    (State.RECEIVED, State.FEE_DUE),
    (State.RECEIVED, State.PROCESSING, State.STOPPED),
)
LAST_DAY = datetime(2025, 6, 30, 17, 0, tzinfo=CLOCK)
ROLES = ("cb", "cv", "ld", "vt")  # one-stop officer (cán bộ một cửa), specialist (chuyên viên), leader, clerk (văn thư)
DAYS = 180  # before that, in which they were taken in


class Attachment(msgspec.Struct, frozen=True):
    """A file of a dossier; ``hash`` is its SHA-256 (hex)."""

    name: str
    hash: str


class Legacy(msgspec.Struct, frozen=True):
    """A dossier as the system of an old province had it; ``history`` is (sequence, state, occurred)."""

    number: int
    code: str
    key: str
    province: str
    old_province: str
    legacy_commune: str
    hamlet: str
    procedure: str
    channel: int
    hash: str
    history: list[tuple[int, int, float]]
    archived: bool
    attachments: list[Attachment]


class Account(msgspec.Struct, frozen=True):
    """An officer's account as an old province had it; ``hash`` is the SHA-256 (hex) of what else is known of them."""

    number: int
    name: str
    role: str
    province: str
    legacy_commune: str
    hamlet: str
    hash: str


def accounts(seed: int, province: str, count: int) -> list[Account]:
    """Return so many officers' accounts of a province, numbered from 1; the old provinces and the roles take turns."""
    luck = random.Random(f"{seed}:accounts:{province}")
    homes = places.provinces()[province].formed_of
    return [_account(luck, province, homes[number % len(homes)], number) for number in range(1, count + 1)]


def _account(luck: random.Random, province: str, home: str, number: int) -> Account:
    unit = luck.choice(_units(province, home, False) or _units(province, home, True))
    names = list(hamlets.hamlets(unit))
    role = ROLES[number % len(ROLES)]
    name = f"{role}.{home}.{unit.code}-{number}"
    return Account(number, name, role, province, unit.code, luck.choice(names) if names else "", _hash(name, "officer"))


def made(seed: int, province: str, count: int) -> list[Legacy]:
    """Return so many legacy dossiers of a province, numbered from 1; the old provinces take turns."""
    luck = random.Random(f"{seed}:stock:{province}")
    homes = places.provinces()[province].formed_of
    return [_dossier(luck, province, homes[number % len(homes)], number) for number in range(1, count + 1)]


def _dossier(luck: random.Random, province: str, home: str, number: int) -> Legacy:
    split = _units(province, home, True)
    unit = luck.choice(split if split and luck.random() < SPLIT_SHARE else _units(province, home, False))
    names = list(hamlets.hamlets(unit))
    path = luck.choice(PATHS)
    began = LAST_DAY - timedelta(days=luck.uniform(20, DAYS))
    code = dossier_code("H", province, unit.code.zfill(5), began.date(), number)
    return Legacy(
        number,
        code,
        f"legacy-{province}-{number}",
        province,
        home,
        unit.code,
        luck.choice(names) if names else "",
        luck.choice(list(procedures.procedures())),
        Channel.DIRECT.value,
        _hash(code, "payload"),
        _history(path, began.timestamp()),
        path[-1] is State.RETURNED and luck.random() < ARCHIVED_SHARE,
        [Attachment(f"giay-to-{n}.pdf", _hash(code, f"attachment {n}")) for n in range(1, luck.randint(1, 3) + 1)],
    )


def _history(path: Sequence[State], began: float) -> list[tuple[int, int, float]]:
    return [(number, state.value, began + 86_400.0 * number) for number, state in enumerate(path, 1)]


def _hash(code: str, what: str) -> str:
    return hashlib.sha256(f"{code} {what}".encode()).hexdigest()


@cache
def _units(province: str, home: str, split: bool) -> tuple[LegacyUnit, ...]:
    """Return the units of an old province that are in a province now; of another name where it has none of them."""
    known = places.communes()
    here = [unit for unit in places.legacy().values() if known[unit.default].province == province]
    own = [unit for unit in here if unit.province == home] or here
    return tuple(unit for unit in own if (len(unit.successors) > 1) is split)
