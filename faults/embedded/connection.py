"""One connection through a proxy: two sockets, two directions, and the toxics' stages in each.

Without toxics, bytes go straight from one transport to the other; with them, through a queue and a task per toxic.
"""

import asyncio
import random
import socket
import struct
from dataclasses import dataclass

from faults.embedded.address import port, split
from faults.embedded.errors import ApiError
from faults.embedded.metrics import Labels, Metrics
from faults.embedded.toxics.base import Chunk, Stage, Toxic
from faults.embedded.toxics.noop import Noop

CHUNK = 32 * 1024  # bytes of the largest chunk that a toxic gets
AHEAD = 2  # chunks that are read from the source beyond what the first toxic lets wait
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
            return
        onward.received += len(data)
        if onward.running:
            onward.queue(data)
        else:
            onward.sent += len(data)
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
    """One direction of a connection: from a source socket, through the stages of its toxics, to a target socket.

    Attributes:
        source: Where it reads.
        target: Where it writes.
        running: Its toxics, in order.
        received: Bytes read.
        sent: Bytes written.
    """

    def __init__(self, source: Peer, target: Peer, chain: list[Placed], meter: "Meter") -> None:
        self.source = source
        self.target = target
        self.running: list[Running] = []
        self.received = 0
        self.sent = 0
        self._meter = meter
        source.onward = self
        target.inward = self
        for placed in chain:
            self._append(placed)
            if placed.toxic.resets:
                source.reset_at_close()
                target.reset_at_close()

    def queue(self, data: bytes) -> None:
        """Give data to the first toxic."""
        first = self.running[0].stage
        now = asyncio.get_running_loop().time()
        for start in range(0, len(data), CHUNK):
            first.put(Chunk(data[start : start + CHUNK], now))
        if first.full:
            self.source.hold()

    def end(self) -> None:
        """Take the end of the source's stream."""
        self._meter.received(self.received)
        (self.running[0].stage if self.running else self).put(None)

    def put(self, chunk: Chunk | None) -> None:
        """Take what comes out of the last toxic."""
        if chunk is None:
            self._meter.sent(self.sent)
            self.target.transport.close()
        elif not self.target.transport.is_closing():
            self.sent += len(chunk.data)
            self.target.transport.write(chunk.data)

    async def room(self) -> None:
        """Wait until the target's buffer is short."""
        await self.target.writable.wait()

    def resume(self) -> None:
        """Let the source read when nothing speaks against it."""
        free = not self.running[0].stage.full if self.running else self.target.writable.is_set()
        if free:
            self.source.let_go()

    async def add(self, placed: Placed) -> None:
        """Put a toxic at the end of the chain; the one before it passes on what it holds, and starts anew."""
        last = self.running[-1] if self.running else None
        if last is None or await _interrupted(last):
            self._append(placed)
        if last:
            _restart(last)

    async def update(self, placed: Placed) -> None:
        """Let a toxic go on with its changed settings."""
        for running in self._those(placed):
            await _interrupted(running)
            _restart(running)

    async def remove(self, placed: Placed) -> None:
        """Take a toxic out of the chain, and pass on what waits in it and what the one before it holds."""
        for running in self._those(placed):
            if not await _interrupted(running):
                continue
            running.placed.toxic.cleanup(running.stage)
            if running.stage.closed:
                continue
            place = self.running.index(running)
            before = self.running[place - 1] if place else None
            if before:
                await _interrupted(before)
            self._take_out(running, before)

    def stop(self) -> None:
        """End every stage's task."""
        for running in self.running:
            running.task.cancel()
        self._meter.received(self.received)
        self._meter.sent(self.sent)

    def _those(self, placed: Placed) -> list[Running]:
        return [running for running in self.running if running.placed is placed]

    def _append(self, placed: Placed) -> None:
        stage = Stage(self, placed.toxic.limit + (0 if self.running else AHEAD), self.resume)
        if self.running:
            self.running[-1].stage.sink = stage
        self.running.append(Running(placed, stage, _start(placed, stage)))

    def _take_out(self, running: Running, before: Running | None) -> None:
        running.stage.flush()
        if before:
            before.stage.sink = running.stage.sink
            _restart(before)
        self.running.remove(running)
        if self.running and not before:
            self.running[0].stage.widen(AHEAD)
        self.resume()


class Meter:
    """Counts the bytes of one direction of one connection, once, when it has ended."""

    def __init__(self, metrics: Metrics, labels: Labels) -> None:
        self._metrics = metrics
        self._labels = labels
        self._counted: set[str] = set()

    def received(self, number: int) -> None:
        """Count what was read."""
        if "received" not in self._counted:
            self._counted.add("received")
            self._metrics.add("received", self._labels, number)

    def sent(self, number: int) -> None:
        """Count what was written."""
        if "sent" not in self._counted:
            self._counted.add("sent")
            self._metrics.add("sent", self._labels, number)


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
        try:
            host, service = split(self._proxy.upstream)
            await asyncio.get_running_loop().create_connection(lambda: self.server, host or "localhost", port(service))
        except (OSError, ValueError, OverflowError, ApiError):
            self._proxy.connections.discard(self)
            self.client.transport.close()
            return
        self._directions = [
            Direction(self.client, self.server, self._proxy.chain["upstream"], self._proxy.meter("upstream")),
            Direction(self.server, self.client, self._proxy.chain["downstream"], self._proxy.meter("downstream")),
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
        name: Unique on the server.
        listen: ``host:port``, the real one once it has listened.
        upstream: ``host:port`` to dial.
        chain: Toxics by stream, in order.
        connections: Those that are open.
    """

    def __init__(self, name: str, listen: str, upstream: str, metrics: Metrics) -> None:
        self.name = name
        self.listen = listen
        self.upstream = upstream
        self.chain: dict[str, list[Placed]] = {"upstream": [], "downstream": []}
        self.connections: set[Connection] = set()
        self._metrics = metrics

    def meter(self, stream: str) -> Meter:
        """Return the meter of one direction of a new connection."""
        return Meter(self._metrics, (stream, self.listen, self.name, self.upstream))


def _start(placed: Placed, stage: Stage) -> "asyncio.Task[None]":
    """Let a toxic act on a stage, or not: its toxicity is drawn here."""
    toxic = placed.toxic if random.random() < placed.toxicity else Noop({})
    return asyncio.create_task(toxic.pipe(stage))


def _restart(running: Running) -> None:
    """Let a toxic that was interrupted act on: its toxicity is drawn again."""
    if not running.stage.closed:
        running.task = _start(running.placed, running.stage)


async def _interrupted(running: Running) -> bool:
    """Interrupt a toxic; False where its stream has ended."""
    if not running.stage.closed:
        running.task.cancel()
        await asyncio.wait([running.task])
    return not running.stage.closed
