"""Services based wholly on data: databases confirm what the dossier rests on, and nobody asks for paper."""

from collections.abc import Collection
from typing import Any
from urllib.parse import quote

from model import procedures
from model.books import request_id
from model.dossier import State
from scenarios.journeys import citizen, officer
from scenarios.session import Session
from scenarios.writes import Write

POPULATION = "population"


def online(session: Session) -> str:
    """Log in with VNeID, submit without paper, let the databases confirm, look how it stands; return the code."""
    citizen.log_in(session)
    citizen.find_procedure(session)
    code = citizen.submit(session, _submission(session, "Nộp trực tuyến, không giấy tờ"))
    verify(session, code, "national", session.arrival.person.id_number)
    return code


def counter(session: Session) -> None:
    """Take a dossier in at the counter without paper, and let the databases confirm it."""
    officer.log_in(session)
    body, system = _submission(session, "Nộp tại quầy, không giấy tờ"), officer.province(session)
    write = Write("intake", session.key("intake"), payload_hash=citizen.hash_of(body))
    check = citizen.created(State.RECEIVED)
    made = session.write(write, "province.intake", system, "/counter/dossiers", body, check)
    verify(session, str(made["code"]), system, session.arrival.commune)


def verify(session: Session, code: str, system: str, account: str) -> None:
    """Ask for the verification as who is logged in, and look how it stands."""
    path, kind = f"/dossiers/{quote(code)}/verification", system.partition(":")[0]
    databases = (POPULATION, str(procedures.procedures()[session.arrival.procedure].database))
    key = session.key("verify")
    write = Write("verify", request_id(system, account, key), dossier=code, sent=key, owners=databases)
    asked = citizen.identity(session)
    session.write(write, f"{kind}.verify", system, path, asked, lambda c, _: is_founded(c, databases))
    session.get(f"{kind}.verification", system, path, lambda c, _: c["code"] == code and is_founded(c, databases))


def is_founded(said: dict[str, Any], databases: Collection[str]) -> bool:
    """Tell whether a verification says no more than receipts prove: each database gave one, or is still to answer.

    ``verified`` is only said with the receipts of all; otherwise the dossier is on the manual branch: accepted,
    flagged, to be verified when the databases answer again.
    """
    receipts, pending = said["receipts"], said["pending"]
    known = {*receipts, *pending} == set(databases) and len(receipts) + len(pending) == len(databases)
    return known and all(receipts.values()) and said["status"] == ("needs_verification" if pending else "verified")


def _submission(session: Session, note: str) -> dict[str, object]:
    arrival, person = session.arrival, session.arrival.person
    return {
        "procedure": arrival.procedure,
        "province": arrival.province,
        "commune": arrival.commune,
        "applicant": {"SoDinhDanh": person.id_number, "HoVaTen": person.name},
        "form": {"GhiChu": f"{note}, lượt {arrival.number}"},
    }
