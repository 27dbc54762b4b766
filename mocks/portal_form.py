"""Filing by hand at the national portal, and the way from a dossier to the payment of its fee."""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import msgspec

from mocks import accounts
from mocks.dossier_system import DossierSystem
from mocks.fees import PaymentAsked
from mocks.messages import DossierCode, UserInfo
from mocks.online_form import OnlineForm, Site
from mocks.pages import Button, Field, Form
from mocks.tokens import Signer
from mocks.wire import HTML, Body, Call, Reply, Route
from model import procedures

PATH = "/online"
COOKIE = "phien-quoc-gia"
Handler = Callable[[Call[Any]], Awaitable[Reply]]


class Which(Body):
    """Form of the button that pays: the dossier."""

    code: DossierCode


class PortalForm(OnlineForm):
    """The portal's pages for citizens; ``submit`` makes a dossier of the draft that a call names."""

    def __init__(self, system: DossierSystem, signer: Signer, submit: Handler) -> None:
        site = Site("Cổng Dịch vụ công quốc gia", PATH, "online", COOKIE, "citizen")
        super().__init__(system, site, system.surroundings.provinces, signer)
        self._submit_draft = submit

    def routes(self, payment: Handler) -> tuple[Route, ...]:
        """Return its routes; ``payment`` asks the payment platform for the payment of the fee of a call's dossier."""

        async def pay(call: Call[Which]) -> Reply:
            path, key = {"code": call.content.code}, f"tra:{uuid.uuid4().hex}"
            reply = await payment(replace(call, path=path, key=key))
            return self._pays(reply) if reply.status == 200 else reply

        return (
            *self.pages(self._submit_draft),
            Route(
                "POST", f"{PATH}/payment", "online_payment", pay, Which, source="form", status=303, auth=self.citizen,
                cookie=COOKIE, refuses=(404, 409), media={303: HTML},
            ),
        )  # fmt: skip

    def _pays(self, reply: Reply) -> Reply:
        asked = msgspec.json.decode(reply.body, type=PaymentAsked)
        where = f"http://{self._system.reached('payment')}{asked.UrlThanhToan}"
        return Reply(303, b"", {"location": where, "content-type": HTML})

    async def greet(self, user: UserInfo) -> None:
        """Remember the account's TechID."""
        await accounts.remember(self._store, user)

    def after(self, code: str) -> Form | None:
        """Offer to pay the fee, where one is due."""
        dossier = self._system.find(code)
        if dossier is None or dossier.paid or dossier.test or not procedures.procedures()[dossier.procedure].fee:
            return None
        return Form([Field("code", value=code)], [Button(f"{PATH}/payment", "Nộp lệ phí")])
