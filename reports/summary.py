"""Words for people: how the reports write numbers and foreign text, and the Markdown summary of a run."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence

from reports.book_rows import book_rows
from reports.facts import (
    ERRORS,
    Facts,
    FaultLife,
    ObjectiveResult,
    ProvinceRow,
    audit_doubt,
    rule_verdict,
    rules,
)
from reports.series import flat

DASH = "–"
GAP = "\u00a0"
"""Stands between a number and its unit, so that no line ends there."""
SHARES = ("availability", "isolation")
COUNTS = ("refusals", "dossiers")
AT_LEAST = (*SHARES, "dossiers")
WORDS = {
    "pass": ("PASS", "Đạt", "✔"),
    "fail": ("FAIL", "Không đạt", "✘"),
    "inconclusive": ("INCONCLUSIVE", "Chưa đủ căn cứ kết luận", "?"),
}
MEANING = {
    "lost": ("thất lạc", "acknowledged to the citizen, then absent"),
    "duplicated": ("trùng lặp", "one request, several dossiers; or one code, several dossiers"),
    "divergent": ("sai lệch", "portal and province disagree on content or status"),
    "regressed": ("lùi hoặc hụt bước", "status history out of order, or with a hole"),
    "phantom": ("không rõ nguồn gốc", "present, though nobody submitted it"),
    "resurrected": ("đã bị từ chối nhưng vẫn tồn tại", "refused to the citizen, yet present"),
    "misrouted": ("chuyển sai nơi", "in the wrong province or commune"),
    "misfiled": ("lẫn hồ sơ thử nghiệm", "a test among official dossiers, or an official one among tests"),
}
_UNSEEN = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\t\n"} | {0x7F: "␡"}
_UNSEEN |= {
    code: f"[U+{code:04X}]"
    for code in (*range(0x80, 0xA0), *range(0x200B, 0x2010), *range(0x2028, 0x202F), *range(0x2066, 0x206A))
}
_UNSEEN |= dict.fromkeys((0xFEFF, 0xFFFE, 0xFFFF, *range(0xD800, 0xE000)), "\ufffd")


def visible(text: str) -> str:
    """Show control, direction and zero-width characters instead of obeying them: ``ESC`` becomes ``␛``."""
    return text.translate(_UNSEEN)


def number(value: float | None) -> str:
    """Write a count with thousands marked, a fraction with one decimal."""
    if value is None:
        return DASH
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def seconds(value: float | None) -> str:
    """Write a duration with three significant digits: ``85.2 ms``, ``1.24 s``, ``312 s``."""
    if value is None or math.isinf(value):
        return DASH if value is None else "∞"
    amount, unit = (value * 1e3, "ms") if abs(value) < 0.9995 else (value, "s")
    places = 0 if abs(amount) >= 100 or amount == int(amount) else 1 if abs(amount) >= 10 else 2
    return f"{amount:,.{places}f}{GAP}{unit}"


def share(value: float | None) -> str:
    """Write a share in percent; what is short of all never reads ``100 %``."""
    if value is None:
        return DASH
    percent = value * 100
    for places in (2, 3, 4, 6):
        text = f"{percent:.{places}f}"
        if percent in {0.0, 100.0} or 0 < float(text) < 100:
            break
    return f"{text.rstrip('0').rstrip('.') if percent in {0.0, 100.0} else text}{GAP}%"


def quantity(indicator: str, value: float | None) -> str:
    """Write a value in the unit of its indicator: share, count or seconds."""
    if indicator in SHARES:
        return share(value)
    return number(value) if indicator in COUNTS else seconds(value)


def target(objective: ObjectiveResult) -> str:
    """Write an objective's target with the side on which it is met: ``≥ 99.9 %``, ``≤ 2 s``."""
    side = "≥" if objective.indicator in AT_LEAST else "≤"
    value = re.sub(r"(\.\d*?)0+(?=\D)", r"\1", quantity(objective.indicator, objective.target)).replace(f".{GAP}", GAP)
    return f"{side} {value}"


def bounds(objective: ObjectiveResult) -> str:
    """Write the two one-sided 95 % bounds of an objective."""
    low, high = _figure(objective, objective.low), _figure(objective, objective.high)
    return low if low == high else f"{low} … {high}"


def _figure(objective: ObjectiveResult, value: float | None) -> str:
    """Write a figure of an objective; ``verdict.json`` has null for infinite as well as for unknown."""
    unknown = not objective.samples or (objective.observed is None and objective.verdict == "inconclusive")
    return "∞" if value is None and not unknown else quantity(objective.indicator, value)


def objective_cells(objective: ObjectiveResult) -> tuple[str, str, str, str]:
    """Write target, observed value, bounds and number of samples of an objective."""
    observed = _figure(objective, objective.observed)
    return target(objective), observed, bounds(objective), number(objective.samples)


def measured(value: object) -> str:
    """Write what a proof measured: ``ok, 2.01 s (fault: 2 s; healthy: ok, 10.6 ms)``, else names and values."""
    if not isinstance(value, dict) or "outcome" not in value:
        return ", ".join(f"{name} {text}".strip() for name, text in flat(value) if text) or DASH
    notes = (
        f"fault: {_timed(value, 'expected_')}" if value.get("expected_seconds") is not None else "",
        f"healthy: {_timed(value, 'healthy_')}" if value.get("healthy_outcome") is not None else "",
    )
    aside = "; ".join(filter(None, notes))
    return _timed(value, "") + (f" ({aside})" if aside else "")


def _timed(probe: Mapping[str, object], prefix: str) -> str:
    """Write outcome and duration of one try, as far as they are known."""
    outcome, took = probe.get(f"{prefix}outcome"), probe.get(f"{prefix}seconds")
    duration = seconds(took) if isinstance(took, int | float) else None
    return ", ".join(str(part) for part in (outcome, duration) if part is not None)


def moment(t: float | None) -> str:
    """Write seconds since t0: ``31.4 s``."""
    return DASH if t is None else f"{t:,.1f}{GAP}s"


def arrow(name: str) -> str:
    """Write a link's name for reading: ``citizen → national``."""
    return name.replace("->", " → ")


def errors(row: ProvinceRow) -> str:
    """Write a province's errors by outcome, most frequent first."""
    ranked = sorted(row.errors.items(), key=lambda item: (-item[1], ERRORS.index(item[0])))
    return ", ".join(f"{outcome.replace('_', ' ')} {number(count)}" for outcome, count in ranked) or DASH


def listed(codes: Sequence[str], most: int = 100) -> str:
    """Write dossier codes, at most ``most`` of them, and how many are left."""
    shown = ", ".join(codes[:most])
    return f"{shown} and {number(len(codes) - most)} more, see audit.json" if len(codes) > most else shown or DASH


def fault_state(life: FaultLife) -> str:
    """Say in a word how far a fault came."""
    if life.applied is None:
        return "never applied"
    if not life.bites:
        return "not proved"
    return "proved and healed" if life.heals else "not healed"


def markdown(value: object) -> str:
    """Escape text so that Markdown, also inside a table, shows it as it is."""
    text = visible(str(value)).replace("\t", " ").replace("\n", " ").replace("&", "&amp;").replace("<", "&lt;")
    text = re.sub(r"([\\`*_{}\[\]#|~$>!])", r"\\\1", text).replace("://", ":\\/\\/").replace("www.", "www\\.")
    return text.replace("@", "&#64;")


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return the lines of a Markdown table, every cell escaped."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return lines + [f"| {' | '.join(markdown(cell) for cell in row)} |" for row in rows]


def text(facts: Facts, names: Mapping[str, str]) -> str:
    """Return ``summary.md``: verdict, reasons, objectives, integrity, faults and the five worst provinces."""
    english, vietnamese, mark = WORDS.get(facts.verdict.verdict, (facts.verdict.verdict.upper(), "", "?"))
    load = facts.verdict.load
    objections = facts.verdict.reasons or ("No reason was given.",)
    parts = [
        [f"# {mark} {markdown(english)} – {markdown(facts.plan.title or facts.plan.name)}"],
        [f"**{markdown(vietnamese)}.** Campaign {markdown(facts.plan.name)}, seed {facts.plan.seed}."],
        [f"- {markdown(objection)}" for objection in objections],
        [
            f"Arrivals: {number(load.planned)} planned, {number(load.started)} started, {number(load.dropped)} dropped,"
            f" {number(load.unfinished)} unfinished. Requests: {number(facts.requests)},"
            f" at most {number(facts.peak)} in one second."
        ],
        ["## Objectives", "", *_objectives(facts)],
        ["## Integrity of dossiers", "", *_integrity(facts)],
        *_books(facts),
        ["## Faults", "", *_faults(facts)],
        ["## Worst provinces", "", *_worst(facts, names)],
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _objectives(facts: Facts) -> list[str]:
    if not facts.verdict.objectives:
        return ["The campaign has none."]
    return table(
        ("Objective", "Target", "Observed", "95 % bounds", "Samples", "Verdict", "Provenance"),
        ((o.name, *objective_cells(o), o.verdict, o.provenance) for o in facts.verdict.objectives),
    )


def _integrity(facts: Facts) -> list[str]:
    found = facts.verdict.integrity
    rows = [
        (rule, number(len(found.codes(rule))), rule_verdict(facts, rule), listed(found.codes(rule), 10))
        for rule in rules(facts)
    ]
    rows.append(
        ("unread", number(found.unread), "inconclusive" if audit_doubt(facts) else "pass", audit_doubt(facts) or DASH)
    )
    intro = f"{number(found.acknowledged)} dossiers acknowledged, {number(found.read)} read."
    intro = facts.verdict.look_ups or intro
    return [intro, "", *table(("Rule", "Dossiers", "Verdict", "Codes"), rows)]


def _books(facts: Facts) -> list[list[str]]:
    rows = [(row.entries, number(row.acknowledged), row.verdict, row.said or DASH) for row in book_rows(facts)]
    head = ("Entries", "Acknowledged", "Verdict", "What was found")
    return [["## Other books", "", *table(head, rows)]] if rows else []


def _faults(facts: Facts) -> list[str]:
    if not facts.faults:
        return ["The campaign has none."]
    return table(
        ("Fault", "Kind", "Target", "Planned", "Held", "Measured", "Result"),
        (
            (
                life.fault.id,
                life.fault.kind,
                life.fault.target,
                f"{moment(life.fault.start)} – {moment(life.fault.end)}",
                f"{moment(life.applied)} – {moment(life.healed)}",
                measured(life.bite),
                fault_state(life),
            )
            for life in facts.faults
        ),
    )


def _worst(facts: Facts, names: Mapping[str, str]) -> list[str]:
    rows = [row for row in facts.provinces if row.requests][:5]
    if not rows:
        return ["No requests were recorded."]
    return table(
        ("Province", "Code", "Requests", "Availability", "Response p95", "Longest interruption", "Errors"),
        (
            (
                names.get(row.code, row.code),
                row.code,
                number(row.requests),
                share(row.availability),
                seconds(row.p95),
                seconds(row.interruption),
                errors(row),
            )
            for row in rows
        ),
    )
