"""What every toxic has, and the stage of a connection that it acts in."""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from faults.embedded.errors import error

MILLISECOND = 1_000_000  # nanoseconds
MICROSECOND = 1_000


@dataclass(slots=True)
class Chunk:
    """Data as it was read from a socket.

    Attributes:
        data: The bytes.
        time: When they were read, seconds of the loop's clock; a delay moves it.
    """

    data: bytes
    time: float


def in_64_bits(number: int) -> int:
    """Return what is left of a number in a signed integer of 64 bits: Go's overflow."""
    return (number + 2**63) % 2**64 - 2**63


def seconds(value: int, unit: int) -> float:
    """Return a duration that is given in units of so many nanoseconds; none is negative."""
    return max(0, in_64_bits(value * unit)) / 1e9


class Sink(Protocol):
    """What takes chunks: a stage, or the connection at the end."""

    def put(self, chunk: Chunk | None) -> None:
        """Take a chunk at once; None is the end of the stream."""

    async def room(self) -> None:
        """Wait until it should take a chunk."""


class Stage:
    """One toxic's place in one direction of one connection: it reads from here and writes to ``sink``.

    Attributes:
        sink: What comes after it; changes when toxics come and go.
        closed: Whether the stream has ended here.
        state: What the toxic remembers of this connection.
    """

    def __init__(self, sink: Sink, limit: int, on_room: Callable[[], None]) -> None:
        self.sink = sink
        self.closed = False
        self.state = 0
        self._limit = limit
        self._on_room = on_room
        self._chunks: deque[Chunk | None] = deque()
        self._filled = asyncio.Event()
        self._roomy = asyncio.Event()
        self._awaited = False
        if limit:
            self._roomy.set()

    def put(self, chunk: Chunk | None) -> None:
        """Queue a chunk at once."""
        if self.closed:
            return
        self._chunks.append(chunk)
        self._filled.set()
        self._look_for_room()

    @property
    def full(self) -> bool:
        """Whether no more should be put."""
        return not self._roomy.is_set()

    def widen(self, chunks: int) -> None:
        """Let so many chunks more wait."""
        self._limit += chunks
        self._look_for_room()

    async def room(self) -> None:
        """Wait until the queue is short again, or empty and its next chunk awaited."""
        await self._roomy.wait()

    async def read(self) -> Chunk | None:
        """Wait for the next chunk; None is the end of the stream."""
        self._awaited = True
        try:
            while not self._chunks:
                self._look_for_room()
                self._filled.clear()
                await self._filled.wait()
        finally:
            self._awaited = False
            self._look_for_room()
        chunk = self._chunks.popleft()
        self._look_for_room()
        return chunk

    async def write(self, chunk: Chunk) -> None:
        """Pass a chunk on when there is room; an interruption passes it on at once: nothing is dropped."""
        try:
            await self.sink.room()
        finally:
            self.sink.put(chunk)

    def close(self) -> None:
        """End the stream; what is queued or still comes is dropped."""
        if not self.closed:
            self.closed = True
            self._chunks.clear()
            self._look_for_room()
            self.sink.put(None)

    def flush(self) -> None:
        """Pass on what is queued, at once."""
        while self._chunks:
            self.sink.put(self._chunks.popleft())
        self._look_for_room()

    def _look_for_room(self) -> None:
        waiting = len(self._chunks)
        if not (self.closed or waiting < self._limit or (self._awaited and not waiting)):
            self._roomy.clear()
        elif not self._roomy.is_set():
            self._roomy.set()
            self._on_room()


class Toxic(ABC):
    """The settings of a toxic, which every connection shares.

    Attributes:
        fields: Names of its attributes, all integers, 0 by default.
        limit: Chunks that wait in its stage; 0: one is taken only when it is awaited.
        resets: Whether connections that are opened under it end with a reset.
    """

    fields: ClassVar[tuple[str, ...]] = ()
    limit: ClassVar[int] = 0
    resets: ClassVar[bool] = False

    def __init__(self, values: Mapping[str, int]) -> None:
        self.values = dict.fromkeys(self.fields, 0)
        self.update(values)

    def update(self, values: Mapping[str, int]) -> None:
        """Change some attributes; raises ApiError 400 where the real server would crash."""
        merged = {**self.values, **values}
        problem = self.problem(merged)
        if problem:
            raise error("body", problem)
        self.values = merged

    def problem(self, values: Mapping[str, int]) -> str:
        """Say what the real server would crash on, nothing where it wouldn't."""
        return ""

    @abstractmethod
    async def pipe(self, stage: Stage) -> None:
        """Move a stage's chunks until its stream ends; a cancellation interrupts it, and drops nothing in hand."""

    def cleanup(self, stage: Stage) -> None:  # noqa: B027 - most toxics leave nothing behind
        """Act on a stage that the toxic is removed from."""
