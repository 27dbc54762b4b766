"""The dossiers of a system as pages: the list, and one dossier with its history and its attachments."""

from collections.abc import Callable

from mocks import register
from mocks.pages import Page, Row, Rows, Shelf, Table, moment
from model.dossier import ApplicantKind, Channel
from model.places import communes

STATES = {
    1: "Mới đăng ký",
    2: "Được tiếp nhận",
    3: "Không được tiếp nhận",
    4: "Đang xử lý",
    5: "Yêu cầu bổ sung giấy tờ",
    6: "Yêu cầu thực hiện nghĩa vụ tài chính",
    7: "Công dân yêu cầu rút hồ sơ",
    8: "Dừng xử lý",
    9: "Đã xử lý xong",
    10: "Đã trả kết quả",
}
TEST = "Thử nghiệm"
APPLICANTS = {
    ApplicantKind.CITIZEN: "công dân",
    ApplicantKind.BUSINESS: "doanh nghiệp",
    ApplicantKind.AGENCY: "cơ quan",
    ApplicantKind.OTHER: "khác",
}
CHANNELS = {Channel.DIRECT: "trực tiếp", Channel.ONLINE: "trực tuyến", Channel.POST: "bưu chính"}


Listed = Callable[[int, int], tuple[list[register.Dossier], int | None]]


def shelf(find: Callable[[str], register.Dossier | None], listed: Listed, word: Callable[[str], str]) -> Shelf:
    """Return the shelf of the dossiers that a system looks up and lists; ``word`` says why one waits, if it does."""

    def read(after: int, limit: int) -> Rows:
        found, last = listed(after, limit)
        return [_row(dossier) for dossier in found], last

    def one(code: str) -> Page | None:
        found = find(code)
        return None if found is None else _page(found, word(code))

    return Shelf("dossiers", "Hồ sơ (dossiers)", ("Mã hồ sơ", "Thủ tục", "Đơn vị", "Trạng thái", "Kênh"), read, one)


def _row(dossier: register.Dossier) -> Row:
    standing = f"{state(dossier.state)} · {TEST}" if dossier.test else state(dossier.state)
    return (dossier.code, dossier.procedure, _place(dossier), standing, _channel(dossier))


def _page(dossier: register.Dossier, word: str) -> Page:
    facts = {
        **({"Đang giữ (held)": word} if word else {}),
        "Trạng thái (state)": state(dossier.state),
        "Thủ tục (procedure)": dossier.procedure,
        "Đơn vị (commune)": _place(dossier),
        "Kênh (channel)": _channel(dossier),
        "Người nộp (applicant)": f"{dossier.applicant} {APPLICANTS[ApplicantKind(dossier.applicant)]}",
        "Lệ phí đã nộp (paid)": "có" if dossier.paid else "chưa",
        "Đã lưu trữ (archived)": "có" if dossier.archived else "chưa",
        "SHA-256": dossier.hash,
    }
    steps = [(step, state(number), moment(at), moment(kept)) for step, number, at, kept in dossier.history]
    history = Table("Quá trình xử lý (history)", ("Bước", "Trạng thái", "Diễn ra", "Ghi nhận"), steps)
    held = Table("Tệp đính kèm (attachments)", ("SHA-256",), [(digest,) for digest in dossier.attachments])
    return Page(f"Hồ sơ {dossier.code}", facts, [history, held], TEST if dossier.test else "")


def state(number: int) -> str:
    """Write a state: its number and its name."""
    return f"{number} {STATES.get(number, '')}"


def _channel(dossier: register.Dossier) -> str:
    return f"{dossier.channel} {CHANNELS.get(Channel(dossier.channel), '')}"


def _place(dossier: register.Dossier) -> str:
    commune = communes().get(dossier.commune)
    return dossier.commune if commune is None else f"{dossier.commune} {commune.kind} {commune.name}"
