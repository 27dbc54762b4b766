"""What each fault did to the run, in time: how soon it showed, who would have been woken, how all came back."""

from collections.abc import Sequence
from dataclasses import dataclass

from reports.alerts import AlertResult
from reports.convergence import converge, drain
from reports.detection import first_failure
from reports.figure import Figure, unknown
from reports.outages import Comeback, comeback
from reports.outcome import number
from reports.selection import Evidence, Window


@dataclass(frozen=True, slots=True)
class Recovery:
    """One fault's course; ``applied`` and ``healed`` are seconds since t0, None where the record doesn't say.

    Attributes:
        fault: Its id.
        applied: When it was switched on.
        healed: When it was switched off.
        provinces: That it touches; empty: all.
        detect: From applied to the first failed request of those provinces.
        alert: From applied to the first second in which an alert fired.
        recover: From healed to the first success from which on no outage follows, in the worst of those provinces.
        drain: From healed until every step that was taken before is at the other side.
        converge: From healed until portal and provinces are the same and stay so.
    """

    fault: str
    applied: float | None
    healed: float | None
    provinces: tuple[str, ...]
    detect: Figure
    alert: Figure
    recover: Figure
    drain: Figure
    converge: Figure


def table(evidence: Evidence, alerts: Sequence[AlertResult]) -> tuple[Recovery, ...]:
    """Return the course of every fault of the plan."""
    return tuple(_recovery(evidence, window, alerts) for window in evidence.windows)


def _recovery(evidence: Evidence, window: Window, alerts: Sequence[AlertResult]) -> Recovery:
    return Recovery(
        fault=window.fault,
        applied=window.start if window.applied else None,
        healed=window.stop if window.healed else None,
        provinces=tuple(sorted(window.provinces or ())),
        detect=first_failure(evidence, window),
        alert=_first_alert(window, alerts),
        recover=_recover(evidence, window),
        drain=drain(evidence, window),
        converge=converge(evidence, window),
    )


def _first_alert(window: Window, alerts: Sequence[AlertResult]) -> Figure:
    """Return when the first alert fired for what a fault touches, while it was on."""
    if not alerts:
        return unknown("the campaign has no alerts")
    if not window.applied:
        return unknown(f"{window.fault} wasn't applied")
    spans = [
        (span.start, span.stop, alert.name)
        for alert in alerts
        for span in alert.spans
        if not span.provinces or any(window.touches(code) for code in span.provinces)
    ]
    if any(start < window.start < stop for start, stop, _ in spans):
        return unknown("an alert was firing already")
    first = min((span for span in spans if window.start <= span[0] <= window.stop), default=None)
    if first is None:
        return Figure(None, None, None, "no alert fired while it was on", never=True)
    seconds = first[0] - window.start
    return Figure(seconds, max(0.0, seconds - 1), seconds, first[2])


def _recover(evidence: Evidence, window: Window) -> Figure:
    """Return how long the worst province took; agrees with ``outages.recovery_time``."""
    if not window.applied or not window.healed:
        return unknown(f"the record doesn't say when {window.fault} was {'healed' if window.applied else 'applied'}")
    places = sorted(window.provinces or evidence.plan.stack.provinces)
    found = {place: comeback(evidence, window, place) for place in places}
    never = [place for place, back in found.items() if back.last is not None and back.success is None]
    if never:
        return Figure(None, None, None, f"province {', '.join(never[:5])} saw no lasting success", never=True)
    back = {place: _since(window, result) for place, result in found.items() if result.success is not None}
    if not back:
        return unknown("no arrivals after it was healed")
    place, (low, high) = max(back.items(), key=lambda item: item[1][1])
    silent = f"; {number(len(found) - len(back))} provinces had no arrivals" if len(back) < len(found) else ""
    return Figure(high, low, high, f"province {place}{silent}")


def _since(window: Window, found: Comeback) -> tuple[float, float]:
    """Return the earliest and the latest that a place can have come back, seconds from the healing."""
    low = 0.0 if found.failing is None else found.failing - window.stop
    high = max(0.0, (found.success or 0.0) - window.stop)
    return min(low, high), high
