"""People who look whether the office works: a citizen who waits, a burst from one account, an operator on duty."""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from model import announced, people
from model.dossier import State
from scenarios.journeys import citizen, officer
from scenarios.session import JourneyFailed, Session
from scenarios.writes import Write

PATIENCE = 30.0  # seconds that a dossier may be open in a rehearsal, a working day scaled to half a minute [A]
BURST = 60  # submissions that a broker sends one after the other [A]
_OPEN = frozenset({State.REGISTERED, State.RECEIVED, State.PROCESSING})


def follow_up(session: Session, code: str | None) -> None:
    """Look a dossier up that somebody submitted before: refused, or open for too long, is a failure."""
    if code is None:
        citizen.find_procedure(session)
    else:
        session.get("national.follow_up", "national", f"/dossiers/{quote(code)}", lambda c, _: is_cared_for(c))


def is_cared_for(dossier: dict[str, Any], now: Callable[[], float] = time.time) -> bool:
    """Tell whether a dossier was received, and done or not open for longer than ``PATIENCE``."""
    if dossier["state"] == State.NOT_RECEIVED:
        return False
    return dossier["state"] not in _OPEN or now() - dossier["history"][0][2] <= PATIENCE


def broker(session: Session) -> None:
    """Submit again and again from one account until the portal says "not so fast"; it must, at some time."""
    arrival = session.arrival
    account = people.person(arrival.number % 10)
    citizen.log_in(session, account)
    throttled = False
    for number in range(BURST):
        body: dict[str, object] = {
            "procedure": arrival.procedure,
            "province": arrival.province,
            "commune": arrival.commune,
            "applicant": {"SoDinhDanh": account.id_number, "HoVaTen": account.name},
            "form": {"SoBan": 1, "GhiChu": f"Nộp hộ {number}, lượt {arrival.number}"},
        }
        write = Write("submit", session.key(f"broker-{number}"), payload_hash=citizen.hash_of(body))
        try:
            session.write(write, "national.broker_submit", "national", "/dossiers", body, citizen.created(1))
        except JourneyFailed as failure:
            if failure.answer is None or failure.answer.status != 429:
                raise
            throttled = True
            break
    session.get("national.throttled", "national", "/procedures?limit=1", lambda c, _: throttled)


def check_unit_table(session: Session) -> None:
    """Compare the unit tables of portal and province with the version that the register has in force.

    A unit whose name was corrected must be called what the register says, and version and seal must be the register's.
    """
    listed = session.get("codes.versions", "codes", "/versions", lambda c, _: bool(c["items"]))
    codes = sorted(announced.corrected())
    path = f"/units/{codes[session.arrival.number % len(codes)]}"
    unit = session.get("codes.unit", "codes", path, lambda c, _: bool(c["name"]))
    for system in ("national", officer.province(session)):
        kind = system.partition(":")[0]
        session.get(f"{kind}.unit_name", system, path, lambda c, _: c["name"] == unit["name"])
        session.get(f"{kind}.unit_table", system, "/units", lambda c, _: c == listed["items"][-1])
