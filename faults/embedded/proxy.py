"""A proxy: a listener, its connections, its toxics."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any

from faults.embedded.address import listener, listening, resolve
from faults.embedded.connection import Connection, Direction, Owner, Placed
from faults.embedded.errors import error
from faults.embedded.gojson import Object, fields, some_fields
from faults.embedded.metrics import Metrics
from faults.embedded.toxics.catalogue import TOXICS

TOXIC_FIELDS = {"name": str, "type": str, "stream": str, "toxicity": float, "attributes": Object}


class Proxy(Owner):
    """One proxy, with the API's operations on it.

    Attributes:
        enabled: Whether it listens.
    """

    def __init__(self, name: str, listen: str, upstream: str, metrics: Metrics) -> None:
        super().__init__(name, listen, upstream, metrics)
        self.enabled = False
        self._addresses = asyncio.Lock()  # held while the listener comes or goes
        self._chains = asyncio.Lock()  # held while a toxic comes, changes or goes
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

    async def enable(self) -> None:
        """Listen, unless it does; raises ApiError 500 when it can't."""
        async with self._addresses:
            await self._start()

    async def disable(self) -> None:
        """Close the listener and every connection; toxics stay."""
        async with self._addresses:
            self.stop()

    def stop(self) -> None:
        """Close the listener and every connection, without waiting for what is being done to them."""
        if self._server:
            self._server.close()
            self._server = None
        for connection in list(self.connections):
            connection.abort()
        self.enabled = False

    async def differs(self, listen: str, upstream: str) -> bool:
        """Tell whether addresses are other ones; a host name is resolved first."""
        return self.listen != str(await resolve(listen)) or self.upstream != upstream

    async def update(self, listen: str, upstream: str, enabled: bool) -> None:
        """Change it; other addresses close every connection."""
        async with self._addresses:
            if await self.differs(listen, upstream):
                self.stop()
                self.listen, self.upstream = listen, upstream
            if enabled:
                await self._start()
            else:
                self.stop()

    async def _start(self) -> None:
        if self.enabled:
            return
        sock = await listener(self.listen)
        self.listen = listening(sock)
        self._server = await asyncio.get_running_loop().create_server(lambda: Connection(self).client, sock=sock)
        self.enabled = True

    async def add_toxic(self, value: Any) -> Placed:
        """Add a toxic as the API describes it."""
        given = fields(value, TOXIC_FIELDS)
        stream = given.get("stream", "downstream")
        if stream.lower() not in self.chain:
            raise error("stream")
        kind = given.get("type", "")
        name = given.get("name") or f"{kind}_{stream}"
        if kind not in TOXICS:
            raise error("type")
        async with self._chains:
            if any(placed.name == name for placed in self.toxics()):
                raise error("toxic_exists")
            toxic = TOXICS[kind](fields(given.get("attributes"), dict.fromkeys(TOXICS[kind].fields, int)))
            placed = Placed(name, kind, stream, given.get("toxicity", 1.0), toxic)
            self.chain[stream.lower()].append(placed)
            await _each(direction.add(placed) for direction in self._directions(placed))
        return placed

    async def update_toxic(self, placed: Placed, value: Any) -> None:
        """Change a toxic's attributes and toxicity; those attributes that are good are changed by a bad request too."""
        given, problem = some_fields(value, {"toxicity": float, "attributes": Object})
        values, wrong = some_fields(given.get("attributes"), dict.fromkeys(placed.toxic.fields, int))
        async with self._chains:
            placed.toxic.update(values)
            if problem or wrong:
                raise problem or wrong or AssertionError
            placed.toxicity = given.get("toxicity", placed.toxicity)
            await _each(direction.update(placed) for direction in self._directions(placed))

    async def remove_toxic(self, placed: Placed) -> None:
        """Remove a toxic from the proxy and its connections."""
        async with self._chains:
            chain = self.chain[placed.stream.lower()]
            if placed in chain:
                chain.remove(placed)
                await _each(direction.remove(placed) for direction in self._directions(placed))

    async def reset(self) -> None:
        """Enable it and remove its toxics."""
        await self.enable()
        for placed in self.toxics():
            await self.remove_toxic(placed)

    def _directions(self, placed: Placed) -> list[Direction]:
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


async def _each(steps: Iterable[Awaitable[None]]) -> None:
    await asyncio.gather(*steps)
