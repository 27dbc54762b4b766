"""Electronic processes (quy trình điện tử): which role at a desk takes which action with a dossier.

Who receives and who hands back is the one-stop department's affair (Decree 118/2025 [S2]). Who does what within a
field, and that every procedure of a field has one process, is [A].
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from model.dossier import State


class Role(StrEnum):
    """An officer's role; accounts begin with it.

    Attributes:
        ONE_STOP: One-stop officer (cán bộ một cửa).
        SPECIALIST: Specialist (chuyên viên).
        LEADER: Leader (lãnh đạo), who signs.
        CLERK: Clerk (văn thư), who registers and seals what leaves the office.
    """

    ONE_STOP = "cb"
    SPECIALIST = "cv"
    LEADER = "ld"
    CLERK = "vt"


PARTS: tuple[tuple[str, ...], ...] = (
    ("accept", "reject", "resume", "withdraw"),
    ("process", "request_papers", "request_fee"),
    ("finish", "stop"),
    ("return_result",),
)
"""The parts of a process, in the columns' order below, and the actions of each: one role takes all of a part."""

_CB, _CV, _LD, _VT = Role
TABLE: Mapping[str, tuple[Role, ...]] = {
    # field               receives  processes  decides  hands back
    "certification":      (_CB,     _CB,       _LD,     _CB),
    "business":           (_CB,     _CV,       _LD,     _CB),
    "civil status":       (_CB,     _CV,       _LD,     _CB),
    "land":               (_CB,     _CV,       _LD,     _VT),
    "social protection":  (_CB,     _CV,       _LD,     _VT),
    "construction":       (_CB,     _CV,       _LD,     _VT),
    "justice":            (_CB,     _CV,       _LD,     _VT),
}  # fmt: skip
"""Field -> the role of each part [A]: copies are certified at the counter; decisions and permits leave with a seal."""

Workflow = Mapping[str, Role]
"""Action -> the role that takes it."""

WORKFLOWS: Mapping[str, Workflow] = MappingProxyType(
    {
        field: MappingProxyType({a: role for part, role in zip(PARTS, roles, strict=True) for a in part})
        for field, roles in TABLE.items()
    }
)
"""The process of every field."""

NEXT: Mapping[State, str] = MappingProxyType(
    {
        State.REGISTERED: "accept",
        State.RECEIVED: "process",
        State.PROCESSING: "finish",
        State.DONE: "return_result",
    }
)
"""What a dossier waits for in a state; in the others it waits for the citizen, or for nothing."""
