"""A write and what came of it, as the ledger has them."""

import msgspec


class Write(msgspec.Struct, frozen=True, gc=False):
    """A write that a journey is about to send.

    Attributes:
        operation: submit, intake, accept, ...: see docs/record.md.
        key: By which the books know it: the idempotency key, or what a system that hands the write on makes of it.
        dossier: Code of the dossier, empty for a creation.
        payload_hash: SHA-256 of a creation's payload.
        commune: Whose dossier it is, where that isn't the arrival's commune.
        sent: The idempotency key, where ``key`` is another.
        owners: Who must have an entry of it in the end, where it makes entries in a book.
    """

    operation: str
    key: str
    dossier: str = ""
    payload_hash: str = ""
    commune: str = ""
    sent: str = ""
    owners: tuple[str, ...] = ()


class Result(msgspec.Struct, frozen=True, gc=False):
    """What came of a write.

    Attributes:
        event: ``ok`` (acknowledged), ``fail`` (provably not applied) or ``info`` (unknown).
        dossier: The code that was acknowledged.
        sequence: The step of the history that was acknowledged, 0 if none was named.
        state: The state that was acknowledged, 0 if none was named.
        reason: Of a refusal, as the system gave it.
        entries: Owner -> value of the entries that were acknowledged, where the answer names them.
    """

    event: str
    dossier: str
    sequence: int
    state: int
    reason: str
    entries: tuple[tuple[str, str], ...] = ()


def event_of(outcome: str, sent: bool) -> str:
    """Say what a request's outcome proves about its write.

    ``fail`` only where it was provably not applied: no byte left, or the system refused it with a 4xx.
    """
    if outcome == "ok":
        return "ok"
    return "fail" if not sent or outcome == "http_4xx" else "info"
