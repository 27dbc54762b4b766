"""The books besides dossiers as the reports show them: documents, verifications, calls, alerts, reports."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from model.books import BOOKS
from reports.facts import EntryFinding, Facts


@dataclass(frozen=True, slots=True)
class BookRow:
    """What became of the entries of one book.

    Attributes:
        entries: What its entries are called.
        acknowledged: Writes that were acknowledged.
        verdict: ``pass``, ``fail`` or ``inconclusive``.
        said: How many of which category, or why the book proves nothing; empty where it is as it must be.
        findings: What is wrong, entry by entry.
    """

    entries: str
    acknowledged: int
    verdict: str
    said: str
    findings: tuple[EntryFinding, ...]


def book_rows(facts: Facts) -> Iterator[BookRow]:
    """Yield the books in which something was written or found, in the order of ``model.books.BOOKS``."""
    if facts.audit is None:
        return
    told = facts.audit.entries
    for name, book in BOOKS.items():
        findings = tuple(finding for finding in told.findings if finding.book == name)
        acknowledged = told.acknowledged.get(name, 0)
        if acknowledged or findings:
            verdict, said = _judged(findings, told.unread.get(name, 0), told.unread_systems)
            yield BookRow(book.entries, acknowledged, verdict, said, findings)


def _judged(findings: tuple[EntryFinding, ...], unread: int, unread_systems: tuple[str, ...]) -> tuple[str, str]:
    if findings:
        counts = Counter(finding.category for finding in findings)
        return "fail", ", ".join(f"{count} {category}" for category, count in counts.items())
    if unread:
        return "inconclusive", f"{unread} couldn't be looked up"
    if unread_systems:
        return "inconclusive", f"{len(unread_systems)} systems' books weren't read completely, twice"
    return "pass", ""
