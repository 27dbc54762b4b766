"""The National Reporting Information System: periodic reports of provinces and communes.

A report is known by unit, form (biểu mẫu) and period: sent again it is counted once, with other figures it is refused.
It is due at noon of the day after its period, UTC+7 [A]; what comes later is taken, and flagged.
"""

import sqlite3
from datetime import date, datetime, time, timedelta
from typing import Annotated

import msgspec

from mocks import entries
from mocks.entries import Entry
from mocks.pages import Page, Rows, Shelf, Table
from mocks.store import cursor, listed
from mocks.system import DurableSystem, PageOf
from mocks.timestamps import CLOCK
from mocks.wire import Body, Call, Refusal, Route
from model.books import content_hash

DUE = time(12, 0)
LAST = date(2099, 12, 31)

Unit = Annotated[str, msgspec.Meta(pattern=r"^H[0-9]{2}(\.[0-9]{5})?$", max_length=9)]
Form = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9.-]+$", max_length=40)]


class Report(Body):
    """A report: who, which form, for which day, and its figures."""

    unit: Unit
    form: Form
    period: date
    figures: dict[Annotated[str, msgspec.Meta(max_length=80)], int]


class Taken(msgspec.Struct):
    """A report was taken; ``code`` is unit, form and period."""

    code: str
    late: bool
    sequence: int = 1
    error_code: int = 0


class ReportItem(msgspec.Struct):
    """A report as the list shows it."""

    code: str
    late: bool
    figures: dict[str, int]


class Reports(msgspec.Struct):
    """Reports in the order of arrival; ``next`` is null at the end."""

    items: list[ReportItem]
    next: str | None


class Reporting(DurableSystem):
    """Keeps reports."""

    schema = """
        CREATE TABLE IF NOT EXISTS reports(
            id INTEGER PRIMARY KEY AUTOINCREMENT, code TEXT NOT NULL UNIQUE, unit TEXT NOT NULL, hash TEXT NOT NULL,
            late INTEGER NOT NULL, figures BLOB NOT NULL);
    """

    def table(self) -> tuple[Route, ...]:
        """Return its routes."""
        return (
            Route("POST", "/reports", "report", self.take, Report, Taken, status=201, refuses=(409,)),
            Route("GET", "/reports", "reports", self.reports, PageOf, Reports, "query"),
            entries.route(self.page),
        )

    def shelves(self) -> tuple[Shelf, ...]:
        """Return the shelf of its reports."""
        columns = ("Mã", "Đơn vị", "Quá hạn")
        return (Shelf("reports", "Báo cáo (reports)", columns, self._listed, self._report_page),)

    def _listed(self, after: int, limit: int) -> Rows:
        statement = "SELECT id, code, unit, late FROM reports WHERE id > ? ORDER BY id LIMIT ?"
        return listed(self.store.reader, statement, after, limit, lambda row: (*row[1:3], "có" if row[3] else "không"))

    def _report_page(self, code: str) -> Page | None:
        row = self.store.reader.execute("SELECT figures FROM reports WHERE code = ?", (code,)).fetchone()
        if row is None:
            return None
        figures = list(msgspec.json.decode(row[0]).items())
        return Page(f"Báo cáo {code}", tables=[Table("Số liệu (figures)", ("Chỉ tiêu", "Giá trị"), figures)])

    async def take(self, call: Call[Report]) -> Taken:
        """Take a report; the same one again is answered as before."""
        lost = self.surroundings.defects.hits("reports-lost", f"{call.content.unit}:{call.content.period}")
        return await self.store.write(lambda connection: _take(connection, call.content, lost))

    async def reports(self, call: Call[PageOf]) -> Reports:
        """List the reports."""
        statement = "SELECT id, code, late, figures FROM reports WHERE id > ? ORDER BY id LIMIT ?"
        after, limit = int(call.content.after or 0), call.content.limit
        items, last = listed(self.store.reader, statement, after, limit, _item)
        return Reports(items, cursor(last))

    def page(self, after: int, limit: int) -> tuple[list[Entry], int | None]:
        """Return the reports as entries, in the order of arrival, and where to go on."""
        statement = "SELECT id, code, unit, hash FROM reports WHERE id > ? ORDER BY id LIMIT ?"
        return listed(self.store.reader, statement, after, limit, lambda row: Entry("report", *row[1:]))


def _take(connection: sqlite3.Connection, report: Report, lost: bool) -> Taken:
    if report.period > LAST:
        raise Refusal(422, "validation", f"period: not after {LAST}")
    code = f"{report.unit}:{report.form}:{report.period}"
    digest = content_hash(msgspec.to_builtins(report))
    known = connection.execute("SELECT hash, late FROM reports WHERE code = ?", (code,)).fetchone()
    if known is not None and known[0] != digest:
        raise Refusal(409, "transition", "this unit has sent other figures for this form and period")
    if known is not None:
        return Taken(code, bool(known[1]))
    late = datetime.now(CLOCK) > due(report.period)
    if not lost:
        statement = "INSERT INTO reports(code, unit, hash, late, figures) VALUES(?, ?, ?, ?, ?)"
        connection.execute(statement, (code, report.unit, digest, late, msgspec.json.encode(report.figures)))
    return Taken(code, late)


def due(period: date) -> datetime:
    """Return the moment until which the report of a day is in time."""
    return datetime.combine(period + timedelta(days=1), DUE, CLOCK)


def _item(row: tuple[int, str, int, bytes]) -> ReportItem:
    _, code, late, figures = row
    return ReportItem(code, bool(late), msgspec.json.decode(figures))
