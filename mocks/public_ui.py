"""The province's old public interface: open, then redirecting to the national portal, then closed, around T_cutover.

Whoever has begun there takes session and draft along: a hand-over token, signed by the province, leads to the portal,
which fetches the draft with it. Plain HTML; a closed page is 410 and says where to go.
"""

import html
import sqlite3
import time
from collections.abc import Callable
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import msgspec

from mocks import drafts
from mocks.client import Client
from mocks.control import Control
from mocks.drafts import Drafts
from mocks.messages import Submission, Text
from mocks.tokens import Claims, Signer, TokenError
from mocks.upstream import AccessToken, ask_user
from mocks.wire import HTML, Body, Call, Nothing, Refusal, Reply, Route

COOKIE = "phien"
SESSION_LIFE = 8 * 3600.0  # seconds
TOKEN_LIFE = 3600.0  # seconds that a hand-over token is good for
SCHEMA = """
CREATE TABLE IF NOT EXISTS cutover(id INTEGER PRIMARY KEY CHECK(id = 1), at REAL NOT NULL, redirect REAL NOT NULL);
"""
PAGES = {200: HTML, 302: HTML, 410: HTML}
Stand = Literal["open", "redirecting", "closed"]
Field = Annotated[str, msgspec.Meta(max_length=200)]


class Cutover(Body):
    """When the interface begins to redirect (Unix seconds), and for how many seconds it does before it is closed."""

    at: float
    redirect: Annotated[float, msgspec.Meta(gt=0)]


class FormPage(Body):
    """One page of the form; ``draft`` is the name under which it is kept."""

    draft: Text
    procedure: Field = ""
    commune: Field = ""
    SoBan: Field = ""
    GhiChu: Field = ""


class HandOverToken(Body):
    """The portal asks for what a hand-over token stands for."""

    token: Annotated[str, msgspec.Meta(max_length=4000)]


class HandedOver(msgspec.Struct):
    """Whose session it was, and the draft; ``draft`` is empty where there was none."""

    SoDinhDanh: str
    HoVaTen: str
    draft: str
    content: dict[str, Any]


class PublicInterface:
    """The old interface of one province.

    Attributes:
        province: Its code.
        portal: ``host:port`` at which people reach the portal.
    """

    def __init__(
        self, province: str, portal: str, drafts: Drafts, signer: Signer, control: Control, vneid: Client
    ) -> None:
        self.province = province
        self.portal = portal
        self._drafts = drafts
        self._store = drafts.store
        self._signer = signer
        self._control = control
        self._vneid = vneid

    def routes(self, operator: Callable[[str], Any] | None) -> tuple[Route, ...]:
        """Return its routes; ``operator`` knows who may set T_cutover, None: nobody may."""
        citizen, cutover = self.citizen, self.set_cutover
        controlled = (
            Route("PUT", "/control/cutover", "set_cutover", cutover, Cutover, Cutover, auth=operator, spared=True),
        )
        return (
            Route("GET", "/portal", "ui_home", self.home, media=PAGES),
            Route(
                "POST", "/portal/session", "ui_session", self.open_session, AccessToken, source="form",
                refuses=(401,), media=PAGES,
            ),
            Route(
                "POST", "/portal/draft", "ui_draft", self.save, FormPage, source="form", auth=citizen, cookie=COOKIE,
                refuses=(409,), media=PAGES,
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
        row = self._store.reader.execute("SELECT at, redirect FROM cutover").fetchone()
        now = time.time()
        if row is None or now < row[0]:
            return "open"
        return "redirecting" if now < row[0] + row[1] else "closed"

    async def set_cutover(self, call: Call[Cutover]) -> Cutover:
        """Set T_cutover."""
        asked = call.content
        statement = "INSERT OR REPLACE INTO cutover VALUES(1, ?, ?)"
        await self._store.write(lambda connection: connection.execute(statement, (asked.at, asked.redirect)) and None)
        return asked

    async def home(self, call: Call[Nothing]) -> Reply:
        """Show the first page."""
        return self._elsewhere(f"http://{self.portal}/") or _page(
            "Cổng dịch vụ công của tỉnh", "<form method=post action=/portal/session>Đăng nhập bằng VNeID</form>"
        )

    async def open_session(self, call: Call[AccessToken]) -> Reply:
        """Log a citizen in with VNeID; the session is a cookie."""
        user = await ask_user(self._vneid, call.content.access_token)
        claims = Claims("interface", user.SoDinhDanh, user.HoVaTen)
        led = self._elsewhere(self._way(claims, ""))
        if led is not None:
            return led
        cookie = f"{COOKIE}={self._signer.sign(claims, SESSION_LIFE)}; Path=/; HttpOnly; SameSite=Lax"
        return _page(f"Xin chào {user.HoVaTen}", "<p>Chọn thủ tục.</p>", {"set-cookie": cookie})

    async def save(self, call: Call[FormPage]) -> Reply:
        """Keep a page of the form. A redirecting interface keeps it and leads on; a closed one leads on."""
        claims, name = call.session, call.content.draft
        if self.stand() != "closed":
            await self._store.write(lambda connection: self._keep(connection, claims, call.content))
        return self._elsewhere(self._way(claims, name)) or _page("Đã lưu nháp", "<p>Hồ sơ nháp đã được lưu.</p>")

    def _keep(self, connection: sqlite3.Connection, claims: Claims, page: FormPage) -> None:
        found = drafts.find(connection, claims.sub, page.draft)
        content = dict(found.content) if found is not None else {}
        content |= {name: value for name, value in (("procedure", page.procedure), ("commune", page.commune)) if value}
        entered = {name: value for name, value in (("SoBan", page.SoBan), ("GhiChu", page.GhiChu)) if value}
        applicant = {"SoDinhDanh": claims.sub, "HoVaTen": claims.name}
        form = {**content.get("form", {}), **entered}
        content |= {"province": self.province, "applicant": applicant, "form": form}
        self._drafts.put(connection, claims.sub, page.draft, content)

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
            return HandedOver(claims.sub, claims.name, "", {})
        return await self._store.write(lambda connection: _hand_over(connection, claims))

    def _elsewhere(self, where: str) -> Reply | None:
        """Lead elsewhere unless the interface is open."""
        stand = self.stand()
        if stand == "open":
            return None
        if stand == "redirecting":
            return Reply(302, b"", {"location": where, "content-type": HTML})
        link = f'<p>Xin tiếp tục tại <a href="{html.escape(where)}">Cổng Dịch vụ công quốc gia</a>.</p>'
        return _page("Giao diện này đã đóng", link, status=410)

    def _way(self, claims: Claims, draft: str) -> str:
        """Return where the portal takes a citizen over, session and draft included."""
        token = self._signer.sign(Claims("handover", claims.sub, claims.name, jti=draft), TOKEN_LIFE)
        return f"http://{self.portal}/handover?{urlencode({'province': self.province, 'token': token})}"

    def citizen(self, token: str) -> Claims:
        """Return whose session a cookie is; raises Refusal 401."""
        try:
            return self._signer.verify(token, "interface")
        except TokenError as error:
            raise Refusal(401, "unauthorised", str(error)) from None


def _hand_over(connection: sqlite3.Connection, claims: Claims) -> HandedOver:
    found = drafts.find(connection, claims.sub, claims.jti)
    if found is None:
        return HandedOver(claims.sub, claims.name, "", {})
    if found.went not in {"", drafts.ELSEWHERE}:
        raise Refusal(409, "submitted", f"the draft was closed: {found.went}")
    statement = "UPDATE drafts SET went = ? WHERE owner = ? AND name = ?"
    connection.execute(statement, (drafts.ELSEWHERE, claims.sub, claims.jti))
    return HandedOver(claims.sub, claims.name, found.name, found.content)


def _page(title: str, body: str, headers: dict[str, str] | None = None, status: int = 200) -> Reply:
    text = f'<!doctype html><html lang="vi"><meta charset="utf-8"><title>{html.escape(title)}</title>'
    text += f"<h1>{html.escape(title)}</h1>{body}</html>"
    return Reply(status, text.encode(), {"content-type": HTML, **(headers or {})})
