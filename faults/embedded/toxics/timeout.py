"""Data vanishes."""

import asyncio

from faults.embedded.toxics.base import Stage, Toxic


class Timeout(Toxic):
    """Drops all data, and closes the connection after ``timeout`` without any; 0: never. Its removal closes it too."""

    fields = ("timeout",)  # milliseconds

    async def pipe(self, stage: Stage) -> None:
        """Drop every chunk."""
        seconds = self.values["timeout"] / 1000
        try:
            while await asyncio.wait_for(stage.read(), seconds if seconds > 0 else None):
                pass
        except TimeoutError:
            pass
        stage.close()

    def cleanup(self, stage: Stage) -> None:
        """Close the connection: what was dropped can't be made good."""
        stage.close()
