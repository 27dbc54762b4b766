"""A system with the speed of a real one: requests queue for its servers, and are turned away when too many wait."""

import asyncio
import math
import random
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mocks.wire import Refusal
from model.capacity import Capacity


class Station:
    """c servers and one bounded queue, first come, first served.

    A request is served for a time that is drawn beforehand, and what the mock itself takes comes on top of it.

    Args:
        capacity: How fast it is.
        seed: Of the service times.
    """

    def __init__(self, capacity: Capacity, seed: str) -> None:
        self._capacity = capacity
        self._chance = random.Random(seed)
        self._free = capacity.concurrency
        self._queue: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        """Hold a server, for the service time at least; raises Refusal 503 where the queue is full or doesn't move."""
        await self._enter()
        try:
            await asyncio.sleep(self._service_time())
            yield
        finally:
            self._leave()

    def _service_time(self) -> float:
        """Draw seconds."""
        return self._capacity.median * math.exp(self._chance.gauss(0.0, self._capacity.sigma))

    async def _enter(self) -> None:
        if self._free:
            self._free -= 1
            return
        if len(self._queue) >= self._capacity.queue:
            raise self._busy("too many requests wait")
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            async with asyncio.timeout(self._capacity.timeout):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._leave()  # it was its turn in the very moment in which it gave up
            elif turn in self._queue:
                self._queue.remove(turn)
            if isinstance(error, TimeoutError):
                raise self._busy(f"no server was free within {self._capacity.timeout:g} s") from None
            raise

    def _leave(self) -> None:
        """Hand the server on to who has waited longest."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _busy(self, message: str) -> Refusal:
        return Refusal(503, "busy", message, {"retry-after": str(self._capacity.retry_after)})
