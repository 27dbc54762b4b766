"""A proxy: a listener, its connections, its toxics."""

import asyncio
import os
import socket
from typing import Any

from faults.embedded.connection import Connection, Owner, Placed
from faults.embedded.errors import ApiError, error
from faults.embedded.gojson import fields
from faults.embedded.toxics.catalogue import TOXICS

BACKLOG = 4096


class Proxy(Owner):
    """One proxy, with the API's operations on it.

    Attributes:
        name: Unique on the server.
        listen: ``host:port``, the real one once it has listened.
        enabled: Whether it listens.
    """

    def __init__(self, name: str, listen: str, upstream: str) -> None:
        super().__init__(upstream)
        self.name = name
        self.listen = listen
        self.enabled = False
        self._lock = asyncio.Lock()
        self._server: asyncio.Server | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        toxics = [toxic_as_json(toxic) for toxic in self.toxics()]
        return {
            "name": self.name,
            "listen": self.listen,
            "upstream": self.upstream,
            "enabled": self.enabled,
            "Logger": {},
            "toxics": toxics,
        }

    def toxics(self) -> list[Placed]:
        """List its toxics, upstream ones first."""
        return self.chain["upstream"] + self.chain["downstream"]

    def toxic(self, name: str) -> Placed:
        """Find a toxic; raises ApiError 404."""
        for placed in self.toxics():
            if placed.name == name:
                return placed
        raise error("no_toxic")

    async def start(self) -> None:
        """Listen; raises ApiError 500 when it can't."""
        if self.enabled:
            return
        listener = _listener(self.listen)
        self.listen = _text(listener.getsockname())
        self._server = await asyncio.get_running_loop().create_server(lambda: Connection(self).client, sock=listener)
        self.enabled = True

    def stop(self) -> None:
        """Close the listener and every connection; toxics stay."""
        if self._server:
            self._server.close()
            self._server = None
        for connection in list(self.connections):
            connection.abort()
        self.enabled = False

    def differs(self, listen: str, upstream: str) -> bool:
        """Tell whether addresses are other ones; a host name is resolved first."""
        return self.listen != _resolved(listen) or self.upstream != upstream

    async def update(self, listen: str, upstream: str, enabled: bool) -> None:
        """Change it; other addresses close every connection."""
        if self.differs(listen, upstream):
            self.stop()
            self.listen, self.upstream = listen, upstream
        if enabled:
            await self.start()
        else:
            self.stop()

    async def add_toxic(self, value: Any) -> Placed:
        """Add a toxic as the API describes it."""
        given = fields(value, {"name": str, "type": str, "stream": str, "toxicity": float, "attributes": object})
        attributes = given.get("attributes")
        fields(attributes, {})
        stream = given.get("stream", "downstream")
        if stream.lower() not in self.chain:
            raise error("stream")
        kind = given.get("type", "")
        if kind not in TOXICS:
            raise error("type")
        name = given.get("name") or f"{kind}_{stream}"
        if any(placed.name == name for placed in self.toxics()):
            raise error("toxic_exists")
        toxic = TOXICS[kind](fields(attributes, dict.fromkeys(TOXICS[kind].fields, int)))
        placed = Placed(name, kind, stream, given.get("toxicity", 1.0), toxic)
        async with self._lock:
            self.chain[stream.lower()].append(placed)
            for direction in self._directions(placed):
                direction.add(placed)
        return placed

    async def update_toxic(self, placed: Placed, value: Any) -> None:
        """Change a toxic's attributes and toxicity."""
        given = fields(value, {"toxicity": float, "attributes": object})
        values = fields(given.get("attributes"), dict.fromkeys(placed.toxic.fields, int))
        async with self._lock:
            placed.toxic.update(values)
            placed.toxicity = given.get("toxicity", placed.toxicity)
            await _each(direction.update(placed) for direction in self._directions(placed))

    async def remove_toxic(self, placed: Placed) -> None:
        """Remove a toxic from the proxy and its connections."""
        async with self._lock:
            chain = self.chain[placed.stream.lower()]
            if placed in chain:
                chain.remove(placed)
            await _each(direction.remove(placed) for direction in self._directions(placed))

    async def reset(self) -> None:
        """Enable it and remove its toxics."""
        await self.start()
        for placed in self.toxics():
            await self.remove_toxic(placed)

    def _directions(self, placed: Placed) -> list[Any]:
        """List the open connections' directions that a toxic acts on."""
        found = (connection.direction(placed.stream.lower()) for connection in self.connections)
        return [direction for direction in found if direction]


def toxic_as_json(placed: Placed) -> dict[str, Any]:
    """Return a toxic as the API shows it."""
    return {
        "attributes": placed.toxic.values,
        "name": placed.name,
        "type": placed.type,
        "stream": placed.stream,
        "toxicity": placed.toxicity,
    }


async def _each(steps: Any) -> None:
    await asyncio.gather(*steps)


def _listener(listen: str) -> socket.socket:
    """Listen on ``host:port``; no host means every interface, as 0.0.0.0 does."""
    try:
        host, port = _split(listen)
        if host in ("", "0.0.0.0", "::"):
            dual = socket.has_dualstack_ipv6()
            family = socket.AF_INET6 if dual else socket.AF_INET
            return socket.create_server(("", port), family=family, backlog=BACKLOG, dualstack_ipv6=dual)
        family, address = _lookup(host, port)
        return socket.create_server(address, family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as problem:
        reason = os.strerror(problem.errno).lower() if isinstance(problem, OSError) and problem.errno else str(problem)
        raise ApiError(f"listen tcp {listen}: bind: {reason}", 500) from None


def _resolved(listen: str) -> str:
    """Return ``host:port`` with the host's address; raises ApiError 500."""
    host, port = _split(listen)
    try:
        return _text(_lookup(host, port)[1]) if host else f":{port}"
    except OSError:
        raise ApiError(f"lookup {host}: no such host", 500) from None


def _split(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    if not colon and listen:
        raise ApiError(f"address {listen}: missing port in address", 500)
    if port and not (port.isdecimal() and int(port) < 65536):
        raise ApiError(f"address {port}: invalid port", 500)
    return host.strip("[]"), int(port or 0)


def _lookup(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    """Resolve a host, IPv4 first."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    family, _, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return family, (str(address[0]), port)


def _text(address: tuple[Any, ...]) -> str:
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
