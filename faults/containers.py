"""Containers of one compose project: what is broken about them, and how it is mended, with the Docker SDK.

A container is only touched when its label names the project.
"""

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
class PauseLease(TakenLease):
    """A container that is frozen (``docker pause``).

    Attributes:
        project: Its compose project.
        service: Its service.
    """

    name = "container-pause"

    project: str
    service: str

    def take(self) -> None:
        """Freeze it; raises OSError."""
        _engine(lambda engine: container_of(engine, self.project, self.service).pause())

    def held(self) -> bool:
        """Ask the engine; a container that is gone holds nothing."""
        return bool(_engine(lambda engine: _status(engine, self.project, self.service) == "paused"))

    def release(self) -> None:
        """Let it go on; one that isn't frozen is fine."""
        if self.held():
            _engine(lambda engine: container_of(engine, self.project, self.service).unpause())

    @property
    def by_hand(self) -> str:
        """A command of Docker's."""
        return f"docker unpause $(docker ps -q -f label={PROJECT}={self.project} -f label={SERVICE}={self.service})"

    def _details(self) -> dict[str, Any]:
        return {"project": self.project, "service": self.service}


@dataclass(frozen=True, slots=True)
class DisconnectLease(TakenLease):
    """A container that is taken off its project's network.

    Attributes:
        project: Its compose project.
        service: Its service.
    """

    name = "container-disconnect"

    project: str
    service: str

    def take(self) -> None:
        """Take it off; raises OSError."""
        _engine(lambda engine: _network(engine, self.project).disconnect(self._container(engine), force=True))

    def held(self) -> bool:
        """Ask the engine; a container that is gone holds nothing."""
        return bool(_engine(self._is_off))

    def _is_off(self, engine: Any) -> bool:
        try:
            container = self._container(engine)
        except ProcessLookupError:
            return False
        return _network(engine, self.project).name not in container.attrs["NetworkSettings"]["Networks"]

    def release(self) -> None:
        """Put it back; one that is there is fine."""
        if self.held():
            names = [self.service]
            _engine(lambda engine: _network(engine, self.project).connect(self._container(engine), aliases=names))

    def _container(self, engine: Any) -> Any:
        return container_of(engine, self.project, self.service)

    @property
    def by_hand(self) -> str:
        """A command of Docker's."""
        found = f"$(docker ps -aq -f label={PROJECT}={self.project} -f label={SERVICE}={self.service})"
        return f"docker network connect --alias {self.service} {self.project}_default {found}"

    def _details(self) -> dict[str, Any]:
        return {"project": self.project, "service": self.service}


@dataclass(frozen=True, slots=True)
class MemoryLease(TakenLease):
    """A container that gets no more memory (``docker update``).

    Attributes:
        project: Its compose project.
        service: Its service.
        now: Bytes that it may have while it is on.
        before: Bytes before.
    """

    name = "container-memory"

    project: str
    service: str
    now: int
    before: int

    def take(self) -> None:
        """Set the limit; raises OSError."""
        self._set(self.now)

    def held(self) -> bool:
        """Ask the engine; a container that is gone holds nothing."""
        return bool(_engine(self._is_on))

    def _is_on(self, engine: Any) -> bool:
        try:
            container = container_of(engine, self.project, self.service)
        except ProcessLookupError:
            return False
        return int(container.attrs["HostConfig"]["Memory"]) == self.now

    def release(self) -> None:
        """Set the limit of before."""
        if self.held():
            self._set(self.before)

    def _set(self, limit: int) -> None:
        limits = {"mem_limit": limit, "memswap_limit": limit}
        _engine(lambda engine: container_of(engine, self.project, self.service).update(**limits))

    @property
    def by_hand(self) -> str:
        """A command of Docker's."""
        found = f"$(docker ps -aq -f label={PROJECT}={self.project} -f label={SERVICE}={self.service})"
        return f"docker update --memory {self.before} --memory-swap {self.before} {found}"

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


def _status(engine: Any, project: str, service: str) -> str:
    try:
        return str(container_of(engine, project, service).status)
    except ProcessLookupError:
        return "gone"


def _engine(ask: Any) -> Any:
    """Ask the engine once; its errors are OSErrors here, which leases raise."""
    engine = client()
    try:
        return ask(engine)
    except DockerException as error:
        raise OSError(str(error)) from None
    finally:
        engine.close()
