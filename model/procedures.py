"""The catalogue of administrative procedures (thủ tục hành chính) that citizens file for.

Weights are dossiers among the 864 of one ward's mix [P]: certification 521, business 163, civil status 114, land
36; the 30 that it leaves are split by us [A], and so are procedures within a field [A], where certified copies
lead (73 % of one ward's work [P]). Codes have the national catalogue's shape; codes and fees follow what provinces
publish and haven't been checked against the national catalogue one by one: the table as a whole is [A].
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Literal

from model.dossier import State
from model.workflows import NEXT, WORKFLOWS, Role, Workflow

Level = Literal["xã", "tỉnh"]

FIELDS: Mapping[str, tuple[str, int]] = {
    "certification": ("Chứng thực", 521),
    "business": ("Đăng ký kinh doanh", 163),
    "civil status": ("Hộ tịch", 114),
    "land": ("Đất đai", 36),
    "social protection": ("Bảo trợ xã hội", 16),
    "construction": ("Xây dựng", 8),
    "justice": ("Lý lịch tư pháp", 6),
}
"""Field -> its Vietnamese name, its dossiers among 864; the first four [P], the others [A]."""


DATABASES: Mapping[str, str] = {
    "business": "business",
    "civil status": "civil-status",
    "land": "land",
    "social protection": "civil-status",
    "justice": "civil-status",
}
"""Field -> the specialised database (cơ sở dữ liệu chuyên ngành) that holds its data [A]."""


@dataclass(frozen=True, slots=True)
class Procedure:
    """An administrative procedure.

    Attributes:
        code: Of the national catalogue: ``2.000815``.
        name: Vietnamese name.
        field: A key of ``FIELDS``.
        fee: VND, 0 where it is free.
        level: Who decides: ``xã`` the commune, ``tỉnh`` the province.
        weight: How often it is filed: dossiers among 864.
        online: Whether it can be filed at the national portal.
    """

    code: str
    name: str
    field: str
    fee: int
    level: Level
    weight: float
    online: bool

    @property
    def database(self) -> str | None:
        """The specialised database that confirms it where it is based wholly on data, without paper; else None.

        The dispatch asks for 25 such services [S1]; which ones is [A]: every online procedure of a field whose data
        are in a database, 25 in all.
        """
        return DATABASES.get(self.field) if self.online else None

    @property
    def workflow(self) -> Workflow:
        """The role that takes each action of its electronic process (quy trình điện tử)."""
        return WORKFLOWS[self.field]


TABLE: tuple[tuple[str, str, str, int, Level, float, bool], ...] = (
    ("2.000815", "Chứng thực bản sao từ bản chính giấy tờ, văn bản", "certification", 2_000, "xã", 380, True),
    ("2.000884", "Chứng thực chữ ký trong các giấy tờ, văn bản", "certification", 10_000, "xã", 85, True),
    ("2.001035", "Chứng thực hợp đồng, giao dịch về tài sản", "certification", 50_000, "xã", 20, False),
    ("2.000908", "Cấp bản sao từ sổ gốc", "certification", 0, "xã", 12, True),
    ("2.000992", "Chứng thực chữ ký người dịch", "certification", 10_000, "xã", 8, True),
    ("2.000942", "Cấp bản sao hợp đồng, giao dịch đã chứng thực", "certification", 2_000, "xã", 5, True),
    ("2.001016", "Chứng thực văn bản từ chối nhận di sản", "certification", 50_000, "xã", 4, False),
    ("2.001406", "Chứng thực văn bản phân chia di sản", "certification", 50_000, "xã", 3, False),
    ("2.001019", "Chứng thực di chúc", "certification", 50_000, "xã", 2, False),
    (
        "2.000913",
        "Chứng thực việc sửa đổi, hủy bỏ hợp đồng, giao dịch",
        "certification",
        30_000,
        "xã",
        1,
        False,
    ),
    ("2.000927", "Sửa lỗi sai sót trong hợp đồng, giao dịch", "certification", 25_000, "xã", 1, True),
    ("1.001612", "Đăng ký thành lập hộ kinh doanh", "business", 100_000, "xã", 78, True),
    ("2.000720", "Đăng ký thay đổi nội dung đăng ký hộ kinh doanh", "business", 100_000, "xã", 38, True),
    ("1.001266", "Chấm dứt hoạt động hộ kinh doanh", "business", 0, "xã", 24, True),
    ("1.001570", "Tạm ngừng kinh doanh hộ kinh doanh", "business", 0, "xã", 11, True),
    ("2.000575", "Cấp lại Giấy chứng nhận đăng ký hộ kinh doanh", "business", 100_000, "xã", 6, True),
    ("2.001199", "Đăng ký thành lập công ty TNHH một thành viên", "business", 50_000, "tỉnh", 4, True),
    ("2.002042", "Đăng ký thành lập công ty cổ phần", "business", 50_000, "tỉnh", 2, True),
    ("1.001193", "Đăng ký khai sinh", "civil status", 0, "xã", 31, True),
    ("1.004873", "Cấp Giấy xác nhận tình trạng hôn nhân", "civil status", 15_000, "xã", 24, True),
    ("2.000635", "Cấp bản sao trích lục hộ tịch", "civil status", 8_000, "xã", 20, True),
    ("1.000894", "Đăng ký kết hôn", "civil status", 0, "xã", 12, True),
    ("1.000656", "Đăng ký khai tử", "civil status", 0, "xã", 9, True),
    ("1.004859", "Thay đổi, cải chính, bổ sung thông tin hộ tịch", "civil status", 15_000, "xã", 7, True),
    ("1.004884", "Đăng ký lại khai sinh", "civil status", 8_000, "xã", 5, True),
    ("1.001022", "Đăng ký nhận cha, mẹ, con", "civil status", 15_000, "xã", 3, True),
    ("1.004837", "Đăng ký giám hộ", "civil status", 0, "xã", 1, True),
    ("1.004746", "Đăng ký lại kết hôn", "civil status", 30_000, "xã", 1, True),
    ("1.005461", "Đăng ký lại khai tử", "civil status", 8_000, "xã", 1, True),
    ("1.012783", "Cấp đổi Giấy chứng nhận quyền sử dụng đất", "land", 100_000, "tỉnh", 11, True),
    ("1.012786", "Cấp lại Giấy chứng nhận quyền sử dụng đất do bị mất", "land", 100_000, "tỉnh", 6, True),
    ("1.012781", "Chuyển nhượng, tặng cho quyền sử dụng đất", "land", 80_000, "tỉnh", 9, False),
    ("1.012753", "Đăng ký đất đai, cấp Giấy chứng nhận lần đầu", "land", 100_000, "xã", 7, False),
    ("1.003554", "Hòa giải tranh chấp đất đai", "land", 0, "xã", 3, False),
    ("1.001776", "Trợ cấp xã hội hằng tháng", "social protection", 0, "xã", 8, True),
    ("1.001699", "Xác định mức độ khuyết tật", "social protection", 0, "xã", 4, True),
    ("1.001731", "Hỗ trợ chi phí mai táng", "social protection", 0, "xã", 3, True),
    ("1.011606", "Công nhận hộ nghèo, hộ cận nghèo", "social protection", 0, "xã", 1, True),
    ("1.009994", "Cấp giấy phép xây dựng nhà ở riêng lẻ", "construction", 75_000, "xã", 6, True),
    ("1.009995", "Cấp giấy phép sửa chữa, cải tạo nhà ở riêng lẻ", "construction", 75_000, "xã", 2, True),
    ("2.000488", "Cấp Phiếu lý lịch tư pháp cho công dân", "justice", 200_000, "tỉnh", 6, True),
)


DISTRICT = (
    "1.001612", "2.000720", "1.001266", "1.001570", "2.000575", "1.004859", "1.012753", "1.012783", "1.012786",
    "1.012781", "1.001776", "1.009994", "1.009995",
)  # fmt: skip
"""Codes of the procedures that the district decided until 30 June 2025 [A]: household businesses, corrections of civil
status, land, social allowances, building permits. Who decides one now is its ``level``."""


@cache
def procedures() -> Mapping[str, Procedure]:
    """Return every procedure by its code, in the table's order."""
    return MappingProxyType({row[0]: Procedure(*row) for row in TABLE})


@cache
def awaiting(role: Role) -> Mapping[State, frozenset[str]]:
    """Return in which states which procedures' dossiers wait for a role: the next action is that role's."""
    found = {
        state: frozenset(code for code, item in procedures().items() if item.workflow[action] is role)
        for state, action in NEXT.items()
    }
    return MappingProxyType({state: codes for state, codes in found.items() if codes})


def search(text: str, limit: int) -> tuple[Procedure, ...]:
    """Return procedures whose code, name or field holds every word of ``text``, the most frequent ones first.

    Case and Vietnamese diacritics don't matter: ``khai sinh`` and ``KHAI SINH`` find the same. No word finds all.
    """
    words = _plain(text).split()
    found = [procedure for procedure, index in _indexed() if all(word in index for word in words)]
    return tuple(found[: max(limit, 0)])


@cache
def _indexed() -> tuple[tuple[Procedure, str], ...]:
    ordered = sorted(procedures().values(), key=lambda procedure: -procedure.weight)
    return tuple((item, _plain(f"{item.code} {item.name} {FIELDS[item.field][0]}")) for item in ordered)


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text.lower().replace("đ", "d"))
    return "".join(char for char in decomposed if not unicodedata.combining(char))
