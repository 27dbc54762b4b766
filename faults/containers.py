"""Containers of one compose project: what is broken about them, and how it is mended, with the Docker SDK.

A container is only touched when its label names the project.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

from docker.errors import APIError, DockerException, NotFound

import docker
from faults.leases import TakenLease

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
ANSWER = 10  # seconds that the engine may take


def client() -> Any:
    """Return a client of the Docker engine that the environment names; raises DockerException."""
    return docker.from_env(timeout=ANSWER)


def container_of(engine: Any, project: str, service: str) -> Any:
    """Return a service's container; raises OSError where there is none."""
    labels = [f"{PROJECT}={project}", f"{SERVICE}={service}"]
    found = engine.containers.list(all=True, filters={"label": labels})
    if not found:
        raise ProcessLookupError(f"the container of {service} is gone")
    return found[0]


def sweep(project: str, engine: Any | None = None) -> None:
    """Remove every container, network and volume of a project; any number of times. Raises OSError."""
    engine = engine or client()
    mine = {"label": f"{PROJECT}={project}"}
    try:
        for container in engine.containers.list(all=True, filters=mine):
            _unless_gone(lambda container=container: container.remove(force=True, v=True))
        for network in engine.networks.list(filters=mine):
            _unless_gone(network.remove)
        for volume in engine.volumes.list(filters=mine):
            _unless_gone(lambda volume=volume: volume.remove(force=True))
    except DockerException as error:
        raise OSError(f"project {project}: {error}") from None


def _unless_gone(remove: Any) -> None:
    try:
        remove()
    except NotFound:
        return
    except APIError as error:
        if error.status_code != 409:  # it is being removed already
            raise


@dataclass(frozen=True, slots=True)
class ContainerLease(TakenLease):
    """A change of the container of one service.

    Attributes:
        project: Its compose project.
        service: Its service.
    """

    project: str
    service: str

    def take(self) -> None:
        """Make the change; raises OSError."""
        _engine(lambda engine: self._change(engine, self._container(engine)))

    def held(self) -> bool:
        """Ask the engine; a container that is gone holds nothing. Raises OSError."""
        return bool(_engine(self._is_on))

    def release(self) -> None:
        """Undo the change; one that isn't on is fine. Raises OSError."""
        _engine(lambda engine: self._undo(engine, self._container(engine)) if self._is_on(engine) else None)

    def _is_on(self, engine: Any) -> bool:
        try:
            return self._shows(engine, self._container(engine))
        except ProcessLookupError:
            return False

    def _container(self, engine: Any) -> Any:
        return container_of(engine, self.project, self.service)

    @property
    def _found(self) -> str:
        """The shell words that name the container."""
        return f"$(docker ps -aq -f label={PROJECT}={self.project} -f label={SERVICE}={self.service})"

    @abstractmethod
    def _change(self, engine: Any, container: Any) -> None:
        """Make the change."""

    @abstractmethod
    def _shows(self, engine: Any, container: Any) -> bool:
        """Tell whether it is on."""

    @abstractmethod
    def _undo(self, engine: Any, container: Any) -> None:
        """Undo it."""

    def _details(self) -> dict[str, Any]:
        return {"project": self.project, "service": self.service}


@dataclass(frozen=True, slots=True)
class PauseLease(ContainerLease):
    """A container that is frozen (``docker pause``)."""

    name = "container-pause"

    def _change(self, engine: Any, container: Any) -> None:
        container.pause()

    def _shows(self, engine: Any, container: Any) -> bool:
        return bool(container.status == "paused")

    def _undo(self, engine: Any, container: Any) -> None:
        container.unpause()

    @property
    def by_hand(self) -> str:
        """A command of Docker's."""
        return f"docker unpause {self._found}"


@dataclass(frozen=True, slots=True)
class DisconnectLease(ContainerLease):
    """A container that is taken off its project's network."""

    name = "container-disconnect"

    def _change(self, engine: Any, container: Any) -> None:
        _network(engine, self.project).disconnect(container, force=True)

    def _shows(self, engine: Any, container: Any) -> bool:
        return _network(engine, self.project).name not in container.attrs["NetworkSettings"]["Networks"]

    def _undo(self, engine: Any, container: Any) -> None:
        _network(engine, self.project).connect(container, aliases=[self.service])

    @property
    def by_hand(self) -> str:
        """A command of Docker's."""
        return f"docker network connect --alias {self.service} {self.project}_default {self._found}"


@dataclass(frozen=True, slots=True)
class MemoryLease(ContainerLease):
    """A container that gets no more memory (``docker update``).

    Attributes:
        now: Bytes that it may have while it is on.
        before: Bytes before.
    """

    name = "container-memory"

    now: int
    before: int

    def _change(self, engine: Any, container: Any) -> None:
        container.update(mem_limit=self.now, memswap_limit=self.now)

    def _shows(self, engine: Any, container: Any) -> bool:
        return int(container.attrs["HostConfig"]["Memory"]) == self.now

    def _undo(self, engine: Any, container: Any) -> None:
        container.update(mem_limit=self.before, memswap_limit=self.before)

    @property
    def by_hand(self) -> str:
        """A command of Docker's."""
        return f"docker update --memory {self.before} --memory-swap {self.before} {self._found}"

    def _details(self) -> dict[str, Any]:
        return {"project": self.project, "service": self.service, "now": self.now, "before": self.before}


def limited(fault: str, target: str, project: str, service: str, headroom: int) -> MemoryLease:
    """Return a lease that leaves a container the memory that it has and ``headroom`` bytes; raises OSError."""

    def seen(engine: Any) -> MemoryLease:
        container = container_of(engine, project, service)
        usage = int(container.stats(stream=False)["memory_stats"]["usage"])
        before = int(container.attrs["HostConfig"]["Memory"])
        return MemoryLease(fault, target, project, service, usage + headroom, before)

    lease: MemoryLease = _engine(seen)
    return lease


def _network(engine: Any, project: str) -> Any:
    return engine.networks.list(filters={"label": f"{PROJECT}={project}"})[0]


def _engine(ask: Any) -> Any:
    """Ask the engine once; its errors are OSErrors here, which leases raise."""
    engine = client()
    try:
        return ask(engine)
    except DockerException as error:
        raise OSError(str(error)) from None
    finally:
        engine.close()
