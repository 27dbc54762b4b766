"""JSON objects, one a line, on standard input and output: how the conductor and the load's processes talk."""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from gevent.hub import get_hub

_READ = 1


def say(**message: object) -> None:
    """Write one object to standard output."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def listen(handle: Callable[[dict[str, Any]], None]) -> None:
    """Hand every object of standard input to ``handle``; return at its end."""
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
