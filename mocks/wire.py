"""From a table of routes to an ASGI application: decoding, checks, refusals, metrics.

A system writes down its routes as data; everything that is the same for each of them happens here. No body is ever
logged: what people send is theirs.
"""

import asyncio
import hashlib
import re
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from mocks import deadline
from mocks.client import BUSY, SENDER
from mocks.metrics import Metrics
from model.capacity import Capacity

BODY_LIMIT = 1 << 20  # bytes
KEY = re.compile(r"[A-Za-z0-9._:-]{1,80}")
UNMATCHED = "unmatched"

T = TypeVar("T")


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """Base of what people and systems send: unknown fields are refused."""


class Nothing(Body):
    """No content."""


class Failure(msgspec.Struct):
    """The body of every error."""

    message: str
    reason: str
    error_code: int = -1


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it goes over the wire.

    Attributes:
        status: HTTP status.
        body: Bytes, JSON unless ``headers`` say otherwise.
        headers: Beside the content type.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """A request is refused: the HTTP status, the reason as a word for programs, the message for people."""

    def __init__(self, status: int, reason: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.headers = headers or {}

    def reply(self) -> Reply:
        """Return the refusal as an answer."""
        return Reply(self.status, msgspec.json.encode(Failure(str(self), self.reason)), self.headers)


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request that passed every check.

    Attributes:
        content: The decoded body, form or query.
        path: Parameters of the path.
        session: What the route's ``auth`` made of the token.
        key: The idempotency key; empty where the route has none.
        digest: SHA-256 of path and content: two calls with one digest ask for the same.
    """

    content: T
    path: Mapping[str, str]
    session: Any
    key: str
    digest: bytes

    @property
    def owner(self) -> str:
        """The account that calls, whose keys are its own; empty where the route asks for none."""
        return "" if self.session is None else str(self.session.sub)


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of a system.

    Attributes:
        method: HTTP method.
        path: With parameters in braces.
        operation: Its name in metrics and OpenAPI.
        handler: Called with a ``Call``; returns a Struct or a ``Reply``, or raises ``Refusal``.
        takes: Struct of its content.
        gives: Struct of its answer; None where it isn't JSON.
        source: Where the content is; of ``bytes`` and ``xml`` the content is the body as it came.
        status: Of the answer when all is well.
        auth: Makes a session of a token, or raises ``Refusal``; None: open to all.
        cookie: Where the token is: in the cookie of this name; empty: in ``Authorization: Bearer``.
        keyed: Whether it takes an ``Idempotency-Key``.
        spared: Whether it answers whatever faults are on inside the system.
        peers: Whether other systems call it, and not people.
        refuses: Statuses of its own refusals, beside those that every route of its kind gives; see ``openapi``.
        speaks: Further types that only the schemas of its content name.
        media: Content type of the answers that aren't JSON, by status; empty: they have no content.
        shown: Makes of a call and its answer what a browser gets, which asks for ``text/html``; None: it gets JSON too.
        transacts: Whether it is a GET that waits for a transaction of its own, and so for no look-up beside it.
    """

    method: str
    path: str
    operation: str
    handler: Callable[[Any], Awaitable[Any]]
    takes: type[msgspec.Struct] = Nothing
    gives: type[msgspec.Struct] | None = None
    source: Literal["json", "form", "query", "bytes", "xml"] = "json"
    status: int = 200
    auth: Callable[[str], Any] | None = None
    cookie: str = ""
    keyed: bool = False
    spared: bool = False
    peers: bool = False
    refuses: tuple[int, ...] = ()
    speaks: tuple[type, ...] = ()
    media: Mapping[int, str] = field(default_factory=dict)
    shown: Callable[[Call[Any], Any], Reply] | None = None
    transacts: bool = False


HTML = "text/html; charset=utf-8"
Intercept = Callable[[], "Reply | None"]
Failed = Callable[[Reply], Reply]
Served = Callable[[str], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Front:
    """What stands before a system that has the speed of a real one.

    Attributes:
        served: Holds one of the system's servers for a request, given who asks; may raise ``Refusal``.
        capacity: Its time-outs.
        callers: Credential -> system that may ask.
    """

    served: Served
    capacity: Capacity
    callers: Mapping[str, str]


def application(
    routes: Sequence[Route],
    metrics: Metrics,
    intercept: Intercept = lambda: None,
    front: Front | None = None,
    failed: Failed = lambda reply: reply,
) -> ASGIApp:
    """Return the ASGI application of a route table.

    Args:
        routes: The table.
        metrics: Where answers are counted.
        intercept: Asked before every route that isn't spared; what it returns is answered in the system's place.
        front: What requests of routes that aren't spared go through; None: nothing.
        failed: Makes of an error what a browser gets.
    """

    async def unmatched(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        metrics.observe(UNMATCHED, status, 0.0)
        headers = getattr(error, "headers", None)  # of a 405: what is allowed
        reply = Refusal(status, "unknown", f"no {request.method} {request.url.path} here", headers).reply()
        return _response(failed(reply) if _wants_page(request) else reply)

    endpoints = [(route, _Endpoint(route, metrics, intercept, front, failed)) for route in routes]
    exact = {(route.method, route.path): endpoint for route, endpoint in endpoints if "{" not in route.path}
    matching = Starlette(
        routes=[StarletteRoute(route.path, endpoint, methods=[route.method]) for route, endpoint in endpoints],
        exception_handlers={HTTPException: unmatched},
    )
    matching.router.redirect_slashes = False

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        """Look a path without parameters up; matching all routes in turn costs 10 % of a submission."""
        found = exact.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        await (found or matching)(scope, receive, send)

    return app


class _Endpoint:
    """One route as an ASGI application of its own: Starlette's wrapping of functions costs 10 % of a submission."""

    def __init__(
        self, route: Route, metrics: Metrics, intercept: Intercept, front: Front | None, failed: Failed
    ) -> None:
        self._route = route
        self._failed = failed
        self._metrics = metrics
        self._intercept = intercept
        self._front = None if route.spared else front
        self._decode = _decoder(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        injected = None if self._route.spared else self._intercept()
        request = Request(scope, receive)
        reply = injected or await self._reply(request)
        if reply.status >= 400 and "content-type" not in reply.headers and _wants_page(request):
            reply = self._failed(reply)
        self._metrics.observe(self._route.operation, reply.status, time.perf_counter() - began)
        if self._route.peers and reply.status in BUSY:
            self._metrics.turn_away()
        await _response(reply)(scope, receive, send)

    async def _reply(self, request: Request) -> Reply:
        front = self._front
        if front is None:
            return await _answer(self._route, request, self._decode)
        if front.capacity.serves_within is None:
            return await self._served(front, request)
        try:
            return await deadline.within(front.capacity.serves_within, self._served(front, request))
        except deadline.Over:
            return _too_late(front.capacity)

    async def _served(self, front: Front, request: Request) -> Reply:
        try:
            async with front.served(_caller(self._route, request, front)):
                deadline.handled()
                return await _answer(self._route, request, self._decode, front.capacity.client_timeout)
        except Refusal as refusal:
            return refusal.reply()


def _caller(route: Route, request: Request, front: Front) -> str:
    """Name who asks: a system by its credential, anybody by their session; empty where neither says it."""
    system = front.callers.get(request.headers.get(SENDER, ""))
    if system is not None or route.auth is None:
        return system or ""
    try:
        return str(route.auth(_token(request, route.cookie)).sub)
    except Refusal:
        return ""


def _too_late(capacity: Capacity) -> Reply:
    """Answer as a gateway does that has waited long enough."""
    message = f"not served within {capacity.serves_within:g} s; nothing was stored"
    return Refusal(504, "timeout", message, {"retry-after": str(capacity.retry_after)}).reply()


async def _answer(
    route: Route, request: Request, decode: Callable[[bytes], Any], client_timeout: float | None = None
) -> Reply:
    try:
        call = await _call(route, request, decode, client_timeout)
        result = await route.handler(call)
        if route.shown is not None and _wants_page(request):
            return route.shown(call, result)
        return _reply(result, route.status)
    except Refusal as refusal:
        return refusal.reply()
    except (deadline.Over, ClientDisconnect):
        return Reply(499, b"")  # nobody waits for it
    except Exception:
        traceback.print_exc()
        return Refusal(500, "internal", "the system failed; nothing is known of the request's effect").reply()


def _wants_page(request: Request) -> bool:
    """Tell whether a browser asks: programs ask for JSON, or for anything."""
    return "text/html" in request.headers.get("accept", "")


def _reply(result: object, status: int) -> Reply:
    return result if isinstance(result, Reply) else Reply(status, msgspec.json.encode(result))


def _response(reply: Reply) -> Response:
    media = None if "content-type" in reply.headers else "application/json"
    return Response(reply.body, reply.status, dict(reply.headers), media)


async def _call(
    route: Route, request: Request, decode: Callable[[bytes], Any], client_timeout: float | None
) -> Call[Any]:
    raw = await _raw(route, request, client_timeout)  # first: an answer beside unread bytes may be lost
    session = None if route.auth is None else route.auth(_token(request, route.cookie))
    key = _key(request) if route.keyed else ""
    content = _decoded(decode, raw)
    digest = _digest(request.scope["path"], content) if route.keyed else b""
    return Call(content, request.path_params, session, key, digest)


def reads(route: Route) -> bool:
    """Tell whether a route reads the body of a request."""
    return route.source != "query" and (route.takes is not Nothing or route.method in {"POST", "PUT"})


def _token(request: Request, cookie: str) -> str:
    if not cookie:
        return _bearer(request)
    token = request.cookies.get(cookie, "")
    if not token:
        raise Refusal(401, "unauthorised", f"the cookie {cookie} is missing")
    return token


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Refusal(401, "unauthorised", "Authorization: Bearer TOKEN is missing")
    return token


def _key(request: Request) -> str:
    key = request.headers.get("idempotency-key", "")
    if KEY.fullmatch(key) is None:
        raise Refusal(400, "validation", "Idempotency-Key must be 1 to 80 of A-Z a-z 0-9 . _ : -")
    return key


async def _raw(route: Route, request: Request, client_timeout: float | None) -> bytes:
    """Return the content as it came; raises Refusal 408 where a client takes too long over it."""
    if not reads(route):
        return bytes(request.scope["query_string"]) if route.source == "query" else b""
    if client_timeout is None:
        return await _read(request)
    try:
        async with asyncio.timeout(client_timeout):
            return await _read(request)
    except TimeoutError:
        message = f"the body didn't come within {client_timeout:g} s"
        raise Refusal(408, "timeout", message, {"connection": "close"}) from None


async def _read(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > BODY_LIMIT:
            raise Refusal(413, "validation", f"the body is larger than {BODY_LIMIT} bytes")
        parts.append(part)
    return b"".join(parts)


def _decoded(decode: Callable[[bytes], Any], raw: bytes) -> Any:
    try:
        return decode(raw)
    except msgspec.ValidationError as error:
        raise Refusal(422, "validation", str(error)) from None
    except (msgspec.DecodeError, UnicodeError, ValueError) as error:
        raise Refusal(400, "validation", f"not readable: {error}") from None
    except RecursionError:
        raise Refusal(400, "validation", "not readable: nested too deeply") from None


def _decoder(route: Route) -> Callable[[bytes], Any]:
    if route.source in {"bytes", "xml"}:
        return lambda raw: raw
    if route.source == "json":
        decode = msgspec.json.Decoder(route.takes).decode
        return lambda raw: decode(raw or b"{}") if route.takes is Nothing else decode(raw)
    return lambda raw: msgspec.convert(_fields(raw), route.takes, strict=False)


def _fields(raw: bytes) -> dict[str, str]:
    pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=50)
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Refusal(422, "validation", "a field is given twice")
    return fields


def _digest(path: str, content: Any) -> bytes:
    return hashlib.sha256(path.encode() + b"\0" + msgspec.json.encode(content, order="sorted")).digest()
