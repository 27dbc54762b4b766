"""A real and an embedded Toxiproxy server side by side: what both are asked, what both answer, what both relay."""

import http.client
import json
import re
import select
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from faults.server import Server, start
from harness.ports import free_ports

LOOPBACK = "127.0.0.1"
SLOTS = 4
HEADERS = ("Content-Type", "X-Content-Type-Options", "Location", "Transfer-Encoding", "Connection", "Allow")
PORT = re.compile(r"(127\.0\.0\.1|\[::\]|\[::1\]|localhost):(\d{4,5})\b")
DETAIL = re.compile(r"bad request body: (?:[^\"\\]|\\.)*")
VERSION = re.compile(r'"version": ".*"')
NAME_SERVER = re.compile(r"(lookup \S+) on \S+: ")
QUIET = 0.01  # seconds without a byte after which nothing more is expected
ROUNDS = 3  # of looking that find nothing
PATIENCE = 30.0  # seconds that one of the two may lag behind the other

Reply = tuple[Any, ...]


class Diverged(AssertionError):
    """The two servers did different things."""


@dataclass
class World:
    """What both servers are told about: an upstream that is there, one that isn't, a port that is taken."""

    upstream: socket.socket = field(default_factory=lambda: socket.create_server((LOOPBACK, 0)))
    taken: socket.socket = field(default_factory=lambda: socket.create_server((LOOPBACK, 0)))
    dead: socket.socket = field(default_factory=socket.socket)

    def __post_init__(self) -> None:
        self.dead.bind((LOOPBACK, 0))
        self.upstream.setblocking(False)

    def addresses(self) -> dict[str, str]:
        """Return what the placeholders in a body stand for."""
        return {f"@{name}@": _address(getattr(self, name)) for name in ("upstream", "taken", "dead")}

    def close(self) -> None:
        for sock in (self.upstream, self.taken, self.dead):
            sock.close()


class Twin:
    """One of the two servers.

    Every server has its own ports to listen on, which the placeholders @0@, @1@, … stand for.
    """

    def __init__(self, kind: str, log: Path, world: World) -> None:
        self.kind = kind
        self.proxies: dict[str, Any] = {}
        self._log = log
        self._ports = [f"{LOOPBACK}:{port}" for port in islice(free_ports(), SLOTS)]
        self._addresses = world.addresses() | {f"@{slot}@": address for slot, address in enumerate(self._ports)}
        self._server: Server | None = None
        self._connection: http.client.HTTPConnection | None = None

    def start(self) -> None:
        """Start the server, unless it runs."""
        if self._server and self._server.process and self._server.process.poll() is None:
            return
        self._server = start(self.kind, self._log)
        self._connection = http.client.HTTPConnection(self._server.api.removeprefix("http://"), timeout=30)

    def stop(self) -> None:
        if self._connection:
            self._connection.close()
        if self._server:
            self._server.stop()

    def call(self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None) -> Reply:
        """Send a request; return what matters of the answer, with the ports of this server replaced."""
        assert self._connection
        for placeholder, address in self._addresses.items():
            body = body.replace(placeholder, address) if body else body
        data = body.encode("utf-8", "surrogateescape") if body is not None else None
        try:
            self._connection.request(method, path, data, headers or {})
            response = self._connection.getresponse()
            text = response.read().decode()
        except (OSError, http.client.HTTPException) as problem:
            self._connection.close()
            raise Diverged(f"{self.kind}: {method} {path} {body}: {problem!r}") from problem
        if (method, path) == ("GET", "/proxies") and response.status == 200:
            self.proxies = json.loads(text)
        return self._seen(response, text)

    def listens(self, name: str) -> tuple[str, int]:
        """Return where a proxy listens."""
        host, _, port = self.proxies[name]["listen"].rpartition(":")
        return (LOOPBACK if host in ("", "[::]", "localhost") else host.strip("[]")), int(port or 0)

    def _seen(self, response: http.client.HTTPResponse, text: str) -> Reply:
        shown = VERSION.sub('"version": …', DETAIL.sub("bad request body: …", NAME_SERVER.sub(r"\1: ", text)))
        length = response.getheader("Content-Length") if shown == text else None
        identity = response.getheader("X-Toxiproxy-Request-Id")
        return (
            response.status,
            [response.getheader(name) for name in HEADERS],
            length,
            len(identity or ""),
            "Date" in response.headers,
            PORT.sub(self._masked, shown),
        )

    def _masked(self, found: re.Match[str]) -> str:
        """Replace a port of this server: a slot's by its number, one of the system's choice by a star."""
        address = found[0]
        if address in self._ports:
            return f"@{self._ports.index(address)}@"
        return address if address in self._addresses.values() else f"{found[1]}:*"


class End:
    """One end of a connection through a proxy.

    Attributes:
        got: What has arrived.
        sent: Number of bytes sent.
        state: ``open``, ``closed`` or ``reset`` by the proxy.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.got = b""
        self.sent = 0
        self.state = "open"
        sock.setblocking(False)

    def pump(self) -> bool:
        """Take what has arrived; tell whether anything has."""
        if self.state != "open":
            return False
        try:
            data = self.sock.recv(1 << 20)
        except BlockingIOError:
            return False
        except OSError:
            self.state = "reset"
            return True
        self.got += data
        if not data:
            self.state = "closed"
        return True

    def send(self, data: bytes) -> None:
        """Send what fits into the system's buffers, as everything here does."""
        try:
            self.sent += self.sock.send(data)
        except OSError:
            self.state = "reset"


@dataclass
class Line:
    """A connection through the real server's proxy and one through the embedded server's, doing the same.

    Attributes:
        proxy: Name of the proxy.
        client: Both clients' ends, by kind of server.
        server: Both upstreams' ends; empty when the upstream wasn't reached.
        closed: Which end was closed from here.
        whole: Whether neither end was closed from here, not even for sending only.
    """

    proxy: str
    client: dict[str, End]
    server: dict[str, End]
    closed: set[str] = field(default_factory=set)
    whole: bool = True

    def ends(self, side: str) -> dict[str, End]:
        return self.client if side == "client" else self.server

    def seen(self, kind: str) -> tuple[Any, ...]:
        """Return what happened at both ends of one of the two connections."""
        found: list[Any] = []
        for side in ("client", "server"):
            end = self.ends(side).get(kind)
            found.append((self._state(side, kind), end.got) if end and side not in self.closed else None)
        return tuple(found)

    def _state(self, side: str, kind: str) -> str:
        """Return an end's state; how it was ended is chance where some of what it sent was still on its way."""
        end, other = self.ends(side)[kind], self.ends("server" if side == "client" else "client").get(kind)
        on_its_way = end.sent > (len(other.got) if other else 0)
        return "closed or reset" if on_its_way and end.state in ("closed", "reset") else end.state

    @property
    def open(self) -> bool:
        """Whether both ends are there and open."""
        ends = [*self.client.values(), *self.server.values()]
        return not self.closed and len(ends) == 4 and all(end.state == "open" for end in ends)

    def close(self) -> None:
        for end in (*self.client.values(), *self.server.values()):
            end.sock.close()


def dial(twin: Twin, name: str, world: World) -> tuple[End | None, End | None]:
    """Connect to a proxy; return the client's and the upstream's end, None where there is none."""
    while late := _accepted(world):
        late.close()
    client = _connected(twin.listens(name))
    if client is None:
        return None, None
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        select.select([world.upstream, client.sock], [], [], deadline - time.monotonic())
        client.pump()
        server = _accepted(world)
        if server or client.state != "open":
            return client, server and End(server)
    return client, None


def _connected(address: tuple[str, int]) -> End | None:
    """Connect; a connection that is reset at once was one. None where it is refused."""
    client = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    state = "open"
    try:
        client.connect(address)
    except ConnectionResetError:
        state = "reset"
    except OSError:
        client.close()
        return None
    end = End(client)
    end.state = state
    return end


def _accepted(world: World) -> socket.socket | None:
    """Accept a connection of a proxy, if there is one."""
    try:
        return world.upstream.accept()[0]
    except BlockingIOError:
        return None


def settle(lines: Iterable[Line], ping: Callable[[], None]) -> None:
    """Wait until the same has happened on both sides of every line, and nothing more happens.

    Both servers answer a ping in between: when the machine stood still for a while, quiet means nothing.
    """
    lines = list(lines)
    if lines:
        _settle(lines)
        ping()
        _settle(lines)


def _settle(lines: list[Line]) -> None:
    ends = [end for line in lines for end in (*line.client.values(), *line.server.values())]
    begin = last = time.monotonic()
    idle = 0
    while True:
        came = any([end.pump() for end in ends])  # noqa: C419 - every end is pumped
        now = time.monotonic()
        last, idle = (now, 0) if came else (last, idle + 1)
        differing = [line for line in lines if line.seen("real") != line.seen("embedded")]
        if not differing and now - last > QUIET and idle >= ROUNDS:
            return
        if differing and now - max(begin, last) > PATIENCE:
            raise Diverged(_difference(differing[0]))
        select.select([end.sock for end in ends if end.state == "open"], [], [], QUIET / ROUNDS)


def _difference(line: Line) -> str:
    shown = {kind: [_short(side) for side in line.seen(kind)] for kind in ("real", "embedded")}
    return f"on a connection through {line.proxy!r}, client and server: {shown}"


def _short(side: tuple[str, bytes] | None) -> Any:
    return side and (side[0], len(side[1]), side[1][-20:])


def _address(sock: socket.socket) -> str:
    return "{}:{}".format(*sock.getsockname())
