"""Delivering messages that are one POST each."""

import asyncio
from collections.abc import Sequence

import msgspec

from mocks.client import Client, LinkError
from mocks.messages import ITEM_EXISTS, Created
from mocks.outbox import Message, Outcome

POSTS = 8  # posts in flight at a time on one link


class Posting:
    """Posts each message's body to one path, several at a time; the answers are ``Created``.

    Attributes:
        client: Of the link.
        path: Where to post.
    """

    def __init__(self, client: Client, path: str) -> None:
        self.client = client
        self.path = path

    async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Deliver messages; they must be of different dossiers."""
        return await asyncio.gather(*(self._post(message) for message in messages))

    async def _post(self, message: Message) -> Outcome:
        try:
            received = await self.client.request("POST", self.path, message.body)
        except LinkError:
            return Outcome.RETRY
        return judged(received.body) if received.status == 200 else Outcome.RETRY


def judged(body: bytes) -> Outcome:
    """Return what an answer ``Created`` means for its message; what can't be read is to be repeated."""
    try:
        answer = msgspec.json.decode(body, type=Created)
    except (msgspec.DecodeError, UnicodeError):
        return Outcome.RETRY
    return Outcome.DELIVERED if answer.error_code in {0, ITEM_EXISTS} else Outcome.REJECTED
