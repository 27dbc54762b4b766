"""``/metrics``: what the proxies relayed, and what this process uses, in the text format of Prometheus."""

from collections import defaultdict
from typing import Literal

TYPE = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
HANDLER = "promhttp_metric_handler_errors_total"  # of the real server's library, always 0 here

Labels = tuple[str, str, str, str]
"""Direction, listener, proxy, upstream."""


class Metrics:
    """The counters of a server.

    Args:
        proxy: Whether bytes are counted and shown.
        runtime: Whether the process is shown.
    """

    def __init__(self, proxy: bool = False, runtime: bool = False) -> None:
        self._proxy = proxy
        self._runtime = runtime
        self._bytes: dict[str, dict[Labels, int]] = {"received": defaultdict(int), "sent": defaultdict(int)}

    @property
    def enabled(self) -> bool:
        """Whether there is anything to show."""
        return self._proxy or self._runtime

    def add(self, what: Literal["received", "sent"], labels: Labels, number: int) -> None:
        """Add the bytes of a connection that has ended."""
        self._bytes[what][labels] += number

    def text(self) -> str:
        """Return everything."""
        parts = [_process()] if self._runtime else []
        parts.append(_handler())
        if self._proxy:
            parts += [_counter(f"toxiproxy_proxy_{what}_bytes_total", self._bytes[what]) for what in self._bytes]
        return "".join(parts)


def _counter(name: str, values: dict[Labels, int]) -> str:
    if not values:
        return ""
    lines = [f"# HELP {name} \n# TYPE {name} counter\n"]
    for labels, value in sorted(values.items()):
        pairs = zip(("direction", "listener", "proxy", "upstream"), labels, strict=True)
        shown = ",".join(f'{label}="{_escaped(text)}"' for label, text in pairs)
        lines.append(f"{name}{{{shown}}} {_number(value)}\n")
    return "".join(lines)


def _handler() -> str:
    values = "".join(f'{HANDLER}{{cause="{cause}"}} 0\n' for cause in ("encoding", "gathering"))
    text = "Total number of internal errors encountered by the promhttp metric handler."
    return f"# HELP {HANDLER} {text}\n# TYPE {HANDLER} counter\n{values}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: int) -> str:
    """Write a number as Go's %g does."""
    digits = str(value)
    if len(digits) < 7:
        return digits
    first, rest = digits[0], digits[1:].rstrip("0")
    return f"{first}{'.' + rest if rest else ''}e+{len(digits) - 1:02}"


def _process() -> str:
    """Return the metrics of this process: those of Python where the real server has those of Go."""
    from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest

    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return generate_latest(registry).decode()
