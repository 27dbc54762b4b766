"""Data vanishes."""

import asyncio

from faults.embedded.toxics.base import MILLISECOND, Chunk, Stage, Toxic, seconds


class Timeout(Toxic):
    """Drops all data, and closes the connection after ``timeout`` without any; 0: never. Its removal closes it too."""

    fields = ("timeout",)  # milliseconds

    async def pipe(self, stage: Stage) -> None:
        """Drop every chunk."""
        limit = seconds(self.values["timeout"], MILLISECOND) or None
        try:
            while await _in_time(stage, limit):
                pass
        except TimeoutError:
            pass
        stage.close()

    def cleanup(self, stage: Stage) -> None:
        """Close the connection: what was dropped can't be made good."""
        stage.close()


async def _in_time(stage: Stage, limit: float | None) -> Chunk | None:
    async with asyncio.timeout(limit):
        return await stage.read()
