"""The National Public Service Portal: what citizens do there, and the outbox to the provinces."""

import sqlite3
import time
from typing import Annotated

import msgspec
from prometheus_client import CollectorRegistry

from mocks import assisted, attachments, drafts, entries, intake, keys, outbox, register
from mocks.assisted import Assistance
from mocks.attachments import HAND_OVER
from mocks.messages import (
    CREATE,
    Citizen,
    Created,
    Login,
    PaymentNotice,
    PaymentOpened,
    Resident,
    Session,
    Submission,
    Submitted,
    SyncCall,
    SyncItem,
    SyncReply,
    proof,
    shared_secret,
)
from mocks.portal import SPOKEN, Portal
from mocks.posting import POSTS, Posting
from mocks.system import DossierSystem, Surroundings, created, unknown_dossier
from mocks.takeover import Takeover
from mocks.throttle import Throttle
from mocks.tokens import Claims, Signer, TokenError
from mocks.upstream import AccessToken, ask, ask_population, ask_user, understood
from mocks.verification import SCHEMA as VERIFICATION
from mocks.verification import Verification
from mocks.wire import Body, Call, Nothing, Refusal, Reply, Route
from model import procedures
from model.dossier import Channel, State
from model.links import PEOPLE, Link, province_system

SESSION_LIFE = 8 * 3600.0  # seconds


class CitizenSession(msgspec.Struct):
    """A citizen's session."""

    session: str
    TechID: str
    HoVaTen: str


class Search(Body):
    """Query of the procedure search."""

    q: Annotated[str, msgspec.Meta(max_length=200)] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10


class ProcedureItem(msgspec.Struct):
    """A procedure as the search shows it; ``fee`` in VND."""

    code: str
    name: str
    field: str
    fee: int
    level: str


class Found(msgspec.Struct):
    """What the search found."""

    items: list[ProcedureItem]


class Directory(msgspec.Struct):
    """Where people reach the systems that the portal sends them to: name -> ``host:port``."""

    systems: dict[str, str]


class PaymentAsked(msgspec.Struct):
    """Where a citizen pays; ``SoTien`` in VND."""

    MaGiaoDich: str
    UrlThanhToan: str
    SoTien: int


class National(DossierSystem):
    """The portal."""

    schema = "".join(
        (register.SCHEMA, keys.SCHEMA, outbox.SCHEMA, drafts.SCHEMA, attachments.SCHEMA, VERIFICATION, assisted.SCHEMA)
    )

    def __init__(self, name: str, surroundings: Surroundings, registry: CollectorRegistry) -> None:
        super().__init__(name, surroundings, registry)
        self._portal = Portal(self.store, self.metrics, surroundings.defects, self._signer)
        self._vneid = self.client("vneid")
        self._population = self.client("population")
        self._payment = self.client("payment")
        for province in surroundings.provinces:
            self.metrics.watch_lag(province)
            self._open_outbox(province_system(province))
        self._verification.open()

    def prepare(self) -> None:
        """Open the store, and make who takes citizens over from old interfaces."""
        super().prepare()
        self._signer = Signer(self.store.secret())
        self._assistance = Assistance(self.store, self.surroundings.defects)
        self._throttle = Throttle(self.surroundings.defects)
        clients = {code: self.client(province_system(code)) for code in self.surroundings.provinces}
        self._takeover = Takeover(clients, self.drafts, self._signer, self.surroundings.defects)

    def _open_outbox(self, target: str) -> None:
        client = self.client(target)
        ways = {CREATE: Posting(client, "/api/dossiers").deliver, HAND_OVER: self.attachments.courier(client)}
        limits = {CREATE: POSTS, HAND_OVER: attachments.COURIERS}
        self.outbox.open(Link(self.name, target).name, attachments.by_service(ways), limits, client.rest)

    async def start(self) -> None:
        """Start committer and senders, and read the intake."""
        intake.warm()
        procedures.search("", 1)
        await super().start()

    def table(self) -> tuple[Route, ...]:
        """Return its routes."""
        citizen = self._citizen
        self._verification = Verification(self, citizen)
        return (
            *self._verification.routes(),
            *((entries.route(self._verification.page),) if self._verification.serves else ()),
            Route("POST", "/sync", "sync", self.sync, SyncCall, SyncReply, peers=True, speaks=SPOKEN),
            Route("POST", "/login", "login", self.login, Login, Session, peers=True, refuses=(401,)),
            Route("POST", "/session", "session", self.open_session, AccessToken, CitizenSession, refuses=(401,)),
            Route("GET", "/directory", "directory", self.directory, Nothing, Directory, "query"),
            Route("GET", "/procedures", "procedures", self.search, Search, Found, "query"),
            Route(
                "POST", "/population", "population", self.population, Citizen, Resident, auth=citizen, refuses=(404,)
            ),
            Route(
                "POST", "/dossiers", "submit", self.submit, Submission, Submitted,
                status=201, auth=citizen, keyed=True, refuses=(429,),
            ),
            Route(
                "POST", "/dossiers/{code}/payment", "payment", self.payment, Nothing, PaymentAsked,
                auth=citizen, keyed=True, refuses=(404, 409),
            ),
            Route(
                "POST", "/payments/callback", "callback", self.callback, PaymentNotice, Created,
                peers=True, refuses=(401,),
            ),
            *self.drafts.routes(citizen, self.submit),
            *self.attachments.routes(citizen),
            *self._takeover.routes(),
            *self._assistance.routes(citizen),
        )  # fmt: skip

    async def sync(self, call: Call[SyncCall]) -> SyncReply:
        """Take what a province has to tell."""
        return await self._portal.sync(call)

    async def login(self, call: Call[Login]) -> Session:
        """Log a province in."""
        return self._portal.login(call.content)

    async def open_session(self, call: Call[AccessToken]) -> CitizenSession:
        """Open a session for whoever VNeID says the token belongs to."""
        user = await ask_user(self._vneid, call.content.access_token)
        claims = Claims("citizen", user.SoDinhDanh, user.HoVaTen)
        return CitizenSession(self._signer.sign(claims, SESSION_LIFE), user.TechID, user.HoVaTen)

    async def directory(self, call: Call[Nothing]) -> Directory:
        """Say where people reach the other systems."""
        prefix = Link(PEOPLE, "").name
        links = self.surroundings.links
        return Directory({link.removeprefix(prefix): where for link, where in links.items() if link.startswith(prefix)})

    async def search(self, call: Call[Search]) -> Found:
        """Search the catalogue of procedures."""
        found = procedures.search(call.content.q, call.content.limit)
        return Found([ProcedureItem(p.code, p.name, p.field, p.fee, p.level) for p in found])

    async def population(self, call: Call[Citizen]) -> Reply:
        """Ask the population database about a citizen."""
        return await ask_population(self._population, self.name, call.content)

    async def submit(self, call: Call[Submission]) -> Reply:
        """Store a dossier, and the message that hands it to its province."""
        procedure = intake.checked(call.content)
        if call.content.province not in self.surroundings.provinces:
            raise Refusal(422, "validation", "province: not connected to the portal")
        await self.units.consult()
        return await self.store.write(
            lambda connection: self.keys.once(
                connection, call, lambda connection: self._store(connection, call, procedure.fee)
            )
        )

    def _store(self, connection: sqlite3.Connection, call: Call[Submission], fee: int) -> Reply:
        self._throttle.admit(call.session.sub)
        new = intake.new_dossier(connection, "G", call, Channel.ONLINE, self.units)
        first = (1, State.REGISTERED.value, round(time.time(), 6))
        register.add(connection, new, [first])
        self._assistance.note(connection, call, new.code)
        item = SyncItem(
            new.code, new.key, new.province, new.commune, new.procedure, Channel.ONLINE.value, new.hash,
            "False", [first],
        )  # fmt: skip
        link = Link(self.name, province_system(new.province)).name
        self.outbox.put(connection, link, (new.code, CREATE, msgspec.json.encode(item)))
        for message in self.attachments.attach(connection, call.session.sub, new.code, call.content.attachments):
            self.outbox.put(connection, link, message)
        drafts.close(connection, call, new.code)
        return created(201, Submitted(new.code, first[1], first[0], fee))

    async def payment(self, call: Call[Nothing]) -> Reply:
        """Ask the payment platform for the payment of a dossier's fee."""
        known = self.keys.answered(self.store.reader, call)
        if known is not None:
            return known
        code, fee = self._fee(call.path["code"])
        asked = await self._ask_payment(code, fee)
        return await self.store.write(
            lambda connection: self.keys.once(connection, call, lambda _: created(200, asked))
        )

    def _fee(self, code: str) -> tuple[str, int]:
        dossier = register.find(self.store.reader, code)
        if dossier is None:
            raise unknown_dossier()
        fee = procedures.procedures()[dossier.procedure].fee
        if fee == 0:
            raise Refusal(409, "transition", "no fee is due for this procedure")
        return code, fee

    async def _ask_payment(self, code: str, fee: int) -> PaymentAsked:
        order = {
            "MaDoiTac": self.name,
            "MaThamChieu": code,
            "SoTien": fee,
            "MaXacThuc": proof(self.name, code, fee, shared_secret(self.name)),
        }
        received = await ask(self._payment, "payment", "POST", "/payments", msgspec.json.encode(order))
        opened = understood(received, "payment", PaymentOpened)
        return PaymentAsked(opened.MaGiaoDich, opened.UrlThanhToan, fee)

    async def callback(self, call: Call[PaymentNotice]) -> Created:
        """Note that a dossier's fee was paid; hearing it again changes nothing."""
        notice = call.content
        fields = (notice.MaGiaoDich, notice.MaThamChieu, notice.SoTien, notice.TrangThai)
        if notice.MaXacThuc != proof(*fields, shared_secret(self.name)):
            raise Refusal(401, "unauthorised", "MaXacThuc is wrong")
        statement = "UPDATE dossiers SET paid = 1 WHERE code = ?"
        known = await self.store.write(lambda connection: connection.execute(statement, (notice.MaThamChieu,)).rowcount)
        return Created(0) if known else Created(-1, "không tồn tại")

    def _citizen(self, token: str) -> Claims:
        try:
            return self._signer.verify(token, "citizen")
        except TokenError as error:
            raise Refusal(401, "unauthorised", str(error)) from None
