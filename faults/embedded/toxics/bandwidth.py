"""A narrow line."""

import asyncio
from collections.abc import Mapping

from faults.embedded.toxics.base import Chunk, Stage, Toxic, in_64_bits

SLICE = 0.1  # seconds' worth of data that is passed on at once


class Bandwidth(Toxic):
    """Passes ``rate`` KB/s (1 KB = 1000 B) on, per connection; 0 stalls: it passes slices of no bytes on."""

    fields = ("rate",)  # KB/s

    def problem(self, values: Mapping[str, int]) -> str:
        """Refuse a rate below zero, and one that overflows to less."""
        return "rate is negative or too large" if values["rate"] < 0 or _slice(values["rate"]) < 0 else ""

    async def pipe(self, stage: Stage) -> None:
        """Pass chunks on in slices; what a sleep is late by is taken from the next one."""
        debt = 0.0  # seconds
        while chunk := await stage.read():
            rate = self.values["rate"] * 1000  # bytes per second
            debt = debt + len(chunk.data) / rate if rate else 0.0
            debt = await self._trickle(chunk, stage, debt)
        stage.close()

    async def _trickle(self, chunk: Chunk, stage: Stage, debt: float) -> float:
        now = asyncio.get_running_loop().time
        try:
            while len(chunk.data) > (size := _slice(self.values["rate"])):
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


def _slice(rate: int) -> int:
    """Return the bytes of a slice."""
    return in_64_bits(rate * 100)
