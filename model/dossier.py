"""The dossier (hồ sơ): its states, what may follow what, its code and the hash of its content.

States and transitions are those of the National Public Service Portal [P]; the ones marked [A] are our assumption.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from itertools import pairwise
from typing import Any, Literal

import msgspec


class State(IntEnum):
    """State of a dossier on the national portal.

    Attributes:
        REGISTERED: Mới đăng ký.
        RECEIVED: Được tiếp nhận.
        NOT_RECEIVED: Không được tiếp nhận.
        PROCESSING: Đang xử lý.
        MORE_PAPERS: Yêu cầu bổ sung giấy tờ.
        FEE_DUE: Yêu cầu thực hiện nghĩa vụ tài chính.
        WITHDRAWN: Công dân yêu cầu rút hồ sơ.
        STOPPED: Dừng xử lý.
        DONE: Đã xử lý xong.
        RETURNED: Đã trả kết quả.
    """

    REGISTERED = 1
    RECEIVED = 2
    NOT_RECEIVED = 3
    PROCESSING = 4
    MORE_PAPERS = 5
    FEE_DUE = 6
    WITHDRAWN = 7
    STOPPED = 8
    DONE = 9
    RETURNED = 10


class ApplicantKind(IntEnum):
    """Whose dossier it is (LoaiDoiTuong) [P]."""

    CITIZEN = 1
    BUSINESS = 2
    AGENCY = 3
    OTHER = 4


class Channel(IntEnum):
    """How a dossier came in (KenhThucHien): at the counter, online, by post."""

    DIRECT = 1
    ONLINE = 2
    POST = 3


TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.REGISTERED: frozenset({State.RECEIVED, State.NOT_RECEIVED, State.MORE_PAPERS, State.WITHDRAWN}),
    State.RECEIVED: frozenset(
        {State.PROCESSING, State.MORE_PAPERS, State.FEE_DUE, State.WITHDRAWN, State.DONE},
    ),
    State.NOT_RECEIVED: frozenset(),
    State.PROCESSING: frozenset(
        {State.MORE_PAPERS, State.FEE_DUE, State.WITHDRAWN, State.STOPPED, State.DONE},
    ),
    State.MORE_PAPERS: frozenset({State.RECEIVED, State.NOT_RECEIVED, State.WITHDRAWN}),
    State.FEE_DUE: frozenset({State.PROCESSING, State.WITHDRAWN}),
    State.WITHDRAWN: frozenset(),
    State.STOPPED: frozenset(),
    State.DONE: frozenset({State.RETURNED}),
    State.RETURNED: frozenset(),
}
"""What may follow a state; MORE_PAPERS may also go back to the state before it. 6→4, →7 and 4→8 are [A]."""

ACTIONS: dict[str, State] = {
    "accept": State.RECEIVED,
    "reject": State.NOT_RECEIVED,
    "process": State.PROCESSING,
    "request_papers": State.MORE_PAPERS,
    "request_fee": State.FEE_DUE,
    "withdraw": State.WITHDRAWN,
    "stop": State.STOPPED,
    "finish": State.DONE,
    "return_result": State.RETURNED,
}
"""Where an action leads. ``resume`` isn't here: where it leads depends on the dossier, see ``next_state``."""


class TransitionError(ValueError):
    """The life cycle forbids a step: which one, from which state."""


def may_follow(target: State, state: State, before: State | None) -> bool:
    """Tell whether ``target`` may follow ``state``, which ``before`` led to."""
    return target in TRANSITIONS[state] or (state is State.MORE_PAPERS and target is before)


def next_state(action: str, state: State, before: State | None = None) -> State:
    """Return the state that an action leads to.

    Args:
        action: A key of ``ACTIONS``, or ``resume``: MORE_PAPERS → the state before it, FEE_DUE → PROCESSING.
        state: The dossier's state.
        before: The state before it, None where it is the first.

    Raises:
        TransitionError: The action doesn't exist, or the life cycle forbids it.
    """
    state = State(state)
    before = None if before is None else State(before)
    target = _resumed(state, before) if action == "resume" else ACTIONS.get(action)
    if target is None:
        raise TransitionError(_refusal(action, state))
    if not may_follow(target, state, before):
        raise TransitionError(f"{action} leads to {int(target)} {target.name}, forbidden from {_named(state)}")
    return target


def _resumed(state: State, before: State | None) -> State | None:
    return {State.MORE_PAPERS: before, State.FEE_DUE: State.PROCESSING}.get(state)


def _refusal(action: str, state: State) -> str:
    if action == "resume":
        return f"resume is forbidden from {_named(state)}: nothing is awaited"
    return f"no action {action!r}; there are {', '.join((*ACTIONS, 'resume'))}"


def _named(state: State) -> str:
    return f"{int(state)} {state.name}"


def why_not_history(states: Sequence[int], channel: int) -> str | None:
    """Say why these states, in order, can't be a dossier's history; None when they can.

    One that came in online starts at 1, one from the counter or by post [A] at 2.
    """
    if not states:
        return "a dossier has at least one state"
    unknown = next((state for state in states if state not in State._value2member_map_), None)
    if unknown is not None:
        return f"{unknown} is no state"
    first = State.REGISTERED if channel == Channel.ONLINE else State.RECEIVED
    if states[0] != first:
        return f"starts at {_named(State(states[0]))}, not at {_named(first)}"
    return _broken_step([State(state) for state in states])


def _broken_step(states: Sequence[State]) -> str | None:
    before: State | None = None
    for number, (state, target) in enumerate(pairwise(states), 2):
        if not may_follow(target, state, before):
            return f"step {number} goes from {_named(state)} to {_named(target)}"
        before = state
    return None


def is_history(states: Sequence[int], channel: int) -> bool:
    """Tell whether these states, in order, can be a dossier's history. ``why_not_history`` says why not."""
    return why_not_history(states, channel) is None


def payload_hash(
    procedure: str,
    province: str,
    commune: str,
    applicant: Mapping[str, Any],
    form: Mapping[str, Any],
    old_address: Mapping[str, str] | None = None,
) -> str:
    """Return the SHA-256 (hex) of a request's content: canonical JSON, keys sorted, no white space, UTF-8.

    ``old_address`` holds ``legacy_commune`` and ``hamlet`` where the request has them; ``commune`` is empty where not.
    """
    content = {
        "procedure": procedure,
        "province": province,
        "commune": commune,
        "applicant": applicant,
        "form": form,
        **(old_address or {}),
    }
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


@dataclass(frozen=True, slots=True)
class DossierCode:
    """A dossier's code, taken apart.

    Attributes:
        issuer: Who gave the code: ``G`` the national portal, ``H`` a province [A].
        province: Province code.
        commune: Commune code.
        day: The day of issue, UTC+7.
        number: Of the commune's dossiers that day, from 1.
    """

    issuer: Literal["G", "H"]
    province: str
    commune: str
    day: date
    number: int


_CODE = re.compile(r"([GH])([0-9]{2})\.([0-9]{5})-([0-9]{2})([0-9]{2})([0-9]{2})-([0-9]{4,})")


def dossier_code(issuer: Literal["G", "H"], province: str, commune: str, day: date, number: int) -> str:
    """Write a dossier's code: ``G01.00004-250701-0001``. The number has four digits, more from 10,000 on."""
    return f"{issuer}{province}.{commune}-{day:%y%m%d}-{number:04d}"


def counter_of(code: str) -> str | None:
    """Return the province at whose counters a dossier came in, None where the portal issued its code."""
    return code[1:3] if code.startswith("H") else None


def parse_code(text: str) -> DossierCode:
    """Take a dossier's code apart; raises ValueError when it isn't one that ``dossier_code`` writes."""
    match = _CODE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no dossier code; one looks like G01.00004-250701-0001")
    issuer, province, commune, year, month, day, digits = match.groups()
    try:
        issued = date(2000 + int(year), int(month), int(day))
    except ValueError:
        raise ValueError(f"{text!r} is no dossier code: no such day") from None
    if digits != f"{int(digits):04d}" or int(digits) == 0:
        raise ValueError(f"{text!r} is no dossier code: numbers run from 0001, 10000 follows 9999")
    return DossierCode("G" if issuer == "G" else "H", province, commune, issued, int(digits))
