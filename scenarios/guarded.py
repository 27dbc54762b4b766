"""The way into external systems: the journeys' client with the guard in front of every request, and their secrets.

Whatever a targets file or a reply names is an address of its own; one that isn't at a declared host ends the load.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from model.plan import Plan
from model.targets import Targets, declared_as
from scenarios.cookies import Jar
from scenarios.guard import Guard
from scenarios.http import Pool, Reply
from scenarios.names import Resolver
from scenarios.network import Network, target


class GuardedPool(Pool):
    """Connections to one external system.

    Attributes:
        address: Its address.
    """

    def __init__(
        self, guard: Guard, address: str, plan: Plan, resolver: Resolver, ca_file: str, secrets: Mapping[str, str]
    ) -> None:
        load = plan.load
        parts = urlsplit(address)
        super().__init__(
            f"{parts.scheme}://{parts.netloc}",
            load.connect_timeout,
            load.request_timeout,
            first_byte_timeout=load.first_byte_timeout,
            ca_file=ca_file or None,
            resolver=resolver,
        )
        self._guard = guard
        self._secrets = secrets

    def request(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Send one request when the guard lets it pass; raises Forbidden."""
        self._guard.admit()
        return super().request(method, target, {**headers, **self._secrets}, body)


class GuardedNetwork(Network):
    """The external systems of a plan; paths are whole addresses.

    Attributes:
        guard: Who stands in front of them.
        secrets: What no record may hold.
    """

    def __init__(
        self,
        plan: Plan,
        targets: Targets,
        guard: Guard,
        credentials: Mapping[str, Mapping[str, str]],
        proxies: Mapping[str, str],
    ) -> None:
        """Prepare; nothing is opened yet.

        Args:
            plan: Whose systems they are.
            targets: Where they are.
            guard: Who stands in front of them.
            credentials: Name in the targets file -> headers that authenticate.
            proxies: System -> ``host:port`` of our own proxy that stands in front of it.
        """
        self.guard = guard
        self.secrets = tuple(value for headers in credentials.values() for value in headers.values())
        self._keep(
            {
                system: self._pool(plan, targets, system, url, credentials, proxies)
                for system, url in targets.urls(plan.systems).items()
            },
            {},
        )

    def _pool(
        self,
        plan: Plan,
        targets: Targets,
        system: str,
        url: str,
        credentials: Mapping[str, Mapping[str, str]],
        proxies: Mapping[str, str],
    ) -> Pool:
        one = targets.target(system)
        resolver: Resolver = self.guard.resolver(url, one.networks)
        if system in proxies:
            host, _, port = proxies[system].rpartition(":")
            resolver = Resolver(host, int(port))
        return GuardedPool(self.guard, url, plan, resolver, one.ca_file, credentials.get(declared_as(system), {}))

    def send(self, system: str, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Send one request to an address; raises Forbidden."""
        pool, place = self._find(system, path)
        return pool.request(method, place, headers, body)

    def visit(self, system: str, method: str, path: str, headers: Mapping[str, str], body: bytes, jar: Jar) -> Reply:
        """Send one request to an address, with the cookies that fit it; raises Forbidden."""
        pool, place = self._find(system, path)
        return self._visit(pool, method, place, headers, body, jar)

    def follow(
        self, system: str, method: str, path: str, headers: Mapping[str, str], body: bytes, jar: Jar | None = None
    ) -> Reply:
        """Send one request to an address and follow where it is sent on to; raises Forbidden."""
        pool, place = self._find(system, path)
        return self._follow(pool, method, place, headers, body, jar)

    def _find(self, system: str, address: str) -> tuple[Pool, str]:
        """Return who answers at an address, and its path; one that isn't declared ends the load."""
        there = target(address, "")
        pool = self._pools[system]
        if there is not None and there[0] != pool.origin:
            pool = self._origins.get(there[0], pool)
        if there is None or there[0] != pool.origin:
            self.guard.forbid(f"{system} named an address outside the declared hosts: {address[:200]!r}")
        return pool, there[1]

    def _outside(self, reply: Reply) -> None:
        self.guard.forbid(f"a redirect leads outside the declared hosts: {reply.headers['location'][:200]!r}")
