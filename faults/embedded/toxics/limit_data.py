"""Connections end after so many bytes."""

from faults.embedded.toxics.base import Chunk, Stage, Toxic


class LimitData(Toxic):
    """Closes the connection after ``bytes`` have passed; the stage's state counts them."""

    fields = ("bytes",)

    async def pipe(self, stage: Stage) -> None:
        """Pass chunks on until the limit is reached."""
        while chunk := await stage.read():
            data = chunk.data[: max(0, self.values["bytes"] - stage.state)]
            stage.state += len(data)
            if data:
                await stage.write(Chunk(data, chunk.time))
            if stage.state >= self.values["bytes"]:
                break
        stage.close()
