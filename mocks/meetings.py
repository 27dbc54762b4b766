"""The online meeting application: units join, and are turned away when a meeting is full."""

import sqlite3
from typing import Annotated

import msgspec

from mocks.pages import Page, Rows, Shelf, Table
from mocks.system import DurableSystem
from mocks.wire import Body, Call, Nothing, Refusal, Reply, Route

SEATS = 200  # of a meeting [A]
RETRY_AFTER = 5  # seconds
MEETINGS = {
    "giao-ban": "Giao ban trực tuyến toàn quốc lúc 08:00",
    "tap-huan": "Tập huấn nghiệp vụ cho cán bộ cấp xã",
}
"""Code -> title of the meetings that are held [A]."""


class Participant(Body):
    """Who joins or leaves; joining twice takes one seat."""

    unit: Annotated[str, msgspec.Meta(pattern=r"^H[0-9]{2}(\.[0-9]{5})?$", max_length=9)]


class Meeting(msgspec.Struct):
    """A meeting and how many are in it."""

    code: str
    title: str
    seats: int
    taken: int


class Meetings(msgspec.Struct):
    """Every meeting."""

    items: list[Meeting]


class OnlineMeetings(DurableSystem):
    """Holds the meetings, and knows after a restart who is in them."""

    schema = """
        CREATE TABLE IF NOT EXISTS present(
            meeting TEXT NOT NULL, unit TEXT NOT NULL, PRIMARY KEY(meeting, unit)) WITHOUT ROWID;
    """

    def table(self) -> tuple[Route, ...]:
        """Return its routes."""
        return (
            Route("GET", "/meetings", "meetings", self.meetings, gives=Meetings),
            Route("POST", "/meetings/{code}/join", "join", self.join, Participant, Meeting, refuses=(404,)),
            Route("POST", "/meetings/{code}/leave", "leave", self.leave, Participant, Meeting, refuses=(404,)),
        )

    def shelves(self) -> tuple[Shelf, ...]:
        """Return the shelf of the meetings."""
        columns = ("Mã", "Cuộc họp", "Đang dự", "Chỗ")
        return (Shelf("meetings", "Cuộc họp (meetings)", columns, self._listed, self._meeting_page),)

    def _listed(self, after: int, limit: int) -> Rows:
        reader = self.store.reader
        return [(code, title, _taken(reader, code), SEATS) for code, title in MEETINGS.items()], None

    def _meeting_page(self, code: str) -> Page | None:
        if code not in MEETINGS:
            return None
        present = self.store.reader.execute("SELECT unit FROM present WHERE meeting = ? ORDER BY unit", (code,))
        return Page(MEETINGS[code], {"Mã (code)": code}, [Table("Đang dự (present)", ("Đơn vị",), present.fetchall())])

    async def meetings(self, call: Call[Nothing]) -> Meetings:
        """List the meetings."""
        return Meetings([_meeting(self.store.reader, code) for code in MEETINGS])

    async def join(self, call: Call[Participant]) -> Meeting | Reply:
        """Give a unit a seat; 503 where there is none left."""
        code, unit = _known(call), call.content.unit
        meeting = await self.store.write(lambda connection: _seat(connection, code, unit))
        if meeting is None:
            refusal = Refusal(503, "busy", "the meeting is full").reply()
            return Reply(refusal.status, refusal.body, {"retry-after": str(RETRY_AFTER)})
        return meeting

    async def leave(self, call: Call[Participant]) -> Meeting:
        """Take a unit's seat back; one who isn't there may leave as well."""
        code, unit = _known(call), call.content.unit
        return await self.store.write(lambda connection: self._free(connection, code, unit))

    def _free(self, connection: sqlite3.Connection, code: str, unit: str) -> Meeting:
        if not self.surroundings.defects.on("seats-never-freed"):
            connection.execute("DELETE FROM present WHERE meeting = ? AND unit = ?", (code, unit))
        return _meeting(connection, code)


def _known(call: Call[Participant]) -> str:
    if call.path["code"] not in MEETINGS:
        raise Refusal(404, "unknown", f"there are {', '.join(MEETINGS)}")
    return call.path["code"]


def _seat(connection: sqlite3.Connection, code: str, unit: str) -> Meeting | None:
    """Seat a unit that isn't in the meeting yet, None where no seat is left."""
    seated = connection.execute("SELECT 1 FROM present WHERE meeting = ? AND unit = ?", (code, unit)).fetchone()
    if seated is None:
        if _taken(connection, code) >= SEATS:
            return None
        connection.execute("INSERT INTO present VALUES(?, ?)", (code, unit))
    return _meeting(connection, code)


def _taken(connection: sqlite3.Connection, code: str) -> int:
    return int(connection.execute("SELECT count(*) FROM present WHERE meeting = ?", (code,)).fetchone()[0])


def _meeting(connection: sqlite3.Connection, code: str) -> Meeting:
    return Meeting(code, MEETINGS[code], SEATS, _taken(connection, code))
