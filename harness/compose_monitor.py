"""The Prometheus of a stack in containers: a service of it, which scrapes the conductor over the project's bridge."""

import tarfile
import tempfile
from pathlib import Path
from typing import Any

from docker.errors import DockerException

from harness.compose import Compose
from harness.errors import HarnessError
from harness.processes import Guardian
from harness.prometheus import FOLDER, Monitor, becomes_ready
from model.record import EventLog, Record

SERVICE = "prometheus"
PORT = 9090
DATA = "/prometheus/."
"""Where the container has its data."""
STOPS_WITHIN = 10
"""Seconds in which it must have written its data down."""


class ContainerMonitor(Monitor):
    """A Prometheus as a container of a run's compose project.

    Args:
        record: In whose folder its configuration lives.
        events: Are told.
        conductor: ``host:port`` of the run's own metrics, as containers reach them.
        compose: The project.
        keep: Whether its data is copied to the record.
    """

    def __init__(self, record: Record, events: EventLog, conductor: str, compose: Compose, *, keep: bool) -> None:
        super().__init__(record, events, conductor, keep=keep)
        self._compose = compose

    def _launch(self, folder: Path, guardian: Guardian) -> None:
        """Start the container; whoever takes the project down ends it when the conductor dies."""
        self._compose.up([SERVICE])
        self.url = f"http://{self._compose.address(SERVICE)}:{PORT}"
        self._events.write("prometheus_started", url=self.url, pid=int(self._state()["Pid"]))
        if not becomes_ready(self.url, lambda: bool(self._state()["Running"])):
            raise HarnessError(f"container {SERVICE} did not come up: {self._compose.last_words(SERVICE)}")

    def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = self._compose.container(SERVICE).attrs["State"]
        return state

    def stop(self) -> None:
        """Keep what it has written, and its data where that is to be kept; the project's end is its own.

        Raises:
            HarnessError: The data is to be kept and can't be.
        """
        self._compose.keep_logs(self._record.path("logs"), [SERVICE])
        if self._keep and self.url:
            container = self._compose.container(SERVICE)
            try:
                container.stop(timeout=STOPS_WITHIN)
                self._copy(container.get_archive(DATA)[0])
            except DockerException as error:
                raise HarnessError(f"the data of Prometheus couldn't be kept: {error}") from None

    def _copy(self, archive: object) -> None:
        with tempfile.TemporaryFile() as file:
            file.writelines(archive)  # type: ignore[arg-type]  # the SDK gives its pieces without a type
            file.seek(0)
            with tarfile.open(fileobj=file) as tar:
                tar.extractall(self._record.path(FOLDER) / "data", filter="data")
