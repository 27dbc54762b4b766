"""A database that has other data of people than their papers."""

import time
from collections.abc import Iterator
from threading import Event

from faults.kinds.application import Counted, counted, enough
from faults.kinds.base import Attribute
from faults.probe import Measurement
from model import people
from model.books import PROBE
from model.plan import Fault
from model.procedures import DATABASES

SPECIALISED = tuple(dict.fromkeys(DATABASES.values()))


class WrongData(Counted):
    """Gives a database other data of ``share`` % of the people: it says that theirs differ, and confirms nothing.

    The proof asks for people's confirmation, and leaves receipts for ``probe-…`` behind.
    """

    name = "wrong-data"
    summary = "a database has other data of share % of the people, and says that theirs differ"
    proof = "of up to 200 people, POST /ndxp/confirm refuses some with 422; before the fault none"
    attributes = (
        Attribute("share", "%", 10, 100, "share of the people, always the same ones for a seed"),
        Attribute("database", "no.", 0, 3, "of specialised: 1 business, 2 civil-status, 3 land; 0: all", default=0),
    )
    inside = ("population", "specialised")

    def measure(self, seconds: float, stop: Event | None = None) -> Measurement:
        """Ask for people's confirmation, and count those whose data differ."""
        began = time.monotonic()
        differ = asked = 0
        for number in range(enough(self.values["share"])):
            for database in self._databases():
                if time.monotonic() > began + seconds or (stop and stop.is_set()):
                    return counted(differ, asked, began)
                asked += 1
                differ += self._confirm(people.person(number), database) == 422
        return counted(differ, asked, began)

    def _databases(self) -> Iterator[str]:
        names = SPECIALISED if self.fault.target == "specialised" else (self.fault.target,)
        return (name for n, name in enumerate(names, 1) if self.values["database"] in (0, n))

    def _confirm(self, person: people.Person, database: str) -> int:
        who = {"SoDinhDanh": person.id_number, "HoVaTen": person.name, "NgayThangNamSinh": person.birth_date}
        what = {"MaYeuCau": f"{PROBE}{person.id_number}", "MaHoSo": "H01.00004-250701-0001", "MaTTHC": "2.000635"}
        asked = {**who, **what, "MaDonVi": "probe", "CoSoDuLieu": database}
        return self.ask("POST", "/ndxp/confirm", asked).status

    @classmethod
    def problems(cls, fault: Fault) -> list[str]:
        """Demand a system that has the database."""
        found = super().problems(fault)
        if not found and fault.attributes.get("database", 0) > 1 and "population" in fault.targets:
            found = ["population has one database: leave out database"]
        return found
