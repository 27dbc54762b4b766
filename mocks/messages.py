"""What systems say to each other, in the words of the real interfaces [P]."""

import hashlib
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec

from mocks.timestamps import Timestamp, unix_seconds
from mocks.wire import Body
from model.links import PLATFORMS, systems

STEPS = 1000  # of a dossier's history, at most [A]
Sequence = Annotated[int, msgspec.Meta(ge=1, le=STEPS)]
StateNumber = Annotated[int, msgspec.Meta(ge=1, le=10)]
Step = tuple[int, int, float]
"""A step of a dossier's history: sequence, state, occurred (Unix seconds)."""
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
IdNumber = Annotated[str, msgspec.Meta(pattern="^[0-9]{12}$", max_length=12, examples=["900000005974"])]
AccountNumber = Annotated[str, msgspec.Meta(pattern="^([0-9]{10}|[0-9]{12})$", max_length=12)]
"""Of a person, or of an organisation: its tax code (mã số thuế)."""
ApplicantType = Literal[1, 2, 3, 4]
"""LoaiDoiTuong: citizen, business, agency, other [P]."""
ProvinceCode = Annotated[str, msgspec.Meta(pattern="^[0-9]{2}$", max_length=2, examples=["01"])]
CommuneCode = Annotated[str, msgspec.Meta(pattern="^[0-9]{5}$", max_length=5, examples=["00004"])]
ProcedureCode = Annotated[Text, msgspec.Meta(examples=["2.000815"])]
LegacyCode = Annotated[str, msgspec.Meta(pattern="^[0-9]{3}([0-9]{2})?$", max_length=5)]
DossierCode = Annotated[str, msgspec.Meta(pattern=r"^[GH][0-9]{2}\.[0-9]{5}-[0-9]{6}-[0-9]{4,9}$", max_length=32)]
Hash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", max_length=64)]

CREATE = "DongBoHoSoMC"
PROGRESS = "CapNhatTienDoHoSoMC"
PROGRESS_CHUNK = 10  # items of one CapNhatTienDoHoSoMC
SYNC_DATA = {
    "anyOf": [
        {"type": "array", "items": {"$ref": "#/components/schemas/SyncItem"}},
        {"type": "array", "items": {"$ref": "#/components/schemas/ProgressItem"}, "maxItems": PROGRESS_CHUNK},
        {"$ref": "#/components/schemas/DossierQuery"},
        {"$ref": "#/components/schemas/ProcedureQuery"},
        {"$ref": "#/components/schemas/AccountQuery"},
        {"type": "object", "additionalProperties": False},
    ]
}
SYNC_ANSWER = {
    "anyOf": [
        {"type": "array", "items": {"$ref": "#/components/schemas/ItemResult"}},
        {"$ref": "#/components/schemas/ItemResult"},
        {"$ref": "#/components/schemas/Dossier"},
        {"$ref": "#/components/schemas/Procedure"},
        {"type": "array", "items": {"$ref": "#/components/schemas/Procedure"}},
        {"type": "array", "items": {"$ref": "#/components/schemas/Agency"}},
        {"$ref": "#/components/schemas/Account"},
        {"type": "array", "items": {"type": "string"}},
        {"type": "null"},
    ]
}
"""What ``data`` is, service by service: of the call, and of the answer."""
ITEM_EXISTS = 1
ITEM_UNKNOWN = 2


class UserInfo(msgspec.Struct):
    """Who logged in; ``LoaiTaiKhoan``: 1 a citizen, 2 an organisation; ``IAL`` is the identity assurance level."""

    TechID: str
    SoDinhDanh: str
    HoVaTen: str
    LoaiTaiKhoan: int = 1
    IAL: int = 2


class Citizen(Body):
    """Whom a population look-up asks about."""

    SoDinhDanh: IdNumber
    HoVaTen: Text
    NgayThangNamSinh: Annotated[str, msgspec.Meta(pattern="^[0-9]{8}$", max_length=8)]


class Enquiry(Citizen):
    """A population look-up through the data-sharing platform."""

    MaYeuCau: Text
    MaDVC: Text
    MaTichHop: Text
    MaDonVi: Text
    MaCanBo: Text


class Confirmation(Citizen):
    """A database is asked to confirm what a data-only dossier rests on; the same ``MaYeuCau`` gets the same receipt."""

    MaYeuCau: Text
    MaHoSo: DossierCode
    MaTTHC: ProcedureCode
    MaDonVi: Text
    CoSoDuLieu: Text


class Confirmed(msgspec.Struct):
    """A database confirms; ``MaBienNhan`` is the number of its receipt."""

    MaBienNhan: str
    error_code: int = 0


class Resident(msgspec.Struct):
    """What the population database knows of a citizen."""

    SoDinhDanh: str
    HoVaTen: str
    NgayThangNamSinh: str
    DiaChi: str
    error_code: int = 0


class Applicant(Body):
    """Whose dossier it is: a person, or an organisation."""

    SoDinhDanh: AccountNumber
    HoVaTen: Text


class Submission(Body):
    """A dossier as a citizen submits it, or an officer takes it in; ``attachments`` by their SHA-256.

    A form of before 1 July 2025 carries ``legacy_commune``, and with it ``hamlet`` (thôn, tổ dân phố) or the
    ``commune`` that the applicant chose; else ``commune`` must be there. ``helper``: the badge of who fills in for the
    applicant at a reception point. ``KenhThucHien``: how it came to a counter, directly (1, also where it is left out)
    or by post (3). ``LoaiDoiTuong``: what kind of applicant; left out, what the account is.
    """

    procedure: ProcedureCode
    province: ProvinceCode
    applicant: Applicant
    form: dict[str, Any]
    commune: CommuneCode | None = None
    legacy_commune: LegacyCode | None = None
    hamlet: Text | None = None
    helper: Text | None = None
    KenhThucHien: Literal[1, 3] | None = None
    LoaiDoiTuong: ApplicantType | None = None
    attachments: Annotated[list[Hash], msgspec.Meta(max_length=20)] = []  # noqa: RUF012  msgspec copies it

    @property
    def old_address(self) -> dict[str, str]:
        """What the form says of the place as it was before."""
        said = {"legacy_commune": self.legacy_commune, "hamlet": self.hamlet}
        return {name: value for name, value in said.items() if value is not None}


class Submitted(msgspec.Struct):
    """A dossier was created; ``fee`` in VND. ``message`` says why it waits here before it goes on, where it does."""

    code: str
    state: int
    sequence: int
    fee: int
    error_code: int = 0
    message: str = ""


class SyncItem(Body):
    """A dossier as ``DongBoHoSoMC`` gives it, and as the portal hands it to a province.

    ``SoDinhDanh`` is the applicant's: without it, nobody's data are taken for theirs. ``ThuNghiem``: a test.
    """

    MaHoSo: DossierCode
    MaThamChieu: Text
    MaTinh: ProvinceCode
    MaXa: CommuneCode
    MaTTHC: ProcedureCode
    KenhThucHien: Literal[1, 2, 3]
    MaBam: Hash
    isUpdating: Literal["True", "False"]
    TienTrinh: Annotated[list[tuple[Sequence, StateNumber, Timestamp]], msgspec.Meta(min_length=1, max_length=STEPS)]
    SoDinhDanh: AccountNumber | None = None
    ThuNghiem: bool = False
    LoaiDoiTuong: ApplicantType = 1

    def __post_init__(self) -> None:
        """Raise ValueError for a day that isn't in the calendar, which makes the item invalid."""
        self.steps  # noqa: B018  read for what it raises

    @property
    def steps(self) -> list[Step]:
        """``TienTrinh``, its moments as Unix seconds."""
        return [(sequence, state, unix_seconds(occurred)) for sequence, state, occurred in self.TienTrinh]


class ProgressItem(Body):
    """A step as ``CapNhatTienDoHoSoMC`` gives it."""

    MaHoSo: DossierCode
    ThuTu: Sequence
    TrangThai: StateNumber
    ThoiDiem: Timestamp

    def __post_init__(self) -> None:
        """Raise ValueError for a day that isn't in the calendar, which makes the item invalid."""
        self.step  # noqa: B018  read for what it raises

    @property
    def step(self) -> Step:
        """The step, its moment as Unix seconds."""
        return self.ThuTu, self.TrangThai, unix_seconds(self.ThoiDiem)


class SyncCall(Body):
    """The one call of the provinces' interface; ``data`` depends on ``service``."""

    session: Annotated[str, msgspec.Meta(min_length=1, max_length=4000)]
    madonvi: ProvinceCode
    service: Text
    data: Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema=SYNC_DATA)]


class ItemResult(msgspec.Struct):
    """What came of one item."""

    MaHoSo: str
    error_code: int
    message: str = ""


class SyncReply(msgspec.Struct):
    """The answer to ``SyncCall``; ``data`` depends on ``service``, and is null where ``error_code`` isn't 0."""

    error_code: int
    data: Annotated[Any, msgspec.Meta(extra_json_schema=SYNC_ANSWER)] = None
    message: str = ""


class Login(Body):
    """A system or person logs in."""

    username: Text
    password: Text


class Session(msgspec.Struct):
    """A session, to be given back with every call."""

    session: str


class Created(msgspec.Struct):
    """What came of a dossier handed over: 0 stored, 1 it was there already, -1 refused."""

    error_code: int
    message: str = ""


class PaymentOrder(Body):
    """A partner asks for a payment; ``SoTien`` in VND."""

    MaDoiTac: Text
    MaThamChieu: Text
    SoTien: Annotated[int, msgspec.Meta(ge=1, le=10**12)]
    MaXacThuc: Hash


class PaymentOpened(msgspec.Struct):
    """A payment waits for the citizen."""

    MaGiaoDich: str
    UrlThanhToan: str
    error_code: int = 0


class PaymentState(msgspec.Struct):
    """Where a payment stands; ``SoTien`` in VND."""

    MaGiaoDich: str
    MaThamChieu: str
    SoTien: int
    TrangThai: str
    error_code: int = 0


class PaidFee(Body):
    """The portal tells a province that a dossier's fee was paid; ``SoTien`` in VND."""

    MaHoSo: DossierCode
    SoTien: Annotated[int, msgspec.Meta(ge=1, le=10**12)]


class PaymentNotice(Body):
    """The platform tells the partner what became of a payment."""

    MaGiaoDich: Text
    MaThamChieu: Text
    SoTien: int
    TrangThai: Literal["paid"]
    MaXacThuc: Hash


def shared_secret(name: str) -> str:
    """Return the secret that a partner shares with whom it talks to [A]."""
    return f"bi-mat-{name}"


def password(account: str) -> str:
    """Return the password of an account [A]."""
    return f"mk.{account}"


def credential(system: str) -> str:
    """Return what a system says of itself with each request: its name, and a proof that nobody else can give."""
    return f"{system} {proof('X-Sender', system, shared_secret(system))}"


def callers(provinces: Iterable[str]) -> dict[str, str]:
    """Return the systems that there can be in a stack of these provinces, by their credentials."""
    return {credential(name): name for name in systems(provinces, PLATFORMS)}


def proof(*fields: object) -> str:
    """Return the MaXacThuc of these fields, the secret last: SHA-256 (hex) of them, joined by ``|``."""
    return hashlib.sha256("|".join(map(str, fields)).encode()).hexdigest()
