"""Service centres of a province: whose desk a dossier is on, and who may open it there.

One-stop officers of a commune's centre log in as ``cb.{commune}``; of the provincial centre as ``cb.H11``; of a branch
of a one-level centre as ``cb.H01-CN03``; their colleagues with the prefix of another role. A dossier is on one desk,
wherever it was taken in.
"""

import sqlite3
from collections.abc import Callable, Collection
from typing import Any, Literal

import msgspec

from mocks import intake, register
from mocks.defects import Defects
from mocks.dossier_system import unknown_dossier
from mocks.store import Store
from mocks.wire import Call, Nothing, Refusal, Route
from model import centres, places, procedures
from model.workflows import Role


class Topology(msgspec.Struct):
    """How a province's service centre is built; ``branches`` are where a one-level centre receives people."""

    levels: Literal[1, 2]
    centre: str
    branches: list[str]


class OnDesk(msgspec.Struct):
    """A dossier, and the desk that decides it."""

    code: str
    desk: str
    state: int
    sequence: int


class Centres:
    """The service centres of one province.

    Args:
        province: Its code.
        one_level: Its topology.
        store: Its dossiers.
        defects: Seeded defects that are on.
    """

    def __init__(self, province: str, one_level: bool, store: Store, defects: Defects) -> None:
        self._province = province
        self._one_level = one_level and not defects.on("one-topology")
        self._levels: Literal[1, 2] = 1 if one_level else 2
        self._branches = centres.branches(province) if one_level else ()
        self._store = store

    def routes(self, auth: Callable[[str], Any]) -> tuple[Route, ...]:
        """Return its routes, for the officers whom ``auth`` knows."""
        return (
            Route("GET", "/centres", "centres", self.topology, gives=Topology),
            Route(
                "GET",
                "/officer/dossiers/{code}",
                "open_dossier",
                self.open,
                gives=OnDesk,
                auth=auth,
                refuses=(403, 404),
            ),
        )

    def receives(self, place: str) -> bool:
        """Tell whether officers of a place, a commune, a centre or a branch, have accounts here."""
        return (
            intake.belongs(place, self._province) or place == centres.centre(self._province) or place in self._branches
        )

    def post(self, account: str) -> tuple[Role, str] | None:
        """Return role and place of an officer's account, None where no place here has such an account."""
        role, _, place = account.partition(".")
        return (Role(role), place) if role in tuple(Role) and self.receives(place) else None

    def others(self, place: str) -> Collection[str]:
        """Return the procedures that a place's officer isn't given: a centre's, those of the communes.

        A commune's officer whose own queue is empty helps out with whatever waits in the province [A].
        """
        if place in places.communes() or self._one_level:
            return ()
        return centres.decided_by("xã")

    async def topology(self, call: Call[Nothing]) -> Topology:
        """Say how the province's centre is built."""
        return Topology(self._levels, centres.centre(self._province), list(self._branches))

    async def open(self, call: Call[Nothing]) -> OnDesk:
        """Open a dossier at its desk; raises Refusal 403 at another one, and says which it is on."""
        found = self._find(self._store.reader, call.path["code"])
        if found.desk != centres.desk_of_officer(self._one_level, self._province, call.session.sub):
            raise Refusal(403, "desk", f"the dossier is on the desk {found.desk}")
        return found

    def _find(self, connection: sqlite3.Connection, code: str) -> OnDesk:
        dossier = register.find(connection, code)
        if dossier is None:
            raise unknown_dossier()
        level = procedures.procedures()[dossier.procedure].level
        desk = centres.desk_of(self._one_level, dossier.province, dossier.commune, level)
        return OnDesk(code, desk, dossier.state, dossier.sequence)
