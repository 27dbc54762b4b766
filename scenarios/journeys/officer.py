"""One-stop officers (cán bộ một cửa): counter intake, and processing up to "result returned"."""

from urllib.parse import quote

from model.dossier import ACTIONS, State
from scenarios.journeys.citizen import created, hash_of, identity, is_success
from scenarios.session import Session
from scenarios.writes import Write

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


def process(session: Session) -> None:
    """Claim the oldest open dossier and take it to its end: mostly "result returned"."""
    log_in(session)
    claimed = session.post(
        "province.claim",
        province(session),
        "/officer/claim",
        {"limit": 1},
        lambda c, _: c["items"] is not None,
    )
    for item in claimed["items"]:
        if item["state"] == State.REGISTERED:
            step(session, item["code"], "accept")
        if item["state"] != State.PROCESSING:
            step(session, item["code"], "process")
        for action in _PATHS[session.arrival.ending]:
            step(session, item["code"], action)


def step(session: Session, code: str, action: str) -> None:
    """Take one step of a dossier's life cycle."""
    write = Write(action, session.key(f"{action}-{code}"), dossier=code)
    session.write(
        write,
        f"province.{action}",
        province(session),
        f"/dossiers/{quote(code)}/steps",
        {"action": action},
        lambda c, _: c["code"] == code and c["state"] == ACTIONS[action],
    )


def log_in(session: Session, place: str = "", system: str = "") -> str:
    """Open an officer's session at the provincial system, and return it.

    Args:
        session: The officer's.
        place: Where the officer works: a commune, a centre, a branch; left out: the arrival's commune.
        system: How the system is reached; left out: over the province's usual line.
    """
    account = f"cb.{place or session.arrival.commune}"
    system = system or province(session)
    opened = session.post(
        f"{system.partition(':')[0]}.session",
        system,
        "/officer/session",
        {"account": account, "password": f"mk.{account}"},
        lambda c, _: bool(c["session"]),
    )
    session.authorise(system, opened["session"])
    return str(opened["session"])


def province(session: Session) -> str:
    """Name the provincial system of the persona's province."""
    return f"province:{session.arrival.province}"
