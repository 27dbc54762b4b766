"""Asking for help: an officer in training leaves a draft to a colleague at the same desk, who mends it.

Question and answer are durable; the draft is mended in the transaction that answers, and its owner submits it.
"""

import sqlite3
from collections.abc import Callable
from typing import Any

import msgspec

from mocks import drafts
from mocks.defects import Defects
from mocks.drafts import Drafts
from mocks.keys import Keys
from mocks.messages import Text
from mocks.system import created
from mocks.wire import Body, Call, Nothing, Refusal, Reply, Route

SCHEMA = """
CREATE TABLE IF NOT EXISTS helps(
    id INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT NOT NULL, draft TEXT NOT NULL, question TEXT NOT NULL,
    answer TEXT, UNIQUE(owner, draft));
"""


class Question(Body):
    """What an officer doesn't know, about a draft."""

    draft: Text
    question: Text


class Answer(Body):
    """What a colleague says, and the draft as it should be."""

    answer: Text
    content: dict[str, Any]


class Asked(msgspec.Struct):
    """A question about a draft; ``answer`` is null until somebody gives one."""

    draft: str
    question: str
    answer: str | None = None


class Open(msgspec.Struct):
    """The questions of a desk that wait for an answer, the oldest first."""

    items: list[Asked]


class Help:
    """Questions and answers of one province's officers; a draft is known by its owner, the desk, and its name.

    Args:
        drafts: Whose contents are asked about.
        defects: Seeded defects that are on.
    """

    def __init__(self, drafts: Drafts, defects: Defects) -> None:
        self._drafts = drafts
        self._keys = Keys(defects.on("duplicate-on-retry"))
        self._defects = defects

    def routes(self, auth: Callable[[str], Any]) -> tuple[Route, ...]:
        """Return its routes, for the officers whom ``auth`` knows."""
        path = "/officer/questions"
        return (
            Route(
                "POST", path, "ask_help", self.ask, Question, Asked,
                status=201, auth=auth, keyed=True, refuses=(404,),
            ),
            Route("GET", path, "questions", self.waiting, gives=Open, auth=auth),
            Route(
                "POST", f"{path}/{{draft}}/answer", "answer", self.answer, Answer, Asked,
                auth=auth, keyed=True, refuses=(404, 409),
            ),
        )  # fmt: skip

    async def ask(self, call: Call[Question]) -> Reply:
        """Note a question; raises Refusal 404 where the desk has no such draft."""
        return await self._once(call, self._ask)

    def _ask(self, connection: sqlite3.Connection, call: Call[Question]) -> Reply:
        owner, asked = call.session.sub, call.content
        if drafts.find(connection, owner, asked.draft) is None:
            raise drafts.unknown_draft()
        statement = "INSERT INTO helps(owner, draft, question) VALUES(?, ?, ?) ON CONFLICT DO NOTHING"
        connection.execute(statement, (owner, asked.draft, asked.question))
        return created(201, _find(connection, owner, asked.draft))

    async def waiting(self, call: Call[Nothing]) -> Open:
        """List what waits at the officer's desk."""
        statement = "SELECT draft, question FROM helps WHERE owner = ? AND answer IS NULL ORDER BY id LIMIT 100"
        return Open([Asked(*row) for row in self._drafts.store.reader.execute(statement, (call.session.sub,))])

    async def answer(self, call: Call[Answer]) -> Reply:
        """Answer a question, and mend its draft; raises Refusal 404 where nobody asked, 409 after it was submitted."""
        return await self._once(call, self._answer)

    def _answer(self, connection: sqlite3.Connection, call: Call[Answer]) -> Reply:
        owner, draft = call.session.sub, call.path["draft"]
        if _find(connection, owner, draft) is None:
            raise Refusal(404, "unknown", "nobody asked about a draft of this name")
        if not self._defects.on("correction-lost"):
            self._drafts.put(connection, owner, draft, call.content.content)
        statement = "UPDATE helps SET answer = ? WHERE owner = ? AND draft = ?"
        connection.execute(statement, (call.content.answer, owner, draft))
        return created(200, _find(connection, owner, draft))

    async def _once(self, call: Call[Any], change: Callable[[sqlite3.Connection, Call[Any]], Reply]) -> Reply:
        return await self._keys.once(self._drafts.store, call, lambda connection: change(connection, call))


def _find(connection: sqlite3.Connection, owner: str, draft: str) -> Asked | None:
    statement = "SELECT draft, question, answer FROM helps WHERE owner = ? AND draft = ?"
    row = connection.execute(statement, (owner, draft)).fetchone()
    return None if row is None else Asked(*row)
