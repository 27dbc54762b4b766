"""Faults inside a system, switched on from outside, each under a lease: one that nobody renews ends by itself.

The answer to "what is broken now" is a look at a table; the systems ask it where the fault would bite.
"""

import hmac
import random
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import msgspec

from mocks.draw import percentile
from mocks.wire import Body, Call, Nothing, Refusal, Reply, Route

Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]
LONGEST = 60.0  # seconds that a lease may last
PAGE = """<!doctype html><html lang="vi"><meta charset="utf-8"><title>Bảo trì hệ thống</title>
<h1>Hệ thống đang bảo trì</h1><p>Xin quay lại sau.</p></html>
""".encode()

ATTRIBUTES: dict[str, frozenset[str]] = {
    "error-rate": frozenset({"status", "share", "retry_after"}),
    "maintenance-page": frozenset({"retry_after"}),
    "stale-reads": frozenset({"age"}),
    "slow-database": frozenset({"delay"}),
    "missing-workflow": frozenset({"share"}),
    "missing-accounts": frozenset({"share"}),
    "lost-callback": frozenset({"share"}),
    "wrong-code-table": frozenset({"share"}),
    "wrong-data": frozenset({"share", "database"}),
    "early-closure": frozenset(),
}
"""Every kind, and its attributes, all of which must be given."""


class Order(Body):
    """A fault to be switched on; ``lease`` in seconds from now."""

    kind: str
    attributes: dict[str, Annotated[int, msgspec.Meta(ge=0, le=86_400_000)]]
    lease: Annotated[float, msgspec.Meta(gt=0, le=LONGEST)]


class Renewal(Body):
    """How long a fault stays on, seconds from now."""

    lease: Annotated[float, msgspec.Meta(gt=0, le=LONGEST)]


class Active(msgspec.Struct):
    """A fault that is on; ``remaining`` in seconds."""

    id: str
    kind: str
    attributes: dict[str, int]
    remaining: float


class Actives(msgspec.Struct):
    """Every fault that is on."""

    items: list[Active]


@dataclass(frozen=True, slots=True)
class _Held:
    kind: str
    attributes: Mapping[str, int]
    until: float  # monotonic seconds


class Control:
    """The faults of one system.

    Args:
        token: What opens the control API; empty: there is none.
        kinds: Kinds that the system can carry.
        seed: Of random choices.
        clock: Monotonic seconds.
    """

    def __init__(
        self, token: str, kinds: Collection[str], seed: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._token = token
        self._kinds = kinds
        self._clock = clock
        self._seed = seed
        self._rng = random.Random(f"{seed}:control")
        self._held: dict[str, _Held] = {}

    def routes(self) -> tuple[Route, ...]:
        """Return the routes of the control API, none where no token opens it."""
        if not self._token:
            return ()
        path, auth = "/control/faults/{id}", self.check
        return (
            Route("GET", "/control/faults", "control_list", self.list, gives=Actives, auth=auth, spared=True),
            Route("GET", path, "control_get", self.get, gives=Active, auth=auth, spared=True, refuses=(404,)),
            Route("PUT", path, "control_put", self.put, Order, Active, auth=auth, spared=True),
            Route("POST", path, "control_renew", self.renew, Renewal, Active, auth=auth, spared=True, refuses=(404,)),
            Route("DELETE", path, "control_delete", self.delete, gives=Nothing, auth=auth, spared=True),
        )

    def find(self, kind: str) -> Mapping[str, int] | None:
        """Return the attributes of a fault of this kind that is on, None where there is none."""
        for held in self._live().values():
            if held.kind == kind:
                return held.attributes
        return None

    def strikes(self, kind: str, identity: str) -> bool:
        """Tell whether a fault of a share is on and struck this identity: always the same ones."""
        attributes = self.find(kind)
        return attributes is not None and percentile(f"{self._seed}:{kind}:{identity}") < attributes["share"]

    def intercept(self) -> Reply | None:
        """Return what is answered in place of the system, None where it may answer itself."""
        page = self.find("maintenance-page")
        if page is not None:
            headers = {"content-type": "text/html; charset=utf-8", **_retry_after(page)}
            return Reply(503, PAGE, headers)
        errors = self.find("error-rate")
        if errors is None or self._rng.random() * 100 >= errors["share"]:
            return None
        refusal = Refusal(errors["status"], "injected", "the system has an error")
        return Reply(refusal.status, refusal.reply().body, _retry_after(errors))

    def delay(self) -> float:
        """Return the seconds by which each transaction and look-up is late."""
        return (self.find("slow-database") or {}).get("delay", 0) / 1000

    def horizon(self) -> float | None:
        """Return the moment (Unix seconds) whose state look-ups show; None: this one."""
        stale = self.find("stale-reads")
        return None if stale is None else time.time() - stale["age"]

    async def list(self, call: Call[Nothing]) -> Actives:
        """List the faults that are on."""
        return Actives([self._active(name) for name in self._live()])

    async def get(self, call: Call[Nothing]) -> Active:
        """Return one fault that is on."""
        if call.path["id"] not in self._live():
            raise Refusal(404, "unknown", "no such fault is on")
        return self._active(call.path["id"])

    async def put(self, call: Call[Order]) -> Active:
        """Switch a fault on."""
        order = call.content
        if order.kind not in self._kinds:
            raise Refusal(422, "validation", f"kind: this system has {', '.join(sorted(self._kinds))}")
        if order.attributes.keys() != ATTRIBUTES[order.kind]:
            raise Refusal(
                422, "validation", f"attributes: {order.kind} has {', '.join(sorted(ATTRIBUTES[order.kind]))}"
            )
        if not 400 <= order.attributes.get("status", 500) < 600:
            raise Refusal(422, "validation", "attributes: status must be an error, 400 to 599")
        name = call.path["id"]
        self._held[name] = _Held(order.kind, order.attributes, self._clock() + order.lease)
        return self._active(name)

    async def renew(self, call: Call[Renewal]) -> Active:
        """Renew the lease of a fault that is on; one that somebody has ended stays off: Refusal 404."""
        held = self._live().get(call.path["id"])
        if held is None:
            raise Refusal(404, "unknown", "no such fault is on")
        self._held[call.path["id"]] = replace(held, until=self._clock() + call.content.lease)
        return self._active(call.path["id"])

    async def delete(self, call: Call[Nothing]) -> Nothing:
        """Switch a fault off; one that isn't on is fine."""
        self._held.pop(call.path["id"], None)
        return Nothing()

    def _live(self) -> Mapping[str, _Held]:
        """Return the faults whose lease has not run out; forget the others."""
        if not self._held:
            return self._held
        now = self._clock()
        if any(held.until <= now for held in self._held.values()):
            self._held = {name: held for name, held in self._held.items() if held.until > now}
        return self._held

    def _active(self, name: str) -> Active:
        held = self._held[name]
        return Active(name, held.kind, dict(held.attributes), round(held.until - self._clock(), 3))

    @property
    def exists(self) -> bool:
        """Whether a token opens the control API."""
        return bool(self._token)

    def check(self, token: str) -> Literal[True]:
        """Let whoever has the token in; raises Refusal 401."""
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            raise Refusal(401, "unauthorised", "the token is wrong")
        return True


def _retry_after(attributes: Mapping[str, int]) -> dict[str, str]:
    return {"retry-after": str(attributes["retry_after"])} if attributes["retry_after"] else {}
