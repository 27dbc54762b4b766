"""The hotline (đường dây nóng): citizens who ask or complain, and officers who report an incident to the operators."""

import random

from model.books import request_id
from scenarios.journeys import officer
from scenarios.personas import Arrival
from scenarios.session import Session
from scenarios.writes import Write

COMPLAINERS = frozenset({"submit-online", "track", "data-only"})
"""Journeys of citizens, who call when they fail; officers have other ways."""


def ask(session: Session) -> None:
    """Call with a question."""
    _call(session, "hotline.call", "Hỏi về thủ tục")


def complains(arrival: Arrival, share: float) -> bool:
    """Tell whether somebody whose journey failed calls: a share of the citizens, drawn by the arrival's own seed."""
    return arrival.journey in COMPLAINERS and random.Random(f"{arrival.seed}:complaint").random() < share


def complain(session: Session) -> None:
    """Call because something failed."""
    _call(session, "hotline.complain", "Phản ánh: hệ thống không hoạt động")


def alert(session: Session) -> None:
    """Report an incident from the provincial system to the operators."""
    officer.log_in(session)
    key, system = session.key("alert"), officer.province(session)
    write = Write(
        "alert", request_id(system, session.arrival.commune, key), sent=key, owners=(session.arrival.province,)
    )
    incident = {"severity": "page", "text": f"Sự cố tại tỉnh {session.arrival.province}, lượt {session.arrival.number}"}
    session.write(write, "province.incident", system, "/incidents", incident, lambda c, _: bool(c["code"]))


def _call(session: Session, operation: str, subject: str) -> None:
    write = Write("call", session.key("call"), owners=(session.arrival.province,))
    said = {"province": session.arrival.province, "subject": subject, "text": f"Lượt {session.arrival.number}"}
    session.write(write, operation, "hotline", "/calls", said, lambda c, _: bool(c["code"]))
