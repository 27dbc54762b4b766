"""Asking another system while a request waits."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlencode

import msgspec

from mocks.client import Client, LinkError, Received
from mocks.messages import Citizen, UserInfo, shared_secret
from mocks.timestamps import CLOCK
from mocks.wire import Body, Refusal, Reply

FORM = "application/x-www-form-urlencoded"
T = TypeVar("T")


Token = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9._-]+$", max_length=4000)]


class AccessToken(Body):
    """VNeID's access token, for which a system opens a session; ``ThuNghiem``: one in test mode."""

    access_token: Token
    ThuNghiem: bool = False


class AccessForm(Body):
    """The same as a form, whose fields are text."""

    access_token: Token
    ThuNghiem: Literal["true", "false"] = "false"


class _Token(msgspec.Struct):
    access_token: str


async def ask(
    client: Client, who: str, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> Received:
    """Ask, and return an answer that isn't a failure of the other system's own.

    Raises Refusal 504 where it kept silent, 502 where it couldn't be reached or failed.
    """
    try:
        received = await client.request(method, path, body, headers)
    except LinkError as error:
        raise Refusal(504 if error.timed_out else 502, "upstream", f"{who}: {error}") from None
    if received.status >= 500:
        raise Refusal(502, "upstream", f"{who} answered {received.status}")
    return received


def understood(received: Received, who: str, type_: type[T]) -> T:
    """Return an answer's content; raises Refusal 502 where it is none of this type."""
    try:
        return msgspec.json.decode(received.body, type=type_)
    except (msgspec.DecodeError, UnicodeError):
        raise Refusal(502, "upstream", f"{who} answered {received.status}, and not what was asked for") from None


async def ask_user(client: Client, access_token: str) -> UserInfo:
    """Ask VNeID whose access token it is; raises Refusal as ``ask`` does, and 401 where VNeID doesn't accept it."""
    headers = {"Authorization": f"Bearer {access_token}"}
    received = await ask(client, "vneid", "GET", "/userinfo", headers=headers)
    if received.status != 200:
        raise Refusal(401, "unauthorised", "VNeID does not accept the access token")
    return understood(received, "vneid", UserInfo)


async def redeem_code(client: Client, asker: str, code: str, redirect: str) -> str:
    """Redeem an authorisation code at VNeID for an access token; raises Refusal as ``ask_user`` does."""
    given = {"grant_type": "authorization_code", "code": code, "client_id": asker, "redirect_uri": redirect}
    body = urlencode({**given, "client_secret": shared_secret(asker)}).encode()
    received = await ask(client, "vneid", "POST", "/token", body, {"Content-Type": FORM})
    if received.status != 200:
        raise Refusal(401, "unauthorised", "VNeID does not accept the code; log in again")
    return understood(received, "vneid", _Token).access_token


async def ask_population(client: Client, asker: str, citizen: Citizen) -> Reply:
    """Ask the population database about a citizen and hand its answer on; raises Refusal as ``ask`` does."""
    enquiry = {
        "MaYeuCau": f"{datetime.now(CLOCK):%Y%m%d%H%M%S}-{uuid.uuid4()}",
        "MaDVC": "DVC",
        "MaTichHop": "TH.DanCu",
        "MaDonVi": asker,
        "MaCanBo": asker,
        **msgspec.structs.asdict(citizen),
    }
    received = await ask(client, "population", "POST", "/ndxp/population", msgspec.json.encode(enquiry))
    return Reply(received.status, received.body)
