"""The speed of a system: how long it takes for a request, how many it serves at once, how many may wait."""

import math
from collections.abc import Mapping
from typing import Annotated

import msgspec

from model.values import Positive, Value

Count = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
ServiceTime = Annotated[float, msgspec.Meta(ge=1e-6, le=3600)]
Seconds = Annotated[float, msgspec.Meta(ge=0.001, le=3600)]
_Z95 = 1.6448536269514722
"""The 95 % quantile of the standard normal distribution."""


class Capacity(Value, frozen=True, kw_only=True):
    """How fast a mock is, so that it can stand for a real system: c servers, a bounded queue, first come, first served.

    Attributes:
        median: Seconds that a request is served for, in the median.
        p95: Seconds within which 95 % are served: log-normal; None: each takes the median.
        concurrency: Requests that are served at once.
        queue: Requests that may wait for it; one more is answered 503 at once.
        timeout: Seconds that a request may wait; then it is answered 503.
        retry_after: Seconds that a 503 or 504 asks to wait for.
        serves_within: Seconds from a request's head to its answer; then it is answered 504, unless one of its writes
            has begun. None: however long it takes.
        connections: Connections that are open at once; one more waits in the kernel, unread, until another closes.
            None: 4,096.
        client_timeout: Seconds that a client has for the head of a request, and as many again for its body; then it is
            cut off. None: 30 for the head, and any time for the body.
    """

    median: ServiceTime
    p95: ServiceTime | None = None
    concurrency: Count = 8
    queue: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 64
    timeout: Positive = 10.0
    retry_after: Count = 1
    serves_within: Seconds | None = None
    connections: Count | None = None
    client_timeout: Seconds | None = None

    @property
    def sigma(self) -> float:
        """Standard deviation of the service time's logarithm."""
        return 0.0 if self.p95 is None else math.log(self.p95 / self.median) / _Z95

    @property
    def mean(self) -> float:
        """Seconds that a request is served for, on average."""
        return self.median * math.exp(self.sigma**2 / 2)

    @property
    def limit(self) -> float:
        """Requests per second that it can serve."""
        return self.concurrency / self.mean


def capacity_of(system: str, given: Mapping[str, Capacity]) -> Capacity | None:
    """Return a system's capacity, by its own name (``province:01``), else by its kind's (``province``)."""
    return given.get(system) or given.get(system.partition(":")[0])
