"""Thông Suốt as a tool to be measured: `python -m benchmarks.ours FORM CASE URL SECONDS [RATE]`.

`closed`: 50 citizens, each with its next request as soon as the last is answered, through the client, the session, the
recorder and the ledger, as in a run; `bare`: the same, recording nothing. `open`: the engine on a schedule at RATE,
one request per arrival. The last line of its output is a JSON object: what it recorded, read back from its spools.
"""

import itertools
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import gevent
import locust  # noqa: F401  patches the standard library, as in a real worker

from benchmarks.plans import plan_for
from model.histogram import seconds_of
from model.record import Record
from scenarios.engine import COUNTING, Engine
from scenarios.journeys import citizen
from scenarios.network import Network
from scenarios.notary import Notary
from scenarios.personas import Arrival, Crowd
from scenarios.recorder import Recorder
from scenarios.session import Observer, Session
from scenarios.shares import Division
from scenarios.writes import Write

CITIZENS = 50
SYSTEMS = ("national", "vneid", "payment")
SUBMISSION: dict[str, object] = {
    "procedure": "2.000815",
    "province": "01",
    "commune": "00004",
    "applicant": {"SoDinhDanh": "001085012345", "HoVaTen": "Nguyễn Văn A"},
    "form": {"SoBan": 1, "GhiChu": "Nộp trực tuyến"},
}


class Unrecorded:
    """An observer that keeps nothing."""

    def request(self, *_: object) -> None:
        """Keep nothing."""

    def invoke(self, *_: object) -> int:
        """Keep nothing."""
        return 0

    def complete(self, *_: object) -> None:
        """Keep nothing."""


def get(session: Session) -> None:
    """GET 200 bytes."""
    session.get("national.procedures", "national", "/small", lambda c, _: c["error_code"] == 0)


def post(session: Session) -> None:
    """Submit, and check the acknowledgement."""
    write = Write("submit", session.key("submit"), payload_hash="0" * 64)
    session.write(write, "national.submit", "national", "/dossiers", SUBMISSION, citizen.created(1))


CASES: dict[str, Callable[[Session], object]] = {"get": get, "post": post, "journey": citizen.submit_online}


def closed(case: str, url: str, seconds: float, record: Record | None) -> None:
    """Keep 50 citizens busy; each sends something, however short it is."""
    plan = plan_for("submit-online", 3600, 1)
    network = Network(dict.fromkeys(SYSTEMS, url), 30.0, 30.0)
    began = time.monotonic()
    recorder = Recorder(record, 0) if record else None
    observer: Observer = Notary(plan, recorder, began) if recorder else Unrecorded()
    crowd, numbers = Crowd(plan), itertools.count()

    def citizen_for_ever() -> None:
        over = False
        while not over:
            arrival: Arrival = crowd.arrival(next(numbers), 0.0)
            session = Session(arrival, network, observer, time.monotonic(), "b")
            CASES[case](session)
            over = time.monotonic() >= began + seconds

    def repeated_get_or_post() -> None:
        arrival = crowd.arrival(0, 0.0)
        over = False
        while not over:
            session = Session(arrival, network, observer, time.monotonic(), f"b{next(numbers)}")
            CASES[case](session)
            over = time.monotonic() >= began + seconds

    life = citizen_for_ever if case == "journey" else repeated_get_or_post
    flusher = gevent.spawn(_flush_for_ever, recorder) if recorder else None
    gevent.joinall([gevent.spawn(life) for _ in range(CITIZENS)], raise_error=True)
    if flusher and recorder:
        flusher.kill()
        recorder.close()


def _flush_for_ever(recorder: Recorder) -> None:
    while True:
        for _ in range(round(1 / COUNTING)):
            gevent.sleep(COUNTING)
            recorder.count()
        recorder.flush()


def on_schedule(url: str, seconds: float, rate: float, record: Record) -> None:
    """Run the engine itself: each arrival looks for a procedure, one request."""
    plan = plan_for("track", seconds, rate)
    recorder = Recorder(record, 0)
    engine = Engine(plan, recorder, dict.fromkeys(SYSTEMS, url), "b")
    engine.shares.add(Division(0.0, (0,)))
    tally = engine.run(time.monotonic() + 0.5)
    recorder.close()
    if tally.broken or tally.dropped:
        sys.stderr.write(f"{tally}\n")


def recorded(record: Record) -> dict[str, object]:
    """Return what the spools hold: requests, outcomes, and quantiles of the response time in seconds."""
    responses: Counter[int] = Counter()
    outcomes: Counter[str] = Counter()
    for line in record.spool("samples", "worker-0").read_text().splitlines():
        *_, outcome, kind, bucket, count = line.split(",")
        if kind == "response":
            responses[int(bucket)] += int(count)
            outcomes[outcome] += int(count)
    return {"requests": responses.total(), "outcomes": outcomes, "quantiles": _quantiles(responses)}


def _quantiles(counts: Counter[int]) -> dict[str, float]:
    found = {}
    for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        left = share * counts.total()
        for bucket in sorted(counts):
            left -= counts[bucket]
            if left <= 0:
                found[name] = seconds_of(bucket)
                break
    return found


def main() -> None:
    """Run one form, and say what was recorded."""
    form, case, url, seconds, *rate = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        record = Record(Path(folder))
        if form == "open":
            on_schedule(url, float(seconds), float(rate[0]), record)
        else:
            closed(case, url, float(seconds), record if form == "closed" else None)
        said = recorded(record) if form != "bare" else {}
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
