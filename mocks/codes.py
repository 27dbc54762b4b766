"""The register of administrative units: versions of the table, and look-ups of a code."""

from collections.abc import Mapping

import msgspec

from mocks import pages, unit_table
from mocks.pages import Page, Rows, Shelf
from mocks.system import System
from mocks.unit_table import OnDay, Table, Unit, Versions
from mocks.wire import Call, Nothing, Reply, Route
from model import places


class Codes(System):
    """Serves the registered table; needs no memory."""

    def table(self) -> tuple[Route, ...]:
        """Return its routes."""
        return (
            Route("GET", "/versions", "versions", self.versions, gives=Versions),
            Route("GET", "/table", "table", self.whole, gives=Table),
            Route("GET", "/units/{code}", "unit", self.look_up, OnDay, Unit, "query"),
        )

    def shelves(self) -> tuple[Shelf, ...]:
        """Return the shelf of the units."""
        columns = ("Mã", "Đơn vị", "Tỉnh, thành phố")
        return (Shelf("communes", "Đơn vị hành chính cấp xã (communes)", columns, _listed, _commune_page),)

    async def facts(self) -> Mapping[str, object]:
        """Say which version is registered."""
        await self.database()
        return msgspec.structs.asdict(unit_table.official_seal())

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


def _listed(after: int, limit: int) -> Rows:
    communes = list(places.communes().values())[after : after + limit]
    rows = [(unit.code, f"{unit.kind} {unit.name}", places.provinces()[unit.province].name) for unit in communes]
    return rows, after + limit if len(rows) == limit else None


def _commune_page(code: str) -> Page | None:
    unit = places.communes().get(code)
    if unit is None:
        return None
    before = [(old,) for old, row in unit_table.official().legacy.items() if code in row]
    facts = {"Tỉnh, thành phố (province)": places.provinces()[unit.province].name}
    table = pages.Table("Mã trước 1/7/2025 (codes of before)", ("Mã",), before)
    return Page(f"{unit.code} {unit.kind} {unit.name}", facts, [table])
