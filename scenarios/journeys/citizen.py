"""Citizens: submit online at the national portal, and follow their dossiers there."""

import random
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from model.dossier import payload_hash
from model.organisations import Organisation
from model.people import Person
from scenarios.session import Session
from scenarios.writes import Write

VISITS = 5
"""Dossiers that a citizen submits in one session, one after the other [A]."""
BETWEEN = (2.0, 6.0)
"""Seconds until the next one [A]."""

_CLIENT = {"client_id": "national", "redirect_uri": "https://portal.invalid/callback"}
CLIENT_SECRET = "bi-mat-national"  # noqa: S105  a mock identity provider's, published on purpose
_AUTHORIZE = urlencode({**_CLIENT, "response_type": "code", "scope": "openid"})
_TOKEN = urlencode({**_CLIENT, "grant_type": "authorization_code", "client_secret": CLIENT_SECRET})


def submit_online(session: Session) -> str:
    """Log in with VNeID, find the procedure, fill in, submit, pay if a fee is due, track; return the code."""
    arrival = session.arrival
    log_in(session)
    find_procedure(session)
    person = session.post("national.population", "national", "/population", identity(session), is_success)
    body: dict[str, object] = {
        "procedure": arrival.procedure,
        "province": arrival.province,
        "commune": arrival.commune,
        "applicant": {"SoDinhDanh": person["SoDinhDanh"], "HoVaTen": person["HoVaTen"]},
        "form": {"SoBan": 1 + arrival.number % 3, "GhiChu": f"Nộp trực tuyến, lượt {arrival.number}"},
    }
    code = submit(session, body)
    if arrival.fee:
        pay(session, code)
    track(session, code)
    return code


def keep_session(session: Session) -> list[str]:
    """Log in once, then submit and track dossier after dossier in that session; return their codes."""
    arrival, luck = session.arrival, random.Random(session.arrival.seed)
    log_in(session)
    codes = []
    for visit in range(VISITS):
        body: dict[str, object] = {
            "procedure": arrival.procedure,
            "province": arrival.province,
            "commune": arrival.commune,
            "applicant": {"SoDinhDanh": arrival.person.id_number, "HoVaTen": arrival.person.name},
            "form": {"SoBan": 1 + visit, "GhiChu": f"Hồ sơ {visit + 1} của một phiên, lượt {arrival.number}"},
        }
        write = Write("submit", session.key(f"submit-{visit}"), payload_hash=hash_of(body))
        made = session.write(write, "national.submit", "national", "/dossiers", body, created(1))
        codes.append(str(made["code"]))
        session.think(luck.uniform(*BETWEEN))
        track(session, codes[-1])
    return codes


def log_in(session: Session, account: Person | Organisation | None = None) -> None:
    """Authorise at VNeID, by default as the persona, and open a session at the portal."""
    opened = session.post(
        "national.session",
        "national",
        "/session",
        {"access_token": access_token(session, account), "ThuNghiem": session.arrival.test},
        lambda c, _: bool(c["session"]),
    )
    session.authorise("national", opened["session"])


def access_token(session: Session, account: Person | Organisation | None = None) -> str:
    """Authorise at VNeID (OIDC code flow), by default as the persona; return the access token."""
    state = f"s{session.arrival.number}"
    person = (account or session.arrival.person).id_number
    query = f"{_AUTHORIZE}&state={state}&nonce={state}&login_hint={person}"
    landing = session.redirect("vneid.authorize", "vneid", f"/authorize?{query}")
    code = parse_qs(urlsplit(landing).query).get("code", [""])[0]
    form = f"{_TOKEN}&code={quote(code, safe='')}"
    token = session.post("vneid.token", "vneid", "/token", form, lambda c, _: bool(c["access_token"]))
    return str(token["access_token"])


def find_procedure(session: Session) -> None:
    """Search the catalogue for the procedure that is wanted."""
    wanted = session.arrival.procedure
    session.get(
        "national.procedures",
        "national",
        f"/procedures?q={quote(wanted)}&limit=5",
        lambda c, _: any(item["code"] == wanted for item in c["items"]),
    )


def identity(session: Session) -> dict[str, str]:
    """Return what the population look-up is asked about."""
    person = session.arrival.person
    return {"SoDinhDanh": person.id_number, "HoVaTen": person.name, "NgayThangNamSinh": person.birth_date}


def submit(session: Session, body: dict[str, object]) -> str:
    """Submit; an impatient person clicks twice, and must get the same code again."""
    write = Write("submit", session.key("submit"), payload_hash=hash_of(body))
    first = session.write(write, "national.submit", "national", "/dossiers", body, created(1))
    code = str(first["code"])
    if session.arrival.double_submit:
        session.write(write, "national.submit", "national", "/dossiers", body, lambda c, _: c["code"] == code)
    return code


def pay(session: Session, code: str) -> None:
    """Ask the portal for a payment and pay it at the payment platform."""
    asked = session.write(
        Write("order_payment", session.key("order"), dossier=code),
        "national.payment",
        "national",
        f"/dossiers/{code}/payment",
        {},
        lambda c, _: bool(c["MaGiaoDich"]),
    )
    transaction = quote(str(asked["MaGiaoDich"]), safe="")
    write = Write("pay", session.key("pay"), dossier=code)
    session.write(write, "payment.pay", "payment", f"/payments/{transaction}/pay", {}, _is_paid)


def track(session: Session, code: str, least: int = 1) -> int:
    """Look the dossier up at the portal, which has shown its step ``least`` before; return the last step shown."""
    shown = session.get("national.track", "national", f"/dossiers/{quote(code)}", shows(code, least))
    return int(shown["sequence"])


def shows(code: str, least: int) -> Callable[[dict[str, Any], object], bool]:
    """Return a check of a look-up: the dossier, its history whole and in order, at step ``least`` or further.

    ``least`` is what the same system has acknowledged or shown before: read-your-writes and monotonic reads.
    """

    def check(content: dict[str, Any], _: object) -> bool:
        """Tell whether a look-up shows it."""
        history = content["history"]
        times = [step[2] for step in history]
        return (
            content["code"] == code
            and content["sequence"] >= least
            and [step[0] for step in history] == list(range(1, content["sequence"] + 1))
            and history[-1][1] == content["state"]
            and times == sorted(times)
        )

    return check


def is_success(content: dict[str, object], _: object) -> bool:
    """Tell whether a reply says error_code 0."""
    return content["error_code"] == 0


def _is_paid(content: dict[str, object], _: object) -> bool:
    return content["error_code"] == 0 and content["TrangThai"] == "paid"


def created(state: int) -> Callable[[dict[str, object], object], bool]:
    """Return a check that a dossier was created in this state."""
    return lambda content, _: bool(content["code"]) and content["state"] == state


def hash_of(body: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a submission's payload, as the systems compute it."""
    old_address = {name: body[name] for name in ("legacy_commune", "hamlet") if name in body}
    place = (body["procedure"], body["province"], body.get("commune", ""))
    return payload_hash(*place, body["applicant"], body["form"], old_address)
