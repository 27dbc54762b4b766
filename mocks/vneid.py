"""VNeID, the only citizen account since 1 July 2024 [P]: OpenID Connect, authorisation code flow."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlencode

import msgspec

from mocks import logins, pages
from mocks.logins import Logins
from mocks.messages import Text, UserInfo, shared_secret
from mocks.pages import Button, Field, Form, Page, Shelf, Table
from mocks.system import DurableSystem
from mocks.tokens import CITIZEN_ACCOUNT, ORGANISATION_ACCOUNT, Claims, Signer, TokenError
from mocks.wire import HTML, Body, Call, Nothing, Refusal, Reply, Route
from model import organisations, people
from model.organisations import Organisation
from model.people import Person

CODE_LIFE = 60.0  # seconds
TOKEN_LIFE = 3600.0  # seconds
SHOWN = 3  # invented accounts of each kind, for who logs in by hand
Uri = Annotated[str, msgspec.Meta(pattern="^https?://[!-~]+$", max_length=500)]  # goes into a header


class Authorisation(Body):
    """Query of ``/authorize``; ``login_hint`` is who logs in (SoDinhDanh): left out, the person is asked."""

    client_id: Text
    redirect_uri: Uri
    response_type: Literal["code"]
    scope: Text
    state: Text
    login_hint: Annotated[str, msgspec.Meta(pattern="^([0-9]{10}|[0-9]{12})?$", max_length=12)] = ""
    nonce: Annotated[str, msgspec.Meta(max_length=200)] = ""


class Redemption(Body):
    """Form of ``/token``."""

    grant_type: Literal["authorization_code"]
    code: Annotated[str, msgspec.Meta(max_length=4000)]
    client_id: Text
    client_secret: Text
    redirect_uri: Uri


class Revocation(Body):
    """Form of ``/revoke``."""

    token: Annotated[str, msgspec.Meta(max_length=4000)]


class Tokens(msgspec.Struct):
    """What a code is redeemed for; ``expires_in`` in seconds."""

    access_token: str
    id_token: str
    token_type: str
    expires_in: int


class Vneid(DurableSystem):
    """Signs codes and tokens; remembers each log-in whose code was redeemed, and whether its token was revoked.

    Who asks about a token waits for no transaction: that somebody asked is stored with the next one.
    """

    schema = logins.SCHEMA

    def prepare(self) -> None:
        """Open the store."""
        super().prepare()
        self._signer = Signer(self.store.secret())
        self._logins = Logins(self.store)

    def table(self) -> tuple[Route, ...]:
        """Return its routes."""
        return (
            Route(
                "GET",
                "/authorize",
                "authorize",
                self.authorise,
                Authorisation,
                None,
                "query",
                302,
                refuses=(404,),
                media={200: HTML, 302: ""},
            ),
            Route("POST", "/token", "token", self.redeem, Redemption, Tokens, "form", refuses=(401,)),
            Route("GET", "/userinfo", "userinfo", self.user_info, gives=UserInfo, auth=self._access),
            Route("POST", "/revoke", "revoke", self.revoke, Revocation, Nothing, "form"),
        )

    async def authorise(self, call: Call[Authorisation]) -> Reply:
        """Log the citizen or organisation in and send them back with a code; ask who they are where nothing says so."""
        asked, person = call.content, _account(call.content.login_hint)
        if not asked.login_hint:
            return pages.reply(self.name, _who(asked, self.paths.asked("GET", "/authorize")))
        if person is None:
            raise Refusal(404, "unknown", "nobody has this number")
        claims = _claims("code", person, asked.client_id, redirect=asked.redirect_uri, nonce=asked.nonce)
        query = urlencode({"code": self._signer.sign(claims, CODE_LIFE), "state": asked.state})
        mark = "&" if "?" in asked.redirect_uri else "?"
        return Reply(302, b"", {"location": f"{asked.redirect_uri}{mark}{query}"})

    async def redeem(self, call: Call[Redemption]) -> Tokens:
        """Give tokens for a code, once."""
        asked, code = call.content, self._verified(call.content.code, "code", 400)
        if not hmac.compare_digest(asked.client_secret.encode(), shared_secret(asked.client_id).encode()):
            raise Refusal(401, "unauthorised", "the client secret is wrong")
        if (code.aud, code.redirect) != (asked.client_id, asked.redirect_uri):
            raise Refusal(400, "validation", "the code was given to another client or address")
        if not await self._logins.begin(code, code.exp - CODE_LIFE):
            raise Refusal(400, "validation", "the code was used before")
        access = Claims("access", code.sub, code.name, jti=code.jti, aud=code.aud, kind=code.kind)
        identity = Claims("identity", code.sub, code.name, aud=code.aud, nonce=code.nonce)
        signed = (self._signer.sign(access, TOKEN_LIFE), self._signer.sign(identity, TOKEN_LIFE))
        return Tokens(*signed, "Bearer", int(TOKEN_LIFE))

    async def user_info(self, call: Call[Nothing]) -> UserInfo:
        """Say whose token it is."""
        claims: Claims = call.session
        self._logins.asked(claims.jti)
        tech_id = hashlib.sha256(f"TechID:{claims.sub}".encode()).hexdigest()[:32]
        return UserInfo(tech_id, claims.sub, claims.name, claims.kind)

    async def revoke(self, call: Call[Revocation]) -> Nothing:
        """Make an access token worthless; a token that is none already is fine (RFC 7009)."""
        try:
            claims = self._signer.verify(call.content.token, "access")
        except TokenError:
            return Nothing()
        await self._logins.revoke(claims.jti)
        return Nothing()

    def shelves(self) -> tuple[Shelf, ...]:
        """Return the shelf of the log-ins."""
        return (self._logins.shelf(),)

    def facts(self) -> Mapping[str, object]:
        """Say how many log-ins there were with an account of each kind."""
        return {f"Đăng nhập (log-ins): {name}": number for name, number in self._logins.by_kind()}

    async def prepare_pages(self) -> None:
        """Store who asked about tokens, so that pages show it."""
        await self._logins.settle()

    async def stop(self) -> None:
        """Store who asked about tokens, and close the store."""
        await self._logins.settle()
        await super().stop()

    def _access(self, token: str) -> Claims:
        claims = self._verified(token, "access", 401)
        if self._logins.is_revoked(claims.jti):
            raise Refusal(401, "unauthorised", "the token was revoked")
        return claims

    def _verified(self, token: str, use: str, status: int) -> Claims:
        try:
            return self._signer.verify(token, use)
        except TokenError as error:
            raise Refusal(status, "unauthorised" if status == 401 else "validation", str(error)) from None


def _account(number: str) -> Person | Organisation | None:
    return people.find(number) or organisations.find(number)


def _claims(use: str, account: Person | Organisation, client: str, redirect: str, nonce: str) -> Claims:
    number = secrets.token_hex(8)
    kind = ORGANISATION_ACCOUNT if isinstance(account, Organisation) else CITIZEN_ACCOUNT
    return Claims(use, account.id_number, account.name, 0.0, number, client, redirect, nonce, kind)


def _who(asked: Authorisation, where: str) -> Page:
    """Return the page that asks who logs in, and names some of the invented accounts."""
    given = msgspec.structs.asdict(asked)
    hidden = [Field(name, value=value) for name, value in given.items() if name != "login_hint"]
    some: list[Person | Organisation] = [people.person(number) for number in range(1, 1 + SHOWN)]
    some += [organisations.organisation(number) for number in range(1, 1 + SHOWN)]
    form = Form(
        [*hidden, Field("login_hint", "Số định danh hoặc mã số thuế", required=True)],
        [Button(where, "Đăng nhập")],
        "get",
    )
    accounts = Table("Tài khoản mẫu (invented accounts)", ("Số", "Tên"), [(one.id_number, one.name) for one in some])
    return Page("Đăng nhập VNeID", {"Ứng dụng (client)": asked.client_id}, [accounts], form=form)
