"""A province's chancery (văn thư): sends documents over the axis, through the outbox."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import msgspec

from mocks.axis import Edoc, OrganId, Registered, Sent
from mocks.client import LinkError
from mocks.messages import Text, password
from mocks.outbox import Message, Outcome
from mocks.system import DossierSystem, created
from mocks.wire import Body, Call, Reply, Route
from model.links import Link, province_of

SERVICE = "sendEdoc"


class Draft(Body):
    """A document that a clerk sends out."""

    To: Annotated[list[OrganId], msgspec.Meta(min_length=1, max_length=200)]
    Subject: Text
    Content: Annotated[str, msgspec.Meta(max_length=100_000)]


class Chancery:
    """Sends a province's documents; does nothing where there is no axis.

    Args:
        system: The province's.
        auth: Makes a session of the bearer token of who asks.
    """

    def __init__(self, system: DossierSystem, auth: Callable[[str], Any]) -> None:
        self._system = system
        self._auth = auth
        self._organ = f"H{province_of(system.name)}"
        self._link = Link(system.name, "axis").name
        self._client = system.client("axis") if self._link in system.surroundings.links else None
        self._session = ""

    def routes(self) -> tuple[Route, ...]:
        """Return the routes that it adds to its system."""
        if self._client is None:
            return ()
        return (
            Route("POST", "/documents", "document", self.send, Draft, Sent, status=201, auth=self._auth, keyed=True),
        )

    def open(self) -> None:
        """Serve the link to the axis."""
        if self._client is not None:
            self._system.outbox.open(self._link, self._deliver, {SERVICE: 1}, self._client.rest)

    async def send(self, call: Call[Draft]) -> Reply:
        """Take a document, to be delivered; its DocumentId is the idempotency key."""
        return await self._system.store.write(
            lambda connection: self._system.keys.once(connection, call, lambda connection: self._put(connection, call))
        )

    def _put(self, connection: sqlite3.Connection, call: Call[Draft]) -> Reply:
        draft = call.content
        recipients = list(dict.fromkeys(draft.To))
        document = Edoc(call.key, self._organ, recipients, draft.Subject, draft.Content)
        self._system.outbox.put(connection, self._link, (call.key, SERVICE, msgspec.json.encode(document)))
        return created(201, Sent(call.key, len(recipients)))

    async def _deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        try:
            return [await self._send(message) for message in messages]
        except LinkError:
            return [Outcome.RETRY] * len(messages)

    async def _send(self, message: Message) -> Outcome:
        if not self._session:
            self._session = await self._register()
        received = await self._post("/axis/sendEdoc", message.body)
        if received.status == 401:
            self._session = ""
        if received.status == 422:
            return Outcome.REJECTED
        return Outcome.DELIVERED if received.status == 201 else Outcome.RETRY

    async def _register(self) -> str:
        asked = {"OrganId": self._organ, "OrganName": self._system.name, "password": password(self._organ)}
        received = await self._post("/axis/registerAgency", msgspec.json.encode(asked))
        try:
            return msgspec.json.decode(received.body, type=Registered).session
        except (msgspec.DecodeError, UnicodeError):
            return ""

    async def _post(self, path: str, body: bytes) -> Any:
        assert self._client is not None
        return await self._client.request("POST", path, body, {"Authorization": f"Bearer {self._session or '-'}"})
