"""What one fresh connection through a link sees: the measurement that proves a fault, or its absence."""

import re
import select
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Any, Literal

Outcome = Literal["ok", "error", "refused", "reset", "closed", "silent", "slow", "unreachable", "stopped", "flapping"]
SLICE = 0.1  # seconds between two looks at the stop event
LINE = 4_000  # bytes of padding that one request carries


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a probe saw.

    Attributes:
        outcome: ``ok``: complete replies · ``error``: complete, but no 200 · ``refused``: no listener · ``reset`` ·
            ``closed``: ended before the reply was complete · ``silent``: not a byte in time · ``slow``: some bytes, not
            all in time · ``unreachable``: any other error · ``stopped``: the stop event was set ·
            ``flapping``: of several probes, some were whole and some refused.
        seconds: From the connection attempt to the outcome.
        received: Bytes of the replies.
        detail: What else a kind's own proof measured.
    """

    outcome: Outcome
    seconds: float
    received: int
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every reply came whole."""
        return self.outcome == "ok"


@dataclass(frozen=True, slots=True)
class Question:
    """What a probe asks for.

    Attributes:
        path: Answered by 200, with a Content-Length.
        host: Host header.
    """

    path: str = "/healthz"
    host: str = "probe"


OUR_OWN = Question()
"""What every system of ours answers."""


def probe(
    address: str,
    seconds: float,
    *,
    down: int = 0,
    up: int = 0,
    stop: Event | None = None,
    until_closed: bool = False,
    question: Question = OUR_OWN,
) -> Measurement:
    """Ask ``GET /healthz``, or another question, over a fresh connection, for at most ``seconds``.

    Args:
        address: Where to connect.
        seconds: Deadline for the whole of it.
        down: Bytes of padding that the reply shall carry (at most 1,000,000).
        up: Bytes that the requests shall have in all; they are pipelined, each padded with a header.
        stop: Ends the probe early when it is set.
        until_closed: Wait for the connection's end as well, which the last request asks for.
        question: What is asked for.
    """
    start = time.monotonic()
    requests = max(1, -(-up // LINE))
    received = 0
    dialogue = _dialogue(
        address, _requests(requests, up, down, question), requests, start + seconds, stop, until_closed
    )
    try:
        for count in dialogue:
            received = count
        outcome: Outcome = "ok"
    except ConnectionRefusedError:
        outcome = "refused"
    except (ConnectionResetError, BrokenPipeError):
        outcome = "reset"
    except EOFError:
        outcome = "closed"
    except ValueError:
        outcome = "error"
    except TimeoutError:
        outcome = "slow" if received else "silent"
    except InterruptedError:
        outcome = "stopped"
    except OSError:
        outcome = "unreachable"
    return Measurement(outcome, time.monotonic() - start, received)


def _requests(number: int, up: int, down: int, question: Question) -> bytes:
    """Compose pipelined requests of ``up`` bytes in all; the last one asks to close."""
    path = f"{question.path}?bytes={down}" if down else question.path
    padding = f"X-Padding: {'.' * (up // number)}\r\n" if up else ""
    head = f"GET {path} HTTP/1.1\r\nHost: {question.host}\r\n{padding}"
    return f"{head}\r\n".encode() * (number - 1) + f"{head}Connection: close\r\n\r\n".encode()


def _dialogue(
    address: str, data: bytes, replies: int, deadline: float, stop: Event | None, until_closed: bool
) -> Iterator[int]:
    """Send ``data`` and read ``replies`` replies; yields the number of bytes received so far.

    Raises OSError as the network does, TimeoutError at the deadline, EOFError for an early end, ValueError for a
    reply other than 200, InterruptedError when ``stop`` is set.
    """
    host, _, port = address.rpartition(":")
    received = bytearray()
    with socket.create_connection((host, int(port)), timeout=max(0.001, deadline - time.monotonic())) as connection:
        connection.setblocking(False)
        while not _complete(received, replies):
            readable, writable = _await(connection, bool(data), deadline, stop)
            if writable:
                data = data[connection.send(data[:65536]) :]
            if readable:
                chunk = connection.recv(65536)
                if not chunk:
                    raise EOFError
                received += chunk
                yield len(received)
        while until_closed:
            _await(connection, False, deadline, stop)
            until_closed = bool(connection.recv(65536))


def _await(connection: socket.socket, sending: bool, deadline: float, stop: Event | None) -> tuple[bool, bool]:
    """Wait for the connection to be readable or, when ``sending``, writable."""
    while True:
        left = deadline - time.monotonic()
        if stop and stop.is_set():
            raise InterruptedError
        if left <= 0:
            raise TimeoutError
        readable, writable, _ = select.select([connection], [connection] if sending else [], [], min(SLICE, left))
        if readable or writable:
            return bool(readable), bool(writable)


def _complete(received: bytearray, replies: int) -> bool:
    """Tell whether that many whole replies are there; raises ValueError for one that isn't a 200."""
    start = 0
    for _ in range(replies):
        end = received.find(b"\r\n\r\n", start)
        if end < 0:
            return False
        head = bytes(received[start:end])
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if not length or not re.match(rb"HTTP/1\.[01] 200\b", head):
            raise ValueError(head[:80])
        start = end + 4 + int(length[1])
    return len(received) >= start
