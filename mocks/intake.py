"""Intake, at the portal and at a counter: procedure and place must exist and belong together."""

import sqlite3

import msgspec

from mocks.messages import Submission
from mocks.register import Issuer, New, next_code, today
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


def new_dossier(
    connection: sqlite3.Connection, issuer: Issuer, call: Call[Submission], channel: Channel, units: Units
) -> New:
    """Return a submission as a new dossier, its code drawn in this transaction; raises Refusal as ``resolve`` does."""
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
    code = next_code(connection, issuer, content.province, commune, today())
    return New(code, call.key, content.province, commune, content.procedure, channel.value, digest)
