"""Delivering messages that are one POST each, and what an answer means for its message."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import msgspec

from mocks.client import LinkError, Received
from mocks.messages import ITEM_EXISTS, Created
from mocks.outbox import DELIVERED, RETRY, Message, Outcome, refused
from mocks.wire import Failure

POSTS = 8  # posts in flight at a time on one link
COME_AGAIN = (408, 429)
"""Statuses below 500 that say: not now. The others say: never; those who have a session see to 401 themselves."""


class Line(Protocol):
    """What takes a request to the other system: a client, or a peer with a session."""

    async def request(self, method: str, path: str, body: bytes = b"") -> Received:
        """Send one request and return the answer; raises LinkError."""


class Posting:
    """Posts each message's body to one path, several at a time; the answers are ``Created``.

    Attributes:
        line: To the other system.
        path: Where to post.
    """

    def __init__(self, line: Line, path: str) -> None:
        self.line = line
        self.path = path

    async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Deliver messages; they must be of different dossiers."""
        return await asyncio.gather(*(self._post(message) for message in messages))

    async def _post(self, message: Message) -> Outcome:
        try:
            received = await self.line.request("POST", self.path, message.body)
        except LinkError:
            return RETRY
        return refusal(received) or _judged(received)


def refusal(received: Received) -> Outcome | None:
    """Return the outcome of a message that is refused for good, None where the answer's status doesn't say so."""
    if not 400 <= received.status < 500 or received.status in COME_AGAIN:
        return None
    try:
        message = msgspec.json.decode(received.body, type=Failure).message
    except (msgspec.DecodeError, UnicodeError):
        message = ""
    return refused(f"{received.status} {message}")


def item_outcome(error_code: int, message: str) -> Outcome:
    """Return what an item's answer means for its message."""
    return DELIVERED if error_code in {0, ITEM_EXISTS} else refused(f"error_code {error_code} {message}")


def _judged(received: Received) -> Outcome:
    """Return what an answer ``Created`` means for its message; what can't be read is to be repeated."""
    try:
        answer = msgspec.json.decode(received.body, type=Created)
    except (msgspec.DecodeError, UnicodeError):
        return RETRY
    return item_outcome(answer.error_code, answer.message) if received.status == 200 else RETRY
