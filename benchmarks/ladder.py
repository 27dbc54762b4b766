"""Where a request's time goes: `python -m benchmarks.ladder RUNG URL SECONDS`; each rung is one part more.

`sockets`: send and recv on non-blocking sockets, waited for with the hub's watchers. `parser`: llhttp reads the reply.
`client`: our pool and connection: heads, time-outs, outcomes. The rungs above are those of `benchmarks.ours`: `bare`,
the session with a decoded and checked reply, and `closed`, recorded.
"""

import _socket
import sys
from collections.abc import Callable
from time import monotonic
from urllib.parse import urlsplit

import gevent
import httptools
import locust  # noqa: F401  patches the standard library, as in a real worker
from gevent import getcurrent
from gevent.hub import get_hub

from benchmarks.ours import CITIZENS
from scenarios.http import Pool

HEAD = "GET /small HTTP/1.1\r\nHost: {}\r\nUser-Agent: thongsuot\r\nAccept: application/json\r\n\r\n"
POOLS: dict[str, Pool] = {}
"""By address: the connections of all citizens are in one pool, as in a run."""


class Complete:
    """What llhttp calls: notes the end of a reply and keeps its parts."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.done = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self.headers.append((name, value))

    def on_body(self, chunk: bytes) -> None:
        """Keep the body."""
        self.body += chunk

    def on_message_complete(self) -> None:
        """Note the end."""
        self.done = True


def sockets(url: str, seconds: float, parsed: bool = False) -> None:
    """Send and receive, with a parser or without."""
    there = urlsplit(url)
    request, end = HEAD.format(there.netloc).encode(), monotonic() + seconds
    hub = get_hub()
    raw = _socket.socket()
    raw.connect((there.hostname, there.port))
    raw.setblocking(False)
    watcher = hub.loop.io(raw.fileno(), 1)
    reply = Complete()
    parser = httptools.HttpResponseParser(reply)
    over = False
    while not over:
        raw.send(request)
        watcher.start(getcurrent().switch)
        hub.switch()
        watcher.stop()
        data = raw.recv(65536)
        if parsed:
            reply.headers, reply.body, reply.done = [], b"", False
            parser.feed_data(data)
            assert reply.done
        over = monotonic() >= end
    watcher.close()
    raw.close()


def parser(url: str, seconds: float) -> None:
    """Send, receive and parse."""
    sockets(url, seconds, parsed=True)


def client(url: str, seconds: float) -> None:
    """Use the journeys' client."""
    pool, end = POOLS.setdefault(url, Pool(url, 30.0, 30.0)), monotonic() + seconds
    over = False
    while not over:
        assert pool.request("GET", "/small", {}, b"").outcome == "ok"
        over = monotonic() >= end


RUNGS: dict[str, Callable[[str, float], None]] = {"sockets": sockets, "parser": parser, "client": client}


def main() -> None:
    """Keep 50 connections busy on one rung."""
    rung, url, seconds = sys.argv[1:]
    gevent.joinall([gevent.spawn(RUNGS[rung], url, float(seconds)) for _ in range(CITIZENS)], raise_error=True)


if __name__ == "__main__":
    main()
