"""The load of a run: a Locust master or worker, driven by the conductor over its standard input and output.

`python -m scenarios.load master --port P --workers N` and `python -m scenarios.load worker DIR --port P --index I
--workers N --run ID`. The master prints one JSON object a line: `{"port": P}`, `{"ready": N}`, `{"finished": {…},
"lost": […]}`; it reads `{"begin": t0}` and `{"stop": true}`. A worker waits for a line
before it reads the stack's addresses. Either ends when its standard input does.

Locust connects, starts and stops the workers and notices the lost ones; its statistics reach no verdict.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gevent
import locust  # patches the standard library before anything else opens a socket
from gevent.event import Event
from gevent.hub import get_hub
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from model.record import Record
from scenarios.engine import Engine
from scenarios.recorder import Recorder

_READ = 1


class Schedule(locust.User):
    """The one user of a worker: it runs the worker's share of the schedule, then waits to be stopped."""

    engine: Engine
    engine_index = 0
    begin: Event
    t0 = 0.0

    @locust.task
    def follow(self) -> None:
        """Wait for t0, run the share, tell the master."""
        self.begin.wait()
        tally = self.engine.run(Schedule.t0)
        self.environment.runner.send_message("tally", {"index": self.engine_index, **asdict(tally)})
        Event().wait()


def main() -> None:
    """Run the master or a worker."""
    arguments = _parser().parse_args()
    if arguments.role == "master":
        _master(arguments.port, arguments.workers)
    else:
        _worker(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m scenarios.load", description=__doc__)
    roles = parser.add_subparsers(dest="role", required=True)
    master = roles.add_parser("master")
    worker = roles.add_parser("worker")
    worker.add_argument("record", type=Path)
    worker.add_argument("--index", type=int, required=True)
    worker.add_argument("--run", required=True)
    for parsed in (master, worker):
        parsed.add_argument("--port", type=int, required=True)
        parsed.add_argument("--workers", type=int, required=True)
    return parser


def _say(**message: object) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _read_commands(handle: Callable[[dict[str, Any]], None]) -> None:
    """Hand every line of standard input to ``handle``; return at its end."""
    hub, buffer = get_hub(), b""
    watcher = hub.loop.io(0, _READ)
    while True:
        hub.wait(watcher)
        chunk = os.read(0, 65536)
        if not chunk:
            return
        *lines, buffer = (buffer + chunk).split(b"\n")
        for line in lines:
            handle(json.loads(line))


class _Master:
    """Waits for the workers, starts them, gathers their tallies."""

    def __init__(self, port: int, workers: int) -> None:
        self._workers = workers
        self._tallies: dict[int, dict[str, Any]] = {}
        self._environment = Environment(user_classes=[Schedule])
        self._runner: MasterRunner = self._environment.create_master_runner("127.0.0.1", port)
        self._runner.register_message("tally", self._on_tally)
        self._began = Event()

    def _on_tally(self, environment: Environment, msg: Any, **_: object) -> None:
        self._tallies[msg.data["index"]] = msg.data

    def run(self) -> None:
        while self._alive() < self._workers:
            gevent.sleep(0.02)
        _say(ready=self._workers)
        self._runner.start(user_count=self._workers, spawn_rate=self._workers)
        self._began.wait()
        while len(self._tallies) < self._workers and self._alive() > len(self._tallies):
            gevent.sleep(0.05)
        self._report()

    def handle(self, command: dict[str, Any]) -> None:
        """Pass the conductor's word on to the workers."""
        if "begin" in command:
            self._runner.send_message("begin", {"t0": command["begin"]})
            self._began.set()
        elif "stop" in command:
            self._runner.send_message("halt", {})

    def _alive(self) -> int:
        return sum(client.state != "missing" for client in self._runner.clients.values())

    def _report(self) -> None:
        names = ("planned", "started", "dropped", "unfinished", "broken")
        totals = {name: sum(tally[name] for tally in self._tallies.values()) for name in names}
        errors = [error for tally in self._tallies.values() for error in tally["errors"]]
        lost = sorted(set(range(self._workers)) - set(self._tallies))
        _say(finished=totals, errors=errors, lost=lost)
        self._runner.quit()


def _master(port: int, workers: int) -> None:
    master = _Master(port, workers)
    job = gevent.spawn(master.run)
    listener = gevent.spawn(_read_commands, master.handle)
    gevent.joinall([job, listener], count=1)
    if job.ready():
        job.get()


def _worker(arguments: argparse.Namespace) -> None:
    if not os.read(0, 65536):
        return
    record = Record(arguments.record)
    stack = record.json("stack.json")
    addresses = {name: system["url"].removeprefix("http://") for name, system in stack["systems"].items()}
    recorder = Recorder(record, arguments.index)
    Schedule.engine = Engine(record.plan(), recorder, addresses, arguments.run, arguments.index, arguments.workers)
    Schedule.engine_index = arguments.index
    Schedule.begin = Event()
    environment = Environment(user_classes=[Schedule])
    runner: WorkerRunner = environment.create_worker_runner("127.0.0.1", arguments.port)
    runner.register_message("begin", _begin)
    runner.register_message("halt", lambda environment, msg, **_: Schedule.engine.stop())
    listener = gevent.spawn(_read_commands, lambda command: None)
    gevent.joinall([gevent.spawn(runner.greenlet.join), listener], count=1)
    recorder.close()


def _begin(environment: Environment, msg: Any, **_: object) -> None:
    Schedule.t0 = float(msg.data["t0"])
    Schedule.begin.set()


if __name__ == "__main__":
    main()
