"""Officers: counter intake by a one-stop officer, and processing, by each action's role, up to "result returned"."""

from typing import Any
from urllib.parse import quote

from model.dossier import ACTIONS, State
from model.procedures import procedures
from model.workflows import Role
from scenarios.journeys.citizen import created, hash_of, identity, is_success, shows
from scenarios.session import Session
from scenarios.writes import Write

FIRST = (*14 * [Role.ONE_STOP], *4 * [Role.SPECIALIST], Role.LEADER, Role.CLERK)
"""Roles of twenty officers who look for work [A]; who finds none asks a colleague of one other role."""
_BEGINNINGS = {State.REGISTERED: ("accept", "process"), State.RECEIVED: ("process",), State.PROCESSING: ()}
"""Steps up to "processing", by where a dossier stands."""
_PATHS = {
    "return": ("finish", "return_result"),
    "papers": ("request_papers",),
    "fee": ("request_fee",),
    "stop": ("stop",),
}
"""Steps after "processing", by how the work ends."""


def intake(session: Session) -> str:
    """Take a dossier in at the counter of the commune; return its code."""
    arrival, system = session.arrival, province(session)
    log_in(session)
    person = session.post("province.population", system, "/counter/population", identity(session), is_success)
    body: dict[str, object] = {
        "procedure": arrival.procedure,
        "province": arrival.province,
        "commune": arrival.commune,
        "applicant": {"SoDinhDanh": person["SoDinhDanh"], "HoVaTen": person["HoVaTen"]},
        "form": {"SoBan": 1 + arrival.number % 3, "GhiChu": f"Nộp tại quầy, lượt {arrival.number}"},
    }
    write = Write("intake", session.key("intake"), payload_hash=hash_of(body))
    made = session.write(write, "province.intake", system, "/counter/dossiers", body, created(State.RECEIVED))
    if arrival.double_submit:
        session.write(
            write,
            "province.intake",
            system,
            "/counter/dossiers",
            body,
            lambda c, _: c["code"] == made["code"],
        )
    return str(made["code"])


class Staff:
    """The officers of one desk: each logs in once, when it is their turn.

    Args:
        session: Theirs.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._opened: dict[Role, str] = {}

    def turn(self, role: Role) -> None:
        """Go on as the officer of a role."""
        if role in self._opened:
            self._session.authorise(province(self._session), self._opened[role])
        else:
            self._opened[role] = log_in(self._session, role=role)


def process(session: Session) -> None:
    """Claim the oldest open dossier, take it to its end, mostly "result returned", and see that it stands there.

    Each action is taken by the desk's officer whose it is.
    """
    staff = Staff(session)
    for item in _claim(session, staff):
        workflow = procedures()[item["procedure"]].workflow
        for action in _actions(item["state"], session.arrival.ending):
            staff.turn(workflow[action])
            last = step(session, item["code"], action)
        look_up(session, item["code"], last)


def _claim(session: Session, staff: Staff) -> list[dict[str, Any]]:
    """Claim the oldest dossier that waits for an officer; where none does, one that waits for a colleague."""
    first = FIRST[session.arrival.seed % len(FIRST)]
    found: list[dict[str, Any]] = []
    for role in (first, Role.SPECIALIST if first is Role.ONE_STOP else Role.ONE_STOP):
        staff.turn(role)
        asked = ("province.claim", province(session), "/officer/claim", {"limit": 1})
        found = session.post(*asked, lambda c, _: c["items"] is not None)["items"]
        if found:
            break
    return found


def _actions(state: int, ending: str) -> tuple[str, ...]:
    """Return the steps that are left."""
    return ("return_result",) if state == State.DONE else (*_BEGINNINGS[State(state)], *_PATHS[ending])


def look_up(session: Session, code: str, least: int) -> None:
    """Look a dossier up at the province, which has acknowledged its step ``least``."""
    session.get("province.look_up", province(session), f"/dossiers/{quote(code)}", shows(code, least))


def step(session: Session, code: str, action: str) -> int:
    """Take one step of a dossier's life cycle; return its number."""
    write = Write(action, session.key(f"{action}-{code}"), dossier=code)
    taken = session.write(
        write,
        f"province.{action}",
        province(session),
        f"/dossiers/{quote(code)}/steps",
        {"action": action},
        lambda c, _: c["code"] == code and c["state"] == ACTIONS[action] and c["sequence"] > 1,
    )
    return int(taken["sequence"])


def log_in(session: Session, place: str = "", system: str = "", role: Role = Role.ONE_STOP) -> str:
    """Open an officer's session at the provincial system, and return it.

    Args:
        session: The officer's.
        place: Where the officer works: a commune, a centre, a branch; left out: the arrival's commune.
        system: How the system is reached; left out: over the province's usual line.
        role: The officer's.
    """
    account = f"{role}.{place or session.arrival.commune}"
    system = system or province(session)
    opened = session.post(
        f"{system.partition(':')[0]}.session",
        system,
        "/officer/session",
        {"account": account, "password": f"mk.{account}", "ThuNghiem": session.arrival.test},
        lambda c, _: bool(c["session"]),
    )
    session.authorise(system, opened["session"])
    return str(opened["session"])


def province(session: Session) -> str:
    """Name the provincial system of the persona's province."""
    return f"province:{session.arrival.province}"
