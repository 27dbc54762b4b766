"""A system's copy of the unit table: where a submission goes, by the code that it carries.

The copy is refreshed from ``codes`` where that is part of the stack, and is the built-in one otherwise. Every row is
checked against what was registered before it is used: a wrong row holds a submission (503, Retry-After), and never
sends it elsewhere.
"""

import asyncio
import heapq
from functools import lru_cache

import msgspec

from mocks import unit_table
from mocks.client import Client, LinkError
from mocks.control import Control
from mocks.defects import Defects
from mocks.messages import Submission
from mocks.unit_table import After, Mapping, Mappings, OnDay, Row, Seal, Table, Unit, Versions
from mocks.wire import Call, Failure, Nothing, Refusal, Reply, Route
from model import hamlets, places

FAULT = "wrong-code-table"
REFRESH = 5.0  # seconds between two looks at the register
AGAIN = 0.5  # seconds after which a look that failed is repeated
RETRY_AFTER = 1  # seconds


class Choices(Failure, kw_only=True):
    """The body of a refusal that asks which successor is meant."""

    candidates: list[unit_table.Candidate]


class Ambiguous(Refusal):
    """A split unit without a word on where in it: the applicant chooses, and submits again."""

    def __init__(self, code: str, row: Row) -> None:
        super().__init__(422, "validation", f"legacy_commune: {code} was split; give hamlet, or choose commune")
        self._candidates = unit_table.candidates(code, row)

    def reply(self) -> Reply:
        """Return the refusal with the candidates."""
        body = Choices(message=str(self), reason=self.reason, candidates=self._candidates)
        return Reply(self.status, msgspec.json.encode(body))


class Held(Refusal):
    """The system's table isn't the registered one: nothing is decided by it."""

    def __init__(self, code: str) -> None:
        super().__init__(503, "code-table", f"{code}: the unit table isn't the registered one; try again")

    def reply(self) -> Reply:
        """Return the refusal with Retry-After."""
        return Reply(self.status, super().reply().body, {"retry-after": str(RETRY_AFTER)})


class Units:
    """One system's copy.

    Args:
        control: Whose fault ``wrong-code-table`` spoils rows.
        defects: Seeded defects that are on.
        register: Client of ``codes``; None where it isn't part of the stack.
    """

    def __init__(self, control: Control, defects: Defects, register: Client | None) -> None:
        self._control = control
        self._defects = defects
        self._register = register
        self._table = unit_table.official()
        self._seal = unit_table.official_seal()
        self._registered = _digests(unit_table.official_bytes())
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Keep the copy fresh, where there is a register."""
        if self._register is not None:
            self._task = asyncio.get_running_loop().create_task(self._refresh(self._register))

    async def stop(self) -> None:
        """Leave the copy as it is."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def consult(self) -> None:
        """Do nothing: the copy is enough. With the defect ``needs-code-register``, ask the register; raises Refusal."""
        if self._register is not None and self._defects.on("needs-code-register"):
            try:
                await self._register.request("GET", "/versions")
            except LinkError as error:
                raise Refusal(502, "upstream", f"codes: {error}") from None

    def resolve(self, asked: Submission) -> str:
        """Return the commune that a submission is for.

        Raises:
            Refusal: 422 where nobody has the code, the province is another, or the applicant must choose; 503 where the
                row isn't the registered one.
        """
        if asked.legacy_commune is None:
            row = self._row(asked.commune or "", old=False)
            return self._inside(asked, row[0]) if row else self._inside(asked, "")
        if self._defects.on("old-code-accepted"):
            return asked.legacy_commune.zfill(5)
        row = self._row(asked.legacy_commune, old=True)
        if not row:
            raise Refusal(422, "validation", "legacy_commune: nobody had this code")
        return self._inside(asked, self._chosen(asked, row))

    def successor(self, legacy: str, hamlet: str) -> str:
        """Return the commune that a place of an old unit is in now; raises Refusal as ``resolve`` does."""
        row = self._row(legacy, old=True)
        found = row[0] if len(row) == 1 else _at(legacy, hamlet, row)
        if found is None:
            raise Ambiguous(legacy, row)
        return found

    def look_up(self, code: str, valid_on: str) -> Unit:
        """Say what a code stands for by this copy, right or wrong."""
        old = unit_table.is_old(self._table, code, valid_on)
        row = self._held_row(code, old)
        listed = unit_table.candidates(code, row) if old else []
        return Unit(
            code,
            unit_table.status_of(code, row),
            list(row),
            listed,
            self._table.version,
            self._is_right(code, old, row),
            unit_table.name_of(self._table, code, old),
        )

    def mappings(self, after: str, limit: int) -> Mappings:
        """List what old codes stand for by this copy, right or wrong."""
        codes = heapq.nsmallest(limit, (code for code in self._table.legacy if code > after))
        items = [Mapping(code, list(self._held_row(code, old=True))) for code in codes]
        return Mappings(items, codes[-1] if len(codes) == limit else None)

    def seal(self) -> Seal:
        """Return the seal of this copy."""
        return self._seal

    def _chosen(self, asked: Submission, row: Row) -> str:
        legacy = asked.legacy_commune or ""
        if asked.commune is not None:
            if asked.commune not in row:
                raise Refusal(422, "validation", "commune: none of the successors of legacy_commune")
            return asked.commune
        if len(row) == 1 or self._defects.on("misroute-split"):
            return row[0]
        found = _at(legacy, asked.hamlet or "", row)
        if found is None:
            raise Ambiguous(legacy, row)
        return found

    def _inside(self, asked: Submission, commune: str) -> str:
        trusted = self._defects.on("trusts-code-table") and self._control.find(FAULT) is not None
        if self._table.current.get(commune) != asked.province and not trusted:
            raise Refusal(422, "validation", "commune: not one of this province")
        return commune

    def _row(self, code: str, old: bool) -> Row:
        """Return a row that is right; raises Held for one that isn't."""
        row = self._held_row(code, old)
        if self._is_right(code, old, row) or self._defects.on("trusts-code-table"):
            return row
        if self._defects.on("refuses-unverified"):
            raise Refusal(422, "reorganisation", "the unit was reorganised; come back when its code is known")
        raise Held(code)

    def _held_row(self, code: str, old: bool) -> Row:
        row = unit_table.row_of(self._table, code, old)
        return draft(row) if row and self._control.strikes(FAULT, code) else row

    def _is_right(self, code: str, old: bool, row: Row) -> bool:
        return self._registered.get((code, old), _NOBODY) == (unit_table.digest(code, old, row) if row else _NOBODY)

    async def _refresh(self, register: Client) -> None:
        while True:
            fresh = await self._look(register)
            await asyncio.sleep(REFRESH if fresh else AGAIN)

    async def _look(self, register: Client) -> bool:
        """Take the newest registered version over; returns whether this copy is that."""
        try:
            seal = msgspec.json.decode((await register.request("GET", "/versions")).body, type=Versions).items[-1]
            if seal == self._seal or self._clings():
                return True
            body = (await register.request("GET", "/table")).body
            table = unit_table.opened(body, seal)
        except (LinkError, msgspec.DecodeError, UnicodeError, IndexError):
            return False
        if table is None:
            return False
        self._table, self._seal, self._registered = table, seal, _digests(body)
        return True

    def _clings(self) -> bool:
        """Tell whether the copy stays what it is: with the defect ``stale-units``, once it was taken over."""
        return self._defects.on("stale-units") and self._seal != unit_table.official_seal()


_NOBODY = b""


def digests(table: Table) -> dict[tuple[str, bool], bytes]:
    """Return what tells each row of a table, by code and whether it is one of before."""
    current = {(code, False): unit_table.digest(code, False, (code,)) for code in table.current}
    return current | {(code, True): unit_table.digest(code, True, row) for code, row in table.legacy.items()}


@lru_cache(maxsize=2)
def _digests(body: bytes) -> dict[tuple[str, bool], bytes]:
    """Return those of a table in its bytes, once for all systems of a process."""
    return digests(msgspec.json.decode(body, type=Table))


def draft(row: Row) -> Row:
    """Return a row as a draft list has it [A]: half of the codes are another commune's, half aren't official."""
    return tuple(_neighbour(code) if int(code) % 2 else f"{90000 + int(code) % 10000:05d}" for code in row)


def _neighbour(code: str) -> str:
    """Return the code of the next commune of the province."""
    codes = [commune.code for commune in places.communes_of(places.communes()[code].province)]
    return codes[(codes.index(code) + 1) % len(codes)]


def _at(legacy: str, hamlet: str, row: Row) -> str | None:
    """Return the successor that took a hamlet over; a row that isn't the official one keeps the official order."""
    unit = places.legacy().get(legacy)
    official = hamlets.successor(unit, hamlet) if unit else None
    return row[unit.successors.index(official)] if unit and official else None


def takes(defects: Defects, commune: str, province: str) -> bool:
    """Tell whether a system takes a dossier of a commune over from another one."""
    found = places.communes().get(commune)
    if found is None:
        return defects.on("old-code-accepted") and commune in places.legacy()
    return found.province == province


def routes(units: Units) -> tuple[Route, ...]:
    """Return the routes on which a system shows its copy."""

    async def look_up(call: Call[OnDay]) -> Unit:
        return units.look_up(call.path["code"], call.content.valid_on)

    async def mappings(call: Call[After]) -> Mappings:
        return units.mappings(call.content.after, call.content.limit)

    async def seal(call: Call[Nothing]) -> Seal:
        return units.seal()

    return (
        Route("GET", "/units", "unit_table", seal, gives=Seal),
        Route("GET", "/units/{code}", "unit", look_up, OnDay, Unit, "query"),
        Route("GET", "/legacy-units", "legacy_units", mappings, After, Mappings, "query"),
    )
