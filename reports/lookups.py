"""The audit of external systems: acknowledged dossiers, all or a sample of them, looked up once each after the load.

What nobody asks for can't be seen: phantoms, misrouted dossiers and histories aren't judged. A sample of n without a
loss bounds the share that is lost: at 95 % confidence at most 1 - 0.05^(1/n), the exact binomial bound (Clopper and
Pearson, Biometrika 26, 1934), about 3/n. It is drawn without replacement, which only makes the bound safer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from model.targets import Targets
from reports import classify
from reports.audit import FAILURES, Audit, Finding, SyncLag
from reports.screen import CREATIONS, TOLD
from reports.statistics import Verdict, share_bounds

if TYPE_CHECKING:
    import duckdb

STAGES = f"""
CREATE TEMP TABLE wanted AS
SELECT
    coalesce(key, '') AS key,
    min(province) AS province,
    min(commune) AS commune,
    min(dossier) FILTER (event = 'ok') AS code,
    count(DISTINCT dossier) FILTER (event = 'ok') AS codes,
    {TOLD}
FROM ledger
WHERE operation IN {CREATIONS}
GROUP BY ALL;
"""

COUNTS = """
SELECT
    count(*), count(*) FILTER (acknowledged), count(*) FILTER (refused),
    count(*) FILTER (NOT acknowledged AND NOT refused)
FROM wanted
"""

FINDINGS: dict[str, str] = {
    "lost": "SELECT code, key, province, commune, 'not found by its look-up: ' || detail FROM lookups "
    "WHERE result = 'absent'",
    "duplicated": """
        SELECT code, key, province, commune, 'one key was acknowledged with ' || codes || ' codes'
        FROM wanted WHERE codes > 1
        UNION ALL
        SELECT code, key, province, commune, 'acknowledged for several keys'
        FROM wanted SEMI JOIN (SELECT code FROM wanted WHERE acknowledged GROUP BY code HAVING count(*) > 1) twice
            ON twice.code = wanted.code
        """,
    "divergent": "SELECT code, key, province, commune, detail FROM lookups WHERE result = 'differs'",
}
"""Category -> code, key, province, commune, detail."""

RESULTS = "SELECT coalesce(result, 'unread'), count(*) FROM lookups GROUP BY ALL"


@dataclass(frozen=True, slots=True)
class LookUps:
    """What the look-ups showed.

    Attributes:
        mode: ``all``, ``sample`` or ``none``.
        acknowledged: Dossiers that the systems acknowledged.
        chosen: Of these, dossiers that were to be looked up.
        answered: Look-ups that told whether the dossier is there.
        bad: Of these, dossiers that are lost or other than they should be.
        bound: Share of all acknowledged dossiers that is lost or other, at most, at 95 % confidence.
        at_most: What ``bound`` must not be above.
        reason: Why the look-ups ended early; empty where they didn't.
    """

    mode: str
    acknowledged: int
    chosen: int
    answered: int
    bad: int
    bound: float
    at_most: float
    reason: str

    @property
    def sentence(self) -> str:
        """What can be said of the dossiers, and how surely."""
        if not self.acknowledged:
            return "integrity wasn't asked: no journey created a dossier"
        if self.mode == "none":
            return "integrity wasn't asked: the targets file has no look-up"
        shown = f"{self.answered} of {self.acknowledged} acknowledged dossiers were looked up, {self.bad} lost or other"
        if self.answered == self.acknowledged:
            return shown
        sure = f"at 95 % confidence at most {_percent(self.bound)} of all are"
        return f"{shown}: {sure} (exact binomial bound, sampled)"


def _percent(share: float) -> str:
    """Write a share in percent, rounded up: a bound must not look better than it is."""
    return f"{min(-(-share * 1000 // 1) / 10, 100.0):g} %"


def audit(database: duckdb.DuckDBPyConnection) -> Audit:
    """Classify what was looked up, of a record opened with ``tables.opened``."""
    database.execute(STAGES)
    ((attempted, acknowledged, refused, unknown),) = database.execute(COUNTS).fetchall()
    found = _results(database)
    findings = tuple(
        Finding(category, *("" if cell is None else str(cell) for cell in row))
        for category, query in FINDINGS.items()
        for row in database.execute(f"SELECT DISTINCT * FROM ({query}) ORDER BY ALL").fetchall()
    )
    codes = {
        category: tuple(sorted({finding.code for finding in findings if finding.category == category}))
        for category in classify.CATEGORIES
    }
    read = found.get("found", 0) + found.get("differs", 0)
    counts = {
        "attempted": attempted,
        "acknowledged": acknowledged,
        "refused": refused,
        "unknown": unknown,
        "read": read,
        "unread": found.get("unread", 0),
    }
    counts |= {category: len(listed) for category, listed in codes.items()}
    return Audit(counts, codes, findings, SyncLag(None, None, None, None, 0), ())


def _results(database: duckdb.DuckDBPyConnection) -> dict[str, int]:
    return {str(result): int(count) for result, count in database.execute(RESULTS).fetchall()}


def look_ups(database: duckdb.DuckDBPyConnection, targets: Targets, events: Sequence[Mapping[str, Any]]) -> LookUps:
    """Sum the look-ups up."""
    ended = [event for event in events if event["event"] == "lookups_finished"]
    told: Mapping[str, Any] = ended[-1] if ended else {}
    found = _results(database)
    ((acknowledged,),) = database.execute(
        f"SELECT count(DISTINCT key) FROM ledger WHERE operation IN {CREATIONS} AND event = 'ok'"
    ).fetchall()
    bad = found.get("absent", 0) + found.get("differs", 0)
    answered = bad + found.get("found", 0)
    return LookUps(
        mode=targets.audit.mode,
        acknowledged=acknowledged,
        chosen=int(told.get("chosen") or 0),
        answered=answered,
        bad=bad,
        bound=share_bounds(bad, answered).high,
        at_most=targets.audit.at_most,
        reason=str(told.get("reason", "they were never begun")),
    )


def integrity(audited: Audit, found: LookUps) -> Iterator[tuple[Verdict, str]]:
    """Yield what keeps the dossiers from passing."""
    for category in FAILURES:
        codes = audited.codes[category]
        if codes:
            named = ", ".join(codes[:5]) + (", …" if len(codes) > 5 else "")
            yield "fail", f"integrity: {len(codes)} dossier{'s' * (len(codes) > 1)} {category}: {named}"
    if audited.counts["attempted"] and not found.acknowledged:
        yield "inconclusive", "audit: no dossier was acknowledged, so none was put to the test"
    if not found.acknowledged:
        return
    if found.mode == "none":
        yield "inconclusive", found.sentence
    elif found.answered < found.chosen or found.reason or not found.chosen:
        why = f" ({found.reason})" if found.reason else ""
        yield "inconclusive", f"audit: {found.answered} of {found.chosen} look-ups told anything{why}; see lookups"
    elif found.answered < found.acknowledged and not found.bad and found.bound > found.at_most:
        limit = _percent(found.at_most)
        yield "inconclusive", f"audit: {found.sentence}; {limit} must be ruled out, raise audit.number"
