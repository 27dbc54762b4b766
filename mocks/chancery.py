"""A province's chancery (văn thư): sends documents over the axis, through the outbox."""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from mocks import workflows
from mocks.axis import XML, Registered, Sent
from mocks.client import LinkError
from mocks.dossier_system import DossierSystem
from mocks.messages import password
from mocks.outbox import DELIVERED, RETRY, Message, Outcome
from mocks.posting import refusal
from mocks.system import created
from mocks.timestamps import CLOCK
from mocks.wire import Body, Call, Refusal, Reply, Route
from model import edxml, places
from model.books import request_id
from model.edxml import Content, EdxmlError, Envelope, Recipients, Text
from model.links import Link, province_of
from model.workflows import Role

SERVICE = "sendEdoc"


class Draft(Body):
    """A document that a clerk sends out, with its number (số) and notation (ký hiệu)."""

    To: Recipients
    CodeNumber: Text
    CodeNotation: Text
    Subject: Text
    Content: Content
    Attachments: edxml.Attachments = msgspec.field(default_factory=list)


class Chancery:
    """Sends a province's documents; does nothing where there is no axis.

    Args:
        system: The province's.
        auth: Makes a session of the bearer token of who asks.
    """

    def __init__(self, system: DossierSystem, auth: Callable[[str], Any]) -> None:
        self._system = system
        self._auth = auth
        province = str(province_of(system.name))
        self._organ, self._place = f"H{province}", places.provinces()[province].name
        self._link = Link(system.name, "axis").name
        self._client = system.client("axis") if self._link in system.surroundings.links else None
        self._session = ""

    def routes(self) -> tuple[Route, ...]:
        """Return the routes that it adds to its system."""
        if self._client is None:
            return ()
        return (
            Route(
                "POST", "/documents", "document", self.send, Draft, Sent,
                status=201, auth=self._auth, keyed=True, refuses=(403,),
            ),
        )  # fmt: skip

    def open(self) -> None:
        """Serve the link to the axis."""
        if self._client is not None:
            self._system.outbox.open(self._link, self._deliver, {SERVICE: 1}, self._client.rest)

    async def send(self, call: Call[Draft]) -> Reply:
        """Take a document of a clerk's, to be delivered; its DocumentId is made of the idempotency key."""
        workflows.check(call.session, Role.CLERK, "a document")
        return await self._system.keys.once(self._system.store, call, lambda connection: self._put(connection, call))

    def _put(self, connection: sqlite3.Connection, call: Call[Draft]) -> Reply:
        name = request_id(self._system.name, call.owner, call.key)
        document = self._envelope(name, call.content)
        try:
            self._system.outbox.put(connection, self._link, (name, SERVICE, edxml.compose(document)))
        except EdxmlError as error:
            raise Refusal(422, "validation", str(error)) from None
        return created(201, Sent(name, len(document.To)))

    def _envelope(self, name: str, draft: Draft) -> Envelope:
        """Return a draft as an official letter (công văn) that is promulgated, and sent, now."""
        now = f"{datetime.now(CLOCK):%Y/%m/%d %H:%M:%S}"
        return Envelope(
            DocumentId=name,
            From=self._organ,
            To=list(dict.fromkeys(draft.To)),
            CodeNumber=draft.CodeNumber,
            CodeNotation=draft.CodeNotation,
            Place=self._place,
            PromulgationDate=now.partition(" ")[0],
            TypeName="Công văn",
            Subject=draft.Subject,
            Content=draft.Content,
            Timestamp=now,
            Attachments=draft.Attachments,
        )

    async def _deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        try:
            return [await self._send(message) for message in messages]
        except LinkError:
            return [RETRY] * len(messages)

    async def _send(self, message: Message) -> Outcome:
        if not self._session:
            self._session = await self._register()
        received = await self._post("/axis/sendEdoc", message.body, XML)
        if received.status == 401:
            self._session = ""
            return RETRY
        return DELIVERED if received.status == 201 else refusal(received) or RETRY

    async def _register(self) -> str:
        asked = {"OrganId": self._organ, "OrganName": self._system.name, "password": password(self._organ)}
        received = await self._post("/axis/registerAgency", msgspec.json.encode(asked), "application/json")
        try:
            return msgspec.json.decode(received.body, type=Registered).session
        except (msgspec.DecodeError, UnicodeError):
            return ""

    async def _post(self, path: str, body: bytes, media: str) -> Any:
        assert self._client is not None
        headers = {"Authorization": f"Bearer {self._session or '-'}", "Content-Type": media}
        return await self._client.request("POST", path, body, headers)
