"""Drafts (hồ sơ nháp): what a citizen, or an officer at the counter, has entered and not yet submitted.

A draft is its owner's, in whatever session; its name is the owner's choice, so that saving it again is no second draft.
It is durable like a dossier: once saved, it is there after a reset, a time-out or a crash.
"""

import sqlite3
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import msgspec

from mocks.defects import Defects
from mocks.messages import Submission, Submitted
from mocks.store import Store
from mocks.wire import KEY, Body, Call, Nothing, Refusal, Reply, Route

ELSEWHERE = "handed over"
SHOWN = 20  # drafts of one person on a page
SCHEMA = """
CREATE TABLE IF NOT EXISTS drafts(
    owner TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, content BLOB NOT NULL, saved REAL NOT NULL,
    went TEXT NOT NULL DEFAULT '', PRIMARY KEY(owner, name)) WITHOUT ROWID;
"""


class Content(Body):
    """What is saved: the fields of a submission, as many as there are so far."""

    content: dict[str, Any]


class Draft(msgspec.Struct):
    """A draft.

    Attributes:
        name: The owner's name for it.
        version: 1, and one more for each change.
        content: What was saved last.
        went: The code of the dossier that it became, ``handed over``, or empty.
    """

    name: str
    version: int
    content: dict[str, Any]
    went: str = ""


class Drafts:
    """The drafts of one system.

    Attributes:
        store: Where they are.
    """

    def __init__(self, store: Store, defects: Defects) -> None:
        self.store = store
        self._defects = defects

    def routes(
        self, auth: Callable[[str], Any], submit: Callable[[Call[Submission]], Awaitable[Reply]]
    ) -> tuple[Route, ...]:
        """Return the routes of the people whom ``auth`` knows; ``submit`` makes a dossier of a draft."""

        async def submitted(call: Call[Nothing]) -> Reply:
            return await submit(replace(call, content=self.submission(call)))  # type: ignore[arg-type]  # of another content now

        path = "/drafts/{draft}"
        return (
            Route("PUT", path, "save_draft", self.save, Content, Draft, auth=auth, refuses=(409,)),
            Route("GET", path, "resume_draft", self.resume, Nothing, Draft, auth=auth, refuses=(404,)),
            Route(
                "POST", f"{path}/dossier", "submit_draft", submitted, Nothing, Submitted,
                status=201, auth=auth, keyed=True, refuses=(403, 404, 409, 429),
            ),
        )  # fmt: skip

    async def save(self, call: Call[Content]) -> Draft:
        """Save a draft; raises Refusal 409 where it went somewhere already."""
        name, content = call.path["draft"], call.content.content
        return await self.store.write(lambda connection: self.put(connection, call.session.sub, name, content))

    def put(self, connection: sqlite3.Connection, owner: str, name: str, content: dict[str, Any]) -> Draft:
        """Save a draft in the transaction of this connection; the same content again changes nothing.

        Raises Refusal 422 for a name that is none, 409 where the draft went somewhere already.
        """
        if KEY.fullmatch(name) is None:
            raise Refusal(422, "validation", "a draft's name is 1 to 80 of A-Z a-z 0-9 . _ : -")
        known = find(connection, owner, name)
        if known is not None and known.went:
            raise Refusal(409, "submitted", f"the draft was closed: {known.went}")
        if known is not None and known.content == content:
            return known
        version = 1 if known is None else known.version + 1
        kept = {} if self._defects.hits("draft-lost", f"{owner}:{name}") else content
        statement = "INSERT OR REPLACE INTO drafts(owner, name, version, content, saved) VALUES(?, ?, ?, ?, ?)"
        connection.execute(statement, (owner, name, version, msgspec.json.encode(kept), time.time()))
        return Draft(name, version, content)

    async def resume(self, call: Call[Nothing]) -> Draft:
        """Return a draft of the caller's."""
        found = find(self.store.reader, call.session.sub, call.path["draft"])
        if found is None:
            raise unknown_draft()
        return found

    def submission(self, call: Call[Any]) -> Submission:
        """Return a draft of the caller's as a submission; raises Refusal 404, or 422 where something is missing."""
        found = find(self.store.reader, call.session.sub, call.path["draft"])
        if found is None:
            raise unknown_draft()
        try:
            return msgspec.convert(found.content, Submission)
        except msgspec.ValidationError as error:
            raise Refusal(422, "validation", str(error)) from None


def find(connection: sqlite3.Connection, owner: str, name: str) -> Draft | None:
    """Return a draft, None where its owner has none of this name."""
    statement = "SELECT version, content, went FROM drafts WHERE owner = ? AND name = ?"
    row = connection.execute(statement, (owner, name)).fetchone()
    return None if row is None else Draft(name, row[0], msgspec.json.decode(row[1]), row[2])


def of(connection: sqlite3.Connection, owner: str) -> list[tuple[str, str]]:
    """Return the newest drafts of somebody: name, and where each went, empty for one that is being written."""
    statement = "SELECT name, went FROM drafts WHERE owner = ? ORDER BY saved DESC LIMIT ?"
    return connection.execute(statement, (owner, SHOWN)).fetchall()


def close(connection: sqlite3.Connection, call: Call[Any], went: str) -> None:
    """Note where the draft that a call names went; raises Refusal 409 where it went somewhere before.

    A call that names none closes none.
    """
    if "draft" not in call.path:
        return
    statement = "UPDATE drafts SET went = ? WHERE owner = ? AND name = ? AND went = ''"
    if not connection.execute(statement, (went, call.session.sub, call.path["draft"])).rowcount:
        raise Refusal(409, "submitted", "the draft was submitted before")


def unknown_draft() -> Refusal:
    """Return the refusal of a draft that its caller doesn't have."""
    return Refusal(404, "unknown", "you have no draft of this name")
