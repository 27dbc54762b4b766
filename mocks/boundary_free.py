"""Boundary-free intake (tiếp nhận phi địa giới): a counter takes in what another province decides.

The code, drawn here, begins with the province of the counter, and its commune is the one that the dossier is for. The
outbox tells the portal, the one-stop shop, which hands the dossier on to its authority: neither needs to be reachable
while the citizen waits, and whoever hears it twice keeps it once.
"""

import sqlite3
import time
from collections.abc import Callable
from typing import Any

import msgspec

from mocks import intake, workflows
from mocks.dossier_system import DossierSystem
from mocks.messages import CREATE, Submission, Submitted
from mocks.portal import item_of
from mocks.system import created
from mocks.wire import Call, Refusal, Reply, Route
from model.dossier import State
from model.links import Link, province_of
from model.workflows import Role


class BoundaryFree:
    """Takes dossiers in for the other provinces of the stack.

    Args:
        system: The province's whose counters these are.
        auth: Makes a session of the bearer token of who asks.
    """

    def __init__(self, system: DossierSystem, auth: Callable[[str], Any]) -> None:
        self._system = system
        self._auth = auth
        self._code = province_of(system.name) or ""
        self._link = Link(system.name, "national").name

    def routes(self) -> tuple[Route, ...]:
        """Return the route that it adds to its system."""
        return (
            Route(
                "POST", "/HoSo/PhiDiaGioi", "forward", self.take_in, Submission, Submitted,
                status=201, auth=self._auth, keyed=True, refuses=(403,),
            ),
        )  # fmt: skip

    async def take_in(self, call: Call[Submission]) -> Reply:
        """Acknowledge a dossier of another province, and store the message that hands it over."""
        workflows.check(call.session, Role.ONE_STOP, "intake")
        system, procedure = self._system, intake.checked(call.content)
        if call.content.province == self._code:
            raise Refusal(422, "validation", "province: this one; its own dossiers go to /counter/dossiers")
        if call.content.province not in system.surroundings.provinces:
            raise Refusal(422, "validation", "province: not connected to the portal")
        await system.units.consult()
        return await system.keys.once(
            system.store, call, lambda connection: self._hand_over(connection, call, procedure.fee)
        )

    def _hand_over(self, connection: sqlite3.Connection, call: Call[Submission], fee: int) -> Reply:
        system = self._system
        channel = intake.counter_channel(call.content)
        new = intake.new_dossier(connection, "H", call, channel, system.units, self._code)
        first = (1, State.RECEIVED.value, round(time.time(), 6))
        item = item_of(new, first, system.surroundings.defects)
        system.outbox.put(connection, self._link, (new.code, CREATE, msgspec.json.encode(item)))
        for message in system.attachments.attach(connection, call.session.sub, new.code, call.content.attachments):
            system.outbox.put(connection, self._link, message)
        return created(201, Submitted(new.code, first[1], first[0], 0 if new.test else fee))
