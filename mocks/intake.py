"""Intake, at the portal and at a counter: procedure and place must exist and belong together."""

import sqlite3

import msgspec

from mocks.messages import ApplicantType, Submission
from mocks.register import Issuer, New, next_code, today
from mocks.tokens import ORGANISATION_ACCOUNT
from mocks.units import Units
from mocks.wire import Call, Refusal
from model import places, procedures
from model.dossier import Channel, payload_hash


def warm() -> None:
    """Read the tables, so that the first request needn't."""
    places.communes()
    procedures.procedures()


def checked(submission: Submission) -> procedures.Procedure:
    """Return the procedure of a submission; raises Refusal 422 where it doesn't exist."""
    procedure = procedures.procedures().get(submission.procedure)
    if procedure is None:
        raise Refusal(422, "validation", "procedure: not in the catalogue")
    return procedure


def belongs(commune: str, province: str) -> bool:
    """Tell whether a commune is one of a province."""
    found = places.communes().get(commune)
    return found is not None and found.province == province


def counter_channel(submission: Submission) -> Channel:
    """Return how a dossier came to a counter: directly where nothing is said."""
    return Channel(submission.KenhThucHien or Channel.DIRECT)


def online_channel(submission: Submission) -> Channel:
    """Return how a dossier came that is submitted online; raises Refusal 422 where it says that it came otherwise."""
    if submission.KenhThucHien is not None:
        raise Refusal(422, "validation", "KenhThucHien: what is submitted here came online")
    return Channel.ONLINE


def new_dossier(
    connection: sqlite3.Connection,
    issuer: Issuer,
    call: Call[Submission],
    channel: Channel,
    units: Units,
    counter: str | None = None,
) -> New:
    """Return a submission as a new dossier, its code drawn in this transaction; raises Refusal as ``resolve`` does.

    ``counter``: the province whose counter takes it in, where that isn't the one that decides it; the code begins
    with it, and so is no code that the deciding province may draw.
    """
    content = call.content
    digest = payload_hash(
        content.procedure,
        content.province,
        content.commune or "",
        msgspec.structs.asdict(content.applicant),
        content.form,
        content.old_address,
    )
    commune = units.resolve(content)
    code = next_code(connection, issuer, counter or content.province, commune, today())
    where = (content.province, commune, content.procedure)
    return New(
        code, call.key, *where, channel.value, digest, call.session.test, applicant_type(call),
        person=content.applicant.SoDinhDanh,
    )  # fmt: skip


def applicant_type(call: Call[Submission]) -> ApplicantType:
    """Return what kind of applicant a submission is of; raises Refusal 422 for one that the account isn't.

    An officer at a counter takes dossiers of all kinds in.
    """
    said, session = call.content.LoaiDoiTuong, call.session
    if session.use == "officer":
        return said or 1
    own = 2 if session.kind == ORGANISATION_ACCOUNT else 1
    if said is not None and (said == 1) is not (own == 1):
        raise Refusal(422, "validation", "LoaiDoiTuong: the account is another kind of applicant's")
    return said or own  # type: ignore[return-value]  # 1 or 2
