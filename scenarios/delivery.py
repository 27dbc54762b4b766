"""How rows of a worker on another host reach the record: spooled on its disk first, then sent until acknowledged.

A spool is only ever appended to, so a file and an offset name a piece of it for good: the receiver takes the piece that
begins where its own copy ends, and says how far it has come. Sending twice does no harm, and a lost message is sent
again.
"""

import time
from pathlib import Path

from model.record import COLUMNS, Record

SPOOLED = tuple(name for name in COLUMNS if name not in ("reads", "attachments"))
"""Tables that workers write."""
PIECE = 512 * 1024
"""Bytes that one message carries at most."""
AGAIN = 2.0
"""Seconds after which a piece that was not acknowledged is sent again."""

Piece = tuple[str, int, bytes]


class Outbox:
    """The sender's side: what of a worker's spools has not been acknowledged.

    Attributes:
        part: Name of the spools, ``worker-3``.
    """

    def __init__(self, record: Record, part: str) -> None:
        self.part = part
        self._paths = {table: record.spool(table, part) for table in SPOOLED}
        self._acknowledged = dict.fromkeys(SPOOLED, 0)
        self._sent: dict[str, tuple[int, float]] = {}

    def due(self) -> list[Piece]:
        """Return the pieces (table, offset, bytes) to send now, whole lines each."""
        return [piece for table in SPOOLED if (piece := self._piece(table)) is not None]

    def _piece(self, table: str) -> Piece | None:
        offset = self._acknowledged[table]
        end, moment = self._sent.get(table, (offset, 0.0))
        if end > offset and time.monotonic() - moment < AGAIN:
            return None
        data = _lines(self._paths[table], offset)
        if not data:
            return None
        self._sent[table] = (offset + len(data), time.monotonic())
        return table, offset, data

    def acknowledge(self, table: str, size: int) -> None:
        """Note that the receiver has ``size`` bytes of a table."""
        self._acknowledged[table] = max(self._acknowledged[table], size)

    @property
    def pending(self) -> bool:
        """Whether whole lines wait to be sent or acknowledged."""
        return any(_lines(self._paths[table], self._acknowledged[table]) for table in SPOOLED)


class Inbox:
    """The receiver's side: appends what comes to the record's spools."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def take(self, part: str, table: str, offset: int, data: bytes) -> int:
        """Append the part of a piece that is new; return how many bytes of the table are there now."""
        if table not in SPOOLED:
            raise ValueError(f"no table {table!r} is spooled")
        path = self._record.spool(table, part)
        size = path.stat().st_size if path.exists() else 0
        if offset <= size < offset + len(data):
            with path.open("ab") as file:
                file.write(data[size - offset :])
            size = offset + len(data)
        return size


def _lines(path: Path, offset: int) -> bytes:
    """Return whole lines from an offset on, at most ``PIECE`` bytes."""
    if not path.exists():
        return b""
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read(PIECE)
    return data[: data.rfind(b"\n") + 1]
