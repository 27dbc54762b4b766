"""The table of administrative units (bảng mã đơn vị hành chính): versions, their seals, and what a code stands for.

A code alone can be ambiguous: 3,316 codes of before 1 July 2025 are those of a commune of today as well, and of 151 of
them only a part went to that commune. So a look-up says which day's code it is about.
"""

import hashlib
import hmac
from collections.abc import Sequence
from functools import cache
from typing import Annotated, Literal

import msgspec

from mocks.messages import shared_secret
from mocks.wire import Body
from model import announced as announcement
from model import hamlets, places

VALID_FROM = "2025-07-01"
ANNOUNCED = "2025-06-25"  # day by which the codes are announced [S1]
Day = Annotated[str, msgspec.Meta(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$", max_length=10)]
Status = Literal["current", "mapped", "split", "unknown"]
Row = tuple[str, ...]
"""Communes of today that a code stands for, the default first; none: nobody has it."""


class Table(msgspec.Struct, frozen=True):
    """One version of the table.

    Attributes:
        version: Its name.
        valid_from: Day from which on its current codes are valid.
        current: Commune code -> province code.
        legacy: Code of before -> codes of its successors, the default first.
        names: Commune code -> its name, kind included.
    """

    version: str
    valid_from: str
    current: dict[str, str]
    legacy: dict[str, Row]
    names: dict[str, str]


class Seal(msgspec.Struct, frozen=True):
    """What tells the registered version: SHA-256 of its bytes, and the register's signature (HMAC-SHA-256) of that."""

    version: str
    valid_from: str
    checksum: str
    signature: str


class Versions(msgspec.Struct):
    """The registered versions, the newest last."""

    items: list[Seal]


class Candidate(msgspec.Struct):
    """A successor of a split unit, with the hamlets that it took over."""

    code: str
    name: str
    hamlets: list[str]


class Unit(msgspec.Struct):
    """What a code stands for, by one copy of the table; ``verified``: the copy is what was registered.

    ``name`` is that of the commune where the code is one of today, else empty.
    """

    code: str
    status: Status
    successors: list[str]
    candidates: list[Candidate]
    version: str
    verified: bool = True
    name: str = ""


class Mapping(msgspec.Struct):
    """What an old code stands for, by one copy of the table, right or wrong."""

    code: str
    successors: list[str]


class Mappings(msgspec.Struct):
    """Old codes in their order; ``next`` is null at the end."""

    items: list[Mapping]
    next: str | None


class After(Body):
    """Query of the listing of old codes: the code after which to go on, how many at most."""

    after: Annotated[str, msgspec.Meta(pattern="^[0-9]*$", max_length=5)] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100


class OnDay(Body):
    """Query of a look-up: the day on which the code was written, this day where it isn't given."""

    valid_on: Day = "9999-12-31"


@cache
def official() -> Table:
    """Return the version of 1 July 2025."""
    current = {code: commune.province for code, commune in places.communes().items()}
    legacy = {code: unit.successors for code, unit in places.legacy().items()}
    return Table(VALID_FROM, VALID_FROM, current, legacy, dict(announcement.in_force()))


@cache
def announced() -> Table:
    """Return the version that was announced beforehand: some names were corrected later [A]."""
    names = {**announcement.in_force(), **announcement.corrected()}
    return msgspec.structs.replace(official(), version=ANNOUNCED, names=names)


@cache
def official_bytes() -> bytes:
    """Return the official version as it goes over the wire."""
    return msgspec.json.encode(official(), order="sorted")


@cache
def official_seal() -> Seal:
    """Return the seal of the official version."""
    return _sealed(VALID_FROM, official_bytes())


@cache
def announced_bytes() -> bytes:
    """Return the announced version as it goes over the wire."""
    return msgspec.json.encode(announced(), order="sorted")


@cache
def announced_seal() -> Seal:
    """Return the seal of the announced version."""
    return _sealed(ANNOUNCED, announced_bytes())


def _sealed(version: str, body: bytes) -> Seal:
    checksum = hashlib.sha256(body).hexdigest()
    return Seal(version, VALID_FROM, checksum, sign(checksum))


def sign(checksum: str) -> str:
    """Return the register's signature of a checksum."""
    return hmac.new(shared_secret("codes").encode(), checksum.encode(), hashlib.sha256).hexdigest()


def opened(body: bytes, seal: Seal) -> Table | None:
    """Return the table of these bytes; None where they aren't what the seal's signer sealed."""
    genuine = hmac.compare_digest(seal.signature, sign(seal.checksum))
    if not genuine or hashlib.sha256(body).hexdigest() != seal.checksum:
        return None
    return msgspec.json.decode(body, type=Table)


def row_of(table: Table, code: str, old: bool) -> Row:
    """Return what a code stands for: one of today, or one of before."""
    return table.legacy.get(code, ()) if old else (code,) * (code in table.current)


def is_old(table: Table, code: str, valid_on: str) -> bool:
    """Tell whether a code written on a day is one of before: by its day, or because nobody has it today."""
    return valid_on < table.valid_from or code not in table.current


def digest(code: str, old: bool, row: Sequence[str]) -> bytes:
    """Return what tells a row of the table from any other."""
    return hashlib.blake2b(f"{code}:{old}:{' '.join(row)}".encode(), digest_size=16).digest()


def name_of(table: Table, code: str, old: bool) -> str:
    """Return the name of a commune of today; empty for a code of before, and for one that nobody has."""
    return "" if old else table.names.get(code, "")


def status_of(code: str, row: Row) -> Status:
    """Say what became of a code."""
    if not row:
        return "unknown"
    if len(row) > 1:
        return "split"
    return "current" if row == (code,) else "mapped"


def candidates(code: str, row: Row) -> list[Candidate]:
    """Return the successors of a split unit, as people choose among them."""
    if len(row) < 2:
        return []
    unit, known = places.legacy()[code], places.communes()
    named = hamlets.hamlets(unit)
    return [
        Candidate(one, known[one].name if one in known else "", [h for h, where in named.items() if where == one])
        for one in row
    ]
