"""The portal's side of the provinces' interface: log in, then one endpoint with a service per task."""

import hmac
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from mocks import register
from mocks.defects import Defects
from mocks.messages import (
    CREATE,
    ITEM_EXISTS,
    ITEM_UNKNOWN,
    PROGRESS,
    PROGRESS_CHUNK,
    DossierCode,
    ItemResult,
    Login,
    ProgressItem,
    Session,
    SyncCall,
    SyncItem,
    SyncReply,
    Text,
    password,
)
from mocks.metrics import Metrics
from mocks.register import New
from mocks.store import Store
from mocks.tokens import Claims, Signer, TokenError
from mocks.units import takes
from mocks.wire import Body, Call, Nothing, Refusal
from model import procedures

SESSION_LIFE = 3600.0  # seconds
ITEM_REFUSED = -1
EXISTS = "đã tồn tại"
UNKNOWN = "không tồn tại"


class DossierQuery(Body):
    """Which dossier to look up."""

    MaHoSo: DossierCode


class ProcedureQuery(Body):
    """Which procedure to look up."""

    MaTTHC: Text


SPOKEN = (SyncItem, ProgressItem, DossierQuery, ProcedureQuery, ItemResult, register.Dossier, procedures.Procedure)
"""What the services speak of."""


class Portal:
    """Answers the provinces."""

    def __init__(self, store: Store, metrics: Metrics, defects: Defects, signer: Signer) -> None:
        self._store = store
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
        }

    def login(self, asked: Login) -> Session:
        """Open a province's session; raises Refusal 401."""
        expected = password(asked.username).encode()
        province = asked.username.removeprefix("province:")
        if province == asked.username or not hmac.compare_digest(asked.password.encode(), expected):
            raise Refusal(401, "unauthorised", "account or password is wrong")
        return Session(self._signer.sign(Claims("province", province), SESSION_LIFE))

    async def sync(self, call: Call[SyncCall]) -> SyncReply:
        """Run a service; raises Refusal 422 for a service or data that don't exist or fit, whoever asks."""
        asked = call.content
        type_, service = self._services.get(asked.service, (None, None))
        if service is None:
            raise Refusal(422, "validation", f"service: there are {', '.join(self._services)}")
        data = _data(asked, type_)
        try:
            claims = self._signer.verify(asked.session, "province")
        except TokenError:
            return SyncReply(401, message="phiên không tồn tại")
        if claims.sub != asked.madonvi:
            return SyncReply(401, message="phiên của đơn vị khác")
        return SyncReply(0, await service(asked.madonvi, data))

    async def _create(self, province: str, items: list[SyncItem]) -> object:
        return await self._store.write(
            lambda connection: [self._store_item(connection, province, item) for item in items]
        )

    def _store_item(self, connection: sqlite3.Connection, province: str, item: SyncItem) -> ItemResult:
        if item.MaTinh != province or not takes(self._defects, item.MaXa, province):
            return self._result(item.MaHoSo, ITEM_REFUSED, "sai đơn vị", "rejected")
        if self._defects.drops(item.MaHoSo):
            return self._result(item.MaHoSo, 0, "", "applied")
        if item.isUpdating == "True":
            return self._update(connection, province, item.MaHoSo, item.TienTrinh)
        if register.add(connection, new_of(item), item.TienTrinh):
            self._lagged(province, item.TienTrinh)
            return self._result(item.MaHoSo, 0, "", "applied")
        return self._result(item.MaHoSo, ITEM_EXISTS, EXISTS, "repeated")

    def _update(
        self, connection: sqlite3.Connection, province: str, code: str, steps: Sequence[tuple[int, int, float]]
    ) -> ItemResult:
        number = register.append(connection, code, steps)
        if number is None:
            return self._result(code, ITEM_UNKNOWN, UNKNOWN, "rejected")
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
        return self._update(connection, province, item.MaHoSo, [(item.ThuTu, item.TrangThai, item.ThoiDiem)])

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


def new_of(item: SyncItem) -> New:
    """Return a synchronised dossier as a new one of this system's register."""
    return New(item.MaHoSo, item.MaThamChieu, item.MaTinh, item.MaXa, item.MaTTHC, item.KenhThucHien, item.MaBam)


def _data(call: SyncCall, type_: Any) -> Any:
    try:
        return msgspec.json.decode(call.data, type=type_)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Refusal(422, "validation", f"data: {error}") from None
