"""The online meeting application: units join, and are turned away when a meeting is full. Remembers nothing."""

from typing import Annotated

import msgspec
from prometheus_client import CollectorRegistry

from mocks.pages import Page, Rows, Shelf, Table
from mocks.system import Surroundings, System
from mocks.wire import Body, Call, Nothing, Refusal, Reply, Route

SEATS = 500  # of a meeting [A]
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


class OnlineMeetings(System):
    """Holds the meetings."""

    def __init__(self, name: str, surroundings: Surroundings, registry: CollectorRegistry) -> None:
        super().__init__(name, surroundings, registry)
        self._present: dict[str, set[str]] = {code: set() for code in MEETINGS}

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
        return [(code, title, len(self._present[code]), SEATS) for code, title in MEETINGS.items()], None

    def _meeting_page(self, code: str) -> Page | None:
        if code not in MEETINGS:
            return None
        present = [(unit,) for unit in sorted(self._present[code])]
        return Page(MEETINGS[code], {"Mã (code)": code}, [Table("Đang dự (present)", ("Đơn vị",), present)])

    async def meetings(self, call: Call[Nothing]) -> Meetings:
        """List the meetings."""
        return Meetings([self._meeting(code) for code in MEETINGS])

    async def join(self, call: Call[Participant]) -> Meeting | Reply:
        """Give a unit a seat; 503 where there is none left."""
        await self.database()
        present = self._of(call)
        if call.content.unit not in present and len(present) >= SEATS:
            refusal = Refusal(503, "busy", "the meeting is full").reply()
            return Reply(refusal.status, refusal.body, {"retry-after": str(RETRY_AFTER)})
        present.add(call.content.unit)
        return self._meeting(call.path["code"])

    async def leave(self, call: Call[Participant]) -> Meeting:
        """Take a unit's seat back; one who isn't there may leave as well."""
        self._of(call).discard(call.content.unit)
        return self._meeting(call.path["code"])

    def _of(self, call: Call[Participant]) -> set[str]:
        try:
            return self._present[call.path["code"]]
        except KeyError:
            raise Refusal(404, "unknown", f"there are {', '.join(MEETINGS)}") from None

    def _meeting(self, code: str) -> Meeting:
        return Meeting(code, MEETINGS[code], SEATS, len(self._present[code]))
