"""VNeID, the only citizen account since 1 July 2024 [P]: OpenID Connect, authorisation code flow."""

import hashlib
import hmac
import secrets
import sqlite3
from typing import Annotated, Literal
from urllib.parse import urlencode

import msgspec
from prometheus_client import CollectorRegistry

from mocks.messages import IdNumber, Text, UserInfo, shared_secret
from mocks.system import DurableSystem, Surroundings
from mocks.tokens import Claims, Signer, TokenError
from mocks.wire import Body, Call, Nothing, Refusal, Reply, Route
from model import people

CODE_LIFE = 60.0  # seconds
TOKEN_LIFE = 3600.0  # seconds
Uri = Annotated[str, msgspec.Meta(pattern="^https?://[!-~]+$", max_length=500)]  # goes into a header


class Authorisation(Body):
    """Query of ``/authorize``; ``login_hint`` is who logs in (SoDinhDanh)."""

    client_id: Text
    redirect_uri: Uri
    response_type: Literal["code"]
    scope: Text
    state: Text
    login_hint: IdNumber
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
    """Signs codes and tokens; remembers only which codes were used and which tokens revoked."""

    schema = "CREATE TABLE IF NOT EXISTS spent(jti TEXT PRIMARY KEY) WITHOUT ROWID;"

    def __init__(self, name: str, surroundings: Surroundings, registry: CollectorRegistry) -> None:
        super().__init__(name, surroundings, registry)
        self._signer = Signer(self.store.secret())

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
                media={302: ""},
            ),
            Route("POST", "/token", "token", self.redeem, Redemption, Tokens, "form", refuses=(401,)),
            Route("GET", "/userinfo", "userinfo", self.user_info, gives=UserInfo, auth=self._access),
            Route("POST", "/revoke", "revoke", self.revoke, Revocation, Nothing, "form"),
        )

    async def authorise(self, call: Call[Authorisation]) -> Reply:
        """Log the citizen in and send them back with a code."""
        asked, person = call.content, people.find(call.content.login_hint)
        if person is None:
            raise Refusal(404, "unknown", "nobody has this personal identification number")
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
        if not await self.store.write(lambda connection: _spend(connection, code.jti)):
            raise Refusal(400, "validation", "the code was used before")
        access = Claims("access", code.sub, code.name, jti=secrets.token_hex(8), aud=code.aud)
        identity = Claims("identity", code.sub, code.name, aud=code.aud, nonce=code.nonce)
        signed = (self._signer.sign(access, TOKEN_LIFE), self._signer.sign(identity, TOKEN_LIFE))
        return Tokens(*signed, "Bearer", int(TOKEN_LIFE))

    async def user_info(self, call: Call[Nothing]) -> UserInfo:
        """Say whose token it is."""
        claims: Claims = call.session
        tech_id = hashlib.sha256(f"TechID:{claims.sub}".encode()).hexdigest()[:32]
        return UserInfo(tech_id, claims.sub, claims.name)

    async def revoke(self, call: Call[Revocation]) -> Nothing:
        """Make an access token worthless; a token that is none already is fine (RFC 7009)."""
        try:
            claims = self._signer.verify(call.content.token, "access")
        except TokenError:
            return Nothing()
        await self.store.write(lambda connection: _spend(connection, claims.jti))
        return Nothing()

    def _access(self, token: str) -> Claims:
        claims = self._verified(token, "access", 401)
        statement = "SELECT 1 FROM spent WHERE jti = ?"
        if self.store.reader.execute(statement, (claims.jti,)).fetchone():
            raise Refusal(401, "unauthorised", "the token was revoked")
        return claims

    def _verified(self, token: str, use: str, status: int) -> Claims:
        try:
            return self._signer.verify(token, use)
        except TokenError as error:
            raise Refusal(status, "unauthorised" if status == 401 else "validation", str(error)) from None


def _claims(use: str, person: people.Person, client: str, redirect: str, nonce: str) -> Claims:
    number = secrets.token_hex(8)
    return Claims(use, person.id_number, person.name, 0.0, number, client, redirect, nonce)


def _spend(connection: sqlite3.Connection, jti: str) -> bool:
    return connection.execute("INSERT INTO spent VALUES(?) ON CONFLICT DO NOTHING", (jti,)).rowcount == 1
