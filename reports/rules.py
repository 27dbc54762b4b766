"""A campaign's objectives as Prometheus configuration: scraping, recording rules, alerting rules.

An alert on a share fires where the share of bad events is above a multiple (burn rate) of the error budget over a long
window (it matters) and a short one (it still goes on): Beyer and others, *The Site Reliability Workbook*, ch. 5 [P].
Its windows are for a month; a run lasts a minute or two. Here the run stands for the month's whole budget: a long
window is the time in which the burn rate spends the budget of the run, the short one a twelfth of it [A]. A ratio is
written so that a series that doesn't exist counts as 0: a failure that is the first of its kind isn't overlooked.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass

from model.histogram import LAG_EDGES
from model.plan import Objective, Plan
from reports import selectors
from reports.burn import rule as resolved
from reports.promql import NOT_COUNTED, touched
from reports.selection import windows
from reports.selectors import Ratio, Selector
from reports.summary import visible

CONDUCTOR = "thongsuot-conductor"
SYSTEMS = "thongsuot-systems"
SECOND = 1
"""Seconds between two scrapes and two evaluations."""
BURN_RATES = {"fast": 14.4, "slow": 6.0}
"""Burn rates of the classical pair."""
LONG_AT_LEAST, SHORT_AT_LEAST = 6, 3
"""Seconds; a rate needs two scrapes, and one may be missing."""
RATIO = "thongsuot:bad_events:ratio_rate"


@dataclass(frozen=True, slots=True)
class Burn:
    """One burn-rate alert.

    Attributes:
        name: Of the alert.
        objective: Whose budget it watches.
        threshold: Share of bad events above which it fires.
        long: Seconds.
        short: Seconds.
        origin: Where it comes from, for the file's comments.
    """

    name: str
    objective: Objective
    threshold: float
    long: int
    short: int
    origin: str

    @property
    def windows(self) -> tuple[int, int]:
        """Both windows, seconds."""
        return self.long, self.short


def configuration() -> str:
    """Return ``prometheus.yml``: who is scraped stands in files beside it, which a run writes."""
    return f"""# Written by `thongsuot rules`. Who is scraped stands in targets/conductor.json and targets/systems.json.
global:
  scrape_interval: {SECOND}s
  scrape_timeout: {SECOND}s
  evaluation_interval: {SECOND}s
rule_files:
  - rules.yml
scrape_configs:
  - job_name: {CONDUCTOR}
    file_sd_configs:
      - files: [targets/conductor.json]
  - job_name: {SYSTEMS}
    file_sd_configs:
      - files: [targets/systems.json]
"""


def text(plan: Plan) -> str:
    """Return ``rules.yml``: recording and alerting rules of a campaign's objectives and alerts."""
    return "\n".join([*_heading(plan), "groups:", *_recording(plan), *_burning(plan), *_others(plan)]) + "\n"


def burns(plan: Plan) -> Iterator[Burn]:
    """Yield the burn-rate alerts: the campaign's own, and the classical pair for objectives that have none."""
    objectives = {objective.name: objective for objective in plan.objectives}
    for alert in plan.alerts:
        rule = resolved(plan, alert)
        windows = rule.long_window, rule.short_window
        yield Burn(rule.name, objectives[rule.objective], rule.threshold, *windows, "of the campaign")
    watched = {alert.objective for alert in plan.alerts}
    for objective in plan.objectives:
        shares = _ratio(plan, objective)
        if shares is not None and objective.name not in watched:
            yield from _pair(plan, objective, shares)


def _pair(plan: Plan, objective: Objective, shares: Ratio) -> Iterator[Burn]:
    for speed, rate in BURN_RATES.items():
        long = max(math.ceil(plan.duration / rate), LONG_AT_LEAST)
        short = max(math.ceil(plan.duration / rate / 12), SHORT_AT_LEAST)
        threshold = round(rate * (1 - shares.required), 12)
        yield Burn(f"{objective.name} ({speed} burn)", objective, threshold, long, short, f"{speed} burn, {rate:g} x")


def _ratio(plan: Plan, objective: Objective) -> Ratio | None:
    """Return the share of an objective in the live series; the portal's lag histogram has fixed edges."""
    shares = selectors.ratio(objective, touched(windows(plan, (), {})))
    if shares is not None and objective.indicator == "sync_lag" and float(objective.target) not in LAG_EDGES:
        return None
    return shares


def _heading(plan: Plan) -> Iterator[str]:
    yield f"# Written by `thongsuot rules` from the campaign {_line(plan.name)}."
    yield "# Live series count a request when it ends. Phases and fault windows of objectives aren't in these rules:"
    yield "# an alert watches all the time. `thongsuot judge RUN --prometheus URL` keeps to an objective's own seconds."
    for objective in plan.objectives:
        reason = _unwritten(plan, objective)
        if reason:
            yield f"# Not here: {_line(objective.name)} ({objective.indicator}): {reason}."


def _unwritten(plan: Plan, objective: Objective) -> str:
    """Say why an objective has no rule, or not its own; empty: it has."""
    if objective.indicator == "recovery_time":
        return "the first success from which on no outage follows can't be told from counters"
    if objective.indicator in NOT_COUNTED and objective.indicator != "interruption":
        return NOT_COUNTED[objective.indicator]
    if objective.indicator == "sync_lag" and _ratio(plan, objective) is None:
        edges = ", ".join(f"{edge:g}" for edge in LAG_EDGES)
        return f"the portal's histogram has no edge at {objective.target:g} s, only at {edges}"
    return ""


def _recording(plan: Plan) -> Iterator[str]:
    written = dict.fromkeys((burn.objective.name, window) for burn in burns(plan) for window in burn.windows)
    objectives = {objective.name: objective for objective in plan.objectives}
    yield from _group("thongsuot-ratios", bool(written))
    for name, window in written:
        shares = _ratio(plan, objectives[name])
        assert shares is not None
        yield f"      - record: {RATIO}{window}s"
        yield f"        expr: {json.dumps(bad_share(shares, window, objectives[name].scope))}"
        yield f"        labels: {{objective: {_yaml(name)}}}"


def bad_share(shares: Ratio, window: int, scope: str) -> str:
    """Write the share of bad events over a window of seconds: 0 where no good or no bad series exists, or 1."""
    by = "sum by (province) " if scope == "province" else "sum"
    total = f"{by}(rate({shares.total}[{window}s]))"
    if 'outcome="ok"' in shares.good.matchers:
        bad = shares.total.where('outcome!="ok"')
        return f"({by}(rate({bad}[{window}s])) or {total} * 0) / {total}"
    good = f"{by}(rate({shares.good}[{window}s]))"
    return f"({total} - ({good} or {total} * 0)) / {total}"


def _burning(plan: Plan) -> Iterator[str]:
    found = list(burns(plan))
    yield from _group("thongsuot-burn-rates", any(burn.threshold < 1 for burn in found))
    for burn in found:
        if burn.threshold >= 1:
            yield f"      # {_line(burn.name)}: left out: {burn.threshold:g} is more than every event, it can't fire"
            continue
        ratios = [
            f"{RATIO}{window}s{{objective={selectors.quoted(_line(burn.objective.name))}}}" for window in burn.windows
        ]
        fires = " and ".join(f"{ratio} > {burn.threshold:g}" for ratio in ratios)
        if burn.objective.indicator == "isolation":
            fires = f"({fires}) and on () (max(thongsuot_fault_active) == 1)"
        summary = (
            f"{burn.objective.name}: more than {burn.threshold:.2%} bad events in {burn.long} s and {burn.short} s"
        )
        yield f"      # {burn.origin}: {_line(burn.objective.provenance)}"
        yield from _alert(burn.name, fires, 0, burn.objective.name, summary)


def _others(plan: Plan) -> Iterator[str]:
    """Yield the alerts that aren't about shares, and the one that guards all others."""
    yield from _group("thongsuot-objectives", True)
    for objective in plan.objectives:
        if objective.indicator == "refusals":
            yield from _refused(objective)
        if objective.indicator == "drain_time":
            yield from _backlog(objective)
        if objective.indicator == "interruption":
            yield from _interrupted(objective)
    yield "      # Without the load's series no other alert can fire, and silence would look like health."
    yield from _alert(
        "no series of the load",
        "absent(thongsuot_requests_total)",
        5,
        "",
        "the conductor isn't scraped: alerts are blind",
    )


def _refused(objective: Objective) -> Iterator[str]:
    by = "sum by (province) " if objective.scope == "province" else "sum"
    expression = f"{by}({selectors.refusals(objective)}) > {objective.target:g}"
    yield from _alert(
        objective.name, expression, 0, objective.name, "writes were refused because of the reorganisation"
    )


def _backlog(objective: Objective) -> Iterator[str]:
    """A backlog counts against the drain when no load comes any more."""
    yield "      # The drain begins when the load has ended: no request counted for as long."
    window = max(math.ceil(objective.target), SHORT_AT_LEAST)
    quiet = f"sum(increase(thongsuot_requests_total[{window}s])) == 0"
    expression = f"sum(thongsuot_outbox_pending) > 0 and on () ({quiet})"
    yield from _alert(objective.name, expression, 0, objective.name, f"outboxes aren't empty {window} s after the load")


def _interrupted(objective: Objective) -> Iterator[str]:
    """Three failures and no success in so long; the order of arrivals can't be told from counters."""
    by = "sum by (province) " if objective.scope == "province" else "sum"
    window = max(math.ceil(objective.target), SHORT_AT_LEAST)
    requests = Selector("thongsuot_requests_total").where(*selectors.scope(objective))
    good, bad = requests.where('outcome="ok"'), requests.where('outcome!="ok"')
    yield "      # Not the judge's figure: the order of arrivals within a second isn't in a counter. It fires where no"
    yield f"      # request succeeded, and at least 3 failed, in {window} s."
    grown = f"{by}(increase({bad}[{window}s])) >= 3"
    expression = f"{grown} unless {by}(increase({good}[{window}s])) > 0"
    yield from _alert(objective.name, expression, 0, objective.name, f"interrupted for {window} s")


def _group(name: str, filled: bool) -> Iterator[str]:
    yield f"  - name: {name}"
    yield f"    interval: {SECOND}s"
    yield "    rules:" if filled else "    rules: []"


def _alert(name: str, expression: str, held: int, objective: str, summary: str) -> Iterator[str]:
    yield f"      - alert: {_yaml(name)}"
    yield f"        expr: {json.dumps(expression)}"
    if held:
        yield f"        for: {held}s"
    yield f"        labels: {{objective: {_yaml(objective)}}}" if objective else "        labels: {}"
    yield f"        annotations: {{summary: {_yaml(summary)}}}"


def _line(value: str) -> str:
    """Put text on one line, without control characters or what Prometheus takes for a template."""
    return " ".join(visible(value).replace("{{", "{ {").split())


def _yaml(value: str) -> str:
    """Write a YAML string: JSON's are YAML's."""
    return json.dumps(_line(value), ensure_ascii=False)
