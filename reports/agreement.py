"""Two roads to the same figures: what a Prometheus says of a run (``prometheus.json``) beside what the record says.

A figure agrees when it is within 1 % of the record's, and rests on as many samples within 1 %. One that doesn't makes
the verdict inconclusive: one of the two roads is wrong, and nobody knows which.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from model.plan import Objective
from model.record import Record, RecordError
from reports import shares
from reports.indicators import INDICATORS
from reports.outcome import number
from reports.selection import Evidence

FILE = "prometheus.json"
TOLERANCE = 0.01
"""Share of the larger of two figures by which they may differ."""

Values = dict[str, float | None]
"""Province, or empty for the nation -> figure; None: no samples."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One objective, asked of one source.

    Attributes:
        objective: Its name.
        query: The expression.
        values: What came back.
        samples: How many samples each rests on; empty where that wasn't asked.
        unsaid: Why it wasn't asked; empty: it was.
    """

    objective: str
    query: str = ""
    values: Values = {}
    samples: Values = {}
    unsaid: str = ""


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """What one source said.

    Attributes:
        source: ``metrics.om`` or ``live``.
        objectives: In the plan's order.
    """

    source: str
    objectives: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """One objective of one source beside the record.

    Attributes:
        objective: Its name.
        source: ``metrics.om`` or ``live``.
        figures: How many were compared.
        differences: What disagrees, a sentence each.
        unsaid: Why nothing was compared; empty: something was.
    """

    objective: str
    source: str
    figures: int
    differences: tuple[str, ...]
    unsaid: str = ""


def read(record: Record) -> tuple[Answers, ...] | None:
    """Read ``prometheus.json``; None where no Prometheus was asked; raises RecordError."""
    path = record.path(FILE)
    if not path.exists():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[Answers, ...])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: not what a Prometheus said ({error}); remove it and judge again") from None


def compare(record: Record, evidence: Evidence) -> tuple[Compared, ...]:
    """Put what a Prometheus said beside the record; needs the audit's tables; raises RecordError."""
    objectives = {objective.name: objective for objective in evidence.plan.objectives}
    return tuple(
        _compared(objectives[asked.objective], asked, answers.source, evidence)
        for answers in read(record) or ()
        for asked in answers.objectives
        if asked.objective in objectives
    )


def doubts(record: Record, evidence: Evidence) -> Iterator[str]:
    """Yield why what a Prometheus said makes the verdict inconclusive."""
    if read(record) == ():
        yield "prometheus: it holds no series of this run"
    for compared in compare(record, evidence):
        for difference in compared.differences[:3]:
            yield f"prometheus ({compared.source}): {compared.objective}: {difference}"


def _compared(objective: Objective, asked: Asked, source: str, evidence: Evidence) -> Compared:
    if asked.unsaid:
        return Compared(objective.name, source, 0, (), asked.unsaid)
    values, samples = figures(objective, evidence)
    differences = [*_differences(values, asked.values, "")]
    if asked.samples:
        differences += _differences(samples, asked.samples, "samples: ")
    return Compared(objective.name, source, len(values), tuple(differences))


def _differences(ours: Mapping[str, float | None], theirs: Mapping[str, float | None], what: str) -> Iterator[str]:
    for place in sorted({*ours, *theirs}):
        mine, other = ours.get(place), theirs.get(place)
        if not agree(mine, other):
            where = f"province {place}: " if place else ""
            yield f"{where}{what}the record says {_said(mine)}, PromQL says {_said(other)}"


def _said(value: float | None) -> str:
    return "nothing" if value is None else number(value)


def agree(mine: float | None, other: float | None) -> bool:
    """Tell whether two figures are within ``TOLERANCE``; a record that says nothing agrees with nothing and with 0."""
    if mine is None or other is None:
        return mine is None and not other
    return abs(mine - other) <= TOLERANCE * max(abs(mine), abs(other))


def figures(objective: Objective, evidence: Evidence) -> tuple[Values, Values]:
    """Return the record's figures of an objective and the samples that they rest on, by place.

    Of a quantile, the figure is the share within the target, by which it is judged.
    """
    if objective.indicator in shares.COUNTED:
        found = shares.counted(objective, evidence)
        return (
            {place: share.clusters.good / share.clusters.total for place, share in found.items()},
            {place: float(share.clusters.total) for place, share in found.items()},
        )
    outcomes = INDICATORS[objective.indicator](objective, evidence)
    values: Values = {outcome.place or "": outcome.observed for outcome in outcomes}
    return values, {}
