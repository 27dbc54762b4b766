"""What a worker spools in a second, made by its own recorder."""

import tempfile
from pathlib import Path

from benchmarks.plans import plan_for
from model.record import Record
from scenarios.catalogue import EXPECTED
from scenarios.delivery import SPOOLED
from scenarios.health import Second
from scenarios.personas import Crowd
from scenarios.recorder import Recorder
from scenarios.writes import Result, Write

JOURNEYS = 50
"""Journeys of a worker per second."""
HASH = "0" * 64


def rows_of_a_second() -> dict[str, bytes]:
    """Return what a worker spools in a second, by table; response times spread over a decade, as under load."""
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(Record(Path(folder)), 0)
        recorder.health(0, Second(0.001, 0.001, JOURNEYS, JOURNEYS), 0.1)
        crowd = Crowd(plan_for("submit-online", 10, JOURNEYS))
        for arrival in crowd.arrivals():
            if arrival.number >= JOURNEYS:
                break
            recorder.arrival(arrival, arrival.intended, arrival.intended + 0.1, "ok")
            write = Write("submit", f"run-{arrival.number}-submit", payload_hash=HASH)
            op = recorder.ledger.invoke(arrival, write)
            recorder.ledger.complete(arrival, op, write, Result("ok", f"G01-{arrival.number:010d}", 1, 1, ""))
            for number, operation in enumerate(EXPECTED["submit-online"]):
                seconds = 0.01 * 10 ** ((arrival.number * 9 + number) % 100 / 100)
                recorder.times[0, "all", operation, arrival.province, "ok"].extend((seconds, seconds))
        recorder.close()
        paths = {table: Record(Path(folder)).spool(table, "worker-0") for table in SPOOLED}
        return {table: path.read_bytes() for table, path in paths.items() if path.exists()}
