"""How the portal takes a citizen over from a province's old interface, session and draft included."""

import sqlite3
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Annotated

import msgspec

from mocks import drafts
from mocks.client import Client
from mocks.defects import Defects
from mocks.drafts import Drafts
from mocks.messages import ProvinceCode
from mocks.online_form import OnlineForm
from mocks.public_ui import HandedOver
from mocks.tokens import Claims, Signer
from mocks.upstream import ask, understood
from mocks.wire import HTML, Body, Call, Refusal, Route

SESSION_LIFE = 8 * 3600.0  # seconds
LONGEST = 80  # characters of a draft's name
SCHEMA = """
CREATE TABLE IF NOT EXISTS taken_over(
    owner TEXT NOT NULL, province TEXT NOT NULL, draft TEXT NOT NULL, name TEXT NOT NULL,
    PRIMARY KEY(owner, province, draft)) WITHOUT ROWID;
"""


class Landing(Body):
    """Query of the address to which an old interface sends its citizens."""

    province: ProvinceCode
    token: Annotated[str, msgspec.Meta(max_length=4000)]


class Welcome(msgspec.Struct):
    """The citizen's session at the portal, and the name of the draft here; empty where there was none."""

    session: str
    HoVaTen: str
    draft: str


class Takeover:
    """Fetches what hand-over tokens stand for.

    Attributes:
        provinces: A client of the link to each province, by its code.
    """

    def __init__(self, provinces: Mapping[str, Client], drafts: Drafts, signer: Signer, defects: Defects) -> None:
        self.provinces = provinces
        self._drafts = drafts
        self._signer = signer
        self._defects = defects

    def routes(self, form: OnlineForm) -> tuple[Route, ...]:
        """Return its route; a browser is led on to the form, its session a cookie."""
        return (
            Route(
                "GET", "/handover", "handover", self.take_over, Landing, Welcome, "query", refuses=(401,),
                media={303: HTML}, shown=lambda _, taken: form.enter(taken.session, taken.draft), transacts=True,
            ),
        )  # fmt: skip

    async def take_over(self, call: Call[Landing]) -> Welcome:
        """Fetch the draft from the province and open a session; a draft that was taken over before stays as it is.

        Raises Refusal 401 where the province doesn't know the token.
        """
        client = self.provinces.get(call.content.province)
        if client is None:
            raise Refusal(422, "validation", "province: not connected to the portal")
        found = await self._fetch(client, call.content)
        draft = await self._keep(call.content.province, found) if found.draft else ""
        claims = Claims("citizen", found.SoDinhDanh, found.HoVaTen, kind=found.LoaiTaiKhoan, test=found.ThuNghiem)
        return Welcome(self._signer.sign(claims, SESSION_LIFE), found.HoVaTen, draft)

    async def _fetch(self, client: Client, landing: Landing) -> HandedOver:
        who, body = f"province:{landing.province}", msgspec.json.encode({"token": landing.token})
        received = await ask(client, who, "POST", "/api/drafts/redeem", body)
        if received.status != 200:
            raise Refusal(401, "unauthorised", "the province doesn't hand this over")
        return understood(received, who, HandedOver)

    async def _keep(self, province: str, found: HandedOver) -> str:
        """Keep a draft, and return its name here."""
        return await self._drafts.store.write(lambda connection: self._put(connection, province, found))

    def _put(self, connection: sqlite3.Connection, province: str, found: HandedOver) -> str:
        owner, origin = found.SoDinhDanh, (found.SoDinhDanh, province, found.draft)
        statement = "SELECT name FROM taken_over WHERE owner = ? AND province = ? AND draft = ?"
        row = connection.execute(statement, origin).fetchone()
        if row is not None:
            return str(row[0])
        free = (name for name in _names(province, found.draft) if drafts.find(connection, owner, name) is None)
        name = next(free)
        content = {} if self._defects.hits("draft-lost-on-redirect", found.draft) else found.content
        self._drafts.put(connection, owner, name, content)
        connection.execute("INSERT INTO taken_over VALUES(?, ?, ?, ?)", (*origin, name))
        return name


def _names(province: str, draft: str) -> Iterator[str]:
    """Yield the names under which a province's draft may be kept: its own, then those that name the province."""
    yield draft
    yield from (f"H{province}-{number}.{draft}"[:LONGEST] for number in count(1))
