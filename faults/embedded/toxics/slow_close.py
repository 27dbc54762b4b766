"""Connections end late."""

import asyncio

from faults.embedded.toxics.base import MILLISECOND, Stage, Toxic, seconds


class SlowClose(Toxic):
    """Passes everything on, but the end of the stream only after ``delay``."""

    fields = ("delay",)  # milliseconds

    async def pipe(self, stage: Stage) -> None:
        """Pass every chunk on, then wait."""
        while chunk := await stage.read():
            await stage.write(chunk)
        try:
            await asyncio.sleep(seconds(self.values["delay"], MILLISECOND))
        except asyncio.CancelledError:
            stage.put(None)
            raise
        stage.close()
