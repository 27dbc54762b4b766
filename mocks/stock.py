"""The legacy dossiers that a province starts with: those of the old provinces that it was formed of.

All of it is invented [A], and drawn from a seed. Some are open: officers go on with them once they have moved. Of those
that are returned more than half are archived. One in four belongs to a unit that was split, where the province has one:
in the real table it is one in twenty; one in ten of these doesn't say where in it: only a person can tell whose it is.
One in four was filed with the desk of a district, for a procedure that was the district's, by somebody of one of its
communes. Districts had no codes of five digits: each old province numbered what was filed with all of its districts
itself. So two provinces that were merged may have issued one code to two dossiers.
"""

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import TypeVar

import msgspec

from mocks.timestamps import CLOCK
from model import hamlets, places, procedures
from model.dossier import Channel, State, dossier_code
from model.places import LegacyUnit
from model.workflows import Role

T = TypeVar("T")

SPLIT_SHARE = 0.25
UNTOLD_SHARE = 0.1  # of these
DISTRICT_SHARE = 0.25  # of dossiers; of officers as well
SAME_CODE_SHARE = 0.5  # of a district's dossiers that come next to one of another old province's district
DISTRICTS = "00000"  # what stands in a code for the unit, of whatever was filed with a district
ARCHIVED_SHARE = 0.6  # of those that are returned
PATHS: tuple[tuple[State, ...], ...] = (
    (State.RECEIVED, State.PROCESSING, State.DONE, State.RETURNED),
    (State.RECEIVED, State.PROCESSING, State.DONE, State.RETURNED),
    (State.RECEIVED, State.PROCESSING, State.DONE, State.RETURNED),
    (State.RECEIVED, State.PROCESSING, State.DONE),
    (State.RECEIVED, State.PROCESSING, State.MORE_PAPERS),
    (State.RECEIVED, State.FEE_DUE),
    (State.RECEIVED, State.PROCESSING, State.STOPPED),
    (State.REGISTERED,),
    (State.RECEIVED,),
    (State.REGISTERED, State.RECEIVED, State.PROCESSING),
)
LAST_DAY = datetime(2025, 6, 30, 17, 0, tzinfo=CLOCK)
DAYS = 180  # before that, in which they were taken in


class Attachment(msgspec.Struct, frozen=True):
    """A file of a dossier."""

    name: str
    content: bytes

    @property
    def hash(self) -> str:
        """The SHA-256 (hex) of its bytes."""
        return hashlib.sha256(self.content).hexdigest()


class Legacy(msgspec.Struct, frozen=True):
    """A dossier as the system of an old province had it; ``history`` is (sequence, state, occurred).

    ``legacy_commune`` and ``hamlet`` are the applicant's; ``district`` is where it was filed, empty: at the commune.
    """

    number: int
    code: str
    key: str
    province: str
    old_province: str
    legacy_commune: str
    hamlet: str
    district: str
    procedure: str
    channel: int
    hash: str
    history: list[tuple[int, int, float]]
    archived: bool
    attachments: list[Attachment]


class Account(msgspec.Struct, frozen=True):
    """An officer's account as an old province had it; ``hash`` is the SHA-256 (hex) of what else is known of them.

    ``legacy_commune`` and ``hamlet`` say where the building of their desk is; ``district`` is whose desk it was, empty:
    the commune's.
    """

    number: int
    name: str
    role: Role
    province: str
    legacy_commune: str
    hamlet: str
    district: str
    hash: str


def accounts(seed: int, province: str, count: int) -> Iterator[Account]:
    """Yield so many officers' accounts of a province, numbered from 1; the old provinces and the roles take turns."""
    return _numbered(f"{seed}:accounts:{province}", province, count, _account)


def _account(luck: random.Random, province: str, home: str, number: int) -> Account:
    unit = _unit(luck, province, home)
    district = _district(luck, unit)
    if district:
        unit = places.seat(unit)
    role = tuple(Role)[number % len(Role)]
    name = f"{role}.{home}.{unit.code}-{number}"
    return Account(number, name, role, province, unit.code, _hamlet(luck, unit), district, _hash(name, "officer"))


def made(seed: int, province: str, count: int) -> Iterator[Legacy]:
    """Yield so many legacy dossiers of a province, numbered from 1; the old provinces take turns."""
    luck = random.Random(f"{seed}:codes:{province}")
    first: Legacy | None = None
    for legacy in _numbered(f"{seed}:stock:{province}", province, count, _dossier):
        if first and _may_share_a_code(first, legacy) and luck.random() < SAME_CODE_SHARE:
            yield _under_the_code_of(first, legacy)
            first = None
        else:
            yield legacy
            first = legacy


def _may_share_a_code(one: Legacy, other: Legacy) -> bool:
    return "" not in (one.district, other.district) and one.old_province != other.old_province


def _under_the_code_of(first: Legacy, legacy: Legacy) -> Legacy:
    """Return a dossier as another old province's that was filed at the same moment, and got the same number."""
    earlier = first.history[0][2] - legacy.history[0][2]
    history = [(sequence, state, occurred + earlier) for sequence, state, occurred in legacy.history]
    return msgspec.structs.replace(legacy, code=first.code, history=history)


def _numbered(seed: str, province: str, count: int, make: Callable[[random.Random, str, str, int], T]) -> Iterator[T]:
    luck = random.Random(seed)
    homes = places.provinces()[province].formed_of
    return (make(luck, province, homes[number % len(homes)], number) for number in range(1, count + 1))


def _dossier(luck: random.Random, province: str, home: str, number: int) -> Legacy:
    unit = _unit(luck, province, home)
    district = _district(luck, unit)
    path = luck.choice(PATHS)
    began = LAST_DAY - timedelta(days=luck.uniform(20, DAYS))
    code = dossier_code("H", province, DISTRICTS if district else unit.code.zfill(5), began.date(), number)
    return Legacy(
        number,
        code,
        f"legacy-{province}-{number}",
        province,
        home,
        unit.code,
        _hamlet(luck, unit),
        district,
        luck.choice(procedures.DISTRICT if district else list(procedures.procedures())),
        (Channel.ONLINE if path[0] is State.REGISTERED else Channel.DIRECT).value,
        _hash(code, "payload"),
        _history(path, began.timestamp()),
        path[-1] is State.RETURNED and luck.random() < ARCHIVED_SHARE,
        [Attachment(f"giay-to-{n}.pdf", _content(code, n)) for n in range(1, luck.randint(1, 3) + 1)],
    )


def _unit(luck: random.Random, province: str, home: str) -> LegacyUnit:
    split, whole = _units(province, home, True), _units(province, home, False)
    return luck.choice(split if split and (not whole or luck.random() < SPLIT_SHARE) else whole)


def _district(luck: random.Random, unit: LegacyUnit) -> str:
    return unit.district if luck.random() < DISTRICT_SHARE else ""


def _hamlet(luck: random.Random, unit: LegacyUnit) -> str:
    names = list(hamlets.hamlets(unit))
    return luck.choice(names) if names and luck.random() >= UNTOLD_SHARE else ""


def _content(code: str, number: int) -> bytes:
    luck = random.Random(f"{code} attachment {number}")
    return luck.randbytes(round(2 ** luck.uniform(5, 11)))  # 32 bytes to 2 kB


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
