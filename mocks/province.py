"""A provincial administrative-procedure system: counters, officers, and the outbox to the portal."""

import hmac
import sqlite3
import time
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from prometheus_client import CollectorRegistry

from mocks import intake, keys, migration, outbox, register, stock
from mocks.messages import (
    CREATE,
    ITEM_EXISTS,
    PROGRESS,
    PROGRESS_CHUNK,
    Citizen,
    Created,
    ProgressItem,
    Resident,
    Session,
    Submission,
    Submitted,
    SyncItem,
    Text,
    password,
)
from mocks.portal import EXISTS, ITEM_REFUSED, new_of
from mocks.province_sync import PortalSync
from mocks.store import Store
from mocks.system import DossierSystem, Surroundings, created, unknown_dossier
from mocks.tokens import Claims, Signer, TokenError
from mocks.units import takes
from mocks.upstream import ask_population
from mocks.wire import Body, Call, Nothing, Refusal, Reply, Route
from model import procedures
from model.dossier import Channel, State, TransitionError, next_state
from model.links import Link, province_of

SESSION_LIFE = 8 * 3600.0  # seconds
CLAIM = 60.0  # seconds
INLINE_WAIT = 60.0  # seconds; clients in the field read with this time-out and no retry [P]
CREATE_CHUNK = 50  # items of one DongBoHoSoMC
PREFIX = "cb."


class OfficerLogin(Body):
    """An officer (cán bộ một cửa) logs in."""

    account: Text
    password: Text


class Claim(Body):
    """How many dossiers an officer takes."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1


class ClaimedItem(msgspec.Struct):
    """A dossier that is the officer's now."""

    code: str
    state: int
    sequence: int
    procedure: str


class Claimed(msgspec.Struct):
    """What the officer got."""

    items: list[ClaimedItem]


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
    """Dossiers by state's number."""

    states: dict[str, int]
    total: int


class Workflow(msgspec.Struct):
    """Whether a procedure has an electronic process."""

    procedure: str
    available: bool


class Workflows(msgspec.Struct):
    """The electronic processes of the catalogue's procedures."""

    items: list[Workflow]


class Province(DossierSystem):
    """The system of one province.

    Attributes:
        code: The province's.
        mover: Its migration.
    """

    faults = DossierSystem.faults | {"missing-workflow", "missing-accounts"}

    schema = f"""{register.SCHEMA}{keys.SCHEMA}{outbox.SCHEMA}{migration.SCHEMA}
        CREATE INDEX IF NOT EXISTS open_of_commune ON dossiers(commune, id) WHERE {register.OPEN};
        CREATE INDEX IF NOT EXISTS open_of_province ON dossiers(id) WHERE {register.OPEN};
    """

    def __init__(self, name: str, surroundings: Surroundings, registry: CollectorRegistry) -> None:
        super().__init__(name, surroundings, registry)
        self.code = province_of(name) or ""
        self._defects = surroundings.defects
        self._signer = Signer(self.store.secret())
        self._population = self.client("population")
        self._link = Link(name, "national").name
        sync = PortalSync(self.code, self.client("national"), self._defects.trusts_silence)
        self.mover = migration.Mover(self.store, self.units, self._defects)
        self.outbox.open(self._link, sync.deliver, {CREATE: CREATE_CHUNK, PROGRESS: PROGRESS_CHUNK})

    def open_store(self, path: Path) -> Store:
        """Open the province's SQLite file."""
        return self.surroundings.defects.province_store(path, self.schema)

    async def start(self) -> None:
        """Start committer and sender, and read the catalogue."""
        intake.warm()
        await super().start()
        await self.mover.start(stock.made(self.surroundings.seed, self.code, self.surroundings.stock.get(self.code, 0)))

    async def stop(self) -> None:
        """Stop the migration between two batches, and everything else."""
        await self.mover.stop()
        await super().stop()

    def table(self) -> tuple[Route, ...]:
        """Return its routes."""
        officer = self._officer
        return (
            Route("POST", "/api/dossiers", "receive", self.receive, SyncItem, Created),
            Route("POST", "/officer/session", "session", self.open_session, OfficerLogin, Session),
            Route("POST", "/counter/population", "population", self.population, Citizen, Resident, auth=officer),
            Route(
                "POST", "/counter/dossiers", "intake", self.take_in, Submission, Submitted,
                status=201, auth=officer, keyed=True,
            ),
            Route("POST", "/officer/claim", "claim", self.claim, Claim, Claimed, auth=officer),
            Route(
                "POST", "/dossiers/{code}/steps", "step", self.step, StepOrder, StepTaken,
                auth=officer, keyed=True,
            ),
            Route("GET", "/statistics", "statistics", self.statistics, gives=Statistics),
            Route("GET", "/workflows", "workflows", self.workflows, gives=Workflows),
            *migration.routes(lambda: self.mover, self.control),
        )  # fmt: skip

    async def receive(self, call: Call[SyncItem]) -> Created:
        """Store a dossier that the portal hands over."""
        item = call.content
        if item.MaTinh != self.code or not takes(self._defects, item.MaXa, self.code):
            self.metrics.synced("rejected")
            return Created(ITEM_REFUSED, "sai đơn vị")
        new = self._defects.drops(item.MaHoSo) or await self.store.write(
            lambda connection: self._receive(connection, item)
        )
        self.metrics.synced("applied" if new else "repeated")
        return Created(0) if new else Created(ITEM_EXISTS, EXISTS)

    def _receive(self, connection: sqlite3.Connection, item: SyncItem) -> bool:
        new = register.add(connection, new_of(item), item.TienTrinh)
        if not new and self._defects.goes_back:
            register.set_back(connection, item.MaHoSo, item.TienTrinh[0])
        return new

    async def open_session(self, call: Call[OfficerLogin]) -> Session:
        """Log an officer of one of the province's communes in."""
        account = call.content.account
        commune = account.removeprefix(PREFIX)
        known = account.startswith(PREFIX) and intake.belongs(commune, self.code)
        right = hmac.compare_digest(call.content.password.encode(), password(account).encode())
        if not (known and right) or self.control.strikes("missing-accounts", account):
            raise Refusal(401, "unauthorised", "account or password is wrong")
        return Session(self._signer.sign(Claims("officer", commune), SESSION_LIFE))

    async def population(self, call: Call[Citizen]) -> Reply:
        """Ask the population database about a citizen."""
        return await ask_population(self._population, self.name, call.content)

    async def take_in(self, call: Call[Submission]) -> Reply:
        """Store a dossier taken in at the counter, and the message that tells the portal."""
        procedure = intake.checked(call.content)
        if call.content.province != self.code:
            raise Refusal(422, "validation", "province: not this one")
        await self.units.consult()
        self.mover.allows_intake()
        if self._defects.needs_portal and self.outbox.failing(self._link):
            raise Refusal(503, "unavailable", "the portal can't be reached")
        reply = await self.store.write(
            lambda connection: self.keys.once(
                connection, call, lambda connection: self._store(connection, call, procedure.fee)
            )
        )
        if self._defects.syncs_inline:
            await self.outbox.drained(self._link, INLINE_WAIT)
        return reply

    def _store(self, connection: sqlite3.Connection, call: Call[Submission], fee: int) -> Reply:
        new = intake.new_dossier(connection, "H", call, Channel.DIRECT, self.units)
        first = (1, State.RECEIVED.value, round(time.time(), 6))
        register.add(connection, new, [first])
        item = SyncItem(
            new.code, new.key, new.province, new.commune, new.procedure, Channel.DIRECT.value, new.hash,
            "False", [first],
        )  # fmt: skip
        self.outbox.put(connection, self._link, (new.code, CREATE, msgspec.json.encode(item)))
        return created(201, Submitted(new.code, first[1], first[0], fee))

    async def claim(self, call: Call[Claim]) -> Claimed:
        """Give the officer the oldest dossiers that are open and nobody's: the commune's, else the province's."""
        commune, limit = call.session.sub, call.content.limit
        return await self.store.write(lambda connection: _claim(connection, commune, limit))

    async def step(self, call: Call[StepOrder]) -> Reply:
        """Take a dossier one step on, and store the message that tells the portal."""
        if call.content.action == "process":
            self._has_workflow(call.path["code"])
        return await self.store.write(
            lambda connection: self.keys.once(connection, call, lambda connection: self._step(connection, call))
        )

    def _step(self, connection: sqlite3.Connection, call: Call[StepOrder]) -> Reply:
        code = call.path["code"]
        standing = register.standing(connection, code)
        if standing is None:
            raise unknown_dossier()
        state, before, last = standing
        try:
            target = next_state(call.content.action, state, before)
        except TransitionError as error:
            raise Refusal(409, "transition", str(error)) from None
        step = (last + 1, target.value, round(time.time(), 6))
        register.append(connection, code, [step])
        item = ProgressItem(code, step[0], self._defects.reported(target).value, step[2])
        self.outbox.put(connection, self._link, (code, PROGRESS, msgspec.json.encode(item)))
        return created(200, StepTaken(code, step[1], step[0]))

    def _has_workflow(self, code: str) -> None:
        """Hold a dossier whose procedure has no electronic process; nothing is remembered under the call's key."""
        row = self.store.reader.execute("SELECT procedure FROM dossiers WHERE code = ?", (code,)).fetchone()
        if row is not None and self.control.strikes("missing-workflow", row[0]):
            raise Refusal(409, "workflow", "the procedure has no electronic process yet: the dossier waits")

    async def workflows(self, call: Call[Nothing]) -> Workflows:
        """Say which procedures have an electronic process (quy trình điện tử)."""
        codes = procedures.procedures()
        return Workflows([Workflow(code, not self.control.strikes("missing-workflow", code)) for code in codes])

    async def statistics(self, call: Call[Nothing]) -> Statistics:
        """Count the dossiers by state."""
        await self.database()
        states = register.by_state(self.store.reader)
        return Statistics(states, sum(states.values()))

    def _officer(self, token: str) -> Claims:
        try:
            return self._signer.verify(token, "officer")
        except TokenError as error:
            raise Refusal(401, "unauthorised", str(error)) from None


def _claim(connection: sqlite3.Connection, commune: str, limit: int) -> Claimed:
    rows = _open(connection, "commune = ?", (commune,), limit) or _open(connection, "true", (), limit)
    until = time.time() + CLAIM
    statement = "UPDATE dossiers SET claimed = ? WHERE id = ?"
    connection.executemany(statement, [(until, row[0]) for row in rows])
    return Claimed([ClaimedItem(*row[1:]) for row in rows])


def _open(
    connection: sqlite3.Connection, where: str, values: tuple[object, ...], limit: int
) -> list[tuple[int, str, int, int, str]]:
    statement = f"""SELECT id, code, state, sequence, procedure FROM dossiers
        WHERE {where} AND {register.OPEN} AND claimed < ? ORDER BY id LIMIT ?"""
    return connection.execute(statement, (*values, time.time(), limit)).fetchall()
