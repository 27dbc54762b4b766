"""A province's sender: tells the portal through its one endpoint, with a session that it keeps."""

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from mocks.client import Client, LinkError
from mocks.messages import CREATE, ITEM_EXISTS, ItemResult, Session, SyncItem, password
from mocks.outbox import Message, Outcome

T = TypeVar("T")


class _Answer(msgspec.Struct):
    error_code: int
    data: list[ItemResult] | None = None


class _Failed(Exception):
    """The portal did not take the call: it is to be repeated."""


class PortalSync:
    """Delivers a province's messages to the portal.

    Attributes:
        province: Its code.
    """

    def __init__(self, province: str, client: Client, trusts_silence: bool = False) -> None:
        self.province = province
        self._trusts_silence = trusts_silence
        self._client = client
        self._session = ""

    async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Deliver messages of one service in one call; creations that exist already are sent again as updates."""
        service = messages[0].service
        try:
            results = await self._call(service, [message.body for message in messages])
            if service == CREATE:
                results = await self._update_existing(messages, results)
        except (LinkError, _Failed) as error:
            silent = isinstance(error, LinkError) and error.timed_out
            return [Outcome.DELIVERED if silent and self._trusts_silence else Outcome.RETRY] * len(messages)
        return [Outcome.REJECTED if result.error_code else Outcome.DELIVERED for result in results]

    async def _update_existing(
        self, messages: Sequence[Message], results: Sequence[ItemResult]
    ) -> Sequence[ItemResult]:
        existing = [n for n, result in enumerate(results) if result.error_code == ITEM_EXISTS]
        if not existing:
            return results
        updated = await self._call(CREATE, [_as_update(messages[n].body) for n in existing])
        merged = list(results)
        for n, result in zip(existing, updated, strict=True):
            merged[n] = result
        return merged

    async def _call(self, service: str, items: Sequence[bytes]) -> Sequence[ItemResult]:
        if not self._session:
            self._session = await self._log_in()
        call = {
            "session": self._session,
            "madonvi": self.province,
            "service": service,
            "data": [msgspec.Raw(item) for item in items],
        }
        answer = await self._post("/sync", call, _Answer)
        if answer.error_code == 401:
            self._session = ""
        if answer.error_code or answer.data is None or len(answer.data) != len(items):
            raise _Failed
        return answer.data

    async def _log_in(self) -> str:
        username = f"province:{self.province}"
        asked = {"username": username, "password": password(username)}
        return (await self._post("/login", asked, Session)).session

    async def _post(self, path: str, content: object, type_: type[T]) -> T:
        received = await self._client.request("POST", path, msgspec.json.encode(content))
        if received.status != 200:
            raise _Failed
        try:
            return msgspec.json.decode(received.body, type=type_)
        except (msgspec.DecodeError, UnicodeError):
            raise _Failed from None


def _as_update(body: bytes) -> bytes:
    item = msgspec.json.decode(body, type=SyncItem)
    return msgspec.json.encode(msgspec.structs.replace(item, isUpdating="True"))
