"""A province's sender: tells the portal through its one endpoint, with a session that it keeps."""

from collections.abc import Sequence

import msgspec

from mocks.client import LinkError
from mocks.messages import CREATE, ITEM_EXISTS, PROGRESS, ItemResult, SyncItem
from mocks.outbox import DELIVERED, RETRY, Message, Outcome
from mocks.peers import Peer
from mocks.posting import item_outcome, refusal

SESSION_OVER = 401
"""As a status, and as the ``error_code`` of an answer."""


class _Answer(msgspec.Struct):
    error_code: int
    data: list[ItemResult] | None = None


class _Failed(Exception):
    """The portal did not take the call: it is to be repeated."""


class _Refused(Exception):
    """The portal will never take the call."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


class PortalSync:
    """Delivers a province's messages to the portal.

    Attributes:
        province: Its code.
    """

    def __init__(self, province: str, portal: Peer, trusts_silence: bool = False, newest_first: bool = False) -> None:
        self.province = province
        self._trusts_silence = trusts_silence
        self._order = -1 if newest_first else 1
        self._portal = portal

    async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Deliver messages of one service in one call; creations that exist already are sent again as updates.

        One bad item makes the portal refuse the whole call: then each goes by itself.
        """
        if messages[0].service == PROGRESS:
            return (await self._deliver(messages[:: self._order]))[:: self._order]
        return await self._deliver(messages)

    async def _deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        service = messages[0].service
        try:
            results = await self._call(service, [message.body for message in messages])
            if service == CREATE:
                results = await self._update_existing(messages, results)
        except (LinkError, _Failed) as error:
            silent = isinstance(error, LinkError) and error.timed_out
            return [DELIVERED if silent and self._trusts_silence else RETRY] * len(messages)
        except _Refused as refused:
            return [refused.outcome] if len(messages) == 1 else await self._one_by_one(messages)
        return [item_outcome(result.error_code, result.message) for result in results]

    async def _one_by_one(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Deliver each message by itself, in their order, until one has to be repeated."""
        outcomes: list[Outcome] = []
        for message in messages:
            outcomes += await self._deliver([message])
            if not outcomes[-1].settled:
                break
        return [*outcomes, *[RETRY] * (len(messages) - len(outcomes))]

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
        call = {
            "session": await self._portal.session(),
            "madonvi": self.province,
            "service": service,
            "data": [msgspec.Raw(item) for item in items],
        }
        answer = await self._post(call)
        if answer.error_code == SESSION_OVER:
            self._portal.forget()
        if answer.error_code or answer.data is None or len(answer.data) != len(items):
            raise _Failed
        return answer.data

    async def _post(self, call: object) -> _Answer:
        received = await self._portal.client.request("POST", "/sync", msgspec.json.encode(call))
        if received.status == SESSION_OVER:
            return _Answer(SESSION_OVER)
        refused = refusal(received)
        if refused is not None:
            raise _Refused(refused)
        if received.status != 200:
            raise _Failed
        try:
            return msgspec.json.decode(received.body, type=_Answer)
        except (msgspec.DecodeError, UnicodeError):
            raise _Failed from None


def _as_update(body: bytes) -> bytes:
    item = msgspec.json.decode(body, type=SyncItem)
    return msgspec.json.encode(msgspec.structs.replace(item, isUpdating="True"))
