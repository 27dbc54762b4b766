"""A narrow line."""

import asyncio
from collections.abc import Mapping

from faults.embedded.toxics.base import Chunk, Stage, Toxic

SLICE = 0.1  # seconds' worth of data that is passed on at once


class Bandwidth(Toxic):
    """Passes ``rate`` KB/s (1 KB = 1000 B) on, per connection; 0 stalls."""

    fields = ("rate",)  # KB/s

    def problem(self, values: Mapping[str, int]) -> str:
        """Refuse a rate below zero."""
        return "rate is negative" if values["rate"] < 0 else ""

    async def pipe(self, stage: Stage) -> None:
        """Pass chunks on in slices; what a sleep is late by is taken from the next one."""
        rate = self.values["rate"] * 1000  # bytes per second
        debt = 0.0  # seconds
        while chunk := await stage.read():
            debt = await self._trickle(chunk, stage, rate, debt)
        stage.close()

    async def _trickle(self, chunk: Chunk, stage: Stage, rate: int, debt: float) -> float:
        now = asyncio.get_running_loop().time
        size = int(rate * SLICE)
        try:
            if rate == 0:
                await asyncio.get_running_loop().create_future()
            debt += len(chunk.data) / rate
            while len(chunk.data) > size:
                await asyncio.sleep(SLICE)
                head, chunk = Chunk(chunk.data[:size], chunk.time), Chunk(chunk.data[size:], chunk.time)
                debt -= SLICE
                await stage.write(head)
            start = now()
            await asyncio.sleep(max(0.0, debt))
            debt -= now() - start
        except asyncio.CancelledError:
            stage.sink.put(chunk)
            raise
        await stage.write(chunk)
        return debt
