"""From a judged record to its reports: one page, one summary, one file for CI, one for Prometheus."""

from __future__ import annotations

from pathlib import Path

from model.places import provinces
from model.record import Record
from reports import drill_summary, html, junit, openmetrics, series, summary, tables


def write(record: Record) -> Path:
    """Write every report of a record and return the path of the page; raises RecordError.

    1. Read the small files and derive the series from the tables.
    2. Render ``report.html``, ``summary.md``, ``junit.xml`` and ``metrics.om``: the same record, the same bytes.
    3. Put each in place in one step: a reader sees the old file or the new one.
    """
    names = {code: province.name for code, province in provinces().items()}
    with tables.opened(record) as db:
        facts = series.read(record, db)
        reports = {
            "summary.md": summary.text(facts, names) + drill_summary.text(facts),
            "junit.xml": junit.text(facts),
            "metrics.om": openmetrics.text(facts, db),
            "report.html": html.page(facts, names),
        }
    for name, text in reports.items():
        _replace(record.path(name), text)
    return record.path("report.html")


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text, encoding="utf-8", newline="\n")
    draft.replace(path)
