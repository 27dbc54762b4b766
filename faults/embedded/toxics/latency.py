"""Data comes later."""

import asyncio
import random
from collections.abc import Mapping

from faults.embedded.toxics.base import MILLISECOND, Chunk, Stage, Toxic, in_64_bits


class Latency(Toxic):
    """Delays every chunk by ``latency`` ± ``jitter`` from when it was read; order is kept."""

    fields = ("latency", "jitter")  # milliseconds
    limit = 1024

    def problem(self, values: Mapping[str, int]) -> str:
        """Refuse a jitter whose double has more than 64 bits."""
        return "jitter is too large" if values["jitter"] >= 2**62 else ""

    def delay(self) -> int:
        """Draw a delay, in nanoseconds."""
        jitter = self.values["jitter"]
        drawn = random.randrange(2 * jitter) - jitter if jitter > 0 else 0
        return in_64_bits(in_64_bits(self.values["latency"] + drawn) * MILLISECOND)

    async def pipe(self, stage: Stage) -> None:
        """Hold every chunk until its time has come."""
        while chunk := await stage.read():
            await self._hold(chunk, stage)
            await stage.write(chunk)
        stage.close()

    async def _hold(self, chunk: Chunk, stage: Stage) -> None:
        since = asyncio.get_running_loop().time() - chunk.time
        sleep = in_64_bits(self.delay() - int(since * 1e9)) / 1e9
        try:
            await asyncio.sleep(max(0.0, sleep))
        except asyncio.CancelledError:
            stage.sink.put(chunk)
            raise
        chunk.time += sleep
