"""A provincial administrative-procedure system: counters, officers, and the outbox to the portal."""

import hmac
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal, cast

import msgspec
from prometheus_client import CollectorRegistry

from mocks import (
    attachments,
    credits,
    cutover,
    drafts,
    entries,
    help,
    intake,
    keys,
    migration,
    outbox,
    public_ui,
    register,
    stock,
    workflows,
    worklist,
)
from mocks.attachments import HAND_OVER
from mocks.boundary_free import BoundaryFree
from mocks.centres import Centres
from mocks.chancery import Chancery
from mocks.connection import SCHEMA as CONNECTION
from mocks.dossier_system import DossierSystem, unknown_dossier
from mocks.help import Help
from mocks.incidents import Incidents
from mocks.keys import Keys
from mocks.messages import (
    CREATE,
    ITEM_EXISTS,
    PROGRESS,
    PROGRESS_CHUNK,
    STEPS,
    Citizen,
    Created,
    ProgressItem,
    Resident,
    Session,
    Step,
    Submission,
    Submitted,
    SyncItem,
    Text,
    password,
)
from mocks.pages import Linked
from mocks.peers import Peer, Peers
from mocks.portal import EXISTS, FOREIGN, ITEM_REFUSED, item_of, new_of, objection
from mocks.province_sync import PortalSync
from mocks.public_ui import PublicInterface
from mocks.store import Store
from mocks.stubs import SCHEMA as STUBS
from mocks.stubs import Stubs
from mocks.system import Surroundings, created
from mocks.timestamps import timestamp
from mocks.tokens import Claims, Signer, TokenError
from mocks.upstream import ask_population
from mocks.verification import SCHEMA as VERIFICATION
from mocks.verification import Verification
from mocks.wire import Body, Call, Nothing, Refusal, Reply, Route
from mocks.workflows import Workflows
from mocks.worklist import Claim, Claimed, Waiting
from model.dossier import Channel, State, TransitionError, next_state
from model.links import Link, province_of
from model.migration import officers
from model.workflows import Role

SESSION_LIFE = 8 * 3600.0  # seconds
INLINE_WAIT = 60.0  # seconds; clients in the field read with this time-out and no retry [P]
CREATE_CHUNK = 50  # items of one DongBoHoSoMC


class OfficerLogin(Body):
    """An officer logs in, ``cb.00004``: role and place; ``ThuNghiem``: in test mode."""

    account: Text
    password: Text
    ThuNghiem: bool = False


class StepOrder(Body):
    """What an officer does with a dossier."""

    action: Literal[
        "accept", "reject", "process", "request_papers", "request_fee", "withdraw", "stop", "finish",
        "return_result", "resume",
    ]  # fmt: skip


class StepTaken(msgspec.Struct):
    """Where the dossier stands after a step."""

    code: str
    state: int
    sequence: int
    error_code: int = 0


class Statistics(msgspec.Struct):
    """Official dossiers by state's number; tests are counted apart."""

    states: dict[str, int]
    total: int
    test: int


class Province(DossierSystem):
    """The system of one province.

    Attributes:
        code: The province's.
        mover: Its migration.
    """

    faults = DossierSystem.faults | {"missing-workflow", "missing-accounts", "early-closure"}

    schema = f"""{register.SCHEMA}{keys.SCHEMA}{outbox.SCHEMA}{VERIFICATION}{migration.SCHEMA}
        {drafts.SCHEMA}{attachments.SCHEMA}{cutover.SCHEMA}{help.SCHEMA}{STUBS}{CONNECTION}{credits.SCHEMA}
        CREATE INDEX IF NOT EXISTS open_of_commune ON dossiers(commune, test, state, id) WHERE {register.OPEN};
        CREATE INDEX IF NOT EXISTS open_of_province ON dossiers(test, state, id) WHERE {register.OPEN};
    """

    def __init__(self, name: str, surroundings: Surroundings, registry: CollectorRegistry) -> None:
        super().__init__(name, surroundings, registry)
        self._population = self.client("population")
        self._link = Link(name, "national").name
        portal = self.client("national")
        peer = Peer(name, portal)
        sync = PortalSync(self.code, peer, self._defects.on("silence-is-consent"), self._defects.on("reorder"))
        ways = {CREATE: sync.deliver, PROGRESS: sync.deliver, HAND_OVER: self.attachments.courier(peer)}
        limits = {CREATE: CREATE_CHUNK, PROGRESS: PROGRESS_CHUNK, HAND_OVER: attachments.COURIERS}
        self.outbox.open(self._link, attachments.by_service(ways), limits, portal.rest)
        self._verification.open()
        self._chancery.open()

    def prepare(self) -> None:
        """Open the store, and make the old public interface."""
        self.code = province_of(self.name) or ""
        self._defects = self.surroundings.defects
        super().prepare()
        self._signer = Signer(self.store.secret())
        self._peers = Peers(self._signer, lambda name: name == "national")
        self._interface = PublicInterface(self, self.code, self._signer)
        one_level = self.code in self.surroundings.one_level
        self._centres = Centres(self.code, one_level, self.store, self._defects)
        self._workflows = Workflows(self.control)
        self.mover = migration.Mover(self.store, self.attachments, self.units, self._defects)

    def open_store(self, path: Path) -> Store:
        """Open the province's SQLite file."""
        return self.surroundings.defects.province_store(path, self.schema)

    async def start(self) -> None:
        """Start committer and sender, and read the catalogue."""
        intake.warm()
        await super().start()
        if self._defects.on("counter-in-memory"):
            await self.store.write(lambda connection: connection.execute("DELETE FROM counters") and None)
        seed, count = self.surroundings.seed, self.surroundings.stock.get(self.code, 0)
        accounts = stock.accounts(seed, self.code, officers(count))
        await self.mover.start(stock.made(seed, self.code, count), accounts)

    async def stop(self) -> None:
        """Stop the migration between two batches, and everything else."""
        await self.mover.stop()
        await super().stop()

    def table(self) -> tuple[Route, ...]:
        """Return its routes."""
        officer, peers = self._officer, self._peers
        self._verification = Verification(self, officer)
        self._chancery = Chancery(self, officer)
        stubs = Stubs(self.store, Keys(self._defects.on("duplicate-on-retry")), self._defects)
        return (
            *self._verification.routes(),
            *self._chancery.routes(),
            *Incidents(self, officer).routes(),
            *BoundaryFree(self, officer).routes(),
            *peers.routes(),
            Route(
                "POST", "/HoSo/NopTrucTuyen", "receive", self.receive, SyncItem, Created, auth=peers.auth, peers=True,
            ),
            credits.route(self.store, peers.auth),
            Route("POST", "/officer/session", "session", self.open_session, OfficerLogin, Session, refuses=(401,)),
            Route(
                "POST", "/counter/population", "population", self.population, Citizen, Resident, auth=officer,
                refuses=(404,),
            ),
            Route(
                "POST", "/counter/dossiers", "intake", self.take_in, Submission, Submitted,
                status=201, auth=officer, keyed=True, refuses=(403,),
            ),
            Route("POST", "/officer/claim", "claim", self.claim, Claim, Claimed, auth=officer),
            Route(
                "POST", "/dossiers/{code}/steps", "step", self.step, StepOrder, StepTaken,
                auth=officer, keyed=True, refuses=(403, 404, 409),
            ),
            Route("GET", "/statistics", "statistics", self.statistics, gives=Statistics),
            Route("GET", "/officer/queue", "queue", self.queue, gives=Waiting, auth=officer),
            *self.drafts.routes(officer, self.take_in),
            *Help(self.drafts, self._defects).routes(officer),
            *self._centres.routes(officer),
            *self._workflows.routes(),
            *stubs.routes(officer),
            entries.route(entries.chained(self._verification.page, stubs.page, credits.book(self.store, self.name))),
            *self.attachments.routes(officer, peers),
            *self._interface.routes(self.control.check if self.surroundings.token else None, self.submit_online),
            *migration.routes(self.mover, self.control),
        )  # fmt: skip

    def facts(self) -> Mapping[str, object]:
        """Say where people file by hand, beside what every system with dossiers says."""
        return {"Giao diện cũ (public interface)": Linked("mở", public_ui.PATH), **super().facts()}

    async def receive(self, call: Call[SyncItem]) -> Created:
        """Store a dossier that the portal hands over."""
        item = call.content
        issued = item.MaHoSo.startswith("G") is (item.MaHoSo[1:3] == self.code)  # G: for here; H: at others' counters
        mine = item.MaTinh == self.code and issued
        wrong = objection(self._defects, item) if mine else FOREIGN
        if wrong:
            self.metrics.synced("rejected")
            return Created(ITEM_REFUSED, wrong)
        new = self._defects.drops(item.MaHoSo) or await self.store.write(
            lambda connection: self._receive(connection, item)
        )
        self.metrics.synced("applied" if new else "repeated")
        return Created(0) if new else Created(ITEM_EXISTS, EXISTS)

    def _receive(self, connection: sqlite3.Connection, item: SyncItem) -> bool:
        if register.add(connection, new_of(item), item.steps):
            self._received(connection, item)
            return True
        if self._defects.on("status-regress"):
            register.set_back(connection, item.MaHoSo, item.steps[0])
        return False

    async def open_session(self, call: Call[OfficerLogin]) -> Session:
        """Log an officer of a commune's or the province's centre in, of one of its branches, or one who moved here."""
        await self.database()
        account = call.content.account
        post = self._centres.post(account) or self.mover.officers.post(account)
        right = hmac.compare_digest(call.content.password.encode(), password(account).encode())
        if post is None or not right or self._is_absent(post[1]):
            raise Refusal(401, "unauthorised", "account or password is wrong")
        role, place = post
        claims = Claims("officer", place, test=call.content.ThuNghiem, role=role)
        return Session(self._signer.sign(claims, SESSION_LIFE))

    async def population(self, call: Call[Citizen]) -> Reply:
        """Ask the population database about a citizen."""
        return await ask_population(self._population, self.name, call.content)

    async def take_in(self, call: Call[Submission]) -> Reply:
        """Store a dossier that a one-stop officer takes in at the counter, and the message that tells the portal."""
        workflows.check(call.session, Role.ONE_STOP, "intake")
        if self._defects.hits("refused-for-reorganisation", call.key):
            raise Refusal(422, "reorganisation", "not received: the apparatus is being reorganised")
        return await self._take_in(call, intake.counter_channel(call.content), State.RECEIVED)

    async def submit_online(self, call: Call[Nothing]) -> Reply:
        """Store a dossier that a citizen submits at the old interface, out of a draft."""
        known = self.keys.answered(self.store.reader, call)
        if known is not None:
            return known
        submission = cast(Call[Submission], replace(call, content=self._interface.submission(call)))  # type: ignore[arg-type]  # of another content now
        return await self._take_in(submission, intake.online_channel(submission.content), State.REGISTERED)

    async def _take_in(self, call: Call[Submission], channel: Channel, state: State) -> Reply:
        procedure = intake.checked(call.content)
        if call.content.province != self.code:
            raise Refusal(422, "validation", "province: not this one; /HoSo/PhiDiaGioi takes it in")
        await self.units.consult()
        self.mover.allows_intake()
        if self._defects.on("intake-needs-portal") and self.outbox.failing(self._link):
            raise Refusal(503, "unavailable", "the portal can't be reached")
        if self._defects.on("missing-workflow-refused") and self._workflows.holds(procedure.code):
            raise Refusal(422, "workflow", "not received: the procedure has no electronic process")

        def change(connection: sqlite3.Connection) -> Reply:
            first = (1, state.value, round(time.time(), 6))
            new = intake.new_dossier(connection, "H", call, channel, self.units)
            self._store(connection, call, new, first)
            return created(201, Submitted(new.code, first[1], first[0], 0 if new.test else procedure.fee))

        reply = await self.keys.once(self.store, call, change)
        if self._defects.on("sync-inline"):
            await self.outbox.drained(self._link, INLINE_WAIT)
        return reply

    def _store(self, connection: sqlite3.Connection, call: Call[Submission], new: register.New, first: Step) -> None:
        register.add(connection, new, [first])
        item = item_of(new, first, self._defects)
        self.outbox.put(connection, self._link, (new.code, CREATE, msgspec.json.encode(item)))
        for message in self.attachments.attach(connection, call.session.sub, new.code, call.content.attachments):
            self.outbox.put(connection, self._link, message)
        drafts.close(connection, call, new.code)
        self._assign(connection, new.code, new.commune)

    def _received(self, connection: sqlite3.Connection, item: SyncItem) -> None:
        """Put a dossier that the portal handed over where it belongs."""
        self._assign(connection, item.MaHoSo, item.MaXa)
        if self._defects.on("missing-workflow-refused") and self._workflows.holds(item.MaTTHC):
            self._take(connection, item.MaHoSo, (2, State.NOT_RECEIVED.value, round(time.time(), 6)))

    def _assign(self, connection: sqlite3.Connection, code: str, commune: str) -> None:
        if self._defects.on("orphan-of-missing-account") and self._is_absent(commune):
            worklist.orphan(connection, code)

    async def claim(self, call: Call[Claim]) -> Claimed:
        """Give the officer the oldest dossiers that wait for the role and are nobody's; see ``mocks.worklist``."""
        officer, limit, absent = call.session, call.content.limit, self._absent()
        turns = self._workflows.turns(officer, self._centres.others(officer.sub))
        return await self.store.write(
            lambda connection: worklist.claim(connection, officer.sub, limit, turns, absent, test=officer.test)
        )

    async def queue(self, call: Call[Nothing]) -> Waiting:
        """Count what waits for the officer, in the common queue, and for a workflow."""
        officer, held = call.session, self._workflows.held()
        turns = self._workflows.turns(officer)
        return worklist.waiting(self.store.reader, officer.sub, turns, held, self._is_absent, test=officer.test)

    def _absent(self) -> Callable[[str], bool] | None:
        return None if self.control.find("missing-accounts") is None else self._is_absent

    def _is_absent(self, place: str) -> bool:
        """Tell whether the accounts of a desk are missing, of whatever role."""
        return self.control.strikes("missing-accounts", place)

    async def step(self, call: Call[StepOrder]) -> Reply:
        """Take a dossier one step on, and store the message that tells the portal."""
        if call.content.action == "process":
            await self._has_workflow(call)
        return await self.keys.once(self.store, call, lambda connection: self._step(connection, call))

    def _step(self, connection: sqlite3.Connection, call: Call[StepOrder]) -> Reply:
        code = call.path["code"]
        standing = register.standing(connection, code)
        if standing is None:
            raise unknown_dossier()
        if standing.test is not call.session.test:
            raise Refusal(403, "test-mode", "a test is worked on in test mode, and an official dossier is not")
        workflows.check_step(call.session, standing.procedure, call.content.action)
        try:
            target = next_state(call.content.action, standing.state, standing.before)
        except TransitionError as error:
            raise Refusal(409, "transition", str(error)) from None
        if standing.last >= STEPS:
            raise Refusal(409, "transition", f"a dossier has {STEPS} steps at most")
        step = (standing.last + 1, target.value, round(time.time(), 6))
        self._take(connection, code, step)
        return created(200, StepTaken(code, step[1], step[0]))

    def _take(self, connection: sqlite3.Connection, code: str, step: Step) -> None:
        register.append(connection, code, [step])
        if self.mover.brought(connection, code):
            return  # the portal has never heard of it: it stays provincial [A]
        item = ProgressItem(code, step[0], self._defects.reported(State(step[1])).value, timestamp(step[2]))
        self.outbox.put(connection, self._link, (code, PROGRESS, msgspec.json.encode(item)))

    async def _has_workflow(self, call: Call[StepOrder]) -> None:
        """Hold a dossier whose procedure has no electronic process; nothing is remembered under the call's key."""
        code = call.path["code"]
        standing = register.standing(self.store.reader, code)
        if standing is not None and self._workflows.holds(standing.procedure):
            workflows.check_step(call.session, standing.procedure, call.content.action)
            await self.store.write(lambda connection: worklist.release(connection, code))
            raise Refusal(409, "workflow", "the procedure has no electronic process yet: the dossier waits")

    async def statistics(self, call: Call[Nothing]) -> Statistics:
        """Count the dossiers by state."""
        states, tests = self.by_state()
        return Statistics(states, sum(states.values()), tests)

    def _officer(self, token: str) -> Claims:
        try:
            return self._signer.verify(token, "officer")
        except TokenError as error:
            raise Refusal(401, "unauthorised", str(error)) from None
