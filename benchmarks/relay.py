"""`python -m benchmarks.relay [--quick] [--out DIR]`: the embedded Toxiproxy server beside the real one, in one run.

Relayed requests/s: 32 connections, one request of 200 bytes at a time on each, answered by 200 bytes; three rounds, the
servers one after the other in each, medians shown. Exactness: 500 requests/s, open-loop, under a latency of 100 ms.

The proxy has one core, clients and upstream are one process on the other: a plain epoll loop. ``direct`` is the same
without a proxy: what it is late by is the client's own. While exactness is measured both are SCHED_FIFO, where that is
allowed: a process that waits for its turn on a busy machine says nothing about the proxy.

Writes DATE-relay.json and .md.
"""

import argparse
import json
import os
import select
import socket
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from benchmarks.__main__ import RESULTS, machine
from faults.server import ToxiproxyMissing, start
from faults.toxiproxy import Proxies

LOAD_CORE, PROXY_CORE = 0, 1
KINDS = ("real", "embedded")
QUESTION = b"?" * 200
ANSWER = b"!" * 200
CONNECTIONS = 32
RATE = 500.0  # requests/s
LATENCY = 100  # milliseconds
WITHIN = 2.0  # milliseconds that the p99 may be off
SHARE = 0.5  # of the real server's requests/s that the embedded one is to reach
QUANTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scale:
    """How long things are measured, in seconds.

    Attributes:
        rounds: Number of rounds.
        relay: One measurement of requests/s.
        exact: One measurement of exactness.
    """

    rounds: int
    relay: float
    exact: float


FULL = Scale(3, 4.0, 10.0)
QUICK = Scale(1, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class Relayed:
    """How fast requests came back.

    Attributes:
        rate: Requests/s.
        cpu: CPU µs of the proxy per request; 0 without one.
    """

    rate: float
    cpu: float


class Load:
    """Clients and upstream in one epoll loop.

    Attributes:
        upstream: ``host:port`` that the proxy is to dial.
        seconds: How long each request took.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.upstream = "{}:{}".format(*self._listener.getsockname())
        self.seconds: list[float] = []
        self._poll = select.epoll()
        self._clients: dict[int, socket.socket] = {}
        self._servers: dict[int, socket.socket] = {}
        self._begun: dict[int, float] = {}
        self._idle: deque[int] = deque()

    def connect(self, address: str, number: int) -> None:
        """Open connections to the proxy, or to the upstream itself."""
        host, port = address.split(":")
        for _ in range(number):
            client = socket.create_connection((host, int(port)), timeout=5)
            server, _ = self._listener.accept()
            for sock, ends in ((client, self._clients), (server, self._servers)):
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                ends[sock.fileno()] = sock
                self._poll.register(sock, select.EPOLLIN)
        self._idle.extend(self._clients)

    def close(self) -> None:
        """Close everything."""
        for sock in (*self._clients.values(), *self._servers.values(), self._listener):
            sock.close()
        self._poll.close()

    def relay(self, seconds: float) -> float:
        """Keep one request on every connection; return requests/s."""
        while self._idle:
            self._ask(self._idle.popleft(), time.perf_counter())
        begin = time.perf_counter()
        while time.perf_counter() - begin < seconds:
            for number in self._turn(0.1):
                self._ask(number, time.perf_counter())
        return len(self.seconds) / (time.perf_counter() - begin)

    def exact(self, seconds: float, rate: float) -> None:
        """Send a request whenever one is due; each is timed from then on, also where no connection was free."""
        begin = time.perf_counter()
        for due in (begin + place / rate for place in range(int(seconds * rate))):
            while (left := due - time.perf_counter()) > 0 or not self._idle:
                self._idle.extend(self._turn(left if left > 0 else 0.1))
            self._ask(self._idle.popleft(), due)
        while self._begun and time.perf_counter() - begin < seconds + 5:
            self._idle.extend(self._turn(0.1))

    def _turn(self, patience: float) -> list[int]:
        """Answer what was asked; return the clients that have their answer."""
        answered = []
        for number, _ in self._poll.poll(patience):
            if number in self._servers:
                self._servers[number].recv(4096)
                self._servers[number].send(ANSWER)
            else:
                self._clients[number].recv(4096)
                self.seconds.append(time.perf_counter() - self._begun.pop(number))
                answered.append(number)
        return answered

    def _ask(self, number: int, due: float) -> None:
        self._begun[number] = due
        self._clients[number].send(QUESTION)


@dataclass(frozen=True, slots=True)
class Way:
    """A way to the upstream.

    Attributes:
        load: The load at its ends.
        proxies: The proxy's API; None without one.
        process: The proxy's process; None without one.
    """

    load: Load
    proxies: Proxies | None
    process: psutil.Process | None


@contextmanager
def path(kind: str, connections: int, latency: int | None = None) -> Iterator[Way]:
    """Open connections through a server of a kind, or directly; a latency says that exactness is measured."""
    load = Load()
    first = latency is not None
    settle(0, LOAD_CORE, first)
    if kind == "direct":
        load.connect(load.upstream, connections)
        yield Way(load, None, None)
        load.close()
        return
    with tempfile.TemporaryDirectory() as folder:
        server = start(kind, Path(folder) / "server.log")
        try:
            assert server.process
            process = psutil.Process(server.process.pid)
            for thread in process.threads():
                settle(thread.id, PROXY_CORE, first)
            proxies = Proxies(server.api)
            address = proxies.create("link", load.upstream)
            if latency:
                proxies.add_toxic("link", "late", "latency", "downstream", {"latency": latency})
            load.connect(address, connections)
            yield Way(load, proxies, process)
        finally:
            server.stop()
            load.close()


def settle(thread: int, core: int, first: bool) -> None:
    """Put a thread on a core, before or among all others that want it."""
    os.sched_setaffinity(thread, {core})
    policy, priority = (os.SCHED_FIFO, 1) if first else (os.SCHED_OTHER, 0)
    with suppress(PermissionError):
        os.sched_setscheduler(thread, policy, os.sched_param(priority))


def relayed(kind: str, seconds: float) -> Relayed:
    """Measure requests/s."""
    with path(kind, CONNECTIONS) as way:
        before = _cpu(way.process)
        rate = way.load.relay(seconds)
        spent = _cpu(way.process) - before
        return Relayed(rate, spent / len(way.load.seconds) * 1e6)


def exact(kind: str, seconds: float, latency: int) -> list[float]:
    """Measure how long requests take, sorted, in milliseconds."""
    with path(kind, 200, latency) as way:
        way.load.exact(seconds, RATE)
        return sorted(taken * 1000 for taken in way.load.seconds)


def _cpu(process: psutil.Process | None) -> float:
    return sum(process.cpu_times()[:2]) if process else 0.0


def measured(scale: Scale) -> Result:
    """Measure requests/s of each way, then how exact each server is without latency and with it."""
    kinds = ("direct", *KINDS)
    rounds = [{kind: relayed(kind, scale.relay) for kind in kinds} for _ in range(scale.rounds)]
    return {
        "date": time.strftime("%Y-%m-%d"),
        "load_before": os.getloadavg()[0],
        "relayed": {
            kind: {
                "rate": statistics.median(found[kind].rate for found in rounds),
                "cpu": statistics.median(found[kind].cpu for found in rounds),
            }
            for kind in kinds
        },
        "exact": {
            str(latency): {kind: _quantiles(exact(kind, scale.exact, latency)) for kind in found}
            for latency, found in ((0, kinds), (LATENCY, KINDS))
        },
    }


def _quantiles(values: Sequence[float]) -> dict[str, float]:
    return {name: values[min(len(values) - 1, int(share * len(values)))] for name, share in QUANTILES.items()}


def share_of_real(found: Result) -> float:
    """Return the embedded server's requests/s as a share of the real one's."""
    return float(found["relayed"]["embedded"]["rate"] / found["relayed"]["real"]["rate"])


def off(found: Result, kind: str) -> float:
    """Return by how many milliseconds a server's p99 misses the latency."""
    return float(abs(found["exact"][str(LATENCY)][kind]["p99"] - LATENCY))


def reached(found: Result) -> bool:
    """Tell whether both targets are reached."""
    return share_of_real(found) >= SHARE and off(found, "embedded") <= WITHIN


def markdown(found: Result) -> str:
    """Return the table of a run and its targets."""
    kinds = list(found["relayed"])
    lines = [found["versions"], "", f"| | {' | '.join(kinds)} |", "| --- | ---: | ---: | ---: |"]
    for title, key, form in (("requests/s", "rate", ",.0f"), ("CPU µs per request", "cpu", ".1f")):
        lines.append(_row(title, [format(found["relayed"][kind][key], form) for kind in kinds]))
    for latency, seen in found["exact"].items():
        for quantile in QUANTILES:
            shown = [f"{seen[kind][quantile]:.2f}" if kind in seen else "" for kind in kinds]
            lines.append(_row(f"{latency} ms at {RATE:g} requests/s: {quantile}, ms", shown))
    off_by = {kind: f"{off(found, kind):.2f} ms" for kind in KINDS}
    return "\n".join(
        [
            *lines,
            "",
            f"- embedded / real requests/s: {share_of_real(found):.2f} (target: at least {SHARE})",
            f"- p99 under {LATENCY} ms: embedded off by {off_by['embedded']}, real by {off_by['real']} "
            f"(target: at most {WITHIN:g} ms)",
        ]
    )


def _row(title: str, values: Sequence[str]) -> str:
    return f"| {title} | {' | '.join(values)} |"


def versions() -> str:
    """Return what was measured with what, and how busy the machine was before."""
    names = {}
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            server = start(kind, Path(folder) / "server.log")
            names[kind] = Proxies(server.api).version()
            server.stop()
    return (
        f"Measured {time.strftime('%Y-%m-%d')} on {machine()}. Load average before: {os.getloadavg()[0]:.1f}.\n\n"
        f"Versions: toxiproxy {names['real']}, embedded {names['embedded']}, uvloop {version('uvloop')}."
    )


def main() -> int:
    """Measure, write and print; 1 when a target is missed, 2 when there is no real server."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.relay", description="The embedded Toxiproxy server.")
    parser.add_argument("--quick", action="store_true", help="a shorter run")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    try:
        with_what = versions()
    except ToxiproxyMissing as error:
        print(error, file=sys.stderr)
        return 2
    found = {"versions": with_what, **measured(QUICK if options.quick else FULL)}
    text = markdown(found) + "\n"
    options.out.mkdir(parents=True, exist_ok=True)
    name = options.out / f"{found['date']}-relay{'-quick' if options.quick else ''}"
    name.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")
    name.with_suffix(".md").write_text(text)
    sys.stdout.write(text)
    return 0 if reached(found) else 1


if __name__ == "__main__":
    sys.exit(main())
