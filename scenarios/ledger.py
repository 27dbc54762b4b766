"""The ledger of a worker's writes: a row before each is sent, and one when its outcome is known. See docs/record.md."""

import re
from pathlib import Path
from time import monotonic

from scenarios.personas import Arrival
from scenarios.spools import MappedSpool
from scenarios.writes import Result, Write

_ODD = re.compile(r"[^\w ._:>-]|_")
"""What a row can't hold; word characters are letters and digits of any script."""
LONGEST = 80
"""Characters of a code or reason that a row keeps."""


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
        self.write(
            f"{self._worker},{op},invoke,{monotonic() - self.t0:.6f},{write.operation},{write.key},{arrival.province},"
            f"{arrival.commune},{write.dossier and _plain(write.dossier)},0,0,{write.payload_hash},\n"
        )
        return op

    def complete(self, arrival: Arrival, op: int, write: Write, result: Result) -> None:
        """Write down what came of a write."""
        self.write(
            f"{self._worker},{op},{result.event},{monotonic() - self.t0:.6f},{write.operation},{write.key},"
            f"{arrival.province},{arrival.commune},{_plain(result.dossier)},{result.sequence},{result.state},,"
            f"{result.reason and _plain(result.reason)}\n"
        )


def _plain(text: str) -> str:
    """Keep what a target said from breaking a row: a code or reason is short and has no separators."""
    if len(text) <= LONGEST and text.replace("-", "").replace(".", "").isalnum():
        return text
    return _ODD.sub("", text[:LONGEST])
