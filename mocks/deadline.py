"""How long a request may take: a gateway gives up, and the system behind it then writes nothing for nobody.

A request that waits or computes when its time is over is answered at once, and none of its writes is begun any more.
One whose write has begun is waited for, however long it takes: what is committed is acknowledged, late. So the answer
"nothing was stored" is true.
"""

import asyncio
import contextvars
import sqlite3
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Over(Exception):
    """A request's time is over: nothing may be written for it."""


class Deadline:
    """One request's.

    Attributes:
        handled: Whether the system has begun to handle it; until then it only waited.
        writing: Whether one of its writes has begun.
        over: Whether its time is over.
    """

    def __init__(self) -> None:
        self.handled = False
        self.writing = False
        self.over = False

    def begin_write(self) -> None:
        """Note that a write begins; raises Over."""
        if self.over:
            raise Over
        self.writing = True


_CURRENT: contextvars.ContextVar[Deadline | None] = contextvars.ContextVar("deadline", default=None)
_LEFT: set[asyncio.Task[Any]] = set()
"""Requests that nobody waits for any more; a task that nothing refers to may be collected."""


def handled() -> None:
    """Note that the system begins to handle the current request."""
    current = _CURRENT.get()
    if current is not None:
        current.handled = True


def bound(change: Callable[[sqlite3.Connection], T]) -> Callable[[sqlite3.Connection], T]:
    """Return a change that isn't begun once the time of the current request is over: it raises Over then."""
    current = _CURRENT.get()
    if current is None:
        return change

    def begun(connection: sqlite3.Connection) -> T:
        current.begin_write()
        return change(connection)

    return begun


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """Return what ``work`` returns; raises Over where it took too long and has begun no write."""
    deadline, context = Deadline(), contextvars.copy_context()
    context.run(_CURRENT.set, deadline)
    task = asyncio.get_running_loop().create_task(work, context=context)
    await asyncio.wait({task}, timeout=seconds)
    if task.done() or deadline.writing:
        return await task
    deadline.over = True
    if not deadline.handled:
        task.cancel()
    _LEFT.add(task)
    task.add_done_callback(_LEFT.discard)
    raise Over
