"""The page ``report.html``: one file that opens offline. The template holds the words, this module the values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from markupsafe import Markup

from reports import charts, drill_summary, summary
from reports.book_rows import book_rows
from reports.facts import Event, Facts, audit_doubt, rule_verdict, rules
from reports.series import flat

VIETNAM = timezone(timedelta(hours=7))
WIDE, NARROW = 1130, 380
MOST_CODES, MOST_FINDINGS, MOST_EVENTS, MOST_SPANS = 100, 100, 400, 20


def page(facts: Facts, names: Mapping[str, str]) -> str:
    """Return ``report.html``; ``names`` are those of the provinces by code."""
    verdict, found = facts.verdict.verdict, facts.verdict.integrity
    return _template().render(
        facts=facts,
        plan=facts.plan,
        verdict=facts.verdict,
        load=facts.verdict.load,
        found=found,
        audit=facts.audit,
        word=summary.WORDS.get(verdict, (verdict.upper(), "", "?")),
        style=verdict if verdict in summary.WORDS else "inconclusive",
        names=names,
        rules=[(rule, *summary.MEANING[rule], rule_verdict(facts, rule), found.codes(rule)) for rule in rules(facts)],
        audit_doubt=audit_doubt(facts),
        books=list(book_rows(facts)),
        began=calendar(facts.began),
        events=[(event, details(event)) for event in facts.events[:MOST_EVENTS]],
        most_codes=MOST_CODES,
        most_findings=MOST_FINDINGS,
        most_spans=MOST_SPANS,
        conducted=bool(facts.verdict.steady_state or facts.plan.stops or facts.verdict.steps),
        timelines=[(width, charts.timeline(facts, width)) for width in (WIDE, NARROW)],
    )


def calendar(time: float) -> str:
    """Write a Unix time as date and time in Vietnam."""
    return datetime.fromtimestamp(time, VIETNAM).strftime("%d/%m/%Y %H:%M:%S (UTC+7)")


def details(event: Event) -> str:
    """Write what an event carries: ``link citizen->national, kind down``."""
    return ", ".join(f"{name} {value}" for name, value in flat(dict(event.fields)))


def size(value: Any) -> str:
    """Write how many there are, of a number or a list."""
    return summary.number(len(value) if isinstance(value, list) else value or 0)


def mebibytes(count: int) -> str:
    """Write a number of bytes: ``61.8 MiB``."""
    return f"{count / 2**20:,.1f} MiB"


@cache
def _template() -> Template:
    environment = Environment(
        loader=FunctionLoader(_source),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": summary.number,
        "seconds": summary.seconds,
        "share": summary.share,
        "moment": summary.moment,
        "measured": summary.measured,
        "size": size,
        "mebibytes": mebibytes,
        "arrow": summary.arrow,
        "span": drill_summary.span,
    }
    environment.globals |= {
        "objective_cells": summary.objective_cells,
        "errors": summary.errors,
        "fault_state": summary.fault_state,
        "figure": drill_summary.figure,
        "step_state": drill_summary.step_state,
        "stop_state": drill_summary.stop_state,
        "steady": drill_summary.steady,
        "burns": drill_summary.burns,
        "strip": charts.strip,
        "strip_label": charts.strip_label,
        "spark": charts.spark,
        "style_sheet": Markup(_source("report.css")),  # noqa: S704 - our own file
    }
    return environment.get_template("report.html")


def _source(name: str) -> str:
    return files("reports").joinpath("templates", name).read_text(encoding="utf-8")


def _shown(value: Any) -> Any:
    return summary.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
