"""Filing by hand: in a browser without script, log in with VNeID, fill the form in, keep it, submit it, see its code.

The portal and the old interfaces of the provinces offer the same pages, each under a path of its own. The session is a
cookie that other sites' forms don't carry (SameSite=Lax).
"""

import hmac
import secrets
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import msgspec

from mocks import drafts, pages
from mocks.dossier_pages import state
from mocks.dossier_system import DossierSystem
from mocks.drafts import Draft
from mocks.logins import masked
from mocks.messages import Submitted, UserInfo
from mocks.pages import Button, Field, Form, Linked, Page, Table
from mocks.tokens import Claims, Signer, TokenError
from mocks.upstream import ask_user, redeem_code
from mocks.wire import HTML, KEY, Body, Call, Nothing, Refusal, Reply, Route
from model import places, procedures
from model.paths import Paths

SESSION_LIFE = 8 * 3600.0  # seconds
STATE = "dang-nhap"
STATE_LIFE = 600  # seconds in which a person logs in at VNeID
PAGES = {200: HTML, 302: HTML, 410: HTML}
Entered = Annotated[str, msgspec.Meta(max_length=200)]
DraftName = Annotated[str, msgspec.Meta(pattern=f"^{KEY.pattern}$", max_length=80)]


class FormPage(Body):
    """One page of the form, or all of it; ``draft`` is the name under which it is kept.

    Fields that aren't sent stay as they were, empty ones are taken out.
    """

    draft: DraftName
    procedure: Entered | None = None
    commune: Entered | None = None
    SoBan: Entered | None = None
    GhiChu: Entered | None = None


class Which(Body):
    """Query of the form: which draft is gone on with; empty: a new one."""

    draft: Annotated[str, msgspec.Meta(pattern=f"^({KEY.pattern})?$", max_length=80)] = ""


class Landed(Body):
    """Query with which VNeID sends a person back."""

    code: Annotated[str, msgspec.Meta(max_length=4000)]
    state: Annotated[str, msgspec.Meta(max_length=200)]


@dataclass(frozen=True, slots=True)
class Site:
    """What tells the pages of one system from another's.

    Attributes:
        title: Of the first page.
        path: Under which they are served.
        operation: Prefix of their operations' names.
        cookie: Name of the session's cookie.
        use: Use of the session's token.
    """

    title: str
    path: str
    operation: str
    cookie: str
    use: str


class OnlineForm:
    """The pages of one system.

    Args:
        system: Whose pages they are; its name is its name at VNeID as well.
        site: What tells them from others.
        provinces: Whose communes can be chosen.
        signer: Of its sessions.
    """

    def __init__(self, system: DossierSystem, site: Site, provinces: Sequence[str], signer: Signer) -> None:
        self._system = system
        self._site = site
        self._provinces = provinces
        self._drafts = system.drafts
        self._store = system.store
        self._signer = signer
        self._vneid = system.client("vneid")

    def pages(self, submit: Callable[[Call[Any]], Awaitable[Reply]]) -> tuple[Route, ...]:
        """Return the routes of the pages; ``submit`` makes a dossier of the draft that a call names, and says so."""
        path, name, citizen, cookie = self._site.path, self._site.operation, self.citizen, self._site.cookie

        async def submitted(call: Call[FormPage]) -> Reply:
            return await self._submit(call, submit)

        return (
            Route("GET", path, f"{name}_home", self.home, media=PAGES),
            Route("GET", f"{path}/login", f"{name}_login", self.log_in, status=302, media={302: HTML, 410: HTML}),
            Route(
                "GET", f"{path}/session", f"{name}_landing", self.land, Landed, source="query", status=303, auth=str,
                cookie=STATE, media={302: HTML, 303: HTML, 410: HTML},
            ),
            Route(
                "GET", f"{path}/form", f"{name}_form", self.form, Which, source="query", auth=citizen, cookie=cookie,
                media=PAGES,
            ),
            Route(
                "POST", f"{path}/draft", f"{name}_draft", self.save, FormPage, source="form", auth=citizen,
                cookie=cookie, refuses=(409,), media=PAGES, shown=self._saved,
            ),
            Route(
                "POST", f"{path}/submission", f"{name}_submission", submitted, FormPage, source="form", auth=citizen,
                cookie=cookie, refuses=(409, 429), media=PAGES,
            ),
        )  # fmt: skip

    def elsewhere(self, claims: Claims | None, draft: str = "") -> Reply | None:
        """Return what leads elsewhere, with session and draft, where nothing can be filed here; else None."""
        return None

    async def greet(self, user: UserInfo) -> None:
        """Take note of somebody who has logged in."""

    def after(self, code: str) -> Form | None:
        """Return what a person may do with a dossier that is submitted."""
        return None

    def citizen(self, token: str) -> Claims:
        """Return whose session a cookie is; raises Refusal 401."""
        try:
            return self._signer.verify(token, self._site.use)
        except TokenError as error:
            raise Refusal(401, "unauthorised", str(error)) from None

    async def home(self, call: Call[Nothing]) -> Reply:
        """Show the first page."""
        return self.elsewhere(None) or pages.reply(self._system.name, self._home())

    def _home(self) -> Page:
        path = self._site.path
        ways = [Button(f"{path}/login", "Đăng nhập bằng VNeID"), Button(f"{path}/form", "Hồ sơ nháp của tôi")]
        return Page(self._site.title, form=Form([], ways, "get"))

    async def log_in(self, call: Call[Nothing]) -> Reply:
        """Send a person to VNeID, which sends them back."""
        led = self.elsewhere(None)
        if led is not None:
            return led
        state = secrets.token_urlsafe(16)
        asked = {"response_type": "code", "scope": "openid", "state": state, "nonce": state}
        query = urlencode({"client_id": self._system.name, "redirect_uri": self._landing(), **asked})
        paths = Paths("vneid", self._system.surroundings.paths)
        where = f"http://{self._system.reached('vneid')}{paths.asked('GET', '/authorize')}?{query}"
        return _led(302, where, f"{STATE}={state}; Path=/; HttpOnly; SameSite=Lax; Max-Age={STATE_LIFE}")

    def _landing(self) -> str:
        return f"http://{self._system.reached(self._system.name)}{self._site.path}/session"

    async def land(self, call: Call[Landed]) -> Reply:
        """Open the session of whoever comes back from VNeID in the browser that was sent there."""
        if not hmac.compare_digest(call.content.state.encode(), str(call.session).encode()):
            raise Refusal(401, "unauthorised", "this log-in was begun elsewhere; log in again")
        token = await redeem_code(self._vneid, self._system.name, call.content.code, self._landing())
        user = await ask_user(self._vneid, token)
        await self.greet(user)
        claims = Claims(self._site.use, user.SoDinhDanh, user.HoVaTen, kind=user.LoaiTaiKhoan)
        return self.elsewhere(claims) or self.enter(self.signed(claims), "")

    def signed(self, claims: Claims) -> str:
        """Return a session."""
        return self._signer.sign(claims, SESSION_LIFE)

    def cookie(self, session: str) -> str:
        """Return the cookie that carries a session."""
        return f"{self._site.cookie}={session}; Path=/; HttpOnly; SameSite=Lax"

    def enter(self, session: str, draft: str) -> Reply:
        """Lead a browser to the form, with a session and the name of a draft, empty where there is none."""
        return _led(303, f"{self._site.path}/form?{urlencode({'draft': draft})}", self.cookie(session))

    async def form(self, call: Call[Which]) -> Reply:
        """Show the form, with what a draft holds."""
        claims, name = call.session, call.content.draft
        return self.elsewhere(claims, name) or self._form(claims, name, "Nộp hồ sơ trực tuyến")

    async def save(self, call: Call[FormPage]) -> Reply:
        """Keep a page of the form."""
        await self._store.write(lambda connection: self._keep(connection, call.session, call.content))
        return small("Đã lưu nháp", "<p>Hồ sơ nháp đã được lưu.</p>")

    def _saved(self, call: Call[FormPage], reply: Reply) -> Reply:
        return self._form(call.session, call.content.draft, "Đã lưu nháp") if reply.status == 200 else reply

    async def _submit(self, call: Call[FormPage], submit: Callable[[Call[Any]], Awaitable[Reply]]) -> Reply:
        """Keep the form and submit it; sent again, it is answered as before: its draft becomes one dossier.

        What can't be submitted as it is stays a draft: the form is shown again, and says what is wrong.
        """
        name = call.content.draft
        filed = replace(call, path={"draft": name}, key=f"nop:{name}", digest=b"")
        reply = self._system.keys.answered(self._store.reader, filed)
        if reply is None:
            kept = await self.save(call)
            if kept.status != 200:
                return kept
            try:
                reply = await submit(filed)
            except Refusal as refusal:
                if refusal.status != 422:
                    raise
                return self._form(call.session, name, "Chưa nộp được", str(refusal))
        return self._done(msgspec.json.decode(reply.body, type=Submitted)) if reply.status == 201 else reply

    def _done(self, made: Submitted) -> Reply:
        facts = {
            "Mã hồ sơ (code)": _page_of(made.code),
            "Trạng thái (state)": state(made.state),
            "Lệ phí, VND (fee)": made.fee,
            **({"Đang giữ (held)": made.message} if made.message else {}),
            "Hồ sơ khác (another one)": Linked("nộp tiếp", f"{self._site.path}/form"),
        }
        return pages.reply(self._system.name, Page(f"Đã nộp hồ sơ {made.code}", facts, form=self.after(made.code)))

    def _form(self, claims: Claims, name: str, title: str, wrong: str = "") -> Reply:
        found = drafts.find(self._store.reader, claims.sub, name)
        facts: dict[str, object] = {"Người nộp (applicant)": f"{claims.name}, {masked(claims.sub)}"}
        if wrong:
            facts["Cần sửa (to be mended)"] = wrong
        if found is None or not found.went:
            form: Form | None = self._blank(name or f"hs-{secrets.token_hex(6)}", found)
        else:
            facts["Đã thành (the draft went)"] = found.went if found.went == drafts.ELSEWHERE else _page_of(found.went)
            form = self.after(found.went)
        mine = [
            (Linked(draft, f"{self._site.path}/form?{urlencode({'draft': draft})}"), went or "đang soạn")
            for draft, went in drafts.of(self._store.reader, claims.sub)
        ]
        table = Table("Hồ sơ nháp của tôi (my drafts)", ("Tên", "Đã thành"), mine)
        return pages.reply(self._system.name, Page(title, facts, [table], form=form))

    def _blank(self, name: str, found: Draft | None) -> Form:
        content = {} if found is None else found.content
        entered, path = _entered(content), self._site.path
        fields = [
            Field("draft", value=name),
            Field("procedure", "Thủ tục", _text(content, "procedure"), _procedures(), required=True),
            Field("commune", "Nơi giải quyết", _text(content, "commune"), _communes(self._provinces), required=True),
            Field("SoBan", "Số bản", _text(entered, "SoBan")),
            Field("GhiChu", "Ghi chú", _text(entered, "GhiChu")),
        ]
        ways = [Button(f"{path}/draft", "Lưu nháp", unfinished=True), Button(f"{path}/submission", "Nộp hồ sơ")]
        return Form(fields, ways)

    def _keep(self, connection: sqlite3.Connection, claims: Claims, page: FormPage) -> None:
        found = drafts.find(connection, claims.sub, page.draft)
        content = {} if found is None else found.content
        plain = _merged(content, {"procedure": page.procedure, "commune": page.commune})
        form = _merged(_entered(content), {"SoBan": page.SoBan, "GhiChu": page.GhiChu})
        applicant = {"SoDinhDanh": claims.sub, "HoVaTen": claims.name}
        kept = {**plain, "province": self._province(plain), "applicant": applicant, "form": form}
        self._drafts.put(connection, claims.sub, page.draft, kept)

    def _province(self, content: Mapping[str, Any]) -> str:
        """Return the province of the commune that was chosen, of several; the one there is otherwise."""
        commune = places.communes().get(_text(content, "commune"))
        return self._provinces[0] if commune is None or len(self._provinces) == 1 else commune.province


def _page_of(code: str) -> Linked:
    return Linked(code, f"/pages/dossiers/{quote(code, safe='')}")


def small(title: str, body: str, headers: Mapping[str, str] | None = None) -> Reply:
    """Return a page of a few bytes, for programs that fill a form in; ``title`` and ``body`` are HTML."""
    text = f'<!doctype html><html lang="vi"><meta charset="utf-8"><title>{title}</title><h1>{title}</h1>{body}</html>'
    return Reply(200, text.encode(), {**pages.HEADERS, **(headers or {})})


def _led(status: int, where: str, cookie: str) -> Reply:
    return Reply(status, b"", {"location": where, "set-cookie": cookie, "content-type": HTML})


def _merged(content: Mapping[str, Any], given: Mapping[str, str | None]) -> dict[str, Any]:
    """Return content with the fields that were given, without those that were given empty."""
    sent = {name: value for name, value in given.items() if value is not None}
    kept = {name: value for name, value in content.items() if name not in sent}
    return kept | {name: value for name, value in sent.items() if value}


def _entered(content: Mapping[str, Any]) -> Mapping[str, Any]:
    form = content.get("form")
    return form if isinstance(form, dict) else {}


def _text(content: Mapping[str, Any], name: str) -> str:
    return str(content.get(name, ""))


def _procedures() -> dict[str, list[tuple[str, str]]]:
    """Return the procedures that can be filed online, by the name of their field."""
    found: dict[str, list[tuple[str, str]]] = {}
    for procedure in procedures.procedures().values():
        if procedure.online:
            shown = f"{procedure.name} ({procedure.code}, {procedure.fee} đ)"
            found.setdefault(procedures.FIELDS[procedure.field][0], []).append((procedure.code, shown))
    return found


def _communes(codes: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """Return the communes of some provinces, by the name of the province."""
    return {
        places.provinces()[code].name: [(unit.code, f"{unit.kind} {unit.name}") for unit in places.communes_of(code)]
        for code in codes
    }
