"""Nothing happens."""

from faults.embedded.toxics.base import Stage, Toxic


class Noop(Toxic):
    """Passes everything on."""

    async def pipe(self, stage: Stage) -> None:
        """Pass every chunk on."""
        while chunk := await stage.read():
            await stage.write(chunk)
        stage.close()
