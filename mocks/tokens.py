"""Signed tokens (JSON Web Tokens, HS256): sessions that need no memory, so they survive a restart."""

import base64
import binascii
import hashlib
import hmac
import time
from functools import lru_cache

import msgspec

from model.workflows import Role

REMEMBERED = 10_000  # genuine tokens whose signature is not computed again
CITIZEN_ACCOUNT, ORGANISATION_ACCOUNT = 1, 2
_HEADER = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"


class Claims(msgspec.Struct, omit_defaults=True):
    """What a token says.

    Attributes:
        use: What it is good for: a token of another use is no token.
        sub: Whom it is about.
        name: That person's full name.
        exp: Unix seconds until which it holds.
        jti: Its own number, where it can be used up or revoked.
        aud: The client that it was given to.
        redirect: Where an authorisation code may be redeemed.
        nonce: Of the authorisation request.
        kind: Of the account (LoaiTaiKhoan): 1 a citizen's, 2 an organisation's.
        test: Whether it is a session in test mode: what is filed in it is a rehearsal.
        role: An officer's; None: of anybody else.
    """

    use: str
    sub: str
    name: str = ""
    exp: float = 0.0
    jti: str = ""
    aud: str = ""
    redirect: str = ""
    nonce: str = ""
    kind: int = CITIZEN_ACCOUNT
    test: bool = False
    role: Role | None = None


class TokenError(ValueError):
    """Not a token of this system, of another use, or expired."""


class Signer:
    """Makes and checks the tokens of one system."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._decoder = msgspec.json.Decoder(Claims)
        self._genuine = lru_cache(REMEMBERED)(self._read)

    def sign(self, claims: Claims, seconds: float) -> str:
        """Return a token that holds for so many seconds."""
        content = msgspec.json.encode(msgspec.structs.replace(claims, exp=time.time() + seconds))
        signed = f"{_HEADER}.{_text(content)}"
        return f"{signed}.{self._signature(signed)}"

    def verify(self, token: str, use: str) -> Claims:
        """Return what a token says; raises TokenError."""
        claims = self._genuine(token)
        if claims.use != use:
            raise TokenError(f"a {claims.use} token is no {use} token")
        if claims.exp < time.time():
            raise TokenError("expired")
        return claims

    def _read(self, token: str) -> Claims:
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(self._signature(signed).encode(), signature.encode()):
            raise TokenError("the signature is wrong")
        return self._claims(signed.partition(".")[2])

    def _claims(self, text: str) -> Claims:
        try:
            return self._decoder.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (msgspec.DecodeError, binascii.Error, UnicodeError):
            raise TokenError("not a token") from None

    def _signature(self, signed: str) -> str:
        return _text(hmac.digest(self._secret, signed.encode(), hashlib.sha256))


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
