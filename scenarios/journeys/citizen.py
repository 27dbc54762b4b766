"""Citizens: submit online at the national portal, and follow their dossiers there."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from model import people
from model.dossier import payload_hash
from scenarios.session import Session
from scenarios.writes import Write

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


def log_in(session: Session, account: people.Person | None = None) -> None:
    """Authorise at VNeID, by default as the persona, and open a session at the portal."""
    opened = session.post(
        "national.session",
        "national",
        "/session",
        {"access_token": access_token(session, account)},
        lambda c, _: bool(c["session"]),
    )
    session.authorise("national", opened["session"])


def access_token(session: Session, account: people.Person | None = None) -> str:
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
    write = Write("pay", session.key("pay"), dossier=code)
    asked = session.write(
        write,
        "national.payment",
        "national",
        f"/dossiers/{code}/payment",
        {},
        lambda c, _: bool(c["MaGiaoDich"]),
    )
    transaction = quote(str(asked["MaGiaoDich"]), safe="")
    session.post("payment.pay", "payment", f"/payments/{transaction}/pay", {}, is_success)


def track(session: Session, code: str) -> None:
    """Look the dossier up at the portal."""
    session.get("national.track", "national", f"/dossiers/{quote(code)}", lambda c, _: c["code"] == code)


def track_only(session: Session, known: Callable[[], str | None]) -> None:
    """Follow a dossier that somebody submitted before; without one, look for a procedure."""
    code = known()
    if code is None:
        find_procedure(session)
    else:
        track(session, code)


def is_success(content: dict[str, object], _: object) -> bool:
    """Tell whether a reply says error_code 0."""
    return content["error_code"] == 0


def created(state: int) -> Callable[[dict[str, object], object], bool]:
    """Return a check that a dossier was created in this state."""
    return lambda content, _: bool(content["code"]) and content["state"] == state


def hash_of(body: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a submission's payload, as the systems compute it."""
    old_address = {name: body[name] for name in ("legacy_commune", "hamlet") if name in body}
    place = (body["procedure"], body["province"], body.get("commune", ""))
    return payload_hash(*place, body["applicant"], body["form"], old_address)
