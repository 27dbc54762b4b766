"""Connections break off."""

import asyncio

from faults.embedded.toxics.base import MILLISECOND, Stage, Toxic, seconds


class ResetPeer(Toxic):
    """Closes the connection ``timeout`` after its first data or its end, with a reset."""

    fields = ("timeout",)  # milliseconds
    resets = True

    async def pipe(self, stage: Stage) -> None:
        """Wait for data, then for the time-out, which nothing interrupts."""
        await stage.read()
        try:
            await asyncio.shield(asyncio.create_task(_close_later(stage, seconds(self.values["timeout"], MILLISECOND))))
        except asyncio.CancelledError:
            await _closed(stage)
            raise


async def _close_later(stage: Stage, delay: float) -> None:
    await asyncio.sleep(delay)
    stage.close()


async def _closed(stage: Stage) -> None:
    while not stage.closed:
        await asyncio.sleep(0.01)
