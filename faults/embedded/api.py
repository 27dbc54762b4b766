"""The HTTP API: what every route does."""

import asyncio
import posixpath
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from faults.embedded.errors import ApiError, error
from faults.embedded.gojson import Object, dumps, fields, parse
from faults.embedded.metrics import TYPE, Metrics
from faults.embedded.proxy import Proxy, toxic_as_json

VERSION = "2.12.0+embedded"
JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
PROXY_FIELDS = {"name": str, "listen": str, "upstream": str, "enabled": bool, "logger": Object}
TIMEOUT = 25.0  # seconds that a request may take
LATE = b"<html><head><title>Timeout</title></head><body><h1>Timeout</h1></body></html>"
METHODS = "GET HEAD POST PUT PATCH DELETE OPTIONS TRACE CONNECT"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer.

    Attributes:
        status: HTTP status.
        body: Its bytes.
        type: Content-Type; empty: none.
        matched: Whether a route took the request.
        location: Where it sends the client; empty: nowhere.
    """

    status: int
    body: bytes = b""
    type: str = ""
    matched: bool = True
    location: str = ""


Handler = Callable[..., Awaitable[Answer]]


class Api:
    """The proxies of the server, and the routes to them."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        self.proxies: dict[str, Proxy] = {}
        self._metrics = metrics or Metrics()
        self._lock = asyncio.Lock()
        self._late: set[asyncio.Future[Answer]] = set()
        self.routes: tuple[tuple[str, str, Handler], ...] = (
            ("GET", "/version", self.version),
            ("GET", "/proxies", self.list_proxies),
            ("POST", "/proxies", self.create_proxy),
            ("POST", "/populate", self.populate),
            ("POST", "/reset", self.reset),
            ("GET", "/proxies/{}", self.show_proxy),
            ("POST PATCH", "/proxies/{}", self.update_proxy),
            ("DELETE", "/proxies/{}", self.delete_proxy),
            ("GET", "/proxies/{}/toxics", self.list_toxics),
            ("POST", "/proxies/{}/toxics", self.add_toxic),
            ("GET", "/proxies/{}/toxics/{}", self.show_toxic),
            ("POST PATCH", "/proxies/{}/toxics/{}", self.update_toxic),
            ("DELETE", "/proxies/{}/toxics/{}", self.remove_toxic),
        )
        if self._metrics.enabled:
            self.routes += ((METHODS, "/metrics", self.metrics),)

    async def answer(self, method: str, target: str, user_agent: str, body: bytes) -> Answer:
        """Answer one request."""
        path, question, query = _relative(target).partition("?")
        path = unquote(path, errors="surrogateescape")
        if path != (clean := _clean(path)):
            where = quote(clean, safe="/$&+,:;=@", errors="surrogateescape") + question + query
            return Answer(301, matched=False, location=where)
        parts = path.split("/")
        found = [
            (methods, handler, names)
            for methods, route, handler in self.routes
            if (names := _match(route, parts)) is not None
        ]
        taken = next(((handler, names) for methods, handler, names in found if method in methods.split()), None)
        if taken is None:
            return Answer(405, matched=False) if found else Answer(404, b"404 page not found\n", TEXT, matched=False)
        if user_agent.startswith("Mozilla/"):
            return Answer(403, b"User agent not allowed\n", TEXT)
        handler, names = taken
        return await self._in_time(_guarded(handler(body, *names)))

    async def _in_time(self, work: Awaitable[Answer]) -> Answer:
        """Return what a request's work comes to; 503 when it takes too long, and it goes on."""
        task = asyncio.ensure_future(work)
        done, _ = await asyncio.wait([task], timeout=TIMEOUT)
        if done:
            return task.result()
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        return Answer(503, LATE, "text/html; charset=utf-8")

    async def metrics(self, _: bytes) -> Answer:
        """/metrics, with any method."""
        return Answer(200, self._metrics.text().encode(), TYPE)

    async def version(self, _: bytes) -> Answer:
        """GET /version."""
        return Answer(200, f'{{"version": "{VERSION}"}}\n'.encode(), "application/json;charset=utf-8")

    async def list_proxies(self, _: bytes) -> Answer:
        """GET /proxies."""
        return _json(200, {name: proxy.as_json() for name, proxy in sorted(self.proxies.items())})

    async def create_proxy(self, body: bytes) -> Answer:
        """POST /proxies."""
        given = fields(parse(body), PROXY_FIELDS)
        for name in ("name", "upstream"):
            if not given.get(name):
                raise error("missing", name)
        async with self._lock:
            if given["name"] in self.proxies:
                raise error("proxy_exists")
            proxy = await self._add(given)
        return _json(201, proxy.as_json())

    async def populate(self, body: bytes) -> Answer:
        """POST /populate."""
        done: list[Proxy] = []
        try:
            for given in _population(parse(body)):
                async with self._lock:
                    done.append(await self._add_or_replace(given))
        except ApiError as problem:
            return _json(problem.status, {**_error(problem), "proxies": [proxy.as_json() for proxy in done] or None})
        return _json(201, {"proxies": [proxy.as_json() for proxy in done] or None})

    async def reset(self, _: bytes) -> Answer:
        """POST /reset."""
        for proxy in list(self.proxies.values()):
            await proxy.reset()
        return Answer(204)

    async def show_proxy(self, _: bytes, name: str) -> Answer:
        """GET /proxies/{proxy}."""
        return _json(200, self._proxy(name).as_json())

    async def update_proxy(self, body: bytes, name: str) -> Answer:
        """POST or PATCH /proxies/{proxy}."""
        proxy = self._proxy(name)
        given = fields(parse(body), PROXY_FIELDS)
        await proxy.update(
            given.get("listen", proxy.listen),
            given.get("upstream", proxy.upstream),
            given.get("enabled", proxy.enabled),
        )
        return _json(200, proxy.as_json())

    async def delete_proxy(self, _: bytes, name: str) -> Answer:
        """DELETE /proxies/{proxy}."""
        async with self._lock:
            await self._proxy(name).disable()
            del self.proxies[name]
        return Answer(204)

    async def list_toxics(self, _: bytes, name: str) -> Answer:
        """GET /proxies/{proxy}/toxics."""
        return _json(200, [toxic_as_json(placed) for placed in self._proxy(name).toxics()])

    async def add_toxic(self, body: bytes, name: str) -> Answer:
        """POST /proxies/{proxy}/toxics."""
        return _json(200, toxic_as_json(await self._proxy(name).add_toxic(parse(body))))

    async def show_toxic(self, _: bytes, name: str, toxic: str) -> Answer:
        """GET /proxies/{proxy}/toxics/{toxic}."""
        return _json(200, toxic_as_json(self._proxy(name).toxic(toxic)))

    async def update_toxic(self, body: bytes, name: str, toxic: str) -> Answer:
        """POST or PATCH /proxies/{proxy}/toxics/{toxic}."""
        proxy = self._proxy(name)
        placed = proxy.toxic(toxic)
        await proxy.update_toxic(placed, parse(body))
        return _json(200, toxic_as_json(placed))

    async def remove_toxic(self, _: bytes, name: str, toxic: str) -> Answer:
        """DELETE /proxies/{proxy}/toxics/{toxic}."""
        proxy = self._proxy(name)
        await proxy.remove_toxic(proxy.toxic(toxic))
        return Answer(204)

    def _proxy(self, name: str) -> Proxy:
        if name not in self.proxies:
            raise error("no_proxy")
        return self.proxies[name]

    async def _add(self, given: dict[str, Any]) -> Proxy:
        proxy = Proxy(given["name"], given.get("listen", ""), given["upstream"], self._metrics)
        if given.get("enabled", True):
            await proxy.enable()
        self.proxies[proxy.name] = proxy
        return proxy

    async def _add_or_replace(self, given: dict[str, Any]) -> Proxy:
        existing = self.proxies.get(given["name"])
        if existing and not await existing.differs(given.get("listen", ""), given["upstream"]):
            return existing
        if existing:
            await existing.disable()
        return await self._add(given)


async def _guarded(work: Awaitable[Answer]) -> Answer:
    """Turn an error into its answer."""
    try:
        return await work
    except ApiError as problem:
        return Answer(problem.status, dumps(_error(problem)).encode() + b"\n", TEXT)


def _relative(target: str) -> str:
    """Return path and query of a target that may name the host as well, as it does when sent to an HTTP proxy."""
    if not target.startswith("http://"):
        return target
    _, slash, rest = target.removeprefix("http://").partition("/")
    return slash + rest


def _clean(path: str) -> str:
    """Return a path without empty parts, ``.`` and ``..``."""
    clean = "/" + posixpath.normpath("/" + path).lstrip("/")
    return clean + "/" if path.endswith("/") and clean != "/" else clean


def _match(path: str, parts: list[str]) -> list[str] | None:
    """Return what the placeholders of a path stand for, None where it doesn't match."""
    pattern = path.split("/")
    if len(pattern) != len(parts) or not all(p in ("{}", part) for p, part in zip(pattern, parts, strict=True)):
        return None
    names = [part for p, part in zip(pattern, parts, strict=True) if p == "{}"]
    return names if all(names) else None


def _population(value: Any) -> list[dict[str, Any]]:
    """Read the list of proxies of /populate; raises ApiError 400 before anything is done."""
    if not isinstance(value, list | None):
        raise error("body", "cannot unmarshal into a list of proxies")
    proxies = [fields(item, PROXY_FIELDS) for item in value or []]
    for number, given in enumerate(proxies, 1):
        for name in ("name", "upstream"):
            if not given.get(name):
                raise error("missing", f"{name} at proxy {number}")
    return proxies


def _json(status: int, value: Any) -> Answer:
    return Answer(status, dumps(value).encode(), JSON)


def _error(problem: ApiError) -> dict[str, Any]:
    return {"error": problem.message, "status": problem.status}
