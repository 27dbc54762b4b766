"""Invented organisations, with VNeID accounts of their own: businesses that exist nowhere else.

Tax codes (mã số thuế), which identify an organisation, have 10 digits and begin with the number of a tax office. The
ones here begin with 99, which no office has. The last three digits are a hash of the others, as in ``model.people``.
"""

import hashlib
from dataclasses import dataclass

ORGANISATIONS = 100_000
"""Invented organisations: numbers 0 to ORGANISATIONS - 1."""

_KINDS = ("Công ty TNHH", "Công ty cổ phần", "Hộ kinh doanh", "Hợp tác xã")
_NAMES = (
    "An Phát", "Bình Minh", "Đại Thành", "Hòa Bình", "Hưng Thịnh", "Minh Quân", "Phú Quý", "Sao Mai", "Tân Tiến",
    "Thành Công", "Thịnh Vượng", "Việt Hưng",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Organisation:
    """An invented organisation.

    Attributes:
        id_number: 10 digits (mã số thuế).
        name: Its name.
    """

    id_number: str
    name: str


def organisation(number: int) -> Organisation:
    """Return the organisation with a number from 0 to ``ORGANISATIONS - 1``; raises ValueError beyond."""
    if not 0 <= number < ORGANISATIONS:
        raise ValueError(f"organisation {number}: numbers run from 0 to {ORGANISATIONS - 1}")
    stem = f"99{number:05d}"
    digest = hashlib.blake2b(stem.encode(), digest_size=8, person=b"organisation").digest()
    kind, name = _KINDS[digest[0] % len(_KINDS)], _NAMES[digest[1] % len(_NAMES)]
    return Organisation(f"{stem}{int.from_bytes(digest[2:]) % 1000:03d}", f"{kind} {name} {number}")


def find(id_number: str) -> Organisation | None:
    """Return the organisation with a tax code, None where nobody has it."""
    if len(id_number) != 10 or not (id_number.isascii() and id_number.isdigit()) or not id_number.startswith("99"):
        return None
    found = organisation(int(id_number[2:7]))
    return found if found.id_number == id_number else None
