"""Sessions between systems: one logs in at the other by name and password, and shows the session with each call."""

import asyncio
import hmac
from collections.abc import Callable

import msgspec

from mocks.client import Client, LinkError, Received
from mocks.messages import Login, Session, password
from mocks.tokens import Claims, Signer, TokenError
from mocks.wire import Call, Refusal, Route

USE = "system"
"""What the token of such a session is good for; it is about the system that logged in, by its name."""
SESSION_LIFE = 3600.0  # seconds


class Peers:
    """The other systems that may talk to this one.

    Args:
        signer: Of this system.
        known: Tells whether a name is that of such a system.
    """

    def __init__(self, signer: Signer, known: Callable[[str], bool]) -> None:
        self._signer = signer
        self._known = known

    def routes(self) -> tuple[Route, ...]:
        """Return its route."""
        return (Route("POST", "/login", "login", self.login, Login, Session, peers=True, refuses=(401,)),)

    async def login(self, call: Call[Login]) -> Session:
        """Open a system's session; raises Refusal 401."""
        name = call.content.username
        right = hmac.compare_digest(call.content.password.encode(), password(name).encode())
        if not right or not self._known(name):
            raise Refusal(401, "unauthorised", "account or password is wrong")
        return Session(self._signer.sign(Claims(USE, name), SESSION_LIFE))

    def auth(self, token: str) -> Claims:
        """Return whose session it is; raises Refusal 401."""
        try:
            return self._signer.verify(token, USE)
        except TokenError as error:
            raise Refusal(401, "unauthorised", str(error)) from None


class Peer:
    """Another system, asked with a session that is opened where there is none.

    Attributes:
        client: Of the link to it.

    Args:
        name: Who asks.
        client: Of the link to it.
    """

    def __init__(self, name: str, client: Client) -> None:
        self.client = client
        self._name = name
        self._session = ""
        self._opening = asyncio.Lock()

    async def session(self) -> str:
        """Return the session; raises LinkError where none could be opened."""
        async with self._opening:
            if not self._session:
                self._session = await self._log_in()
            return self._session

    def forget(self) -> None:
        """Open another session next time: the other side doesn't know this one."""
        self._session = ""

    async def request(self, method: str, path: str, body: bytes = b"") -> Received:
        """Send one request and return the answer; raises LinkError as a client does, and where the session is over."""
        headers = {"Authorization": f"Bearer {await self.session()}"}
        received = await self.client.request(method, path, body, headers)
        if received.status == 401:
            self.forget()
            raise LinkError(f"{self.client.address} does not know the session", False)
        return received

    async def _log_in(self) -> str:
        asked = {"username": self._name, "password": password(self._name)}
        received = await self.client.request("POST", "/login", msgspec.json.encode(asked))
        try:
            return msgspec.json.decode(received.body, type=Session).session
        except (msgspec.DecodeError, UnicodeError):
            raise LinkError(f"{self.client.address} answered the login with {received.status}", False) from None
