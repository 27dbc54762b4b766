"""Businesses: an organisation's account files a procedure of business registration, pays, and follows it."""

from urllib.parse import quote

from model import organisations
from model.dossier import ApplicantKind
from scenarios.journeys import citizen
from scenarios.session import Session


def submit_online(session: Session) -> str:
    """Log in as an organisation, find the procedure, submit, pay if a fee is due, track; return the code.

    What the portal holds must be a business's.
    """
    arrival = session.arrival
    account = organisations.organisation(arrival.seed % organisations.ORGANISATIONS)
    citizen.log_in(session, account)
    citizen.find_procedure(session)
    body: dict[str, object] = {
        "procedure": arrival.procedure,
        "province": arrival.province,
        "commune": arrival.commune,
        "LoaiDoiTuong": ApplicantKind.BUSINESS.value,
        "applicant": {"SoDinhDanh": account.id_number, "HoVaTen": account.name},
        "form": {"SoBan": 1, "GhiChu": f"Doanh nghiệp nộp, lượt {arrival.number}"},
    }
    code = citizen.submit(session, body)
    if arrival.fee:
        citizen.pay(session, code)
    expected = (code, ApplicantKind.BUSINESS)
    path = f"/dossiers/{quote(code)}"
    session.get("national.track_business", "national", path, lambda c, _: (c["code"], c["applicant"]) == expected)
    return code
