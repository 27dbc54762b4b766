"""Books: what systems must have kept at the end of a run besides dossiers, and which write each entry answers.

A system that keeps one lists it at ``GET /entries``; the audit compares it with the ledger. An acknowledged write
names as ``sequence`` how many entries it made, each of another owner.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from model.links import province_system


@dataclass(frozen=True, slots=True)
class Book:
    """One kind of entry.

    Attributes:
        operation: The ledger's operation whose key an entry carries; None where entries back those of another book.
        entries: What its entries are called, for people.
        platform: The platform without which nobody keeps it; ``mobile``: the teams without which none of it is used.
        keepers: Systems that keep it; ``province`` stands for every province's.
        backing: The book in which each entry must be found again, with the same key, owner and value.
    """

    operation: str | None
    entries: str
    platform: str
    keepers: tuple[str, ...]
    backing: str | None = None


MOBILE = "mobile"
"""In a platform's place: the provinces that have mobile reception teams."""

BOOKS: dict[str, Book] = {
    "document": Book("send_document", "documents", "axis", ("axis",)),
    "reject": Book("reject_document", "rejected documents", "axis", ("axis",)),
    "mark": Book("verify", "verifications", "specialised", ("national", "province"), "receipt"),
    "receipt": Book(None, "receipts", "specialised", ("population", "specialised")),
    "call": Book("call", "hotline calls", "hotline", ("hotline",)),
    "alert": Book("alert", "alerts", "hotline", ("hotline",)),
    "report": Book("report", "reports", "reporting", ("reporting",)),
    "progress": Book("progress", "reports of progress", "tasks", ("tasks",)),
    "stub": Book("hand_out", "receipt stubs", MOBILE, ("province",)),
}
"""Every book.

``document``: one entry per recipient (owner); value: SHA-256 of the document. ``reject``: one per document that a
recipient rejected, owner: its sender. ``mark``: a dossier's verification (xác thực) by a database (owner); value: the
database's receipt number. ``receipt``: the database's own note of it. ``call``, ``alert``: owner: the province.
``report``: owner: the unit; value: SHA-256 of the report. ``progress``: of a task; owner: its unit. ``stub``: one that
a mobile team handed out (giấy tiếp nhận), as long as it leads to a dossier; owner: its number; value: SHA-256 of the
dossier's code.
"""


def keepers(
    provinces: Iterable[str], platforms: Iterable[str], mobile: Iterable[str] = ()
) -> dict[str, tuple[str, ...]]:
    """Return system -> the books that it keeps, in a stack of these provinces, platforms and mobile teams."""
    of_platform = dict.fromkeys(platforms, tuple(provinces)) | {MOBILE: tuple(mobile)}
    found: dict[str, tuple[str, ...]] = {}
    for name, book in BOOKS.items():
        if book.platform in of_platform:
            for keeper in book.keepers:
                codes = of_platform[book.platform]
                for system in map(province_system, codes) if keeper == "province" else (keeper,):
                    found[system] = (*found.get(system, ()), name)
    return found


def content_hash(content: Mapping[str, object]) -> str:
    """Return the SHA-256 (hex) of a document or report: of its canonical JSON, keys sorted."""
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()
