"""The portal's side of the provinces' interface: one endpoint with a service per task."""

import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from mocks import accounts, register
from mocks.defects import Defects
from mocks.messages import (
    CREATE,
    ITEM_EXISTS,
    ITEM_UNKNOWN,
    PROGRESS,
    PROGRESS_CHUNK,
    AccountNumber,
    DossierCode,
    ItemResult,
    ProcedureCode,
    ProgressItem,
    Step,
    SyncCall,
    SyncItem,
    SyncReply,
)
from mocks.metrics import Metrics
from mocks.peers import USE
from mocks.register import New
from mocks.store import Store
from mocks.timestamps import timestamp
from mocks.tokens import Signer, TokenError
from mocks.units import takes
from mocks.wire import Body, Call, Nothing, Refusal
from model import places, procedures
from model.dossier import counter_of
from model.links import province_system

ITEM_REFUSED = -1
FOREIGN = "sai đơn vị"
EXISTS = "đã tồn tại"
UNKNOWN = "không tồn tại"


class DossierQuery(Body):
    """Which dossier to look up."""

    MaHoSo: DossierCode


class ProcedureQuery(Body):
    """Which procedure to look up."""

    MaTTHC: ProcedureCode


class AccountQuery(Body):
    """Whose account to look up."""

    SoDinhDanh: AccountNumber


class Account(msgspec.Struct):
    """An account at VNeID; ``error_code`` -1 and no TechID where the portal doesn't know it."""

    SoDinhDanh: str
    TechID: str
    error_code: int = 0
    message: str = ""


class Agency(msgspec.Struct):
    """An agency that dossiers go to: a province, or a commune below it; field names are ours [A]."""

    MaCoQuan: str
    TenCoQuan: str
    MaCoQuanCha: str


SPOKEN = (
    SyncItem, ProgressItem, DossierQuery, ProcedureQuery, AccountQuery,
    ItemResult, register.Dossier, procedures.Procedure, Agency, Account,
)  # fmt: skip
"""What the services speak of."""

HandOn = Callable[[sqlite3.Connection, SyncItem], None]


class Portal:
    """Answers the provinces.

    Args:
        store: The portal's.
        metrics: Where its answers are counted.
        defects: Seeded defects that are on.
        signer: Of the provinces' sessions.
        provinces: Those of the stack.
        hand_on: Hands a dossier that came in at another province's counter to its own, in the same transaction.
    """

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        defects: Defects,
        signer: Signer,
        provinces: Sequence[str],
        hand_on: HandOn,
    ) -> None:
        self._store = store
        self._provinces = provinces
        self._hand_on = hand_on
        self._metrics = metrics
        self._defects = defects
        self._signer = signer
        self._services: Mapping[str, tuple[Any, Callable[[str, Any], Awaitable[object]]]] = {
            CREATE: (list[SyncItem], self._create),
            PROGRESS: (list[ProgressItem], self._progress),
            "TraCuuHoSo": (DossierQuery, self._look_up),
            "LayThuTuc": (ProcedureQuery, self._procedure),
            "LayDanhSachTTHC": (Nothing, self._procedures),
            "LayDanhMucLinhVuc": (Nothing, self._fields),
            "LayDanhMucCoQuan": (Nothing, self._agencies),
            "TraCuuTechID": (AccountQuery, self._account),
        }

    async def sync(self, call: Call[SyncCall]) -> SyncReply:
        """Run a service; raises Refusal 422 for a service or data that don't exist or fit, whoever asks."""
        asked = call.content
        type_, service = self._services.get(asked.service, (None, None))
        if service is None:
            raise Refusal(422, "validation", f"service: there are {', '.join(self._services)}")
        data = _data(asked, type_)
        try:
            claims = self._signer.verify(asked.session, USE)
        except TokenError:
            return SyncReply(401, message="phiên không tồn tại")
        if claims.sub != province_system(asked.madonvi):
            return SyncReply(401, message="phiên của đơn vị khác")
        return SyncReply(0, await service(asked.madonvi, data))

    async def _create(self, province: str, items: list[SyncItem]) -> object:
        return await self._store.write(
            lambda connection: [self._store_item(connection, province, item) for item in items]
        )

    def _store_item(self, connection: sqlite3.Connection, province: str, item: SyncItem) -> ItemResult:
        wrong = objection(self._defects, item) if self._may_send(province, item) else FOREIGN
        if wrong:
            return self._result(item.MaHoSo, ITEM_REFUSED, wrong, "rejected")
        if self._defects.drops(item.MaHoSo):
            return self._result(item.MaHoSo, 0, "", "applied")
        if item.isUpdating == "True":
            if item.MaTinh != province and register.province_of(connection, item.MaHoSo) == item.MaTinh:
                return self._result(item.MaHoSo, 0, "", "repeated")  # its steps are its own province's now
            return self._update(connection, province, item.MaHoSo, item.steps)
        steps = item.steps
        if register.add(connection, new_of(item), steps):
            self._lagged(province, steps)
            if item.MaTinh != province:
                self._hand_on(connection, item)
            return self._result(item.MaHoSo, 0, "", "applied")
        return self._result(item.MaHoSo, ITEM_EXISTS, EXISTS, "repeated")

    def _may_send(self, province: str, item: SyncItem) -> bool:
        """Tell whether a province drew a new dossier's code, its own or another one's that came in at its counters."""
        if item.MaTinh == province and item.isUpdating == "True":
            return True  # it is the dossier that is there that decides
        return item.MaTinh in self._provinces and counter_of(item.MaHoSo) == province

    def _update(
        self, connection: sqlite3.Connection, province: str, code: str, steps: Sequence[tuple[int, int, float]]
    ) -> ItemResult:
        home = register.province_of(connection, code)
        if home is None:
            return self._result(code, ITEM_UNKNOWN, UNKNOWN, "rejected")
        if home != province:
            return self._result(code, ITEM_REFUSED, FOREIGN, "rejected")
        number = register.append(connection, code, steps) or 0
        self._lagged(province, sorted(steps)[len(steps) - number :])
        return self._result(code, 0, "", "applied" if number else "repeated")

    def _lagged(self, province: str, steps: Sequence[tuple[int, int, float]]) -> None:
        now = time.time()
        for *_, occurred in steps:
            self._metrics.lagged(province, now - occurred)

    async def _progress(self, province: str, items: list[ProgressItem]) -> object:
        if len(items) > PROGRESS_CHUNK:
            raise Refusal(422, "validation", f"data: at most {PROGRESS_CHUNK} items")
        return await self._store.write(
            lambda connection: [self._store_progress(connection, province, item) for item in items]
        )

    def _store_progress(self, connection: sqlite3.Connection, province: str, item: ProgressItem) -> ItemResult:
        if self._defects.drops(f"{item.MaHoSo}:{item.ThuTu}"):
            return self._result(item.MaHoSo, 0, "", "applied")
        step = item.step
        result = self._update(connection, province, item.MaHoSo, [step])
        if self._defects.on("reorder"):
            register.set_back(connection, item.MaHoSo, step)
        return result

    def _result(self, code: str, error_code: int, message: str, counted: str) -> ItemResult:
        self._metrics.synced(counted)
        return ItemResult(code, error_code, message)

    async def _look_up(self, province: str, query: DossierQuery) -> object:
        found = register.find(self._store.reader, query.MaHoSo)
        return found if found is not None else ItemResult("", ITEM_UNKNOWN, UNKNOWN)

    async def _procedure(self, province: str, query: ProcedureQuery) -> object:
        return procedures.procedures().get(query.MaTTHC)

    async def _procedures(self, province: str, query: Nothing) -> object:
        return list(procedures.procedures().values())

    async def _fields(self, province: str, query: Nothing) -> object:
        return sorted({procedure.field for procedure in procedures.procedures().values()})

    async def _agencies(self, province: str, query: Nothing) -> object:
        return [agency for code in self._provinces for agency in _agencies_of(code)]

    async def _account(self, province: str, query: AccountQuery) -> object:
        found = accounts.tech_id(self._store.reader, query.SoDinhDanh)
        return Account(query.SoDinhDanh, "", -1, UNKNOWN) if found is None else Account(query.SoDinhDanh, found)


def _agencies_of(code: str) -> Iterator[Agency]:
    province = places.provinces()[code]
    yield Agency(f"H{code}", f"{province.kind} {province.name}", "")
    for commune in places.communes_of(code):
        yield Agency(f"H{code}.{commune.code}", f"{commune.kind} {commune.name}", f"H{code}")


def item_of(new: New, first: Step, defects: Defects) -> SyncItem:
    """Return a new dossier as it is told to the other side."""
    return SyncItem(
        new.code, new.key, new.province, new.commune, new.procedure,
        new.channel,  # type: ignore[arg-type]  # 1 to 3
        new.hash, "False", [(*first[:2], timestamp(first[2]))], new.person,
        new.test and not defects.on("test-mode-leaks"), new.applicant,
    )  # fmt: skip


def objection(defects: Defects, item: SyncItem) -> str:
    """Say why nobody could work on a dossier that another system hands over, empty where its province can."""
    if not takes(defects, item.MaXa, item.MaTinh):
        return FOREIGN
    return "" if item.MaTTHC in procedures.procedures() else "thủ tục không có trong danh mục"


def new_of(item: SyncItem) -> New:
    """Return a synchronised dossier as a new one of this system's register."""
    where = (item.MaTinh, item.MaXa, item.MaTTHC)
    return New(
        item.MaHoSo, item.MaThamChieu, *where, item.KenhThucHien, item.MaBam, item.ThuNghiem, item.LoaiDoiTuong,
        person=item.SoDinhDanh or "",
    )  # fmt: skip


def _data(call: SyncCall, type_: Any) -> Any:
    try:
        return msgspec.json.decode(call.data, type=type_)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Refusal(422, "validation", f"data: {error}") from None
