"""The register of administrative units: versions of the table, and look-ups of a code.

Around T_cutover it has two: the one that was announced by 25 June [S1], and from T_cutover on the one in force, in
which some names are corrected [A].
"""

import time
from collections.abc import Mapping

import msgspec

from mocks import cutover, pages, unit_table
from mocks.cutover import Cutover
from mocks.pages import Page, Rows, Shelf
from mocks.system import DurableSystem
from mocks.unit_table import OnDay, Seal, Table, Unit, Versions
from mocks.wire import Call, Nothing, Reply, Route
from model import places


class Codes(DurableSystem):
    """Serves the registered table; T_cutover, where one is set, is all that it remembers."""

    schema = cutover.SCHEMA

    def table(self) -> tuple[Route, ...]:
        """Return its routes."""
        order = Route(
            "PUT", "/control/cutover", "set_cutover", self.set_cutover, Cutover, Cutover, auth=self.control.check,
            spared=True,
        )  # fmt: skip
        return (
            *((order,) if self.control.exists else ()),
            Route("GET", "/versions", "versions", self.versions, gives=Versions),
            Route("GET", "/table", "table", self.whole, gives=Table),
            Route("GET", "/units/{code}", "unit", self.look_up, OnDay, Unit, "query"),
        )

    def shelves(self) -> tuple[Shelf, ...]:
        """Return the shelf of the units."""
        columns = ("Mã", "Đơn vị", "Tỉnh, thành phố")
        return (Shelf("communes", "Đơn vị hành chính cấp xã (communes)", columns, self._listed, self._commune_page),)

    def _listed(self, after: int, limit: int) -> Rows:
        communes, names = list(places.communes().values())[after : after + limit], self._table().names
        rows = [(unit.code, names[unit.code], places.provinces()[unit.province].name) for unit in communes]
        return rows, after + limit if len(rows) == limit else None

    def _commune_page(self, code: str) -> Page | None:
        unit, table = places.communes().get(code), self._table()
        if unit is None:
            return None
        before = [(old,) for old, row in table.legacy.items() if code in row]
        facts = {"Tỉnh, thành phố (province)": places.provinces()[unit.province].name}
        codes = pages.Table("Mã trước 1/7/2025 (codes of before)", ("Mã",), before)
        return Page(f"{unit.code} {table.names[code]}", facts, [codes])

    def facts(self) -> Mapping[str, object]:
        """Say which version is registered."""
        return msgspec.structs.asdict(self._registered()[-1])

    async def start(self) -> None:
        """Read the table, so that the first request needn't."""
        unit_table.official_seal(), unit_table.announced_seal()
        await super().start()

    async def versions(self, call: Call[Nothing]) -> Versions:
        """List the registered versions with their seals."""
        return Versions(self._registered())

    async def whole(self, call: Call[Nothing]) -> Reply:
        """Return the newest version, the bytes that its seal is of."""
        return Reply(200, unit_table.official_bytes() if self._in_force() else unit_table.announced_bytes())

    def _registered(self) -> list[Seal]:
        announced = [unit_table.announced_seal()] if cutover.find(self.store) else []
        return [*announced, unit_table.official_seal()] if self._in_force() else announced

    def _table(self) -> Table:
        return unit_table.official() if self._in_force() else unit_table.announced()

    async def set_cutover(self, call: Call[Cutover]) -> Cutover:
        """Set T_cutover: before it, the table in force isn't registered yet."""
        return await cutover.keep(self.store, call.content)

    def _in_force(self) -> bool:
        told = cutover.find(self.store)
        return told is None or time.time() >= told.at

    async def look_up(self, call: Call[OnDay]) -> Unit:
        """Say what a code stands for."""
        table, code = self._table(), call.path["code"]
        old = unit_table.is_old(table, code, call.content.valid_on)
        row = unit_table.row_of(table, code, old)
        listed = unit_table.candidates(code, row) if old else []
        name = unit_table.name_of(table, code, old)
        return Unit(code, unit_table.status_of(code, row), list(row), listed, table.version, name=name)
