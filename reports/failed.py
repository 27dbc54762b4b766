"""What failed, by name: what a campaign's ``weaknesses`` must be seen by, and what a gate may look for."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from model.books import BOOKS
from reports.alerts import AlertResult
from reports.audit import FAILURES, Audit
from reports.entries import CATEGORIES, Entries

CHECKS = frozenset({*FAILURES, *(f"{book}: {category}" for book in BOOKS for category in CATEGORIES), "alerts"})
"""What can fail besides objectives: categories of dossiers, categories of books, alerts."""


class Judged(Protocol):
    """An objective with its verdict."""

    @property
    def name(self) -> str:
        """The objective's name."""

    @property
    def verdict(self) -> str:
        """``pass``, ``fail`` or ``inconclusive``."""


def failed_checks(
    objectives: Sequence[Judged], audited: Audit, entries: Entries, alerts: Sequence[AlertResult]
) -> Iterator[str]:
    """Yield the names of objectives, and those of ``CHECKS``, that failed."""
    yield from (objective.name for objective in objectives if objective.verdict == "fail")
    yield from (category for category in FAILURES if audited.codes[category])
    for book in BOOKS:
        yield from (f"{book}: {category}" for category in CATEGORIES if entries.keys(category, book))
    if any(alert.verdict == "fail" for alert in alerts):
        yield "alerts"
