"""Live metrics of a run, served by prometheus-client while it goes on."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from harness.live import Live
from harness.ports import LOOPBACK
from model.books import BOOKS
from reports.thresholds import edge, edges, thresholds

OUTCOMES = ("ok", "refused", "reset", "timeout", "http_4xx", "http_5xx", "invalid")
ARRIVALS = ("ok", "failed", "dropped", "unfinished")
WRITES = (
    *("submit", "intake", "forward", "accept", "request_papers", "request_fee"),
    *("process", "finish", "stop", "return_result", "order_payment"),
    *(book.operation for book in BOOKS.values() if book.operation),
)
"""Operations of the ledger."""
WORKER = {
    "loop_delay_seconds": "How late a worker's event loop came in its last second, at most.",
    "late_seconds": "How late a worker began an arrival in its last second, at most.",
    "in_flight": "Journeys that a worker had in flight in its last second, at most.",
    "cpu_ratio": "Share of one core that a worker used in its last second.",
}


class RunCollector(Collector):
    """Exports what ``Live`` has counted; every series of the operations that are foreseen exists from the start."""

    def __init__(self, live: Live, operations: Iterable[str]) -> None:
        self._live = live
        self._operations = sorted(operations)

    def collect(self) -> Iterator[Metric]:
        """Yield the run's metrics."""
        yield self._requests()
        yield self._within()
        yield self._refusals()
        arrivals = CounterMetricFamily("thongsuot_arrivals", "Arrivals by outcome.", labels=["outcome"])
        for outcome in ARRIVALS:
            arrivals.add_metric([outcome], self._live.arrivals[outcome])
        yield arrivals
        yield self._response_time()
        active = GaugeMetricFamily(
            "thongsuot_fault_active", "1 while a fault is on.", labels=["fault", "kind", "target"]
        )
        for fault in self._live.plan.faults:
            active.add_metric([fault.id, fault.kind, fault.target], float(fault.id in self._live.faults))
        yield active
        yield from self._drill()
        yield from self._workers()
        yield GaugeMetricFamily(
            "thongsuot_backlog_messages", "Messages that wait in outboxes while draining.", value=self._live.backlog
        )

    def _drill(self) -> Iterator[Metric]:
        """Yield what stop conditions are at, and which steps wait."""
        value = GaugeMetricFamily("thongsuot_stop_value", "What a stop condition is at.", labels=["stop", "indicator"])
        limit = GaugeMetricFamily("thongsuot_stop_limit", "It fires above this.", labels=["stop", "indicator"])
        fired = GaugeMetricFamily("thongsuot_stop_fired", "1 once it has fired.", labels=["stop", "indicator"])
        for stop in self._live.plan.stops:
            labels = [stop.name, stop.indicator]
            value.add_metric(labels, self._live.stops.get(stop.name, 0.0))
            limit.add_metric(labels, stop.limit)
            fired.add_metric(labels, float(self._live.fired == stop.name))
        steps = GaugeMetricFamily("thongsuot_step_open", "1 while a step waits for somebody.", labels=["step"])
        for step in self._live.plan.steps:
            steps.add_metric([step.id], float(step.id in self._live.open_steps))
        yield from (value, limit, fired, steps)

    def _requests(self) -> Metric:
        return _counter(
            "thongsuot_requests",
            "Requests by operation, province and outcome; they count when they have ended.",
            ("operation", "province", "outcome"),
            product(self._operations, self._live.plan.stack.provinces, OUTCOMES),
            self._live.counts.requests,
        )

    def _within(self) -> Metric:
        bounds = map(edge, thresholds(self._live.plan))
        return _counter(
            "thongsuot_requests_within",
            "Requests that succeeded within the threshold of an objective.",
            ("operation", "province", "seconds"),
            product(self._operations, self._live.plan.stack.provinces, bounds),
            self._live.counts.within,
        )

    def _refusals(self) -> Metric:
        return _counter(
            "thongsuot_refusals",
            "Writes that were refused because of the reorganisation.",
            ("operation", "province"),
            product(WRITES, self._live.plan.stack.provinces),
            self._live.counts.refusals,
        )

    def _workers(self) -> Iterator[Metric]:
        """Yield how the generator fares; a worker's series are there from its first second on."""
        last = dict(self._live.counts.health)
        for i, name in enumerate(WORKER):
            family = GaugeMetricFamily(f"thongsuot_worker_{name}", WORKER[name], labels=["worker"])
            for worker, values in sorted(last.items()):
                family.add_metric([worker], values[i])
            yield family

    def _response_time(self) -> Metric:
        family = HistogramMetricFamily(
            "thongsuot_response_seconds",
            "Response time of requests, from when it was due; a failed request is above every bound.",
            labels=["operation"],
        )
        counts = self._live.counts
        for operation in self._operations:
            total = sum(self._live.requests[operation, outcome] for outcome in OUTCOMES)
            within = [(at, float(counts.buckets[operation, at])) for at in map(edge, edges(self._live.plan))]
            family.add_metric([operation], [*within, ("+Inf", float(total))], sum_value=counts.seconds[operation])
        return family


def _counter(
    name: str,
    text: str,
    labels: Sequence[str],
    children: Iterable[tuple[str, ...]],
    counted: Mapping[Any, int],
) -> Metric:
    """Return a counter with all these children, counted or not yet, and with those that nobody foresaw."""
    family = CounterMetricFamily(name, text, labels=labels)
    for child in dict.fromkeys([*children, *counted]):
        family.add_metric(child, counted.get(child, 0))
    return family


def serve(live: Live, operations: Iterable[str], port: int, host: str = LOOPBACK) -> tuple[WSGIServer, Thread]:
    """Serve ``/metrics`` from a registry of its own; the server's ``shutdown`` ends it."""
    registry = CollectorRegistry()
    registry.register(RunCollector(live, operations))
    return start_http_server(port, host, registry)
