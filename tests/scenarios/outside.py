"""Targets, plans and guarded networks for tests: other people's systems, on loopback."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from model.plan import Load, Phase, Plan, Stack
from model.targets import Audit, Authorised, Step, Target, Targets, Window
from scenarios.guard import Guard
from scenarios.guarded import GuardedNetwork

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
ASK = Step(operation="national.track", system="national", path="/a")


def leave(reference: str) -> str:
    """Return the beginning of a targets file: who allowed the load, and the portal at ADDRESS."""
    return f"""
rate = 60
[authorised]
by = "QA"
reference = "{reference}"
date = 2025-07-01
[window]
start = 2025-07-01T00:00:00+07:00
end = 2035-07-01T00:00:00+07:00
[systems.national]
url = "http://ADDRESS"
addresses = ["127.0.0.0/16"]
"""


def targets(url: str, folder: Path, **changes: Any) -> Targets:
    """Return targets with one system, the portal, at an address."""
    system = Target(url=url, addresses=changes.pop("addresses", ("127.0.0.1/32",)))
    fields: dict[str, Any] = {
        "authorised": Authorised(by="QA", reference="Q-1", date=date(2025, 7, 1)),
        "window": Window(start=NOW - DAY, end=NOW + DAY),
        "rate": 1000.0,
        "kill_switch": str(folder / "STOP"),
        "systems": {"national": system},
        "journeys": {"track": (ASK,)},
        "audit": Audit(mode="none"),
    }
    return Targets(**(fields | changes))


def plan(allowed: Targets) -> Plan:
    """Return a plan of ten seconds against targets."""
    return Plan(
        name="outside",
        phases=(Phase(name="calm", duration=10, rate=1),),
        load=Load(journeys={"track": 1}, connect_timeout=20, request_timeout=20),
        stack=Stack(kind="external", provinces=("01",)),
        targets=allowed,
    )


class Outside:
    """A guarded network, and what its guard told.

    Attributes:
        told: Reasons, as the worker would report them.
        network: The network.
    """

    def __init__(self, allowed: Targets, clock: Callable[[], float] | None = None, rate: float | None = None) -> None:
        self.told: list[str] = []
        share = allowed.rate if rate is None else rate
        guard = Guard(allowed, share, self.told.append, **({"clock": clock} if clock else {}))
        self.network = GuardedNetwork(plan(allowed), allowed, guard, {}, {})


@contextmanager
def counting(
    host: str = "127.0.0.1", port: int = 0, reply: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
) -> Iterator[tuple[str, list[bytes]]]:
    """Listen, answer every request alike, and keep what came: the other side's own count of requests."""
    heads: list[bytes] = []
    listener = socket.create_server((host, port))
    threads: list[threading.Thread] = []

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while data := connection.recv(65536):
                heads.append(data)
                connection.sendall(reply)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.settimeout(30)
                threads.append(threading.Thread(target=answer, args=(connection,), daemon=True))
                threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield f"{host}:{listener.getsockname()[1]}", heads
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(5)
