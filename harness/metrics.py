"""Live metrics of a run, served by prometheus-client while it goes on."""

from collections.abc import Iterable, Iterator
from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from harness.live import Live
from model.histogram import upper_of

EDGES = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Bucket edges in seconds; the objectives' thresholds are among them."""
OUTCOMES = ("ok", "refused", "reset", "timeout", "http_4xx", "http_5xx", "invalid")
ARRIVALS = ("ok", "failed", "dropped", "unfinished")


class RunCollector(Collector):
    """Exports what ``Live`` has counted; every series exists from the start."""

    def __init__(self, live: Live, operations: Iterable[str]) -> None:
        self._live = live
        self._operations = sorted(operations)

    def collect(self) -> Iterator[Metric]:
        """Yield the run's metrics."""
        requests = CounterMetricFamily(
            "thongsuot_requests", "Requests by operation and outcome.", labels=["operation", "outcome"]
        )
        for operation in self._operations:
            for outcome in OUTCOMES:
                requests.add_metric([operation, outcome], self._live.requests[operation, outcome])
        yield requests
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

    def _response_time(self) -> Metric:
        counts = dict(self._live.buckets)
        within = [(str(edge), float(sum(n for b, n in counts.items() if upper_of(b) <= edge))) for edge in EDGES]
        within.append(("+Inf", float(sum(counts.values()))))
        family = HistogramMetricFamily("thongsuot_response_seconds", "Response time of requests, from when it was due.")
        family.add_metric([], within, sum_value=sum(upper_of(b) * n for b, n in counts.items()))
        return family


def serve(live: Live, operations: Iterable[str], port: int) -> tuple[WSGIServer, Thread]:
    """Serve ``/metrics`` on loopback from a registry of its own; the server's ``shutdown`` ends it."""
    registry = CollectorRegistry()
    registry.register(RunCollector(live, operations))
    return start_http_server(port, "127.0.0.1", registry)
