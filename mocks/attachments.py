"""Attachments (tệp đính kèm): uploaded in pieces, known by their SHA-256, handed over with the dossier.

A line that breaks loses one piece at most: the upload goes on at the offset that the system has. An upload is complete
when size and SHA-256 agree, not before. From system to system they go in pieces as well: a line that is slow needs more
time for a file, and not a longer time-out.
"""

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec

from mocks import register
from mocks.client import LinkError
from mocks.defects import Defects
from mocks.messages import ITEM_UNKNOWN, Created, Hash
from mocks.outbox import DELIVERED, RETRY, Deliver, Message, Outcome
from mocks.peers import Peer, Peers
from mocks.portal import ITEM_REFUSED, UNKNOWN
from mocks.posting import item_outcome, refusal
from mocks.store import Store
from mocks.wire import Body, Call, Nothing, Refusal, Route
from model.dossier import counter_of
from model.links import province_of

HAND_OVER = "GuiTepDinhKem"  # our own name: the real interface's isn't published [A]
COURIERS = 4  # attachments on their way at a time on one link
LARGEST = 10_000_000  # bytes [A]
HandOn = Callable[[sqlite3.Connection, str, str], None]
PIECE = 1 << 17  # bytes handed over at a time: all couriers' take 4 s on a line of 1 Mbit/s, less than an attempt may
SCHEMA = """
CREATE TABLE IF NOT EXISTS files(
    id INTEGER PRIMARY KEY, owner TEXT NOT NULL, hash TEXT NOT NULL, size INTEGER NOT NULL,
    complete INTEGER NOT NULL DEFAULT 0, UNIQUE(owner, hash));
CREATE TABLE IF NOT EXISTS pieces(
    file INTEGER NOT NULL, start INTEGER NOT NULL, size INTEGER NOT NULL, bytes BLOB NOT NULL, UNIQUE(file, start));
CREATE TABLE IF NOT EXISTS attached(
    code TEXT NOT NULL, hash TEXT NOT NULL, file INTEGER NOT NULL, PRIMARY KEY(code, hash)) WITHOUT ROWID;
"""


class Announced(Body):
    """An upload is to begin: its SHA-256 (hex) and its size in bytes."""

    hash: Hash
    size: Annotated[int, msgspec.Meta(ge=1, le=LARGEST)]


class Upload(msgspec.Struct):
    """How far an upload has come: ``offset`` bytes are there."""

    hash: str
    size: int
    offset: int
    complete: bool


class Arrived(Created):
    """What came of a piece: 0 stored, 2 nobody knows the dossier, -1 refused; ``offset``: where to go on."""

    offset: int = 0


class Attachments:
    """The attachments of one system.

    Attributes:
        store: Where they are.
        hand_on: Called with each dossier's code and SHA-256 that came from another system, in its transaction.
    """

    def __init__(self, store: Store, defects: Defects) -> None:
        self.store = store
        self.hand_on: HandOn = lambda connection, code, digest: None
        self._defects = defects

    def routes(self, auth: Callable[[str], Any], peers: Peers) -> tuple[Route, ...]:
        """Return the routes of the people whom ``auth`` knows, and that of other systems."""
        path = "/attachments/{hash}"
        return (
            Route("POST", "/attachments", "announce_attachment", self.announce, Announced, Upload, auth=auth),
            Route("GET", path, "attachment", self.progress, Nothing, Upload, auth=auth, refuses=(404,)),
            Route(
                "PUT", f"{path}/pieces/{{offset}}", "upload_piece", self.add_piece, Nothing, Upload, "bytes", auth=auth,
                refuses=(404, 409, 422),
            ),
            Route(
                "POST", f"{path}/complete", "complete_attachment", self.complete, Nothing, Upload, auth=auth,
                refuses=(404, 409),
            ),
            Route(
                "PUT", "/api/attachments/{code}/{hash}/{size}/pieces/{offset}", "receive_attachment", self.receive,
                Nothing, Arrived, "bytes", auth=peers.auth, peers=True,
            ),
        )  # fmt: skip

    async def announce(self, call: Call[Announced]) -> Upload:
        """Begin an upload, or find it begun; raises Refusal 422 where it is complete, with another size."""
        asked, owner = call.content, call.session.sub
        upload = (await self.store.write(lambda connection: _begun(connection, owner, asked.hash, asked.size)))[1]
        if upload.size != asked.size:
            raise Refusal(422, "validation", f"size: this attachment is here, and has {upload.size} bytes")
        return upload

    async def progress(self, call: Call[Nothing]) -> Upload:
        """Say how much of an upload is there."""
        return _upload(self.store.reader, call.session.sub, call.path["hash"])[1]

    async def add_piece(self, call: Call[bytes]) -> Upload:
        """Store the piece that begins at an offset; one that is there already is left as it is.

        Raises Refusal 409 where bytes before it are missing, 422 where it goes beyond the announced size.
        """
        start = _whole(call.path, "offset")
        return await self.store.write(lambda connection: self._add(connection, call, start))

    def _add(self, connection: sqlite3.Connection, call: Call[bytes], start: int) -> Upload:
        file, upload = _upload(connection, call.session.sub, call.path["hash"])
        if start > upload.offset:
            raise Refusal(409, "offset", f"bytes {upload.offset} to {start} are missing")
        if start < upload.offset or upload.complete:
            return upload
        data = call.content
        if not data or start + len(data) > upload.size:
            raise Refusal(422, "validation", f"a piece has 1 to {upload.size - start} bytes here")
        kept = data[: len(data) // 2] if self._truncates(upload.hash) else data
        _append(connection, file, upload, data, kept)
        return upload

    async def complete(self, call: Call[Nothing]) -> Upload:
        """Declare an upload complete.

        Raises Refusal 409 where bytes are missing, 422 where the SHA-256 differs: the upload begins anew then.
        """
        upload = await self.store.write(lambda connection: self._complete(connection, call))
        if upload is None:
            raise Refusal(422, "validation", "the SHA-256 of what was uploaded is another: upload it again")
        return upload

    def _complete(self, connection: sqlite3.Connection, call: Call[Nothing]) -> Upload | None:
        file, upload = _upload(connection, call.session.sub, call.path["hash"])
        if upload.offset < upload.size:
            raise Refusal(409, "offset", f"bytes {upload.offset} to {upload.size} are missing")
        if _digest(connection, file) != upload.hash and not self._truncates(upload.hash):
            connection.execute("DELETE FROM pieces WHERE file = ?", (file,))
            return None
        connection.execute("UPDATE files SET complete = 1 WHERE id = ?", (file,))
        upload.complete = True
        return upload

    def _truncates(self, digest: str) -> bool:
        return self._defects.hits("attachment-truncated", digest)

    def attach(
        self, connection: sqlite3.Connection, owner: str, code: str, hashes: Sequence[str]
    ) -> Iterator[tuple[str, str, bytes]]:
        """Attach complete uploads to a new dossier in this transaction; yield the messages that hand them over.

        Raises Refusal 422 for one that isn't complete.
        """
        for digest in dict.fromkeys(hashes):
            row = connection.execute(
                "SELECT id FROM files WHERE owner = ? AND hash = ? AND complete", (owner, digest)
            ).fetchone()
            if row is None:
                raise Refusal(422, "validation", f"attachments: {digest} isn't uploaded completely")
            connection.execute("INSERT INTO attached VALUES(?, ?, ?)", (code, digest, row[0]))
            yield code, HAND_OVER, digest.encode()

    async def receive(self, call: Call[bytes]) -> Arrived:
        """Store a piece of an attachment that another system hands over; hearing it again changes nothing."""
        handed = _Handed(call.path["code"], _hash(call.path), _whole(call.path, "size"), province_of(call.session.sub))
        start = _whole(call.path, "offset")
        return await self.store.write(lambda connection: self._receive(connection, handed, start, call.content))

    def _receive(self, connection: sqlite3.Connection, handed: "_Handed", start: int, data: bytes) -> Arrived:
        home = register.province_of(connection, handed.code)
        if home is None:
            return Arrived(ITEM_UNKNOWN, UNKNOWN)
        if handed.province not in {None, home, counter_of(handed.code)}:
            return Arrived(ITEM_REFUSED, "sai đơn vị")
        if not data or start + len(data) > handed.size:
            return Arrived(ITEM_REFUSED, "tệp rỗng hoặc quá dài")
        file, upload = _begun(connection, handed.code, handed.digest, handed.size)
        if upload.size != handed.size:
            return Arrived(ITEM_REFUSED, "sai kích thước")
        if start == upload.offset:
            _append(connection, file, upload, data, data)
            if upload.offset == upload.size:
                if not _settle(connection, handed, file):
                    return Arrived(ITEM_REFUSED, "sai SHA-256")
                self.hand_on(connection, handed.code, handed.digest)
        return Arrived(0, offset=upload.offset)

    def courier(self, peer: Peer) -> Deliver:
        """Return what hands attachments over to another system."""

        async def deliver(messages: Sequence[Message]) -> Sequence[Outcome]:
            return await asyncio.gather(*(self._hand_over(peer, message) for message in messages))

        return deliver

    async def _hand_over(self, peer: Peer, message: Message) -> Outcome:
        """Hand an attachment over piece by piece, each from where the other system wants to go on."""
        digest, offset = message.body.decode(), 0
        data = _content(self.store.committed, message.dossier, digest)
        path = f"/api/attachments/{message.dossier}/{digest}/{len(data)}/pieces"
        while True:
            arrived = await _send(peer, f"{path}/{offset}", data[offset : offset + PIECE])
            if isinstance(arrived, Outcome):
                return arrived
            if not offset < arrived < len(data):
                return DELIVERED if arrived == len(data) else RETRY
            offset = arrived

    def held(self, codes: Iterable[str]) -> dict[str, list[str]]:
        """Return the SHA-256 of what is there of each dossier's attachments, computed from the bytes."""
        marks = list(codes)
        statement = f"SELECT code, file FROM attached WHERE code IN ({','.join('?' * len(marks))}) ORDER BY code, hash"
        found: dict[str, list[str]] = {}
        for code, file in self.store.reader.execute(statement, marks).fetchall():
            found.setdefault(code, []).append(_digest(self.store.reader, file))
        return found


def by_service(ways: Mapping[str, Deliver]) -> Deliver:
    """Return what delivers each service's messages in its own way."""

    async def deliver(messages: Sequence[Message]) -> Sequence[Outcome]:
        return await ways[messages[0].service](messages)

    return deliver


async def _send(peer: Peer, path: str, piece: bytes) -> int | Outcome:
    """Send one piece; returns where to go on, or what came of the attachment."""
    try:
        received = await peer.request("PUT", path, piece)
        answer = msgspec.json.decode(received.body, type=Arrived) if received.status == 200 else None
    except (LinkError, msgspec.DecodeError, UnicodeError):
        return RETRY
    if answer is None:
        return refusal(received) or RETRY
    outcome = item_outcome(answer.error_code, answer.message)
    return outcome if outcome.reason else answer.offset


class _Handed(NamedTuple):
    """An attachment that is handed over; ``province``: of the system that does it, None: the portal."""

    code: str
    digest: str
    size: int
    province: str | None


def _settle(connection: sqlite3.Connection, handed: _Handed, file: int) -> bool:
    """Attach what has come whole; forget what has another SHA-256 than it should."""
    if _digest(connection, file) != handed.digest:
        connection.execute("DELETE FROM pieces WHERE file = ?", (file,))
        connection.execute("DELETE FROM files WHERE id = ?", (file,))
        return False
    _attach(connection, handed.code, handed.digest, file)
    return True


def keep(connection: sqlite3.Connection, code: str, digest: str, data: bytes) -> None:
    """Store a dossier's attachment whole."""
    file, upload = _begun(connection, code, digest, len(data))
    _append(connection, file, upload, data, data)
    _attach(connection, code, digest, file)


def _attach(connection: sqlite3.Connection, code: str, digest: str, file: int) -> None:
    connection.execute("UPDATE files SET complete = 1 WHERE id = ?", (file,))
    connection.execute("INSERT INTO attached VALUES(?, ?, ?)", (code, digest, file))


def _begun(connection: sqlite3.Connection, owner: str, digest: str, size: int) -> tuple[int, Upload]:
    """Begin an upload, or find it begun; one of another size that isn't complete begins anew."""
    statement = "INSERT INTO files(owner, hash, size) VALUES(?, ?, ?) ON CONFLICT DO NOTHING"
    connection.execute(statement, (owner, digest, size))
    file, upload = _upload(connection, owner, digest)
    if upload.size == size or upload.complete:
        return file, upload
    connection.execute("DELETE FROM pieces WHERE file = ?", (file,))
    connection.execute("UPDATE files SET size = ? WHERE id = ?", (size, file))
    return _upload(connection, owner, digest)


def _append(connection: sqlite3.Connection, file: int, upload: Upload, data: bytes, kept: bytes) -> None:
    connection.execute("INSERT INTO pieces VALUES(?, ?, ?, ?)", (file, upload.offset, len(data), kept))
    upload.offset += len(data)


def _upload(connection: sqlite3.Connection, owner: str, digest: str) -> tuple[int, Upload]:
    statement = """SELECT id, f.size, coalesce(sum(p.size), 0), complete FROM files f
        LEFT JOIN pieces p ON p.file = f.id WHERE owner = ? AND hash = ? GROUP BY id"""
    row = connection.execute(statement, (owner, digest)).fetchone()
    if row is None:
        raise Refusal(404, "unknown", "you have announced no attachment with this SHA-256")
    return row[0], Upload(digest, row[1], row[2], bool(row[3]))


def _digest(connection: sqlite3.Connection, file: int) -> str:
    found = hashlib.sha256()
    for (data,) in connection.execute("SELECT bytes FROM pieces WHERE file = ? ORDER BY start", (file,)):
        found.update(data)
    return found.hexdigest()


def _content(connection: sqlite3.Connection, code: str, digest: str) -> bytes:
    statement = """SELECT p.bytes FROM attached a JOIN pieces p ON p.file = a.file
        WHERE a.code = ? AND a.hash = ? ORDER BY p.start"""
    return b"".join(row[0] for row in connection.execute(statement, (code, digest)))


def _hash(path: Mapping[str, str]) -> str:
    try:
        return msgspec.convert(path["hash"], Hash)
    except msgspec.ValidationError:
        raise Refusal(422, "validation", "hash: a SHA-256, 64 digits 0-9 a-f") from None


def _whole(path: Mapping[str, str], name: str) -> int:
    text = path[name]
    if not text.isascii() or not text.isdigit() or len(text) > len(str(LARGEST)) or int(text) > LARGEST:
        raise Refusal(422, "validation", f"{name}: a whole number of bytes, at most {LARGEST}")
    return int(text)
