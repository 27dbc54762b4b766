"""Clerks (văn thư): documents over the National Document Interconnection Axis."""

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from model import places
from model.books import content_hash
from scenarios.journeys import officer
from scenarios.session import Session
from scenarios.writes import Write

RECIPIENTS = 3
"""Communes that a document goes to, besides the province's office and the commune of the arrival [A]."""
REJECTED_IN = 12
"""One document in so many is rejected by its recipient: sent to the wrong unit [A]."""
FETCHED = 5
"""New documents that a clerk fetches at a time [A]."""


def send(session: Session) -> None:
    """Send a document from the province's system; an impatient clerk clicks twice."""
    arrival = session.arrival
    officer.log_in(session)
    key = session.key("document")
    subject, content = f"Công văn {arrival.number}", f"Kính gửi các đơn vị, lượt {arrival.number}. " * 20
    draft = {"To": recipients(session), "Subject": subject, "Content": content}
    whole = {"DocumentId": key, "From": f"H{arrival.province}", **draft}
    write = Write("send_document", key, payload_hash=content_hash(whole))
    for _ in range(1 + arrival.double_submit):
        session.write(
            write,
            "province.document",
            officer.province(session),
            "/documents",
            draft,
            lambda c, _: c["sequence"] == len(draft["To"]),
        )


def recipients(session: Session) -> list[str]:
    """Return the OrganIds that the arrival's document goes to."""
    arrival = session.arrival
    communes = [place.code for place in places.communes_of(arrival.province)]
    first = arrival.number % len(communes)
    chosen = [arrival.commune, *(communes[(first + n) % len(communes)] for n in range(RECIPIENTS))]
    return [f"H{arrival.province}", *(f"H{arrival.province}.{code}" for code in dict.fromkeys(chosen))]


def receive(session: Session) -> None:
    """Open the province's mailbox, fetch what is new, and say of each document what becomes of it."""
    organ = f"H{session.arrival.province}"
    asked = {"OrganId": organ, "OrganName": f"Văn thư {organ}", "password": f"mk.{organ}"}
    opened = session.post("axis.register", "axis", "/axis/registerAgency", asked, lambda c, _: bool(c["session"]))
    session.authorise("axis", opened["session"])
    path = f"/axis/getReceivedEdocList?Status=01&limit={FETCHED}"
    listed = session.get("axis.list", "axis", path, lambda c, _: c["items"] is not None)
    for item in listed["items"]:
        _take(session, item)


def _take(session: Session, item: Mapping[str, Any]) -> None:
    document, recipient = str(item["DocumentId"]), str(item["To"])
    session.get(
        "axis.get",
        "axis",
        f"/axis/getEdoc/{quote(document)}",
        lambda c, _: c["DocumentId"] == document and c["Content"],
    )
    if is_rejected(document, recipient):
        answer = {"DocumentId": document, "To": recipient, "Status": "02", "Reason": "Gửi sai đơn vị"}
        write = Write("reject_document", f"{document}:{recipient}", dossier=document)
        session.write(write, "axis.reject", "axis", "/axis/updateStatus", answer, lambda c, _: c["Status"] == "02")
        return
    answer = {"DocumentId": document, "To": recipient, "Status": "03"}
    session.post("axis.update", "axis", "/axis/updateStatus", answer, lambda c, _: c["Status"] == "03")


def is_rejected(document: str, recipient: str) -> bool:
    """Tell whether a recipient rejects a document: two clerks of one office decide alike."""
    digest = hashlib.blake2b(f"{document}:{recipient}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) % REJECTED_IN == 0
