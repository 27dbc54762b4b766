"""A system with the speed of a real one: requests wait in lines, and are turned away when too many do."""

import asyncio
import math
import random
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mocks.wire import Refusal
from model.capacity import Capacity

FULL = "too many requests wait"


class Station:
    """c servers and bounded waiting room, in which everybody who asks has a line: lines are served in turns.

    Within a line, who comes first is served first. Where the room is full, the last of the longest line is turned
    away, so that who floods it pays for it, and nobody else: fair queueing (Nagle, RFC 970, 1985) in which the longest
    line loses (McKenney, 1990). Who doesn't prove who they are shares one line with all who don't: a name that anybody
    can invent would be as many lines as somebody wants.

    A request is served for a time that is drawn beforehand, and what the mock itself takes comes on top of it.

    Args:
        capacity: How fast it is.
        seed: Of the service times.
        fair: Whether there are lines; else all wait in one, a seeded defect.
    """

    def __init__(self, capacity: Capacity, seed: str, fair: bool = True) -> None:
        self._capacity = capacity
        self._chance = random.Random(seed)
        self._free = capacity.concurrency
        self._fair = fair
        self._lines: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def served(self, who: str = "") -> AsyncIterator[None]:
        """Hold a server, for the service time at least; raises Refusal 503 where the queue is full or doesn't move.

        Args:
            who: Who asks, proven; empty: somebody.
        """
        await self._enter(who if self._fair else "")
        try:
            await asyncio.sleep(self._service_time())
            yield
        finally:
            self._leave()

    def _service_time(self) -> float:
        """Draw seconds."""
        return self._capacity.median * math.exp(self._chance.gauss(0.0, self._capacity.sigma))

    async def _enter(self, who: str) -> None:
        if self._free:
            self._free -= 1
            return
        if sum(map(len, self._lines.values())) >= self._capacity.queue:
            self._make_room(who)
        turn = asyncio.get_running_loop().create_future()
        self._lines.setdefault(who, deque()).append(turn)
        try:
            async with asyncio.timeout(self._capacity.timeout):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._leave()  # it was its turn in the very moment in which it gave up
            else:
                self._give_up(who, turn)
            if isinstance(error, TimeoutError):
                raise self._busy(f"no server was free within {self._capacity.timeout:g} s") from None
            raise

    def _make_room(self, who: str) -> None:
        """Turn the last of the longest line away; raises Refusal where that is who has just come."""
        longest = max(self._lines.values(), key=len, default=deque())
        if len(longest) <= len(self._lines.get(who, ())) + 1:
            raise self._busy(FULL)
        turn = longest.pop()
        if not turn.done():
            turn.set_exception(self._busy(FULL))

    def _give_up(self, who: str, turn: asyncio.Future[None]) -> None:
        line = self._lines.get(who, deque())
        if turn in line:
            line.remove(turn)
        if not line:
            self._lines.pop(who, None)

    def _leave(self) -> None:
        """Hand the server on to the first of the next line; that line is then the last to have another turn."""
        while self._lines:
            who = next(iter(self._lines))
            line = self._lines.pop(who)
            turn = line.popleft()
            if line:
                self._lines[who] = line
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _busy(self, message: str) -> Refusal:
        return Refusal(503, "busy", message, {"retry-after": str(self._capacity.retry_after)})
