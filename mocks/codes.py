"""The register of administrative units: versions of the table, and look-ups of a code."""

from mocks import unit_table
from mocks.system import System
from mocks.unit_table import OnDay, Table, Unit, Versions
from mocks.wire import Call, Nothing, Reply, Route


class Codes(System):
    """Serves the registered table; needs no memory."""

    def table(self) -> tuple[Route, ...]:
        """Return its routes."""
        return (
            Route("GET", "/versions", "versions", self.versions, gives=Versions),
            Route("GET", "/table", "table", self.whole, gives=Table),
            Route("GET", "/units/{code}", "unit", self.look_up, OnDay, Unit, "query"),
        )

    async def start(self) -> None:
        """Read the table, so that the first request needn't."""
        unit_table.official_seal()

    async def versions(self, call: Call[Nothing]) -> Versions:
        """List the registered versions with their seals."""
        await self.database()
        return Versions([unit_table.official_seal()])

    async def whole(self, call: Call[Nothing]) -> Reply:
        """Return the newest version, the bytes that its seal is of."""
        await self.database()
        return Reply(200, unit_table.official_bytes())

    async def look_up(self, call: Call[OnDay]) -> Unit:
        """Say what a code stands for."""
        await self.database()
        table, code = unit_table.official(), call.path["code"]
        old = unit_table.is_old(table, code, call.content.valid_on)
        row = unit_table.row_of(table, code, old)
        listed = unit_table.candidates(code, row) if old else []
        return Unit(code, unit_table.status_of(code, row), list(row), listed, table.version)
