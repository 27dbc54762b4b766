"""One connection through a proxy: two sockets, two directions, and the toxics' stages in each.

Without toxics, bytes go straight from one transport to the other; with them, through a queue and a task per toxic.
"""

import asyncio
import random
import socket
import struct
from dataclasses import dataclass

from faults.embedded.toxics.base import Chunk, Stage, Toxic
from faults.embedded.toxics.noop import Noop

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s: closing sends a reset


@dataclass(eq=False, slots=True)
class Placed:
    """A toxic on a proxy.

    Attributes:
        name: Unique on the proxy.
        type: Its type's name.
        stream: ``upstream`` or ``downstream``, as it was given.
        toxicity: Share of the connections that it acts on.
        toxic: Its settings.
    """

    name: str
    type: str
    stream: str
    toxicity: float
    toxic: Toxic


@dataclass(slots=True)
class Running:
    """A toxic at work in one direction of one connection."""

    placed: Placed
    stage: Stage
    task: "asyncio.Task[None]"


class Peer(asyncio.Protocol):
    """One of the two sockets.

    Attributes:
        transport: The socket's transport.
        writable: Set while its buffer is short.
        onward: The direction that takes what it reads; None until both sockets are there.
        inward: The direction that writes to it.
    """

    transport: asyncio.Transport

    def __init__(self, connection: "Connection") -> None:
        self.writable = asyncio.Event()
        self.writable.set()
        self.onward: Direction | None = None
        self.inward: Direction | None = None
        self._early: list[bytes | None] = []
        self._connection = connection
        self._held = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        self.transport = transport  # type: ignore[assignment] # asyncio promises a Transport to a TCP protocol

    def data_received(self, data: bytes) -> None:
        """Pass data on."""
        onward = self.onward
        if onward is None:
            self._early.append(data)
            self.hold()
        elif onward.running:
            onward.queue(data)
        else:
            onward.target.transport.write(data)

    def eof_received(self) -> bool:
        """End the direction, and keep the socket until the other one has ended: half-close isn't forwarded."""
        if self.onward:
            self.onward.end()
        else:
            self._early.append(None)
        return True

    def begin(self) -> None:
        """Pass on what came before both sockets were there, and read on."""
        early, self._early = self._early, []
        for data in early:
            if data is None:
                self.eof_received()
            else:
                self.data_received(data)
        if self.onward:
            self.onward.resume()

    def connection_lost(self, error: Exception | None) -> None:
        """End both directions."""
        self.writable.set()
        self._connection.lost(self)

    def pause_writing(self) -> None:
        """Hold the source back."""
        self.writable.clear()
        if self.inward and not self.inward.running:
            self.inward.source.hold()

    def resume_writing(self) -> None:
        """Let the source go on."""
        self.writable.set()
        if self.inward:
            self.inward.resume()

    def hold(self) -> None:
        """Stop reading."""
        if not self._held and not self.transport.is_closing():
            self._held = True
            self.transport.pause_reading()

    def let_go(self) -> None:
        """Read again."""
        if self._held and not self.transport.is_closing():
            self._held = False
            self.transport.resume_reading()

    def reset_at_close(self) -> None:
        """Make the socket's end a reset."""
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


class Direction:
    """One direction of a connection: from a source socket, through the stages of its toxics, to a target socket."""

    def __init__(self, source: Peer, target: Peer, chain: list[Placed]) -> None:
        self.source = source
        self.target = target
        self.running: list[Running] = []
        source.onward = self
        target.inward = self
        for placed in chain:
            self.add(placed)
            if placed.toxic.resets:
                source.reset_at_close()
                target.reset_at_close()

    def queue(self, data: bytes) -> None:
        """Give data to the first toxic."""
        first = self.running[0].stage
        first.put(Chunk(data, asyncio.get_running_loop().time()))
        if first.full:
            self.source.hold()

    def end(self) -> None:
        """Take the end of the source's stream."""
        (self.running[0].stage if self.running else self).put(None)

    def put(self, chunk: Chunk | None) -> None:
        """Take what comes out of the last toxic."""
        if chunk is None:
            self.target.transport.close()
        elif not self.target.transport.is_closing():
            self.target.transport.write(chunk.data)

    async def room(self) -> None:
        """Wait until the target's buffer is short."""
        await self.target.writable.wait()

    def resume(self) -> None:
        """Let the source read when nothing speaks against it."""
        free = not self.running[0].stage.full if self.running else self.target.writable.is_set()
        if free:
            self.source.let_go()

    def add(self, placed: Placed) -> None:
        """Put a toxic at the end of the chain."""
        stage = Stage(self, placed.toxic.limit, self.resume)
        if self.running:
            self.running[-1].stage.sink = stage
        self.running.append(Running(placed, stage, _start(placed, stage)))

    async def update(self, placed: Placed) -> None:
        """Let a toxic go on with its changed settings."""
        for running in self.running:
            if running.placed is placed and not running.stage.closed:
                await _interrupt(running.task)
                running.task = _start(placed, running.stage)

    async def remove(self, placed: Placed) -> None:
        """Take a toxic out of the chain, and pass on what waits in it."""
        for running in [running for running in self.running if running.placed is placed]:
            await _interrupt(running.task)
            if not running.stage.closed:
                running.placed.toxic.cleanup(running.stage)
            if not running.stage.closed:
                self._take_out(running)

    def stop(self) -> None:
        """End every stage's task."""
        for running in self.running:
            running.task.cancel()

    def _take_out(self, running: Running) -> None:
        running.stage.flush()
        place = self.running.index(running)
        if place > 0:
            self.running[place - 1].stage.sink = running.stage.sink
        del self.running[place]
        self.resume()


class Connection:
    """A client's connection and the one that was dialled for it."""

    def __init__(self, proxy: "Owner") -> None:
        self._proxy = proxy
        self._directions: list[Direction] = []
        self._dialling: asyncio.Task[None] | None = None
        self._lost: set[Peer] = set()
        self.client = Client(self)
        self.server = Peer(self)

    def dial(self) -> None:
        """Connect to the upstream."""
        self._proxy.connections.add(self)
        self._dialling = asyncio.create_task(self._dial())

    async def _dial(self) -> None:
        host, _, port = self._proxy.upstream.rpartition(":")
        try:
            await asyncio.get_running_loop().create_connection(lambda: self.server, host.strip("[]"), int(port))
        except (OSError, ValueError, OverflowError):
            self._proxy.connections.discard(self)
            self.client.transport.close()
            return
        chain = self._proxy.chain
        self._directions = [
            Direction(self.client, self.server, chain["upstream"]),
            Direction(self.server, self.client, chain["downstream"]),
        ]
        self.client.begin()
        self.server.begin()

    def direction(self, stream: str) -> Direction | None:
        """Return the direction of a stream, None while the upstream is being dialled."""
        return self._directions[stream == "downstream"] if self._directions else None

    def lost(self, peer: Peer) -> None:
        """End what the lost socket was the source of; forget the connection when both are lost."""
        if not self._directions:
            self.abort()
            return
        if peer.onward:
            peer.onward.end()
        self._lost.add(peer)
        if len(self._lost) == 2:
            self._forget()

    def abort(self) -> None:
        """Close both sockets at once."""
        if self._dialling:
            self._dialling.cancel()
        for peer in (self.client, self.server):
            if hasattr(peer, "transport"):
                peer.transport.abort()
        self._forget()

    def _forget(self) -> None:
        self._proxy.connections.discard(self)
        for direction in self._directions:
            direction.stop()


class Client(Peer):
    """The client's socket: when it is there, the upstream is dialled."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Dial the upstream."""
        super().connection_made(transport)
        self._connection.dial()


class Owner:
    """What a connection knows of its proxy.

    Attributes:
        upstream: ``host:port`` to dial.
        chain: Toxics by stream, in order.
        connections: Those that are open.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.chain: dict[str, list[Placed]] = {"upstream": [], "downstream": []}
        self.connections: set[Connection] = set()


def _start(placed: Placed, stage: Stage) -> "asyncio.Task[None]":
    """Let a toxic act on a stage, or not: its toxicity is drawn here."""
    toxic = placed.toxic if random.random() < placed.toxicity else Noop({})
    return asyncio.create_task(toxic.pipe(stage))


async def _interrupt(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task])
