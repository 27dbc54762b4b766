"""Clerks (văn thư): documents over the National Document Interconnection Axis."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from model import edxml, places
from model.books import content_hash, request_id
from model.edxml import EdxmlError, Envelope
from model.workflows import Role
from scenarios.journeys import officer
from scenarios.personas import Arrival
from scenarios.session import Answer, Request, Session
from scenarios.writes import Write

RECIPIENTS = 3
"""Communes that a letter goes to, besides the province's office and the commune of the arrival [A]."""
CIRCULAR_IN = 4
"""One document in so many is a circular to all communes of the province [A]."""
REJECTED_IN = 12
"""One document in so many is rejected by its recipient: sent to the wrong unit [A]."""
WRONG_UNIT = "Gửi sai đơn vị"
FETCHED = 5
"""New documents that a clerk fetches at a time [A]."""


def send(session: Session) -> None:
    """Send a document from the province's system; an impatient clerk clicks twice."""
    arrival = session.arrival
    officer.log_in(session, role=Role.CLERK)
    key, system = session.key("document"), officer.province(session)
    name = request_id(system, arrival.commune, key)
    subject, content = f"Công văn {arrival.number}", f"Kính gửi các đơn vị, lượt {arrival.number}. " * 20
    letter = {
        "AttachmentName": f"cong-van-{arrival.number}.txt",
        "ContentType": "text/plain",
        "Content": base64.b64encode(content.encode()).decode(),
    }
    draft: dict[str, Any] = {
        "To": recipients(arrival),
        "CodeNumber": str(arrival.number),
        "CodeNotation": "UBND-VP",
        "Subject": subject,
        "Content": content,
        "Attachments": [letter],
    }
    whole = {"DocumentId": name, "From": f"H{arrival.province}", **draft}
    write = Write("send_document", name, payload_hash=content_hash(whole), sent=key, owners=tuple(draft["To"]))
    for _ in range(1 + arrival.double_submit):
        session.write(
            write,
            "province.document",
            system,
            "/documents",
            draft,
            lambda c, _: c["sequence"] == len(draft["To"]),
        )


def recipients(arrival: Arrival) -> list[str]:
    """Return the OrganIds that an arrival's document goes to: the province's office, and all communes or some."""
    communes = [place.code for place in places.communes_of(arrival.province)]
    number = len(communes) if arrival.number % CIRCULAR_IN == 0 else RECIPIENTS
    chosen = [arrival.commune, *(communes[(arrival.number + n) % len(communes)] for n in range(number))]
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
    session.ask(
        Request(
            "axis.get",
            "axis",
            "GET",
            f"/axis/getEdoc/{quote(document)}",
            {},
            b"",
            check=lambda c, _: c.DocumentId == document and bool(c.Content),
            read=_envelope,
        )
    )
    if is_rejected(document, recipient):
        answer = {"DocumentId": document, "To": recipient, "Status": "02", "Reason": WRONG_UNIT}
        digest = content_hash({"Reason": WRONG_UNIT})
        write = Write("reject_document", f"{document}:{recipient}", dossier=document, payload_hash=digest)
        session.write(write, "axis.reject", "axis", "/axis/updateStatus", answer, lambda c, _: c["Status"] == "02")
        return
    answer = {"DocumentId": document, "To": recipient, "Status": "03"}
    session.post("axis.update", "axis", "/axis/updateStatus", answer, lambda c, _: c["Status"] == "03")


def _envelope(answer: Answer) -> Envelope | None:
    """Read what should be an edXML document; None where it isn't one."""
    try:
        return edxml.read(bytes(answer.body))
    except EdxmlError:
        return None


def is_rejected(document: str, recipient: str) -> bool:
    """Tell whether a recipient rejects a document: two clerks of one office decide alike."""
    digest = hashlib.blake2b(f"{document}:{recipient}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) % REJECTED_IN == 0
