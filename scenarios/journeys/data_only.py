"""Services based wholly on data: databases confirm what the dossier rests on, and nobody asks for paper."""

from urllib.parse import quote

from model.dossier import State
from scenarios.journeys import citizen, officer
from scenarios.session import Session
from scenarios.writes import Write

STATUSES = ("verified", "needs_verification")
"""Confirmed by every database, or the manual branch: accepted, flagged, to be verified when they answer again."""


def online(session: Session) -> str:
    """Log in with VNeID, submit without paper, let the databases confirm, look how it stands; return the code."""
    citizen.log_in(session)
    citizen.find_procedure(session)
    code = citizen.submit(session, _submission(session, "Nộp trực tuyến, không giấy tờ"))
    verify(session, code, "national", "national")
    return code


def counter(session: Session) -> None:
    """Take a dossier in at the counter without paper, and let the databases confirm it."""
    officer.log_in(session)
    body, system = _submission(session, "Nộp tại quầy, không giấy tờ"), officer.province(session)
    write = Write("intake", session.key("intake"), payload_hash=citizen.hash_of(body))
    check = citizen.created(State.RECEIVED)
    made = session.write(write, "province.intake", system, "/counter/dossiers", body, check)
    verify(session, str(made["code"]), system, "province")


def verify(session: Session, code: str, system: str, kind: str) -> None:
    """Ask for the verification, and look how it stands."""
    path = f"/dossiers/{quote(code)}/verification"
    write = Write("verify", session.key("verify"), dossier=code)
    asked = citizen.identity(session)
    session.write(write, f"{kind}.verify", system, path, asked, lambda c, _: c["status"] in STATUSES)
    session.get(f"{kind}.verification", system, path, lambda c, _: c["code"] == code and c["status"] in STATUSES)


def _submission(session: Session, note: str) -> dict[str, object]:
    arrival, person = session.arrival, session.arrival.person
    return {
        "procedure": arrival.procedure,
        "province": arrival.province,
        "commune": arrival.commune,
        "applicant": {"SoDinhDanh": person.id_number, "HoVaTen": person.name},
        "form": {"GhiChu": f"{note}, lượt {arrival.number}"},
    }
