"""The National Document Interconnection Axis (Trục liên thông văn bản quốc gia).

Operations, statuses and the document that travels are those of the real one (edXML, QCVN 102:2016 [P]): ``sendEdoc``
takes an edXML document as it is, and ``getEdoc`` gives it back byte for byte. All else is JSON [A].

An agency (OrganId) is a province (``H01``) or a commune (``H01.00004``), or one that registers itself; a province's
office fetches for its communes as well [A]. A document is known by its DocumentId: the same bytes, sent
again, are delivered once.
"""

import hmac
import sqlite3
from typing import Annotated, Literal

import msgspec
from prometheus_client import CollectorRegistry

from mocks import axis_pages, entries, intake
from mocks.entries import Entry
from mocks.messages import Text, password
from mocks.pages import Shelf
from mocks.store import listed
from mocks.system import DurableSystem, PageOf, Surroundings
from mocks.tokens import Claims, Signer, TokenError
from mocks.wire import Body, Call, Nothing, Refusal, Reply, Route
from model import edxml, places
from model.books import content_hash
from model.edxml import DocumentId, EdxmlError, Envelope, OrganId

SESSION_LIFE = 8 * 3600.0  # seconds
XML = "application/xml"
ARRIVED, REJECTED = "01", "02"
WITHDRAWN = "13"
NEXT: dict[str, frozenset[str]] = {
    "01": frozenset({"02", "03", "13"}),
    "03": frozenset({"02", "04", "05", "06", "13"}),
    "04": frozenset({"05", "06", "13"}),
    "05": frozenset({"06", "13"}),
    "13": frozenset({"15", "16"}),
}
"""Status -> what may follow: 01 arrived, 02 rejected, 03 received, 04 assigned, 05 processing, 06 done, 13 withdrawn
by the sender, 15 agreed, 16 update rejected [P]; which may follow which is [A]."""

Status = Literal["02", "03", "04", "05", "06", "13", "15", "16"]


class Registration(Body):
    """registerAgency: an agency makes itself known, and gets a session."""

    OrganId: OrganId
    OrganName: Text
    password: Text


class Agency(msgspec.Struct):
    """An agency that documents can be sent to."""

    OrganId: str
    OrganName: str


class Registered(msgspec.Struct):
    """The session of an agency."""

    session: str
    error_code: int = 0


class AgencyQuery(Body):
    """Query of getAgenciesList: the agencies whose OrganId comes after this one."""

    after: Annotated[str, msgspec.Meta(pattern="^[A-Z0-9.]*$", max_length=40)] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100


class Agencies(msgspec.Struct):
    """Agencies by OrganId."""

    items: list[Agency]
    next: str | None


class Sent(msgspec.Struct):
    """A document was taken; ``sequence`` is the number of its recipients."""

    code: str
    sequence: int
    error_code: int = 0


class Delivery(msgspec.Struct):
    """A document as one of its recipients has it."""

    DocumentId: str
    From: str
    To: str
    Status: str
    Reason: str


class Deliveries(msgspec.Struct):
    """Deliveries in the order of arrival; ``next`` is null at the end."""

    items: list[Delivery]
    next: str | None


class Received(PageOf):
    """Query of getReceivedEdocList: only those of this status."""

    Status: Annotated[str, msgspec.Meta(pattern="^([0-9]{2})?$", max_length=2)] = ""


class StatusUpdate(Body):
    """updateStatus: what a recipient (``To``) did with a document, or that the sender withdraws it."""

    DocumentId: DocumentId
    To: OrganId
    Status: Status
    Reason: Annotated[str, msgspec.Meta(max_length=500)] = ""


class Updated(msgspec.Struct):
    """The status of a delivery; of a rejection ``code`` names what goes back to the sender."""

    code: str
    Status: str
    sequence: int
    error_code: int = 0


class Axis(DurableSystem):
    """Keeps documents and their deliveries."""

    schema = """
        CREATE TABLE IF NOT EXISTS agencies(organ TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS documents(
            id TEXT PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS deliveries(
            id INTEGER PRIMARY KEY AUTOINCREMENT, document TEXT NOT NULL, hash TEXT NOT NULL, sender TEXT NOT NULL,
            recipient TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL);
        CREATE INDEX IF NOT EXISTS deliveries_recipient ON deliveries(recipient, id);
        CREATE INDEX IF NOT EXISTS deliveries_sender ON deliveries(sender, id);
        CREATE INDEX IF NOT EXISTS deliveries_document ON deliveries(document);
    """

    def __init__(self, name: str, surroundings: Surroundings, registry: CollectorRegistry) -> None:
        super().__init__(name, surroundings, registry)
        self._signer = Signer(self.store.secret())
        self._doubles = surroundings.defects.on("axis-duplicate")
        self._drops = surroundings.defects.on("axis-drops-rejects")

    async def start(self) -> None:
        """Enter the agencies of the country, and start the committer."""
        intake.warm()
        await super().start()
        rows = [(f"H{code}", f"UBND {place.name}") for code, place in places.provinces().items()]
        rows += [(f"H{p.province}.{p.code}", f"UBND {p.kind} {p.name}") for p in places.communes().values()]
        statement = "INSERT INTO agencies VALUES(?, ?) ON CONFLICT DO NOTHING"
        await self.store.write(lambda connection: connection.executemany(statement, rows))

    def table(self) -> tuple[Route, ...]:
        """Return its routes."""
        agency = self._agency
        return (
            Route(
                "POST", "/axis/registerAgency", "registerAgency", self.register, Registration, Registered,
                refuses=(401,),
            ),
            Route("GET", "/axis/getAgenciesList", "getAgenciesList", self.agencies, AgencyQuery, Agencies, "query"),
            Route("POST", "/axis/sendEdoc", "sendEdoc", self.send, Nothing, Sent, "xml", status=201, auth=agency),
            Route(
                "GET", "/axis/getReceivedEdocList", "getReceivedEdocList", self.received, Received, Deliveries,
                "query", auth=agency,
            ),
            Route("GET", "/axis/getSentEdocList", "getSentEdocList", self.sent, Received, Deliveries, "query",
                  auth=agency),
            Route(
                "GET", "/axis/getEdoc/{document}", "getEdoc", self.document, auth=agency, refuses=(404,),
                media={200: XML},
            ),
            Route(
                "POST", "/axis/updateStatus", "updateStatus", self.update, StatusUpdate, Updated, auth=agency,
                refuses=(404, 409),
            ),
            entries.route(self.page),
        )  # fmt: skip

    def shelves(self) -> tuple[Shelf, ...]:
        """Return the shelf of its documents."""
        return (axis_pages.shelf(lambda: self.store.reader),)

    async def register(self, call: Call[Registration]) -> Registered:
        """Register an agency, or know it again, and open its session."""
        asked = call.content
        if not hmac.compare_digest(asked.password.encode(), password(asked.OrganId).encode()):
            raise Refusal(401, "unauthorised", "agency or password is wrong")
        await self.database()
        if not _is_known(self.store.reader, asked.OrganId):
            statement = "INSERT INTO agencies VALUES(?, ?) ON CONFLICT DO NOTHING"
            values = (asked.OrganId, asked.OrganName)
            await self.store.write(lambda connection: connection.execute(statement, values))
        return Registered(self._signer.sign(Claims("agency", asked.OrganId), SESSION_LIFE))

    async def agencies(self, call: Call[AgencyQuery]) -> Agencies:
        """List the agencies."""
        statement = "SELECT organ, name FROM agencies WHERE organ > ? ORDER BY organ LIMIT ?"
        rows = self.store.reader.execute(statement, (call.content.after, call.content.limit)).fetchall()
        return Agencies([Agency(*row) for row in rows], rows[-1][0] if len(rows) == call.content.limit else None)

    async def send(self, call: Call[bytes]) -> Sent:
        """Deliver a document to its recipients; one that came before is answered as then."""
        try:
            document = edxml.read(call.content)
        except EdxmlError as error:
            raise Refusal(422, "validation", str(error)) from None
        if call.session.sub != document.From:
            raise Refusal(401, "unauthorised", "From: the session is another agency's")
        return await self.store.write(lambda connection: self._deliver(connection, document, call.content))

    def _deliver(self, connection: sqlite3.Connection, document: Envelope, raw: bytes) -> Sent:
        digest = content_hash(document.meaning())
        known = connection.execute("SELECT content FROM documents WHERE id = ?", (document.DocumentId,)).fetchone()
        if known is not None and known[0] != raw:
            raise Refusal(422, "validation", "this DocumentId came before, with another content")
        recipients = list(dict.fromkeys(document.To))
        if known is None:
            _store(connection, document.DocumentId, recipients, raw)
        if known is None or self._doubles:
            statement = """INSERT INTO deliveries(document, hash, sender, recipient, status, reason)
                VALUES(?, ?, ?, ?, ?, '')"""
            where = self._led_astray(connection, document.DocumentId, recipients)
            rows = [(document.DocumentId, digest, document.From, recipient, ARRIVED) for recipient in where]
            connection.executemany(statement, rows)
        return Sent(document.DocumentId, len(recipients))

    def _led_astray(self, connection: sqlite3.Connection, document: str, recipients: list[str]) -> list[str]:
        """Return where the deliveries of a document go: to its recipients, unless a defect strikes."""
        if not self.surroundings.defects.hits("axis-misdelivers", document):
            return recipients
        statement = "SELECT organ FROM agencies WHERE organ > ? ORDER BY organ LIMIT 1"
        (other,) = connection.execute(statement, (max(recipients),)).fetchone() or (max(recipients),)
        return [other, *recipients[1:]]

    async def received(self, call: Call[Received]) -> Deliveries:
        """List what has come for an agency and its subordinates."""
        return await self._list(call, "recipient >= ?1 AND recipient < ?1 || '/'")

    async def sent(self, call: Call[Received]) -> Deliveries:
        """List what an agency has sent, recipient by recipient, rejections and their reasons included."""
        return await self._list(call, "sender = ?1")

    async def _list(self, call: Call[Received], where: str) -> Deliveries:
        query = call.content
        statement = f"""SELECT id, document, sender, recipient, status, reason FROM deliveries
            WHERE {where} AND id > ?2 AND (?3 = '' OR status = ?3) ORDER BY id LIMIT ?4"""
        values = (call.session.sub, int(query.after or 0), query.Status, query.limit)
        rows = self.store.reader.execute(statement, values).fetchall()
        return Deliveries([Delivery(*row[1:]) for row in rows], str(rows[-1][0]) if len(rows) == query.limit else None)

    async def document(self, call: Call[Nothing]) -> Reply:
        """Return a document, as it came, to its sender or one of its recipients."""
        statement = "SELECT content FROM documents WHERE id = ?"
        row = self.store.reader.execute(statement, (call.path["document"],)).fetchone()
        if row is None or not _concerns(edxml.read(row[0]), call.session.sub):
            raise Refusal(404, "unknown", "no document of yours has this DocumentId")
        return Reply(200, row[0], {"content-type": XML})

    async def update(self, call: Call[StatusUpdate]) -> Updated:
        """Note what a recipient did, or that the sender withdraws; saying it again changes nothing."""
        order = call.content
        if order.Status == REJECTED and not order.Reason:
            raise Refusal(422, "validation", "Reason: a rejection needs one")
        return await self.store.write(lambda connection: self._update(connection, call.session.sub, order))

    def _update(self, connection: sqlite3.Connection, organ: str, order: StatusUpdate) -> Updated:
        statement = "SELECT id, sender, status FROM deliveries WHERE document = ? AND recipient = ?"
        rows = connection.execute(statement, (order.DocumentId, order.To)).fetchall()
        if not rows or not _speaks_for(organ, rows[0][1] if order.Status == WITHDRAWN else order.To):
            raise Refusal(404, "unknown", "no delivery of yours is like this")
        answer = Updated(f"{order.DocumentId}:{order.To}", order.Status, 1)
        if rows[0][2] == order.Status:
            return answer
        if order.Status not in NEXT.get(rows[0][2], ()):
            raise Refusal(409, "transition", f"{order.Status} can't follow {rows[0][2]}")
        statement = "UPDATE deliveries SET status = ?, reason = ? WHERE id = ?"
        connection.execute(statement, (order.Status, order.Reason, rows[0][0]))
        if order.Status == REJECTED and self._drops:
            connection.execute("DELETE FROM deliveries WHERE id = ?", (rows[0][0],))
        return answer

    def page(self, after: int, limit: int) -> tuple[list[Entry], int | None]:
        """Return deliveries, and after each that was rejected what went back to its sender; and where to go on."""
        statement = """SELECT id, document, hash, sender, recipient, status, reason FROM deliveries
            WHERE id > ? ORDER BY id LIMIT ?"""
        rows, last = listed(self.store.reader, statement, after, limit, lambda row: row[1:])
        items = []
        for document, digest, sender, recipient, status, reason in rows:
            items.append(Entry("document", document, recipient, digest))
            if status == REJECTED:
                items.append(Entry("reject", f"{document}:{recipient}", sender, content_hash({"Reason": reason})))
        return items, last

    def _agency(self, token: str) -> Claims:
        try:
            return self._signer.verify(token, "agency")
        except TokenError as error:
            raise Refusal(401, "unauthorised", str(error)) from None


def _concerns(document: Envelope, organ: str) -> bool:
    """Tell whether an agency is the sender or a recipient of a document, or the superior of one."""
    return any(_speaks_for(organ, other) for other in (document.From, *document.To))


def _store(connection: sqlite3.Connection, name: str, recipients: list[str], raw: bytes) -> None:
    unknown = next((organ for organ in recipients if not _is_known(connection, organ)), None)
    if unknown is not None:
        raise Refusal(422, "validation", f"To: no agency is {unknown}")
    connection.execute("INSERT INTO documents VALUES(?, ?)", (name, raw))


def _is_known(connection: sqlite3.Connection, organ: str) -> bool:
    return connection.execute("SELECT 1 FROM agencies WHERE organ = ?", (organ,)).fetchone() is not None


def _speaks_for(organ: str, other: str) -> bool:
    """Tell whether an agency is another one or its superior."""
    return other == organ or other.startswith(f"{organ}.")
