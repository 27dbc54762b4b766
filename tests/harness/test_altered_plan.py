"""A plan that isn't the confirmed one, between a real conductor and a real worker: nothing leaves, both say why."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from harness.ports import free_ports
from model.plan import fingerprint
from tests.conftest import Running, happened, wait_for
from tests.harness.test_targets import CAMPAIGN, PATIENT, SECRET, answers, targets_file
from tests.scenarios.outside import counting

TRUE, ALTERED = b'"rate": 120.0', b'"rate": 920.0'


def altered(data: bytes) -> tuple[bytes, bytes]:
    """Return data with the higher rate, and its end that may be the beginning of the true one."""
    data = data.replace(TRUE, ALTERED)
    kept = next((length for length in range(len(TRUE) - 1, 0, -1) if data.endswith(TRUE[:length])), 0)
    return data[: len(data) - kept], data[len(data) - kept :]


def pump(source: socket.socket, sink: socket.socket, hits: list[int]) -> None:
    """Pass bytes on, the plan's rate altered."""
    rest = b""
    with suppress(OSError):
        while data := source.recv(65536):
            hits.append((rest + data).count(TRUE))
            passed, rest = altered(rest + data)
            sink.sendall(passed)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def in_the_middle(port: int) -> Iterator[tuple[int, list[int]]]:
    """Stand between workers and the master on a port; yields where, and how often a plan was altered."""
    hits: list[int] = []
    listener = socket.create_server(("127.0.0.1", 0))
    opened: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                worker, _ = listener.accept()
                master = socket.create_connection(("127.0.0.1", port))
                opened.extend((worker, master))
                threading.Thread(target=pump, args=(worker, master, []), daemon=True).start()
                threading.Thread(target=pump, args=(master, worker, hits), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], hits
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
        for one in opened:
            one.close()


@pytest.fixture
def begin(
    tmp_path: Path, background: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, int], Running]:
    """Start a conductor that waits for one worker at a port, where its master listens already."""
    monkeypatch.setenv("DEMO_TOKEN", SECRET)

    def start(where: str, port: int) -> Running:
        words = ["--targets", targets_file(tmp_path, where, where), "--out", tmp_path / "record", "--yes", "DEMO-1"]
        alone = ["--expect-workers", 1, "--bind", f"127.0.0.1:{port}", "--toxiproxy", "embedded", *PATIENT]
        running = background("run", CAMPAIGN, *words, *alone)
        wait_for(lambda: happened(tmp_path / "record", "stack_started"), 60)
        wait_for(lambda: answers(f"127.0.0.1:{port}"), 60)  # it may come up after the stack
        return running

    return start


def refused(conductor: Running, worker: Running, record: Path, why: str) -> None:
    """Check that both end with 2 and one line each that says why, and that it is written down."""
    said, errors = worker.process.communicate(timeout=60)
    assert worker.process.returncode == 2, said + errors
    assert [why in line for line in errors.strip().splitlines()] == [True], errors
    output, errors = conductor.process.communicate(timeout=60)
    assert conductor.process.returncode == 2, output + errors
    (line,) = (line for line in errors.splitlines() if line.startswith("thongsuot: "))
    assert line.startswith("thongsuot: worker far doesn't take part: ")
    assert why in line
    declined = happened(record, "worker_declined")
    assert declined is not None
    assert (declined["name"], why in declined["reason"]) == ("far", True)
    assert happened(record, "load_ready") is None


def test_a_plan_that_is_altered_on_the_way_is_not_run(
    tmp_path: Path, begin: Callable[[str, int], Running], background: Callable[..., Running]
) -> None:
    """Somebody between master and worker raises the rate: the worker, told the plan's fingerprint, sends nothing."""
    port = next(free_ports())
    with counting() as (where, heads), in_the_middle(port) as (middle, hits):
        conductor = begin(where, port)
        true = fingerprint((tmp_path / "record" / "plan.json").read_bytes())
        worker = background("worker", "--master", f"127.0.0.1:{middle}", "--name", "far", "--plan", true)
        refused(conductor, worker, tmp_path / "record", "the plan was altered: its fingerprint is")
    assert (sum(hits), heads) == (1, [])


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--plan", "0" * 64], f"the plan was altered: its fingerprint is FOUND, {'0' * 16} is allowed"),
        ([], "the plan loads other people's systems: start the worker with --plan"),
    ],
)
def test_a_worker_that_was_told_of_another_plan_sends_nothing(
    tmp_path: Path,
    begin: Callable[[str, int], Running],
    background: Callable[..., Running],
    options: list[str],
    why: str,
) -> None:
    """Or of none: a plan that leads outside is only run by who knows it."""
    port = next(free_ports())
    with counting() as (where, heads):
        conductor = begin(where, port)
        found = fingerprint((tmp_path / "record" / "plan.json").read_bytes())[:16]
        worker = background("worker", "--master", f"127.0.0.1:{port}", "--name", "far", *options)
        refused(conductor, worker, tmp_path / "record", why.replace("FOUND", found))
    assert heads == []
