"""The one wrapper around ``toxiproxy-python``: nothing else in the project talks to a Toxiproxy server.

Traps of the library (0.1.1) and of the server that it closes:

- host and port are class attributes, one server a process: every ``Proxies`` has its own;
- no time-outs: every call has one; no session control: proxy environment variables are ignored;
- errors only for 400, 404 and 409: every other status and every connection problem is a ``ProxyError`` as well;
- names go into URLs unquoted: ``citizen->province:01`` is quoted here;
- ``create`` lists all proxies first, ``populate`` destroys and recreates: ``create_all`` is one request for all;
- the server's /populate replaces a proxy that differs, toxics and all: a name that is taken is refused here;
- what a write did is read back, always: a silent failure is a ``ProxyError``;
- the port of a disabled proxy can be taken by any outgoing connection, and enabling it then fails: the ports that are
  handed out here stay reserved (bound, not listening) for as long as this object lives or until the proxy is deleted.
"""

import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests
import toxiproxy.proxy
import toxiproxy.server
from toxiproxy import exceptions

LOOPBACK = "127.0.0.1"


class ProxyError(Exception):
    """A Toxiproxy server didn't do what it was asked: one line that names server, request and answer.

    Attributes:
        status: HTTP status of the answer; None when there was none, or when the read-back contradicts it.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class ToxicState:
    """A toxic, as the server has it.

    Attributes:
        name: Unique on its proxy, over both streams.
        type: ``latency``, ``timeout``, …
        stream: ``upstream`` or ``downstream``.
        toxicity: Share of the connections that it acts on.
        attributes: In the units of its type.
    """

    name: str
    type: str
    stream: str
    toxicity: float
    attributes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ProxyState:
    """A proxy, as the server has it.

    Attributes:
        name: The link that it carries.
        listen: ``host:port`` where it accepts.
        upstream: ``host:port`` that it dials.
        enabled: Whether it accepts.
        toxics: Upstream ones first.
    """

    name: str
    listen: str
    upstream: str
    enabled: bool
    toxics: tuple[ToxicState, ...]

    def toxic(self, name: str) -> ToxicState | None:
        """Return the toxic of that name, None where there is none."""
        return next((toxic for toxic in self.toxics if toxic.name == name), None)

    @property
    def clean(self) -> bool:
        """Whether it lets everything through: enabled, and without toxics."""
        return self.enabled and not self.toxics


_caller: ContextVar["Proxies"] = ContextVar("_caller")


class _Consumer:
    """Stands in for the library's ``APIConsumer``: sends what the library composes through the calling ``Proxies``."""

    @staticmethod
    def get(url: str, **_: object) -> requests.Response:
        return _caller.get().request("GET", url)

    @staticmethod
    def post(url: str, json: Any = None, **_: object) -> requests.Response:
        return _caller.get().request("POST", url, json)

    @staticmethod
    def delete(url: str, **_: object) -> requests.Response:
        return _caller.get().request("DELETE", url)


class Proxies:
    """The proxies of one Toxiproxy server. Safe to use from several threads.

    Args:
        api: ``http://host:port`` of the server.
        timeout: Seconds that a call may wait for the connection, and between two bytes of the answer.
    """

    def __init__(self, api: str, timeout: float = 2.0) -> None:
        self.api = api.rstrip("/")
        self._timeout = timeout
        self._reserved: dict[str, socket.socket] = {}
        self._made: dict[str, ProxyState] = {}
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Connection"] = "close"
        toxiproxy.proxy.APIConsumer = toxiproxy.server.APIConsumer = _Consumer

    def version(self) -> str:
        """Return the server's version; ``git`` for a server built from source."""
        return str(self.request("GET", "/version").json()["version"])

    def wait(self, seconds: float = 5.0) -> None:
        """Wait until the server answers; raises ProxyError after ``seconds``."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.version()
            except ProxyError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return

    def create(self, name: str, upstream: str) -> str:
        """Create an enabled proxy to ``upstream`` (host:port); return the host:port where it listens."""
        with self._as_caller(), self._reserve([name], {}) as listens:
            toxiproxy.Toxiproxy().create(upstream, _routable(name), listen=listens[name], enabled=True)
            self._keep(name, upstream, self.get(name))
        return listens[name]

    def create_all(self, upstreams: Mapping[str, str], hosts: Mapping[str, str] | None = None) -> dict[str, str]:
        """Create a proxy per name, name -> upstream, in one request; return name -> listening address.

        ``hosts`` names the address to listen on for those that don't listen on loopback; one with a port is of
        another host or container, where no port needs to be reserved.
        """
        taken = sorted(self.all().keys() & upstreams.keys())
        if taken:
            raise ProxyError(f"toxiproxy {self.api}: proxy {taken[0]} exists already ({len(taken)} of ours do)")
        with self._reserve(map(_routable, upstreams), hosts or {}) as listens:
            wanted = [{"name": n, "listen": listens[n], "upstream": u, "enabled": True} for n, u in upstreams.items()]
            self.request("POST", "/populate", wanted)
            found = self.all()
            for name, upstream in upstreams.items():
                self._keep(name, upstream, found.get(name))
        return listens

    def get(self, name: str) -> ProxyState:
        """Read one proxy; raises ProxyError with status 404 when it isn't there."""
        return _proxy_state(self.request("GET", f"/proxies/{_quoted(name)}").json())

    def all(self) -> dict[str, ProxyState]:
        """Read every proxy of the server, by name."""
        return {name: _proxy_state(value) for name, value in self.request("GET", "/proxies").json().items()}

    def add_toxic(
        self, proxy: str, name: str, kind: str, stream: str, attributes: Mapping[str, int], toxicity: float = 1.0
    ) -> ToxicState:
        """Add a toxic to a proxy and return it as the server has it; ``stream`` is upstream or downstream."""
        wanted = ToxicState(_routable(name), kind, stream, toxicity, dict(attributes))
        with self._as_caller():
            self._handle(proxy).add_toxic(
                name=name, type=kind, stream=stream, toxicity=toxicity, attributes=wanted.attributes
            )
        found = self.get(proxy).toxic(name)
        if found is None or (found.type, found.stream) != (kind, stream) or not _holds(found, wanted.attributes):
            raise ProxyError(f"toxiproxy {self.api}: toxic {name} on {proxy} reads back as {found}")
        return found

    def update_toxic(self, proxy: str, name: str, attributes: Mapping[str, int]) -> ToxicState:
        """Change attributes of a toxic that is on, and return it as the server has it."""
        path = f"/proxies/{_quoted(proxy)}/toxics/{_quoted(name)}"
        self.request("POST", path, {"attributes": dict(attributes)})
        found = self.get(proxy).toxic(name)
        if found is None or not _holds(found, attributes):
            raise ProxyError(f"toxiproxy {self.api}: toxic {name} on {proxy} reads back as {found}")
        return found

    def remove_toxic(self, proxy: str, name: str) -> None:
        """Remove a toxic; one that isn't there is fine."""
        with self._as_caller(), _absence_is_fine():
            self._handle(proxy).destroy_toxic(_quoted(name))
        if self.get(proxy).toxic(name):
            raise ProxyError(f"toxiproxy {self.api}: toxic {name} is still on {proxy} after its removal")

    def set_enabled(self, proxy: str, enabled: bool) -> None:
        """Let a proxy accept, or close its listener and all its connections."""
        with self._as_caller():
            handle = self._handle(proxy)
            handle.enable() if enabled else handle.disable()
        if self.get(proxy).enabled is not enabled:
            raise ProxyError(f"toxiproxy {self.api}: {proxy} reads back as enabled={not enabled} after the change")

    def restore(self) -> list[str]:
        """Make those of our proxies again that the server has lost, where they were and clean; return their names."""
        found = self.all()
        lost = {name: state for name, state in self._made.items() if name not in found}
        if lost:
            wanted = [{"name": n, "listen": s.listen, "upstream": s.upstream, "enabled": True} for n, s in lost.items()]
            self.request("POST", "/populate", wanted)
            found = self.all()
        for name, state in lost.items():
            self._read_back(name, state.upstream, found.get(name))
        return sorted(lost)

    def delete(self, name: str) -> None:
        """Delete a proxy and close its connections; one that isn't there is fine."""
        with self._as_caller(), _absence_is_fine():
            self._handle(name).destroy()
        if name in self.all():
            raise ProxyError(f"toxiproxy {self.api}: proxy {name} is still there after its deletion")
        self._give_back([name])

    def delete_all(self, names: Iterable[str]) -> None:
        """Delete these proxies; raises ProxyError when one is left."""
        names = list(names)
        for name in names:
            with self._as_caller(), _absence_is_fine():
                self._handle(name).destroy()
        left = sorted(self.all().keys() & set(names))
        if left:
            raise ProxyError(f"toxiproxy {self.api}: proxy {left[0]} is still there after its deletion")
        self._give_back(names)

    def close(self) -> None:
        """Give back the reserved ports and the connections; the server's proxies stay."""
        self._give_back(list(self._reserved))
        self._session.close()

    def request(self, method: str, path: str, body: Any = None) -> requests.Response:
        """Send one request; raises ProxyError for any answer but 2xx, and when there is none in time."""
        where = f"toxiproxy {self.api}: {method} {path}"
        try:
            response = self._session.request(method, self.api + path, json=body, timeout=self._timeout)
        except requests.Timeout:
            raise ProxyError(f"{where}: no answer within {self._timeout:g} s") from None
        except requests.RequestException as error:
            raise ProxyError(f"{where}: no connection ({_root_cause(error)})") from None
        if not response.ok:
            raise ProxyError(f"{where}: {response.status_code} {_reason(response)}", response.status_code)
        return response

    @contextmanager
    def _as_caller(self) -> Iterator[None]:
        """Let the library call through this object, and its errors be ours."""
        token = _caller.set(self)
        try:
            yield
        except (exceptions.ProxyExists, exceptions.NotFound, exceptions.InvalidToxic) as error:
            raise ProxyError(f"toxiproxy {self.api}: {error}") from None
        finally:
            _caller.reset(token)

    @contextmanager
    def _reserve(self, names: Iterable[str], hosts: Mapping[str, str]) -> Iterator[dict[str, str]]:
        """Reserve a free port per name that isn't given one; kept when the block succeeds."""
        wanted = {name: hosts.get(name, LOOPBACK) for name in names}
        held = {name: reserved_port(host) for name, host in wanted.items() if ":" not in host}
        try:
            yield wanted | {name: "{}:{}".format(*port.getsockname()) for name, port in held.items()}
        except BaseException:
            for port in held.values():
                port.close()
            raise
        self._reserved.update(held)

    def _give_back(self, names: Iterable[str]) -> None:
        for name in names:
            self._made.pop(name, None)
            port = self._reserved.pop(name, None)
            if port:
                port.close()

    def _handle(self, name: str) -> Any:
        """Return the library's object for a proxy, its name quoted for the URLs that the library makes of it."""
        return toxiproxy.Proxy(name=_quoted(name), upstream="", listen="", enabled=True)

    def _keep(self, name: str, upstream: str, found: ProxyState | None) -> None:
        self._made[name] = self._read_back(name, upstream, found)

    def _read_back(self, name: str, upstream: str, found: ProxyState | None) -> ProxyState:
        if found is None or found.upstream != upstream or not found.enabled:
            raise ProxyError(f"toxiproxy {self.api}: proxy {name} to {upstream} reads back as {found}")
        return found


def reserved_port(host: str) -> socket.socket:
    """Bind a free port without listening: a server may listen on it, no outgoing connection gets it."""
    port = socket.socket()
    port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    port.bind((host, 0))
    return port


def _proxy_state(value: Mapping[str, Any]) -> ProxyState:
    return ProxyState(
        value["name"], value["listen"], value["upstream"], value["enabled"], tuple(map(_toxic_state, value["toxics"]))
    )


def _toxic_state(value: Mapping[str, Any]) -> ToxicState:
    return ToxicState(value["name"], value["type"], value["stream"], value["toxicity"], dict(value["attributes"] or {}))


def _holds(found: ToxicState, attributes: Mapping[str, int]) -> bool:
    return all(found.attributes.get(name) == value for name, value in attributes.items())


def _routable(name: str) -> str:
    """Refuse a name that the server's router couldn't find again."""
    if not name or "/" in name:
        raise ProxyError(f"{name!r} can't be the name of a proxy or toxic: it is empty or has a slash")
    return name


def _quoted(name: str) -> str:
    return quote(_routable(name), safe="")


@contextmanager
def _absence_is_fine() -> Iterator[None]:
    try:
        yield
    except ProxyError as error:
        if error.status != 404:
            raise


def _reason(response: requests.Response) -> str:
    """Return the error that the server names, else the beginning of its answer."""
    try:
        return str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return " ".join(response.text[:200].split())


def _root_cause(error: BaseException) -> str:
    """Name the operating system's error below the library's layers."""
    below = error.__cause__ or error.__context__
    return _root_cause(below) if below else str(error) or type(error).__name__
