"""The province's old public interface: open, then redirecting to the national portal, then closed, around T_cutover.

Whoever has begun there takes session and draft along: a hand-over token, signed by the province, leads to the portal,
which fetches the draft with it. Plain HTML; a closed page is 410 and says where to go.
"""

import html
import sqlite3
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import msgspec

from mocks import cutover, drafts, pages
from mocks.cutover import Cutover
from mocks.dossier_system import DossierSystem
from mocks.messages import Submission, Submitted
from mocks.online_form import PAGES, FormPage, OnlineForm, Site, small
from mocks.pages import Linked, Page
from mocks.tokens import Claims, Signer, TokenError
from mocks.upstream import AccessForm, ask_user
from mocks.wire import HTML, Body, Call, Nothing, Refusal, Reply, Route

COOKIE = "phien"
PATH = "/portal"
TOKEN_LIFE = 3600.0  # seconds that a hand-over token is good for
Stand = Literal["open", "redirecting", "closed"]


class HandOverToken(Body):
    """The portal asks for what a hand-over token stands for."""

    token: Annotated[str, msgspec.Meta(max_length=4000)]


class HandedOver(msgspec.Struct):
    """Whose session it was, in test mode or not, and the draft; ``draft`` is empty where there was none."""

    SoDinhDanh: str
    HoVaTen: str
    draft: str
    content: dict[str, Any]
    LoaiTaiKhoan: int = 1
    ThuNghiem: bool = False


class PublicInterface(OnlineForm):
    """The old interface of one province.

    Attributes:
        province: Its code.
        portal: ``host:port`` at which people reach the portal.
    """

    def __init__(self, system: DossierSystem, province: str, signer: Signer) -> None:
        site = Site("Cổng dịch vụ công của tỉnh", PATH, "ui", COOKIE, "interface")
        super().__init__(system, site, [province], signer)
        self.province = province
        self.portal = system.reached("national")
        self._control = system.control
        self._defects = system.surroundings.defects

    def routes(
        self, operator: Callable[[str], Any] | None, submit: Callable[[Call[Nothing]], Awaitable[Reply]]
    ) -> tuple[Route, ...]:
        """Return its routes.

        Args:
            operator: Knows who may set T_cutover; None: nobody may.
            submit: Makes a dossier of the draft that a call names.
        """
        put = self.set_cutover
        controlled = (
            Route("PUT", "/control/cutover", "set_cutover", put, Cutover, Cutover, auth=operator, spared=True),
        )
        return (
            *self.pages(submit),
            Route(
                "POST", f"{PATH}/session", "ui_session", self.open_session, AccessForm, source="form",
                refuses=(401,), media=PAGES,
            ),
            Route(
                "POST", f"{PATH}/drafts/{{draft}}/dossier", "ui_submit", submit, Nothing, Submitted,
                status=201, auth=self.citizen, cookie=COOKIE, keyed=True, refuses=(404, 409, 410),
            ),
            Route(
                "POST", "/api/drafts/redeem", "redeem_draft", self.redeem, HandOverToken, HandedOver,
                refuses=(401, 409),
            ),
            *(controlled if operator else ()),
        )  # fmt: skip

    def stand(self) -> Stand:
        """Return what it is at the moment; without a T_cutover it is open."""
        if self._control.find("early-closure") is not None:
            return "closed"
        told, now = cutover.find(self._store), time.time()
        if told is None or now < told.at or self._defects.on("never-closes"):
            return "open"
        return "redirecting" if now < told.at + told.redirect else "closed"

    async def set_cutover(self, call: Call[Cutover]) -> Cutover:
        """Set T_cutover."""
        return await cutover.keep(self._store, call.content)

    async def open_session(self, call: Call[AccessForm]) -> Reply:
        """Log a citizen in with VNeID's token; the session is a cookie."""
        user = await ask_user(self._vneid, call.content.access_token)
        test = call.content.ThuNghiem == "true"
        claims = Claims("interface", user.SoDinhDanh, user.HoVaTen, kind=user.LoaiTaiKhoan, test=test)
        cookie = {"set-cookie": self.cookie(self.signed(claims))}
        return self.elsewhere(claims) or small(
            f"Xin chào {html.escape(user.HoVaTen)}", f'<p><a href="{PATH}/form">Chọn thủ tục</a></p>', cookie
        )

    async def save(self, call: Call[FormPage]) -> Reply:
        """Keep a page of the form. A redirecting interface keeps it and leads on; a closed one leads on."""
        if self.stand() == "closed":
            return _closed(self._system.name, self._way(call.session, call.content.draft))
        kept = await super().save(call)
        return self.elsewhere(call.session, call.content.draft) or kept

    def submission(self, call: Call[Any]) -> Submission:
        """Return a draft as a submission; raises Refusal 410 where the interface takes none any more."""
        if self.stand() != "open":
            raise Refusal(410, "closed", "the interface is closed: submit at the national portal")
        return self._drafts.submission(call)

    async def redeem(self, call: Call[HandOverToken]) -> HandedOver:
        """Give the portal what a token stands for; the draft is the portal's from now on, asked again it is the same.

        Raises Refusal 401 for a token that isn't ours, 404 where there is no such draft.
        """
        try:
            claims = self._signer.verify(call.content.token, "handover")
        except TokenError as error:
            raise Refusal(401, "unauthorised", str(error)) from None
        if not claims.jti:
            return HandedOver(claims.sub, claims.name, "", {}, claims.kind, claims.test)
        return await self._store.write(lambda connection: _hand_over(connection, claims))

    def elsewhere(self, claims: Claims | None, draft: str = "") -> Reply | None:
        """Lead elsewhere unless the interface is open."""
        stand = self.stand()
        if stand == "open":
            return None
        where = f"http://{self.portal}/" if claims is None else self._way(claims, draft)
        if stand == "closed":
            return _closed(self._system.name, where)
        return Reply(302, b"", {"location": where, "content-type": HTML})

    def _way(self, claims: Claims, draft: str) -> str:
        """Return where the portal takes a citizen over, session and draft included."""
        handed = Claims("handover", claims.sub, claims.name, jti=draft, kind=claims.kind, test=claims.test)
        token = self._signer.sign(handed, TOKEN_LIFE)
        return f"http://{self.portal}/handover?{urlencode({'province': self.province, 'token': token})}"


def _hand_over(connection: sqlite3.Connection, claims: Claims) -> HandedOver:
    found = drafts.find(connection, claims.sub, claims.jti)
    if found is None:
        return HandedOver(claims.sub, claims.name, "", {}, claims.kind, claims.test)
    if found.went not in {"", drafts.ELSEWHERE}:
        raise Refusal(409, "submitted", f"the draft was closed: {found.went}")
    statement = "UPDATE drafts SET went = ? WHERE owner = ? AND name = ?"
    connection.execute(statement, (drafts.ELSEWHERE, claims.sub, claims.jti))
    return HandedOver(claims.sub, claims.name, found.name, found.content, claims.kind, claims.test)


def _closed(system: str, where: str) -> Reply:
    way = {"Xin tiếp tục tại (go on at)": Linked("Cổng Dịch vụ công quốc gia", where)}
    return pages.reply(system, Page("Giao diện này đã đóng", way), 410)
