"""An invented population: citizens that exist nowhere else.

Personal identification numbers (số định danh cá nhân) have 12 digits and begin with the code of the province of
birth registration, 001 to 096. The ones here begin with 9, which no province's code does: none can be a living
person's. The last three digits are a hash of the others, so a number that wasn't made here is (but for one in
10,000) nobody's.
"""

import hashlib
import struct
from dataclasses import dataclass
from datetime import date, timedelta

POPULATION = 100_000_000
"""Invented people: numbers 0 to POPULATION - 1."""

_SURNAMES = (
    *("Nguyễn",) * 8, *("Trần",) * 3, *("Lê",) * 3, *("Phạm",) * 2, "Hoàng", "Huỳnh", "Phan", "Vũ", "Võ", "Đặng",
    "Bùi", "Đỗ", "Hồ", "Ngô", "Dương", "Lý", "Nông", "Vàng",
)  # fmt: skip
_MIDDLES = ("Văn", "Thị", "Minh", "Ngọc", "Thanh", "Đức", "Thu", "Quang", "Hữu", "Kim", "Xuân", "Hoài")
_GIVEN = (
    "An", "Anh", "Bình", "Chi", "Cường", "Dung", "Dũng", "Đạt", "Giang", "Hà", "Hải", "Hạnh", "Hiếu", "Hoa", "Hùng",
    "Hương", "Khánh", "Lan", "Linh", "Long", "Mai", "Nam", "Nga", "Nhung", "Phúc", "Phượng", "Quân", "Quỳnh", "Sơn",
    "Tâm", "Thảo", "Thắng", "Trang", "Tuấn", "Tùng", "Uyên", "Việt", "Vy", "Yến",
)  # fmt: skip
_FIRST_BIRTH = date(1945, 1, 1)
_BIRTH_DAYS = 22_645  # to 31 December 2006: all are of age on 1 July 2025
_DIGEST = struct.Struct(">HHHxxII")  # surname, middle name, given name, day of birth, check digits


@dataclass(frozen=True, slots=True)
class Person:
    """An invented citizen.

    Attributes:
        id_number: 12 digits (SoDinhDanh).
        name: Full name (HoVaTen).
        birth_date: ``yyyyMMdd`` (NgayThangNamSinh).
    """

    id_number: str
    name: str
    birth_date: str


def person(number: int) -> Person:
    """Return the citizen with a number from 0 to ``POPULATION - 1``, always the same; raises ValueError beyond."""
    if not 0 <= number < POPULATION:
        raise ValueError(f"person {number}: numbers run from 0 to {POPULATION - 1}")
    stem = f"9{number:08d}"
    surname, middle, given, day, check = _DIGEST.unpack(_digest(stem))
    name = f"{_pick(_SURNAMES, surname)} {_pick(_MIDDLES, middle)} {_pick(_GIVEN, given)}"
    born = _FIRST_BIRTH + timedelta(days=day % _BIRTH_DAYS)
    return Person(f"{stem}{check % 1000:03d}", name, born.isoformat().replace("-", ""))


def find(id_number: str) -> Person | None:
    """Return the citizen with a personal identification number, None where nobody has it."""
    if len(id_number) != 12 or not (id_number.isascii() and id_number.isdigit()) or id_number[0] != "9":
        return None
    found = person(int(id_number[1:9]))
    return found if found.id_number == id_number else None


def _digest(stem: str) -> bytes:
    return hashlib.blake2b(stem.encode(), digest_size=16, person=b"thongsuot").digest()


def _pick(names: tuple[str, ...], number: int) -> str:
    return names[number % len(names)]
