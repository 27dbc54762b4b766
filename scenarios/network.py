"""The systems as people reach them: a keep-alive pool per link, redirects within an allow-list, cookies per persona."""

from collections.abc import Collection, Mapping
from urllib.parse import urljoin, urlsplit

from model.paths import Paths, Table
from scenarios.cookies import Jar
from scenarios.http import Pool, Reply

MAX_HOPS = 5
"""Redirects that are followed for one request."""
_MOVED = frozenset((301, 302, 303, 307, 308))
_SAME_METHOD = frozenset((307, 308))


class Network:
    """Keep-alive pools to the systems, as people reach them.

    Attributes:
        addresses: System name -> ``host:port`` or an ``http://`` or ``https://`` origin.
        hosts: Further origins, in the same form, to which redirects may lead.
    """

    def __init__(
        self,
        addresses: Mapping[str, str],
        connect_timeout: float,
        request_timeout: float,
        *,
        first_byte_timeout: float | None = None,
        ca_file: str | None = None,
        hosts: Collection[str] = (),
        paths: Table | None = None,
    ) -> None:
        """Make the pools; see `scenarios.http.Pool` for the time-outs (seconds) and the certificates.

        ``paths``: where systems serve what journeys ask for, where that isn't our own path.
        """

        def pool(address: str) -> Pool:
            return Pool(
                address,
                connect_timeout,
                request_timeout,
                first_byte_timeout=first_byte_timeout,
                ca_file=ca_file,
            )

        pools = {system: pool(address) for system, address in addresses.items()}
        self._keep(pools, {system: Paths(system, paths) for system in addresses} if paths else {})
        self._origins |= {extra.origin: extra for extra in map(pool, hosts) if extra.origin not in self._origins}

    def _keep(self, pools: dict[str, Pool], paths: Mapping[str, Paths]) -> None:
        self._pools = pools
        self._paths = paths
        self._origins = {pool.origin: pool for pool in reversed(pools.values())}

    def send(self, system: str, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Send one request to a system; never raises for what the network or the system does."""
        if self._paths:
            path = self._paths[system].asked(method, path)
        return self._pools[system].request(method, path, headers, body)

    def visit(self, system: str, method: str, path: str, headers: Mapping[str, str], body: bytes, jar: Jar) -> Reply:
        """Send one request with the cookies that fit it, and keep those of its reply."""
        return self._visit(self._pools[system], method, path, headers, body, jar)

    def follow(
        self,
        system: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        jar: Jar | None = None,
    ) -> Reply:
        """Send one request and follow where it is sent on to, within the systems and ``hosts``, for 5 hops at most.

        The reply is that of the last hop and its time that of all hops. A hop that leads elsewhere isn't taken: the
        outcome is ``invalid``. An Authorization goes to the first host only.
        """
        return self._follow(self._pools[system], method, path, headers, body, jar)

    def _follow(
        self, pool: Pool, method: str, path: str, headers: Mapping[str, str], body: bytes, jar: Jar | None
    ) -> Reply:
        reply = self._visit(pool, method, path, headers, body, jar)
        began = reply.began
        for _ in range(MAX_HOPS):
            if not _leads_on(reply):
                break
            there = target(f"{pool.origin}{path}", reply.headers["location"])
            if there is None or there[0] not in self._origins:
                self._outside(reply)
                break
            if there[0] != pool.origin:
                headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
            if reply.status not in _SAME_METHOD and method != "HEAD":
                method, body = "GET", b""
            pool, path = self._origins[there[0]], there[1]
            reply = self._visit(pool, method, path, headers, body, jar)
        else:
            if _leads_on(reply):
                _refuse(reply, f"redirected more than {MAX_HOPS} times")
        reply.began = began
        return reply

    def _outside(self, reply: Reply) -> None:
        """Refuse a redirect that leads to a host that isn't allowed."""
        _refuse(reply, f"redirected outside the allowed hosts: {reply.headers['location'][:200]!r}")

    def _visit(
        self, pool: Pool, method: str, path: str, headers: Mapping[str, str], body: bytes, jar: Jar | None
    ) -> Reply:
        if jar is None:
            return pool.request(method, path, headers, body)
        kept = jar.header(pool.origin, path)
        reply = pool.request(method, path, {**headers, "Cookie": kept} if kept else headers, body)
        lines = [value for name, value in reply.fields if name.lower() == b"set-cookie"]
        if lines:
            jar.store(pool.origin, path, lines)
        return reply

    def close(self) -> None:
        """Close idle connections."""
        for pool in (*self._pools.values(), *self._origins.values()):
            pool.close()


class Visitor:
    """A persona's own way into the network: with its cookies, and following redirects if asked to.

    It is a transport of `scenarios.session.Session`, like the network itself.
    """

    def __init__(self, network: Network, follow: bool = False, jar: Jar | None = None) -> None:
        self._network = network
        self._follow = follow
        self._jar = Jar() if jar is None else jar

    def send(self, system: str, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Send one request with the cookies that fit it; never raises for what the network or the system does."""
        if self._follow:
            return self._network.follow(system, method, path, headers, body, self._jar)
        return self._network.visit(system, method, path, headers, body, self._jar)


def _leads_on(reply: Reply) -> bool:
    return reply.status in _MOVED and "location" in reply.headers


def _refuse(reply: Reply, detail: str) -> None:
    reply.outcome, reply.detail = "invalid", detail


def target(base: str, location: str) -> tuple[str, str] | None:
    """Return origin and path of a Location, seen from an address; None where it isn't one."""
    try:
        there = urlsplit(urljoin(base, location))
        port = there.port or (443 if there.scheme == "https" else 80)
    except ValueError:
        return None
    if there.scheme not in ("http", "https") or not there.hostname or there.username is not None:
        return None
    query = f"?{there.query}" if there.query else ""
    return f"{there.scheme}://{there.hostname}:{port}", f"{there.path or '/'}{query}"
