"""The ledger of a worker's writes: a row before each is sent, and one when its outcome is known. See docs/record.md."""

import re
from pathlib import Path
from time import monotonic

import msgspec

from model import places
from scenarios.personas import Arrival
from scenarios.spools import MappedSpool
from scenarios.writes import Result, Write

_ODD = re.compile(r"[^\w ._:>-]|_")
"""What a row can't hold; word characters are letters and digits of any script."""
LONGEST = 80
"""Characters of a code or reason that a row keeps."""
_PLAIN = re.compile(rf"[A-Za-z0-9.:-]{{1,{LONGEST}}}").fullmatch


class Ledger(MappedSpool):
    """Writes the rows; each is the kernel's at once.

    Attributes:
        t0: Monotonic seconds from which the rows count.
    """

    def __init__(self, path: Path, worker: int) -> None:
        super().__init__(path)
        self.t0 = 0.0
        self._worker = worker
        self._operations = 0

    def invoke(self, arrival: Arrival, write: Write) -> int:
        """Write down that a write is about to be sent; returns its number."""
        self._operations = op = self._operations + 1
        dossier = write.dossier and _plain(write.dossier)
        at = monotonic() - self.t0
        place, owners = (write.operation, write.key, *_place(arrival, write), dossier), " ".join(write.owners)
        row = (self._worker, op, "invoke", at, *place, 0, 0, write.payload_hash, "", owners, arrival.test)
        self.write(_encode(row))
        return op

    def complete(self, arrival: Arrival, op: int, write: Write, result: Result) -> None:
        """Write down what came of a write."""
        event, sequence, state = result.event, result.sequence, result.state
        dossier, reason = result.dossier and _plain(result.dossier), result.reason and _plain(result.reason)
        at = monotonic() - self.t0
        entries = " ".join([f"{_word(owner)}={_word(value)}" for owner, value in result.entries])
        place = write.operation, write.key, *_place(arrival, write), dossier
        row = (self._worker, op, event, at, *place, sequence, state, "", reason, entries, arrival.test)
        self.write(_encode(row))


_encode = msgspec.json.Encoder().encode


def _place(arrival: Arrival, write: Write) -> tuple[str, str]:
    """Return province and commune of the dossier that is written."""
    if not write.commune:
        return arrival.province, arrival.commune
    return places.communes()[write.commune].province, write.commune


def _word(text: str) -> str:
    """Keep what a target said within one word of a row's entries."""
    return _plain(text).replace(" ", "")


def _plain(text: str) -> str:
    """Keep what a target said from breaking a row: a code or reason is short and has no separators."""
    return text if _PLAIN(text) else _ODD.sub("", text[:LONGEST])
