"""What a system tells Prometheus, on a registry of its own.

Every label child exists before the first request: an error series that isn't there makes a ratio empty and a gate
vacuous.
"""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from model.histogram import LAG_EDGES

EDGES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Upper edges of the latency buckets, seconds; 2.0 is the target of the objectives."""
CLASSES = ("2xx", "3xx", "4xx", "5xx")
SYNC_RESULTS = ("applied", "repeated", "rejected")


class Metrics:
    """The series of one system.

    Attributes:
        registry: Where they are registered.
        answered: Requests answered since the process began.
        turned_away: Of these, requests of other systems that were answered 429 or 503.
    """

    def __init__(self, registry: CollectorRegistry, system: str, operations: Iterable[str]) -> None:
        self.registry = registry
        self.answered = 0
        self.turned_away = 0
        self._system = system
        named = tuple(operations)
        requests = self._counter("thongsuot_system_requests", "Requests answered", "operation", "code")
        seconds = Histogram(
            "thongsuot_system_request_seconds",
            "Time to answer a request",
            ("system", "operation"),
            buckets=EDGES,
            registry=registry,
        )
        self._requests = {(name, code): requests.labels(system, name, code) for name in named for code in CLASSES}
        self._seconds = {name: seconds.labels(system, name) for name in named}
        sync = self._counter("thongsuot_sync_items", "Items of synchronisation received", "result")
        self._sync = {result: sync.labels(system, result) for result in SYNC_RESULTS}
        self._rejected = self._counter("thongsuot_outbox_rejected", "Messages refused for good", "link")
        self._attempts = self._counter("thongsuot_outbox_failures", "Attempts to deliver that failed", "link")
        self._pending = self._gauge("thongsuot_outbox_pending", "Messages not yet acknowledged", "link")
        self._lag = Histogram(
            "thongsuot_sync_lag_seconds",
            "Time from a province's step to its arrival here",
            ("system", "province"),
            buckets=LAG_EDGES,
            registry=registry,
        )
        self._dossiers = self._gauge("thongsuot_system_dossiers", "Dossiers stored")
        self._busy = self._counter(
            "thongsuot_system_turned_away", "Requests of other systems answered 429 or 503"
        ).labels(system)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, ("system", *labels), registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, ("system", *labels), registry=self.registry)

    def observe(self, operation: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self.answered += 1
        self._requests[operation, f"{status // 100}xx"].inc()
        self._seconds[operation].observe(seconds)

    def turn_away(self) -> None:
        """Count one request of another system that was told to come again later."""
        self.turned_away += 1
        self._busy.inc()

    def synced(self, result: str) -> None:
        """Count one item of synchronisation, by what came of it: one of ``SYNC_RESULTS``."""
        self._sync[result].inc()

    def watch_lag(self, province: str) -> None:
        """Create a province's series of the sync lag."""
        self._lag.labels(self._system, province)

    def lagged(self, province: str, seconds: float) -> None:
        """Observe how long a step took from a province to here."""
        self._lag.labels(self._system, province).observe(max(seconds, 0.0))

    def watch_dossiers(self, count: Callable[[], int]) -> None:
        """Ask this function for the number of dossiers whenever metrics are read."""
        self._dossiers.labels(self._system).set_function(count)

    def watch_link(self, link: str, pending: Callable[[], int]) -> None:
        """Create a link's outbox series; ``pending`` is asked whenever metrics are read."""
        self._pending.labels(self._system, link).set_function(pending)
        self._rejected.labels(self._system, link)
        self._attempts.labels(self._system, link)

    def outbox_rejected(self, link: str, count: int) -> None:
        """Count messages that the other side refused for good."""
        self._rejected.labels(self._system, link).inc(count)

    def outbox_failed(self, link: str, count: int) -> None:
        """Count attempts that will be repeated."""
        self._attempts.labels(self._system, link).inc(count)

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)
