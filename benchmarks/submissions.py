"""`python -m benchmarks.submissions [--seconds 10] [--connections 128]`: durable submissions per second of one core.

One provincial system on core 0, officers on core 1, each with its next dossier as soon as the last is acknowledged:
after the commit, that is after the disk has said that it has it (SQLite, WAL, synchronous = FULL, group commit). The
portal isn't there: what is to be told it waits in the outbox, in the same transaction. Every dossier has a key of its
own, and every answer is checked; at the end the register must hold each of them.

Two figures: what was acknowledged per second, and per second of the server's processor time. The second one says what
a core can do where other work takes its share of it.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import uvloop

from harness.ports import free_ports
from mocks.client import Client
from model import people
from model.links import links

PROVINCE, COMMUNE = "01", "00004"
SYSTEM = f"province:{PROVINCE}"
SERVER_CORE, LOAD_CORE = 0, 1
WARM_UP = 1.0  # seconds
TARGET = 5000.0  # durable submissions per second and core


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured.

    Attributes:
        acknowledged: Submissions between the end of the warm-up and the end.
        seconds: How long that took.
        processor: Seconds of processor time that the server used then.
        stored: Dossiers that the register holds at the end.
        sent: All submissions that were acknowledged, warm-up included.
        load: Load average at the end.
    """

    acknowledged: int
    seconds: float
    processor: float
    stored: int
    sent: int
    load: float

    @property
    def per_core(self) -> float:
        """Submissions per second of processor time."""
        return self.acknowledged / self.processor


class Officers:
    """Officers of one commune who submit one dossier after the other.

    Attributes:
        acknowledged: How many were acknowledged so far.
    """

    def __init__(self, address: str) -> None:
        self.acknowledged = 0
        self._client = Client(address, timeout=30.0)
        person = people.person(5)
        self._body = json.dumps(
            {
                "procedure": "2.000815",
                "province": PROVINCE,
                "commune": COMMUNE,
                "applicant": {"SoDinhDanh": person.id_number, "HoVaTen": person.name},
                "form": {"SoBan": 1, "GhiChu": "Nộp tại quầy"},
            }
        ).encode()

    async def log_in(self) -> str:
        """Return the officer's session."""
        asked = json.dumps({"account": f"cb.{COMMUNE}", "password": f"mk.cb.{COMMUNE}"}).encode()
        answer = await self._client.request("POST", "/officer/session", asked)
        return str(json.loads(answer.body)["session"])

    async def submit(self, session: str, number: int, until: float) -> None:
        """Submit until a moment on the monotonic clock; raises where an answer isn't 201."""
        count = 0
        while time.monotonic() < until:
            headers = {"Authorization": f"Bearer {session}", "Idempotency-Key": f"k-{number}-{count}"}
            answer = await self._client.request("POST", "/counter/dossiers", self._body, headers)
            if answer.status != 201:
                raise RuntimeError(f"{answer.status}: {answer.body.decode()}")
            count += 1
            self.acknowledged += 1

    async def stored(self) -> int:
        """Count the dossiers in the register."""
        answer = await self._client.request("GET", "/statistics")
        self._client.close()
        return int(json.loads(answer.body)["total"])


async def measure(address: str, server: psutil.Process, seconds: float, connections: int) -> Result:
    """Load a province for so many seconds after the warm-up."""
    officers = Officers(address)
    session = await officers.log_in()
    until = time.monotonic() + WARM_UP + seconds
    tasks = [asyncio.create_task(officers.submit(session, number, until)) for number in range(connections)]
    await asyncio.sleep(WARM_UP)
    begin, before, used = time.monotonic(), officers.acknowledged, sum(server.cpu_times()[:2])
    await asyncio.gather(*tasks)
    took, used = time.monotonic() - begin, sum(server.cpu_times()[:2]) - used
    count = officers.acknowledged - before
    return Result(count, took, used, await officers.stored(), officers.acknowledged, os.getloadavg()[0])


def served(folder: Path, seconds: float, connections: int) -> Result:
    """Start a province in a process of its own, pinned to its core, and measure it."""
    ports = free_ports()
    port, nobody = next(ports), next(ports)
    config = {
        "systems": [{"name": SYSTEM, "port": port}],
        "provinces": [PROVINCE],
        "state": str(folder / "state"),
        "links": {link.name: f"127.0.0.1:{nobody}" for link in links([PROVINCE])},
    }
    file = folder / "config.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    command = [sys.executable, "-m", "mocks.serve", str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        os.sched_setaffinity(process.pid, {SERVER_CORE})
        os.sched_setaffinity(0, {LOAD_CORE})
        if not process.stdout.readline():
            raise SystemExit("the province didn't start")
        for thread in psutil.Process(process.pid).threads():
            os.sched_setaffinity(thread.id, {SERVER_CORE})
        address = f"127.0.0.1:{port}"
        return uvloop.run(measure(address, psutil.Process(process.pid), seconds, connections))


def main() -> int:
    """Measure, and print one line; 1 where the register doesn't hold what was acknowledged."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.submissions", description="Durable submissions per second of one core."
    )
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--connections", type=int, default=128)
    parser.add_argument(
        "--state", type=Path, help="folder on the disk that is to be measured; default: a temporary one"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("two cores are needed: one for the province, one for the officers")
    with tempfile.TemporaryDirectory(dir=options.state) as folder:
        result = served(Path(folder), options.seconds, options.connections)
    if options.json:
        print(json.dumps(asdict(result)))
    else:
        rate = (
            f"{result.acknowledged / result.seconds:,.0f} submissions/s, {result.per_core:,.0f} per second of processor"
        )
        kept = f"{result.stored:,} of {result.sent:,} acknowledged are stored"
        print(f"{rate} time (target {TARGET:,.0f}); {kept}; load average {result.load:.1f}")
    return 0 if result.stored == result.sent else 1


if __name__ == "__main__":
    sys.exit(main())
