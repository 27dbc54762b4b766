"""Provinces, communes and the units they came from.

Since 1 July 2025 there are 34 provinces and centrally run cities (tỉnh, thành phố) and 3,321 communes: xã, phường
(wards) and đặc khu (special zones). Codes identify a unit, names don't: eight provinces have two communes whose
names differ only in their marks. The data are an extract of the package vietnamadminunits, see data/NOTICE.
"""

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Province:
    """A province or centrally run city.

    Attributes:
        code: Two digits: ``01``.
        name: Without its kind: ``Hà Nội``.
        kind: ``tỉnh`` or ``thành phố``.
        communes: How many communes it has.
        formed_of: The old provinces that it was formed of, by name.
    """

    code: str
    name: str
    kind: str
    communes: int
    formed_of: tuple[str, ...]

    @property
    def merged(self) -> bool:
        """Whether it was formed of several old provinces."""
        return len(self.formed_of) > 1


@dataclass(frozen=True, slots=True)
class Commune:
    """A commune.

    Attributes:
        code: Five digits: ``00004``.
        name: Without its kind: ``Ba Đình``.
        kind: ``xã``, ``phường`` or ``đặc khu``.
        province: Its province's code.
    """

    code: str
    name: str
    kind: str
    province: str


@dataclass(frozen=True, slots=True)
class LegacyUnit:
    """A commune as it was until 30 June 2025, or one of five island districts that had none.

    Attributes:
        code: Five digits; three, the district's, for an island district.
        name: With its kind: ``Phường Phúc Xá``.
        district: With its kind: ``Quận Ba Đình``.
        province: The old province's name.
        successors: Codes of the communes that took it over, the default first; several where it was split.
    """

    code: str
    name: str
    district: str
    province: str
    successors: tuple[str, ...]

    @property
    def default(self) -> str:
        """The successor to take when the old code is all that is known."""
        return self.successors[0]


@cache
def provinces() -> Mapping[str, Province]:
    """Return the 34 provinces by code, in the order of codes."""
    return MappingProxyType(
        {
            code: Province(code, name, kind, int(communes), tuple(formed_of.split(";")))
            for code, name, kind, communes, formed_of in _rows("provinces.csv")
        }
    )


@cache
def communes() -> Mapping[str, Commune]:
    """Return the 3,321 communes by code, in the order of codes."""
    return MappingProxyType({row[0]: Commune(*row) for row in _rows("communes.csv")})


def communes_of(province: str) -> tuple[Commune, ...]:
    """Return a province's communes in the order of codes; raises KeyError for a code that isn't a province's."""
    return _by_province()[province]


@cache
def legacy() -> Mapping[str, LegacyUnit]:
    """Return the 10,040 units of before 1 July 2025 by code."""
    return MappingProxyType(
        {
            code: LegacyUnit(code, name, district, province, tuple(successors.split()))
            for code, name, district, province, successors in _rows("legacy.csv")
        }
    )


def successors(legacy_code: str) -> LegacyUnit | None:
    """Return the old unit with a code, and so its successors; None where no unit had it."""
    return legacy().get(legacy_code)


def predecessors(commune: str) -> tuple[LegacyUnit, ...]:
    """Return the old units that a commune took over, whole or in part, in the order of codes."""
    return _by_successor().get(commune, ())


def seat(unit: LegacyUnit) -> LegacyUnit:
    """Return the unit in which the seat of a unit's district was: its first one by code [A]."""
    return _by_district()[unit.province, unit.district][0]


@cache
def _by_district() -> Mapping[tuple[str, str], tuple[LegacyUnit, ...]]:
    grouped: dict[tuple[str, str], list[LegacyUnit]] = defaultdict(list)
    for unit in legacy().values():
        grouped[unit.province, unit.district].append(unit)
    return {district: tuple(found) for district, found in grouped.items()}


@cache
def _by_successor() -> Mapping[str, tuple[LegacyUnit, ...]]:
    grouped: dict[str, list[LegacyUnit]] = defaultdict(list)
    for unit in legacy().values():
        for successor in unit.successors:
            grouped[successor].append(unit)
    return {code: tuple(found) for code, found in grouped.items()}


@cache
def _by_province() -> Mapping[str, tuple[Commune, ...]]:
    grouped: dict[str, list[Commune]] = defaultdict(list)
    for commune in communes().values():
        grouped[commune.province].append(commune)
    return {code: tuple(found) for code, found in grouped.items()}


def _rows(name: str) -> Iterator[list[str]]:
    text = files("model").joinpath("data", name).read_text(encoding="utf-8")
    rows = csv.reader(text.splitlines())
    next(rows)
    return rows
