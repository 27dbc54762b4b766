"""Measures tools from outside, all alike: requests and moments at the server, CPU and memory of the process tree."""

import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil

from benchmarks import certificate
from benchmarks.tools import Command, program

TOOL_CORE, SERVER_CORE = 0, 1
ROOT = Path(__file__).parent.parent
PATIENCE = 30.0
"""Seconds within which a tool must have sent its first request."""
WARM_UP = 1.0
CPUCLOCK_SCHED = 2
"""Of a process's clock: nanoseconds that it has had a processor, where proc(5) counts ticks of 10 ms."""


Start = Callable[[int], Command]
"""Says how a tool is started against a port."""


class Failed(Exception):
    """A tool didn't do what it was asked to."""


class Server:
    """The benchmark's server as a process of its own.

    Attributes:
        port: Where it listens.
    """

    def __init__(self, core: int, tls: bool, service: float, awake: bool) -> None:
        options = ["--service", str(service), *(["--tls", str(certificate.server_file())] if tls else [])]
        options += ["--awake"] if awake else []
        self._context = ssl.create_default_context(cafile=certificate.authority_file()) if tls else None
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.server", *options],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),  # noqa: PLW1509  a single-threaded parent
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def ask(self, path: str) -> dict[str, Any]:
        """Ask the server about itself."""
        url = f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}/bench/{path}"
        with urlopen(url, timeout=60, context=self._context) as reply:  # noqa: S310  our own server
            content: dict[str, Any] = json.load(reply)
        return content

    def count(self) -> int:
        """Return the requests since the start."""
        return int(self.ask("count")["count"])

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextmanager
def server(
    core: int = SERVER_CORE, *, tls: bool = False, service: float = 0.0, awake: bool = False
) -> Iterator[Server]:
    """Run a server, with TLS or not, that takes so many seconds for a reply, and may sleep or not."""
    running = Server(core, tls, service, awake)
    try:
        yield running
    finally:
        running.close()


class Running:
    """A tool at work on its core."""

    def __init__(self, command: Command, core: int = TOOL_CORE, stdin: int | None = None) -> None:
        arguments, environment = command
        self._process = subprocess.Popen(
            arguments,
            env={**os.environ, **environment},
            cwd=ROOT,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),  # noqa: PLW1509  a single-threaded parent
        )
        self._tree = psutil.Process(self._process.pid)

    def cpu(self) -> float:
        """Return the CPU seconds, user and system, of the process tree so far."""
        return sum(_cpu(process.pid) for process in self._processes())

    def rss(self) -> int:
        """Return the resident bytes of the process tree."""
        return sum(process.memory_info().rss for process in self._processes())

    def _processes(self) -> list[psutil.Process]:
        return [self._tree, *self._tree.children(recursive=True)]

    def await_first(self, target: Server) -> None:
        """Wait until the server has seen a request; raises Failed."""
        deadline = time.monotonic() + PATIENCE
        while not target.count():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"no request came: {self.finish(1.0)[-400:]}")
            time.sleep(0.02)

    def say(self, message: object) -> None:
        """Write a JSON object to its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def await_line(self, word: str) -> None:
        """Read what it prints until a line has a word; raises Failed when it ends, or takes too long and is ended."""
        assert self._process.stdout is not None
        timer = threading.Timer(PATIENCE, self._process.kill)
        timer.start()
        try:
            if not any(word in line for line in self._process.stdout):
                raise Failed(f"it didn't say {word!r}")
        finally:
            timer.cancel()

    def finish(self, patience: float) -> str:
        """Wait for its end, or end it; return what it printed."""
        try:
            return self._process.communicate(timeout=patience)[0]
        except subprocess.TimeoutExpired:
            return self.end()

    def end(self) -> str:
        """End it with its children; return what it printed."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        return self._process.communicate()[0]


@contextmanager
def running(command: Command, core: int = TOOL_CORE, stdin: int | None = None) -> Iterator[Running]:
    """Run a tool, and leave none of its processes behind."""
    tool = Running(command, core, stdin)
    try:
        yield tool
    finally:
        tool.end()


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a tool achieved in a steady stretch.

    Attributes:
        achieved: Requests/s with one core for the tool and one for the server.
        cpu: CPU microseconds of the tool per request.
        busy: Share of its core that the tool used.
    """

    achieved: float
    cpu: float
    busy: float

    @property
    def per_core(self) -> float:
        """Requests per CPU second of the tool."""
        return 1e6 / self.cpu


def capacity(start: Start, seconds: float, *, tls: bool = False) -> Capacity:
    """Measure a tool in a stretch of its run, after a warm-up: its start-up costs nothing here."""
    with server(tls=tls, awake=True) as target, running(start(target.port)) as tool:
        tool.await_first(target)
        time.sleep(WARM_UP)
        before = (tool.cpu(), target.count(), time.monotonic())
        time.sleep(seconds)
        after = (tool.cpu(), target.count(), time.monotonic())
    cpu, requests, wall = (b - a for a, b in zip(before, after, strict=True))
    if not requests or not cpu:
        raise Failed("it sent nothing")
    return Capacity(requests / wall, cpu / requests * 1e6, cpu / wall)


def arrivals(start: Start, seconds: float) -> list[float]:
    """Return the monotonic moments at which a tool's requests came in, in their order."""
    with server() as target, running(start(target.port)) as tool:
        tool.await_first(target)
        tool.finish(seconds + PATIENCE)
        return sorted(target.ask("moments")["came"])


@dataclass(frozen=True, slots=True)
class Lateness:
    """How far arrivals at the server were behind an even schedule, in milliseconds.

    Attributes:
        rate: Requests/s that were asked for.
        p50: Half were less late.
        p99: Of a hundred, one was later.
        max: The latest.
        missing: Share of the schedule that never came.
    """

    rate: float
    p50: float
    p99: float
    max: float
    missing: float


def lateness(moments: Sequence[float], rate: float, seconds: float) -> Lateness:
    """Compare arrivals with the schedule: one every 1/rate s, anchored where the earliest arrival isn't early.

    The first second is left out, for every tool: virtual users and connections come into being then.
    """
    steady = [moment for moment in moments if moment >= moments[0] + WARM_UP]
    offsets = [moment - number / rate for number, moment in enumerate(steady)]
    anchor = min(offsets)
    late = sorted((offset - anchor) * 1000 for offset in offsets)
    expected = rate * seconds
    return Lateness(
        rate,
        quantile(late, 0.5),
        quantile(late, 0.99),
        late[-1],
        max(0.0, 1 - len(moments) / expected),
    )


def printed(arguments: Sequence[str]) -> str:
    """Return what a program prints."""
    where = program(arguments[0])
    return subprocess.run([str(where), *arguments[1:]], capture_output=True, text=True, check=True, timeout=60).stdout


def quantile(ascending: Sequence[float], share: float) -> float:
    """Return the smallest value that so large a share doesn't exceed."""
    return ascending[max(min(int(share * len(ascending) + 0.999999), len(ascending)) - 1, 0)]


@dataclass(frozen=True, slots=True)
class Stalled:
    """A tool's load on a server that answers nothing for a while.

    Attributes:
        output: What the tool printed.
        truth: Response times in seconds that people would have felt, ascending; see ``truth``.
    """

    output: str
    truth: list[float]


def stalled(start: Start, rate: float, seconds: float, after: float, stall: float, service: float) -> Stalled:
    """Let a server with a known service time stall once, ``after`` seconds into the load."""
    with server(service=service) as target, running(start(target.port)) as tool:
        tool.await_first(target)
        first = target.ask("moments")["came"][0]
        begin = first + after
        target.ask(f"stall?at={begin}&seconds={stall}")
        output = tool.finish(seconds + stall + PATIENCE)
        moments = target.ask("moments")
    shown = quantile(sorted(b - a for a, b in zip(moments["came"], moments["answered"], strict=False)), 0.5)
    due = [first + number / rate for number in range(int(rate * seconds))]
    return Stalled(output, truth(due, begin, begin + stall, shown))


def truth(due: Sequence[float], begin: float, end: float, service: float) -> list[float]:
    """Return the response times by the schedule of a server that does nothing from ``begin`` to ``end``, ascending.

    Args:
        due: When requests were due.
        begin: Of the stall.
        end: Of the stall.
        service: Seconds that the server took for a reply: the median of its own log.
    """

    def answered(moment: float) -> float:
        if begin <= moment < end:
            return end + service
        return end if moment < begin < moment + service else moment + service

    return sorted(answered(moment) - moment for moment in due)


def memory(start: Start, marks: Sequence[int]) -> list[float]:
    """Return a tool's resident MB when so many requests had come in, for every mark."""
    seen: list[float] = []
    with server() as target, running(start(target.port)) as tool:
        tool.await_first(target)
        deadline = time.monotonic() + 180
        for mark in marks:
            while target.count() < mark:
                if time.monotonic() > deadline:
                    raise Failed(f"only {target.count()} requests came")
                time.sleep(0.05)
            seen.append(tool.rss() / 1e6)
    return seen


def _cpu(pid: int) -> float:
    """Read a process's clock as clock_getcpuclockid(3) names it; raises OSError where the process has ended."""
    return time.clock_gettime(~pid << 3 | CPUCLOCK_SCHED)
