"""Which series express an objective: the one table that rules, queries and dashboards are written from.

A share is ``good / total`` of two counters. The load's series come from the conductor while a run goes on, and from
``metrics.om`` afterwards: the same names, the same labels.
"""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace

from model.plan import Objective
from reports.shares import DEFAULT_QUANTILE
from reports.thresholds import edge


@dataclass(frozen=True, slots=True)
class Selector:
    """A PromQL vector selector.

    Attributes:
        metric: Name of the metric.
        matchers: Label matchers, written out.
    """

    metric: str
    matchers: tuple[str, ...] = ()

    def where(self, *matchers: str) -> "Selector":
        """Return it with further matchers; empty ones don't count."""
        return replace(self, matchers=(*self.matchers, *filter(None, matchers)))

    def __str__(self) -> str:
        return f"{self.metric}{{{','.join(self.matchers)}}}" if self.matchers else self.metric


@dataclass(frozen=True, slots=True)
class Ratio:
    """A share as two counters.

    Attributes:
        good: What counts for it.
        total: Everything.
        required: Share that must be reached.
    """

    good: Selector
    total: Selector
    required: float


def quoted(text: str) -> str:
    """Write a PromQL string."""
    return '"' + text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") + '"'


def one_of(label: str, values: Iterable[str]) -> str:
    """Write the matcher of a label that has one of these values; without any, none is needed."""
    return _matcher(label, "=", "=~", values)


def none_of(label: str, values: Iterable[str]) -> str:
    """Write the matcher of a label that has none of these values."""
    return _matcher(label, "!=", "!~", values)


def _matcher(label: str, plain: str, pattern: str, values: Iterable[str]) -> str:
    chosen = sorted(values)
    if len(chosen) == 1:
        return f"{label}{plain}{quoted(chosen[0])}"
    return f"{label}{pattern}{quoted('|'.join(map(re.escape, chosen)))}" if chosen else ""


def scope(objective: Objective) -> tuple[str, str]:
    """Return the matchers of an objective's provinces and operations."""
    return one_of("province", objective.provinces), one_of("operation", objective.operations)


def ratio(objective: Objective, touched: Collection[str] = ()) -> Ratio | None:
    """Return the share that decides an objective; None where none does.

    Args:
        objective: Of the campaign.
        touched: Provinces that a fault of the campaign touches: isolation is about the others.
    """
    make = RATIOS.get(objective.indicator)
    return make(objective, touched) if make else None


def refusals(objective: Objective) -> Selector:
    """Return the counter of writes refused because of the reorganisation."""
    return Selector("thongsuot_refusals_total").where(*scope(objective))


def _availability(objective: Objective, _: Collection[str]) -> Ratio:
    total = Selector("thongsuot_requests_total").where(*scope(objective))
    return Ratio(total.where('outcome="ok"'), total, objective.target)


def _isolation(objective: Objective, touched: Collection[str]) -> Ratio:
    shares = _availability(objective, touched)
    others = none_of("province", touched)
    return Ratio(shares.good.where(others), shares.total.where(others), objective.target)


def _response_time(objective: Objective, _: Collection[str]) -> Ratio:
    within = Selector("thongsuot_requests_within_total").where(
        *scope(objective), f"seconds={quoted(edge(objective.target))}"
    )
    total = Selector("thongsuot_requests_total").where(*scope(objective))
    return Ratio(within, total, objective.quantile or DEFAULT_QUANTILE)


def _sync_lag(objective: Objective, _: Collection[str]) -> Ratio:
    places = one_of("province", objective.provinces)
    good = Selector("thongsuot_sync_lag_seconds_bucket").where(places, f"le={quoted(edge(objective.target))}")
    total = Selector("thongsuot_sync_lag_seconds_count").where(places)
    return Ratio(good, total, objective.quantile or DEFAULT_QUANTILE)


RATIOS: dict[str, Callable[[Objective, Collection[str]], Ratio]] = {
    "availability": _availability,
    "isolation": _isolation,
    "response_time": _response_time,
    "sync_lag": _sync_lag,
}
"""Indicator -> the share that decides it."""
