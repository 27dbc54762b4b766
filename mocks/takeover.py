"""How the portal takes a citizen over from a province's old interface, session and draft included."""

from collections.abc import Mapping
from typing import Annotated

import msgspec

from mocks import drafts
from mocks.client import Client
from mocks.defects import Defects
from mocks.drafts import Drafts
from mocks.messages import ProvinceCode
from mocks.public_ui import HandedOver
from mocks.tokens import Claims, Signer
from mocks.upstream import ask, understood
from mocks.wire import Body, Call, Refusal, Route

SESSION_LIFE = 8 * 3600.0  # seconds


class Landing(Body):
    """Query of the address to which an old interface sends its citizens."""

    province: ProvinceCode
    token: Annotated[str, msgspec.Meta(max_length=4000)]


class Welcome(msgspec.Struct):
    """The citizen's session at the portal, and the name of the draft; empty where there was none."""

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

    def routes(self) -> tuple[Route, ...]:
        """Return its route."""
        return (Route("GET", "/handover", "handover", self.take_over, Landing, Welcome, "query", refuses=(401,)),)

    async def take_over(self, call: Call[Landing]) -> Welcome:
        """Fetch the draft from the province and open a session; a draft that is here already stays as it is.

        Raises Refusal 401 where the province doesn't know the token.
        """
        client = self.provinces.get(call.content.province)
        if client is None:
            raise Refusal(422, "validation", "province: not connected to the portal")
        found = await self._fetch(client, call.content)
        if found.draft:
            await self._keep(found)
        claims = Claims("citizen", found.SoDinhDanh, found.HoVaTen)
        return Welcome(self._signer.sign(claims, SESSION_LIFE), found.HoVaTen, found.draft)

    async def _fetch(self, client: Client, landing: Landing) -> HandedOver:
        who, body = f"province:{landing.province}", msgspec.json.encode({"token": landing.token})
        received = await ask(client, who, "POST", "/api/drafts/redeem", body)
        if received.status != 200:
            raise Refusal(401, "unauthorised", "the province doesn't hand this over")
        return understood(received, who, HandedOver)

    async def _keep(self, found: HandedOver) -> None:
        content = {} if self._defects.hits("draft-lost-on-redirect", found.draft) else found.content
        owner, name = found.SoDinhDanh, found.draft
        if drafts.find(self._drafts.store.reader, owner, name) is None:
            await self._drafts.store.write(lambda connection: self._drafts.put(connection, owner, name, content))
