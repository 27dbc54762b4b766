"""The National Public Service Portal: what citizens do there, and the outbox to the provinces."""

import sqlite3
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import msgspec
from prometheus_client import CollectorRegistry

from mocks import accounts, assisted, attachments, drafts, entries, fees, intake, keys, outbox, register
from mocks.assisted import Assistance
from mocks.attachments import HAND_OVER
from mocks.connection import SCHEMA as CONNECTION
from mocks.dossier_system import DossierSystem
from mocks.fees import Fees
from mocks.messages import (
    CREATE,
    Citizen,
    Resident,
    Submission,
    Submitted,
    SyncCall,
    SyncItem,
    SyncReply,
)
from mocks.outbox import Pending
from mocks.pages import Linked
from mocks.peers import Peer, Peers
from mocks.portal import SPOKEN, Portal, item_of
from mocks.portal_form import PATH, PortalForm
from mocks.posting import POSTS, Posting
from mocks.system import Surroundings, created
from mocks.takeover import SCHEMA as TAKEOVER
from mocks.takeover import Takeover
from mocks.throttle import Throttle
from mocks.tokens import Claims, Signer, TokenError
from mocks.upstream import AccessToken, ask_population, ask_user
from mocks.verification import SCHEMA as VERIFICATION
from mocks.verification import Verification
from mocks.wire import Body, Call, Nothing, Refusal, Reply, Route
from model import procedures
from model.dossier import State, counter_of
from model.links import PEOPLE, Link, province_of, province_system
from model.paths import Table

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
    """Where people reach the systems that the portal sends them to: name -> ``host:port``.

    ``paths``: where systems of a kind serve an operation, where that isn't our own path.
    """

    systems: dict[str, str]
    paths: Table


class National(DossierSystem):
    """The portal."""

    schema = f"""{register.SCHEMA}{keys.SCHEMA}{outbox.SCHEMA}{CONNECTION}{VERIFICATION}
        {drafts.SCHEMA}{attachments.SCHEMA}{assisted.SCHEMA}{accounts.SCHEMA}{fees.SCHEMA}{TAKEOVER}
    """

    def __init__(self, name: str, surroundings: Surroundings, registry: CollectorRegistry) -> None:
        super().__init__(name, surroundings, registry)
        self._portal = Portal(
            self.store, self.metrics, surroundings.defects, self._signer, surroundings.provinces, self._hand_on
        )
        self.attachments.hand_on = self._hand_file_on
        self._vneid = self.client("vneid")
        self._population = self.client("population")
        for province in surroundings.provinces:
            self.metrics.watch_lag(province)
            self._open_outbox(province_system(province))
        self._verification.open()

    def prepare(self) -> None:
        """Open the store, and make who takes citizens over from old interfaces."""
        super().prepare()
        self._signer = Signer(self.store.secret())
        self._peers = Peers(self._signer, lambda name: province_of(name) in self.surroundings.provinces)
        self._assistance = Assistance(self.store, self.find, self.surroundings.defects)
        self._fees = Fees(self, self._assistance)
        self._throttle = Throttle(self.surroundings.defects)
        clients = {code: self.client(province_system(code)) for code in self.surroundings.provinces}
        self._form = PortalForm(self, self._signer, self._submit_draft)
        self._takeover = Takeover(clients, self.drafts, self._signer, self.surroundings.defects)

    def _open_outbox(self, target: str) -> None:
        client = self.client(target)
        peer = Peer(self.name, client)
        ways = {
            CREATE: Posting(peer, "/HoSo/NopTrucTuyen").deliver,
            HAND_OVER: self.attachments.courier(peer),
            fees.TELL: Posting(peer, "/api/payments").deliver,
        }
        limits = {CREATE: POSTS, HAND_OVER: attachments.COURIERS, fees.TELL: POSTS}
        self.outbox.open(Link(self.name, target).name, attachments.by_service(ways), limits, client.rest)

    async def start(self) -> None:
        """Start committer and senders, read the intake, and ask about payments that wait."""
        intake.warm()
        procedures.search("", 1)
        await super().start()
        self._fees.start()

    async def stop(self) -> None:
        """Ask about payments no more, and stop everything else."""
        await self._fees.stop()
        await super().stop()

    def table(self) -> tuple[Route, ...]:
        """Return its routes."""
        citizen = self._citizen
        self._verification = Verification(self, citizen)
        routes = (
            *self._verification.routes(),
            entries.route(entries.chained(self._fees.page, self._verification.page)),
            Route("POST", "/sync", "sync", self.sync, SyncCall, SyncReply, peers=True, speaks=SPOKEN),
            *self._peers.routes(),
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
            *self._fees.routes(citizen),
            *self.drafts.routes(citizen, self.submit),
            *self.attachments.routes(citizen, self._peers),
            *self._takeover.routes(self._form),
            *self._form.routes(self._fees.payment),
            *self._assistance.routes(citizen),
        )  # fmt: skip
        asks = self.surroundings.defects.on("asks-vneid-each-call")
        return tuple(map(self._asking, routes)) if asks else routes

    def _asking(self, route: Route) -> Route:
        """Return a route that asks VNeID about the citizen's token each time, a seeded defect."""

        async def handler(call: Call[Any]) -> Any:
            await ask_user(self._vneid, call.session.jti)
            return await route.handler(call)

        return replace(route, handler=handler) if route.auth == self._citizen else route

    async def sync(self, call: Call[SyncCall]) -> SyncReply:
        """Take what a province has to tell."""
        return await self._portal.sync(call)

    async def open_session(self, call: Call[AccessToken]) -> CitizenSession:
        """Open a session for whoever VNeID says the token belongs to."""
        token = call.content.access_token
        user = await ask_user(self._vneid, token)
        await self.database()
        await accounts.remember(self.store, user)
        asks = self.surroundings.defects.on("asks-vneid-each-call")
        claims = Claims(
            "citizen", user.SoDinhDanh, user.HoVaTen, jti=token if asks else "", kind=user.LoaiTaiKhoan,
            test=call.content.ThuNghiem,
        )  # fmt: skip
        return CitizenSession(self._signer.sign(claims, SESSION_LIFE), user.TechID, user.HoVaTen)

    async def directory(self, call: Call[Nothing]) -> Directory:
        """Say where people reach the other systems."""
        prefix = Link(PEOPLE, "").name
        links = self.surroundings.links
        people = {link.removeprefix(prefix): where for link, where in links.items() if link.startswith(prefix)}
        return Directory(people, self.surroundings.paths)

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
        return await self.keys.once(self.store, call, lambda connection: self._store(connection, call, procedure.fee))

    async def _submit_draft(self, call: Call[Any]) -> Reply:
        """Store a dossier that a citizen submits by hand, out of a draft."""
        return await self.submit(replace(call, content=self.drafts.submission(call)))

    def facts(self) -> Mapping[str, object]:
        """Say where people file by hand, beside what every system with dossiers says."""
        return {"Nộp hồ sơ trực tuyến (file online)": Linked("mở", PATH), **super().facts()}

    def _store(self, connection: sqlite3.Connection, call: Call[Submission], fee: int) -> Reply:
        self._throttle.admit(call.session.sub)
        new = intake.new_dossier(connection, "G", call, intake.online_channel(call.content), self.units)
        first = (1, State.REGISTERED.value, round(time.time(), 6))
        register.add(connection, new, [first])
        self._assistance.note(connection, call, new.code)
        self._hand_on(connection, item_of(new, first, self.surroundings.defects))
        for message in self.attachments.attach(connection, call.session.sub, new.code, call.content.attachments):
            self.outbox.put(connection, self._link_to(new.province), message)
        drafts.close(connection, call, new.code)
        due, word = 0 if new.test else fee, self.connection.word(connection, new.code)
        return created(201, Submitted(new.code, first[1], first[0], due, message=word))

    def _hand_on(self, connection: sqlite3.Connection, item: SyncItem) -> None:
        """Store the message that hands a dossier to its province."""
        self.outbox.put(connection, self._link_to(item.MaTinh), (item.MaHoSo, CREATE, msgspec.json.encode(item)))

    def _hand_file_on(self, connection: sqlite3.Connection, code: str, digest: str) -> None:
        """Hand an attachment on where its dossier came in at another province's counter than its own."""
        province = str(register.province_of(connection, code))
        if counter_of(code) not in {None, province}:
            self.outbox.put(connection, self._link_to(province), (code, HAND_OVER, digest.encode()))

    def _link_to(self, province: str) -> str:
        return Link(self.name, province_system(province)).name

    async def backlog(self, call: Call[Nothing]) -> Pending:
        """Count the messages that have not been acknowledged, and the payments that nobody has asked about yet."""
        told = await super().backlog(call)
        return msgspec.structs.replace(told, pending=told.pending + self._fees.owed())

    def _citizen(self, token: str) -> Claims:
        try:
            return self._signer.verify(token, "citizen")
        except TokenError as error:
            raise Refusal(401, "unauthorised", str(error)) from None
