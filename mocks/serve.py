"""``python -m mocks.serve CONFIG.json``: some systems in one process, each on its own port. See docs/systems.md."""

import asyncio
import gc
import os
import resource
import signal
import socket
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import msgspec
import uvloop
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server
from prometheus_client import CollectorRegistry, disable_created_metrics

from mocks.axis import Axis
from mocks.client import TIMEOUT, Client, LinkError
from mocks.codes import Codes
from mocks.defects import Defects
from mocks.hotline import Hotline
from mocks.ioc import Ioc
from mocks.meetings import OnlineMeetings
from mocks.national import National
from mocks.payment import Payment
from mocks.population import Population
from mocks.province import Province
from mocks.reporting import Reporting
from mocks.specialised import Specialised
from mocks.system import Surroundings, System
from mocks.tasks import TaskTracking
from mocks.vneid import Vneid
from model import paths, places
from model.capacity import Capacity
from model.centres import ONE_LEVEL
from model.links import PLATFORMS, systems

ADDRESS = "127.0.0.1"
YOUNG = 20_000  # new objects between two searches for cycles: with Python's 700 they cost 8 % of a submission
BACKLOG = 4096  # connections that wait to be accepted, and that are open at a time
HEAD_TIMEOUT = 30.0  # seconds that a client has for the head of a request, from the answer before it on
STOP_TIME = 2.0  # seconds that requests in flight get when the process is told to stop

SYSTEMS: dict[str, type[System]] = {
    "national": National,
    "province": Province,
    "vneid": Vneid,
    "population": Population,
    "payment": Payment,
    "codes": Codes,
    "specialised": Specialised,
    "axis": Axis,
    "hotline": Hotline,
    "reporting": Reporting,
    "tasks": TaskTracking,
    "meetings": OnlineMeetings,
    "ioc": Ioc,
}
"""Every kind of system; a province's name goes on after it: ``province:01``."""


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A system and its port."""

    name: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)]


class Config(msgspec.Struct, forbid_unknown_fields=True):
    """What one process serves, and what it finds around it."""

    systems: Annotated[list[Place], msgspec.Meta(min_length=1)]
    state: str
    provinces: list[str] = []
    links: dict[str, str] = {}
    defects: list[str] = []
    seed: int = 0
    control: str = ""
    host: str = ADDRESS
    stock: dict[str, int] = {}
    capacity: dict[str, Capacity] = {}
    one_level: tuple[str, ...] = ONE_LEVEL
    paths: dict[str, dict[str, str]] = {}
    unconnected: tuple[str, ...] = ()
    timeout: float = TIMEOUT


class StartError(Exception):
    """A system can't start: which, and why."""


def main(arguments: list[str]) -> int:
    """Serve until told to stop; returns the exit status."""
    try:
        if len(arguments) != 1:
            raise StartError("usage: python -m mocks.serve CONFIG.json")
        config = read_config(Path(arguments[0]))
        _raise_file_limit()
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's
        uvloop.run(serve(config))
    except StartError as error:
        print(f"mocks.serve: {error}", file=sys.stderr)
        return 1
    return 0


def read_config(path: Path) -> Config:
    """Read and check a configuration; raises StartError."""
    try:
        config = msgspec.json.decode(path.read_bytes(), type=Config)
    except OSError as error:
        raise StartError(f"{path}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise StartError(f"{path}: {error}") from None
    possible = systems(places.provinces(), PLATFORMS)
    for place in config.systems:
        if place.name not in possible:
            raise StartError(f"{path}: no system {place.name!r}; there are {', '.join(possible)}")
    for misfit in paths.misfits(config.paths):
        where = ".".join(filter(None, ("paths", misfit.kind, misfit.path)))
        raise StartError(f"{path}: {where}: {misfit.what}; {misfit.remedy}")
    return config


async def serve(config: Config) -> None:
    """Serve the systems of a configuration until SIGTERM, SIGINT or the end of standard input."""
    check_ports(config.systems, config.host)
    running = {place: build(place.name, config) for place in config.systems}
    stopped = _stop_event()
    servers: list[Any] = []
    for place, system in running.items():
        await system.start()
        servers.append(_server(system, place.port, config.host))
    tasks = [asyncio.create_task(server.serve()) for server in servers]
    await asyncio.gather(*map(_until_ready, config.systems, tasks))
    gc.freeze()
    gc.set_threshold(YOUNG)
    print(msgspec.json.encode({"ready": [place.name for place in config.systems]}).decode(), flush=True)
    await _until_stopped(stopped, tasks)
    for server in servers:
        server.stop()
    await asyncio.wait(tasks, timeout=STOP_TIME)
    await asyncio.gather(*(system.stop() for system in running.values()))


def build(name: str, config: Config) -> System:
    """Make a system; raises StartError."""
    state = Path(config.state)
    try:
        state.mkdir(parents=True, exist_ok=True)
        defects = Defects(config.defects, config.seed)
        around = Surroundings(
            state,
            config.links,
            config.provinces,
            defects,
            config.seed,
            config.control,
            config.stock,
            config.capacity,
            config.one_level,
            config.paths,
            config.unconnected,
            config.timeout,
        )
        return SYSTEMS[name.partition(":")[0]](name, around, CollectorRegistry())
    except KeyError as error:
        raise StartError(f"{name}: its link {error} is missing") from None
    except (OSError, ValueError, sqlite3.Error) as error:
        raise StartError(f"{name}: {state}: {error}") from None


def check_ports(wanted: list[Place], host: str = ADDRESS) -> None:
    """Bind and listen on every port for a moment; raises StartError for one that is taken, or given twice."""
    with _sockets() as held:
        for place in wanted:
            probe = socket.socket()
            held.append(probe)
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, place.port))
                probe.listen()
            except OSError as error:
                raise StartError(f"{place.name}: port {place.port}: {error.strerror}") from None


@contextmanager
def _sockets() -> Iterator[list[socket.socket]]:
    held: list[socket.socket] = []
    try:
        yield held
    finally:
        for item in held:
            item.close()


def _server(system: System, port: int, host: str) -> Any:
    """Return a system's front end: it accepts so many connections at once, the kernel holds the others."""
    capacity = system.capacity
    timeout = (capacity and capacity.client_timeout) or HEAD_TIMEOUT
    return Server(
        system.application(),
        address=host,
        port=port,
        interface=Interfaces.ASGINL,
        websockets=False,
        log_enabled=False,
        backlog=BACKLOG,
        backpressure=(capacity and capacity.connections) or BACKLOG,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=round(timeout * 1000)),
    )


async def _until_ready(place: Place, server: asyncio.Task[None]) -> None:
    client = Client(f"{ADDRESS}:{place.port}")
    while not server.done():
        try:
            received = await client.request("GET", "/healthz")
        except LinkError:
            await asyncio.sleep(0.01)
            continue
        client.close()
        if received.status != 200:
            raise StartError(f"{place.name}: its health check answers {received.status}")
        return
    raise StartError(f"{place.name}: port {place.port}: the server ended: {server.exception()}")


async def _until_stopped(stopped: asyncio.Event, servers: list[asyncio.Task[None]]) -> None:
    told = asyncio.create_task(stopped.wait())
    await asyncio.wait([told, *servers], return_when=asyncio.FIRST_COMPLETED)
    if not told.done():
        raise StartError("a server ended though nobody told it to")


def _stop_event() -> asyncio.Event:
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)

    def wait_for_end_of_input() -> None:
        with suppress(OSError):
            while os.read(0, 4096):
                pass
        loop.call_soon_threadsafe(stopped.set)

    threading.Thread(target=wait_for_end_of_input, daemon=True).start()
    return stopped


def _raise_file_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
