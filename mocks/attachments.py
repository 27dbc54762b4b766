"""Attachments (tệp đính kèm): uploaded in pieces, known by their SHA-256, handed over with the dossier.

A line that breaks loses one piece at most: the upload goes on at the offset that the system has. An upload is complete
when size and SHA-256 agree, not before.
"""

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import msgspec

from mocks.client import Client, LinkError
from mocks.defects import Defects
from mocks.messages import ITEM_UNKNOWN, Created, Hash
from mocks.outbox import Deliver, Message, Outcome
from mocks.portal import ITEM_REFUSED, UNKNOWN
from mocks.posting import judged
from mocks.store import Store
from mocks.wire import Body, Call, Nothing, Refusal, Route

HAND_OVER = "GuiTepDinhKem"  # our own name: the real interface's isn't published [A]
COURIERS = 4  # attachments on their way at a time on one link
LARGEST = 10_000_000  # bytes [A]
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


class Attachments:
    """The attachments of one system.

    Attributes:
        store: Where they are.
    """

    def __init__(self, store: Store, defects: Defects) -> None:
        self.store = store
        self._defects = defects

    def routes(self, auth: Callable[[str], Any]) -> tuple[Route, ...]:
        """Return the routes of the people whom ``auth`` knows, and that of the other system."""
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
                "PUT", "/api/attachments/{code}/{hash}", "receive_attachment", self.receive, Nothing, Created, "bytes",
                peers=True,
            ),
        )  # fmt: skip

    async def announce(self, call: Call[Announced]) -> Upload:
        """Begin an upload, or find it begun."""
        asked, owner = call.content, call.session.sub

        def change(connection: sqlite3.Connection) -> Upload:
            statement = "INSERT INTO files(owner, hash, size) VALUES(?, ?, ?) ON CONFLICT DO NOTHING"
            connection.execute(statement, (owner, asked.hash, asked.size))
            return _upload(connection, owner, asked.hash)[1]

        upload = await self.store.write(change)
        if upload.size != asked.size:
            raise Refusal(422, "validation", f"size: this attachment was announced with {upload.size} bytes")
        return upload

    async def progress(self, call: Call[Nothing]) -> Upload:
        """Say how much of an upload is there."""
        return _upload(self.store.reader, call.session.sub, call.path["hash"])[1]

    async def add_piece(self, call: Call[bytes]) -> Upload:
        """Store the piece that begins at an offset; one that is there already is left as it is.

        Raises Refusal 409 where bytes before it are missing, 422 where it goes beyond the announced size.
        """
        start = _whole(call.path["offset"])
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
        connection.execute("INSERT INTO pieces VALUES(?, ?, ?, ?)", (file, start, len(data), kept))
        upload.offset += len(data)
        return upload

    async def complete(self, call: Call[Nothing]) -> Upload:
        """Declare an upload complete; raises Refusal 409 where bytes are missing, 422 where the SHA-256 differs."""
        return await self.store.write(lambda connection: self._complete(connection, call))

    def _complete(self, connection: sqlite3.Connection, call: Call[Nothing]) -> Upload:
        file, upload = _upload(connection, call.session.sub, call.path["hash"])
        if upload.offset < upload.size:
            raise Refusal(409, "offset", f"bytes {upload.offset} to {upload.size} are missing")
        if _digest(connection, file) != upload.hash and not self._truncates(upload.hash):
            raise Refusal(422, "validation", "the SHA-256 of what was uploaded is another")
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

    async def receive(self, call: Call[bytes]) -> Created:
        """Store an attachment that the other system hands over; hearing it again changes nothing."""
        code, digest = call.path["code"], call.path["hash"]
        return await self.store.write(lambda connection: _receive(connection, code, digest, call.content))

    def courier(self, client: Client) -> Deliver:
        """Return what hands attachments over on a client's link."""

        async def post(message: Message) -> Outcome:
            digest = message.body.decode()
            path = f"/api/attachments/{message.dossier}/{digest}"
            data = _content(self.store.committed, message.dossier, digest)
            try:
                received = await client.request("PUT", path, data)
            except LinkError:
                return Outcome.RETRY
            return judged(received.body) if received.status == 200 else Outcome.RETRY

        async def deliver(messages: Sequence[Message]) -> Sequence[Outcome]:
            return await asyncio.gather(*map(post, messages))

        return deliver

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


def _receive(connection: sqlite3.Connection, code: str, digest: str, data: bytes) -> Created:
    if connection.execute("SELECT 1 FROM dossiers WHERE code = ?", (code,)).fetchone() is None:
        return Created(ITEM_UNKNOWN, UNKNOWN)
    if not data:
        return Created(ITEM_REFUSED, "tệp rỗng")
    statement = "INSERT INTO files(owner, hash, size, complete) VALUES(?, ?, ?, 1) ON CONFLICT DO NOTHING"
    cursor = connection.execute(statement, (code, digest, len(data)))
    if cursor.rowcount:
        connection.execute("INSERT INTO pieces VALUES(?, 0, ?, ?)", (cursor.lastrowid, len(data), data))
        connection.execute("INSERT INTO attached VALUES(?, ?, ?)", (code, digest, cursor.lastrowid))
    return Created(0)


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


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > len(str(LARGEST)):
        raise Refusal(422, "validation", "offset: a whole number of bytes")
    return int(text)
