"""Connections break off."""

import asyncio

from faults.embedded.toxics.base import Stage, Toxic


class ResetPeer(Toxic):
    """Closes the connection ``timeout`` after its first data or its end, with a reset."""

    fields = ("timeout",)  # milliseconds
    resets = True

    async def pipe(self, stage: Stage) -> None:
        """Wait for data, then for the time-out, which nothing interrupts."""
        await stage.read()
        try:
            await asyncio.shield(asyncio.create_task(_close_later(stage, self.values["timeout"] / 1000)))
        except asyncio.CancelledError:
            await _closed(stage)
            raise


async def _close_later(stage: Stage, seconds: float) -> None:
    await asyncio.sleep(max(0.0, seconds))
    stage.close()


async def _closed(stage: Stage) -> None:
    while not stage.closed:
        await asyncio.sleep(0.01)
