"""Many workers in one process, for the master's sake: `python -m benchmarks.swarm PORT COUNT`.

Each is a worker of Locust as in a run, with its heartbeats and reports, and says what ours says: hello, nine questions
for the clock, joined, and every second the rows of a second. No load is sent: the rows are those of 50 submissions, 420
requests, made once by our own recorder. It runs until it is ended.
"""

import sys
from collections import Counter
from typing import Any

import gevent
import locust  # noqa: F401  patches the standard library, as in a real worker
from gevent.event import AsyncResult
from locust.env import Environment
from locust.runners import WorkerRunner

from benchmarks.second import rows_of_a_second
from scenarios.user import Schedule
from scenarios.version import fingerprint
from scenarios.worker import PINGS


class Simulated:
    """One worker of the swarm."""

    def __init__(self, port: int, number: int, rows: dict[str, bytes]) -> None:
        self._name = f"simulated-{number}"
        self._rows = rows
        self._offsets: Counter[str] = Counter()
        self._answers: dict[str, AsyncResult] = {}
        self._runner = WorkerRunner(Environment(user_classes=[Schedule]), "127.0.0.1", port)
        for kind in ("brief", "clock", "begin", "division", "pulse", "got"):
            self._runner.register_message(kind, self._take)

    def _take(self, environment: Environment, msg: Any, **_: object) -> None:
        if msg.type in self._answers:
            self._answers.pop(msg.type).set(msg.data)

    def _ask(self, kind: str, answer: str, **data: object) -> dict[str, Any]:
        self._answers[answer] = AsyncResult()
        waiting = self._answers[answer]
        self._runner.send_message(kind, data)
        content: dict[str, Any] = waiting.get(timeout=60)
        return content

    def run(self) -> None:
        """Join, and deliver every second."""
        index = self._ask("hello", "brief", name=self._name, version=fingerprint())["index"]
        for _ in range(PINGS):
            self._ask("clock", "clock", asked=0.0)
        self._ask("joined", "begin", index=index, host=self._name, offset=0.0, uncertainty=0.0)
        while True:
            for table, data in self._rows.items():
                piece = {"part": f"worker-{index}", "table": table, "offset": self._offsets[table], "data": data}
                self._runner.send_message("rows", piece)
                self._offsets[table] += len(data)
            gevent.sleep(1.0)


def main() -> None:
    """Run a swarm."""
    port, count = map(int, sys.argv[1:])
    rows = rows_of_a_second()
    swarm = [Simulated(port, number, rows) for number in range(count)]
    gevent.joinall([gevent.spawn_later(number / count, one.run) for number, one in enumerate(swarm)], raise_error=True)


if __name__ == "__main__":
    main()
