"""The national population database, asked through the data-sharing platform (NDXP)."""

from functools import cache

from mocks.messages import Enquiry, Resident
from mocks.receipts import ReceiptKeeper
from mocks.wire import Call, Refusal, Route
from model import people, places


class Population(ReceiptKeeper):
    """Knows every invented citizen: a number tells everything about its holder. Remembers its receipts only."""

    databases = ("population",)

    def table(self) -> tuple[Route, ...]:
        """Return its routes."""
        return (
            Route(
                "POST", "/ndxp/population", "population", self.look_up, Enquiry, Resident, peers=True, refuses=(404,)
            ),
            *super().table(),
        )

    async def start(self) -> None:
        """Read the communes, so that the first request needn't."""
        address("000000000000")
        await super().start()

    async def look_up(self, call: Call[Enquiry]) -> Resident:
        """Confirm a citizen's data."""
        await self.database()
        asked, person = call.content, people.find(call.content.SoDinhDanh)
        if person is None:
            raise Refusal(404, "unknown", "nobody has this personal identification number")
        if (asked.HoVaTen, asked.NgayThangNamSinh) != (person.name, person.birth_date):
            raise Refusal(422, "validation", "name or date of birth differ from the population database")
        if self.has_other_data("population", person.id_number):
            raise Refusal(422, "validation", "name or date of birth differ from the population database")
        return Resident(person.id_number, person.name, person.birth_date, address(person.id_number))


def address(id_number: str) -> str:
    """Return where a citizen lives: a commune drawn by the number."""
    commune = _communes()[int(id_number) % len(_communes())]
    return f"{commune.kind} {commune.name}, {places.provinces()[commune.province].name}"


@cache
def _communes() -> tuple[places.Commune, ...]:
    return tuple(places.communes().values())
