"""An invented population: citizens that exist nowhere else.

Personal identification numbers (số định danh cá nhân) have 12 digits and begin with the code of the province of
birth registration, 001 to 096. The ones here begin with 9, which no province's code does: none can be a living
person's. The last three digits are a hash of the others, so a number that wasn't made here is (but for one in
10,000) nobody's.
"""

import hashlib
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
    digest = _digest(stem)
    born = _FIRST_BIRTH + timedelta(days=int.from_bytes(digest[8:12]) % _BIRTH_DAYS)
    return Person(stem + _check(digest), _name(digest), f"{born:%Y%m%d}")


def find(id_number: str) -> Person | None:
    """Return the citizen with a personal identification number, None where nobody has it."""
    if len(id_number) != 12 or not (id_number.isascii() and id_number.isdigit()) or id_number[0] != "9":
        return None
    found = person(int(id_number[1:9]))
    return found if found.id_number == id_number else None


def _digest(stem: str) -> bytes:
    return hashlib.blake2b(stem.encode(), digest_size=16, person=b"thongsuot").digest()


def _check(digest: bytes) -> str:
    return f"{int.from_bytes(digest[12:]) % 1000:03d}"


def _name(digest: bytes) -> str:
    surname, middle, given = (int.from_bytes(digest[start : start + 2]) for start in (0, 2, 4))
    return " ".join(
        (_SURNAMES[surname % len(_SURNAMES)], _MIDDLES[middle % len(_MIDDLES)], _GIVEN[given % len(_GIVEN)])
    )
