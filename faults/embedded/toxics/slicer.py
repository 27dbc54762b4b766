"""Data comes in slices."""

import asyncio
import random
from collections.abc import Iterator, Mapping

from faults.embedded.toxics.base import MICROSECOND, Chunk, Stage, Toxic, seconds

SHORTEST = 0.0005  # seconds that a sleep can be; the loop counts milliseconds


class Slicer(Toxic):
    """Cuts chunks into slices of ``average_size`` ± ``size_variation``, with ``delay`` after each."""

    fields = ("average_size", "size_variation", "delay")  # bytes, bytes, microseconds

    def problem(self, values: Mapping[str, int]) -> str:
        """Refuse sizes that can't be cut: cutting would never end, or cut outside of the chunk."""
        average, variation = values["average_size"], values["size_variation"]
        if average + variation < 1:
            return "average_size and size_variation are less than 1 together"
        if variation > average + 1:
            return "size_variation is more than average_size"
        return ""

    def cuts(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Halve a span, more or less in the middle, until its parts are about average_size."""
        average, variation = self.values["average_size"], self.values["size_variation"]
        if end - start - average <= variation:
            yield start, end
            return
        middle = start + (end - start) // 2
        if variation > 0:
            middle += random.randrange(2 * variation) - variation
        yield from self.cuts(start, middle)
        yield from self.cuts(middle, end)

    async def pipe(self, stage: Stage) -> None:
        """Pass every chunk on in slices."""
        while chunk := await stage.read():
            await self._slice(chunk, stage)
        stage.close()

    async def _slice(self, chunk: Chunk, stage: Stage) -> None:
        """Write the slices; what a sleep is late by, as a short one always is, the next ones make up for."""
        now = asyncio.get_running_loop().time
        delay = seconds(self.values["delay"], MICROSECOND)
        due = now()
        done = 0
        try:
            for start, end in self.cuts(0, len(chunk.data)):
                done = end
                await stage.write(Chunk(chunk.data[start:end], chunk.time))
                due += delay
                left = due - now()
                await asyncio.sleep(left if left > SHORTEST else 0)
        except asyncio.CancelledError:
            stage.sink.put(Chunk(chunk.data[done:], chunk.time))
            raise
