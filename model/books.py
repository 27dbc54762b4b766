"""Books: what systems must have kept at the end of a run besides dossiers, and which write each entry answers.

A system that keeps one lists it at ``GET /entries``; the audit compares it with the ledger. An acknowledged write
names as ``sequence`` how many entries it made, each of another owner.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from model.links import SHARED_SYSTEMS, province_system


@dataclass(frozen=True, slots=True)
class Book:
    """One kind of entry.

    Attributes:
        operation: The ledger's operation that an entry answers; None where entries back those of another book. Where a
            system hands the write on to another one, the key is its ``request_id`` in both.
        entries: What its entries are called, for people.
        platform: The system without which nobody keeps it; ``mobile``: the teams without which none of it is used.
        keepers: Systems that keep it; ``province`` stands for every province's.
        backing: The book in which each entry must be found again, with the same key, owner and value.
        of_dossiers: Whether an entry carries the dossier's code, and not the key of the write.
        returns: The book whose entries come back to who sent them: the write names the sent one's key as its dossier.
    """

    operation: str | None
    entries: str
    platform: str
    keepers: tuple[str, ...]
    backing: str | None = None
    of_dossiers: bool = False
    returns: str | None = None


MOBILE = "mobile"
"""In a platform's place: the provinces that have mobile reception teams."""

PAYMENT = "payment"
"""The book of payments, the system that they are made at, and its own name as an owner."""
PROBE = "probe-"
"""How the keys begin of what the proof of a fault leaves behind: no entries of a campaign."""

BOOKS: dict[str, Book] = {
    "document": Book("send_document", "documents", "axis", ("axis",)),
    "reject": Book("reject_document", "rejected documents", "axis", ("axis",), returns="document"),
    "mark": Book("verify", "verifications", "specialised", ("national", "province"), "receipt"),
    "receipt": Book(None, "receipts", "specialised", ("population", "specialised")),
    "call": Book("call", "hotline calls", "hotline", ("hotline",)),
    "alert": Book("alert", "alerts", "hotline", ("hotline",)),
    "report": Book("report", "reports", "reporting", ("reporting",)),
    "progress": Book("progress", "reports of progress", "tasks", ("tasks",)),
    "stub": Book("hand_out", "receipt stubs", MOBILE, ("province",)),
    PAYMENT: Book("pay", "payments", PAYMENT, (PAYMENT, "national", "province"), of_dossiers=True),
}
"""Every book.

``document``: one entry per recipient (owner); value: SHA-256 of what it says (``edxml.Envelope.meaning``).
``reject``: one per document that a recipient rejected, owner: its sender; value: SHA-256 of ``{"Reason": …}``.
``mark``: a dossier's verification (xác thực) by a database (owner); value: the database's receipt number.
``receipt``: the database's own note of it.
``call``, ``alert``: owner: the province. ``report``: owner: the unit; value: SHA-256 of the report. ``progress``: of a
task; owner: its unit. ``stub``: one that a mobile team handed out (giấy tiếp nhận), as long as it leads to a dossier;
owner: its number; value: SHA-256 of the dossier's code.
``payment``: a dossier's fee (lệ phí) that was paid; owner: the system that says
so: the platform, the portal and the province, each of them once; value: the amount in VND.
"""


def keepers(
    provinces: Iterable[str], platforms: Iterable[str], mobile: Iterable[str] = ()
) -> dict[str, tuple[str, ...]]:
    """Return system -> the books that it keeps, in a stack of these provinces, platforms and mobile teams."""
    of_platform = dict.fromkeys((*SHARED_SYSTEMS, *platforms), tuple(provinces)) | {MOBILE: tuple(mobile)}
    found: dict[str, tuple[str, ...]] = {}
    for name, book in BOOKS.items():
        if book.platform in of_platform:
            for keeper in book.keepers:
                codes = of_platform[book.platform]
                for system in map(province_system, codes) if keeper == "province" else (keeper,):
                    found[system] = (*found.get(system, ()), name)
    return found


def request_id(system: str, account: str, key: str) -> str:
    """Return the name under which an account's keyed write goes on to a system that many share: nobody else has it.

    It is no longer than an idempotency key may be, and doesn't tell whose account it is.
    """
    return f"{system}:{hashlib.blake2b(f'{account}:{key}'.encode(), digest_size=16).hexdigest()}"


def content_hash(content: Mapping[str, object]) -> str:
    """Return the SHA-256 (hex) of a document or report: of its canonical JSON, keys sorted."""
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()
