"""Free ports, chosen below the range from which the kernel takes the ports of outgoing connections and of port 0.

Each process takes them from blocks of its own, whose first ports it keeps bound: two runs on one machine never choose
the same one, not even while a system that listens on it is restarted.
"""

import random
import socket
from collections import deque
from collections.abc import Iterator

LOOPBACK = "127.0.0.1"
_LOWEST, _HIGHEST = 15000, 32000
_BLOCK = 100
"""Ports of a block: a run with every system and 34 provinces takes fewer."""
_KEPT = 10
"""Blocks that a process holds on to; one that takes more gives the oldest back."""


def free_ports() -> Iterator[int]:
    """Yield ports of 127.0.0.1 that nobody listens on; none again of the last ten blocks."""
    while True:
        yield from _BLOCKS.rest()
        _BLOCKS.take()


class _Blocks:
    """The blocks of this process: another one once the last is used up."""

    def __init__(self) -> None:
        self._markers: deque[socket.socket] = deque()
        self._left: Iterator[int] = iter(())

    def rest(self) -> Iterator[int]:
        """Yield what is left of the block and free."""
        for port in self._left:
            probe = _bound(port)
            if probe:
                probe.close()
                yield port

    def take(self) -> None:
        """Take a block that no other process has; raises OSError when all are taken."""
        for first in random.SystemRandom().sample(range(_LOWEST, _HIGHEST, _BLOCK), (_HIGHEST - _LOWEST) // _BLOCK):
            marker = _bound(first)
            if marker:
                self._markers.append(marker)
                if len(self._markers) > _KEPT:
                    self._markers.popleft().close()
                self._left = iter(range(first + 1, first + _BLOCK))
                return
        raise OSError(f"no free ports between {_LOWEST} and {_HIGHEST}")


_BLOCKS = _Blocks()


def _bound(port: int) -> socket.socket | None:
    """Bind a port; None when somebody has it."""
    probe = socket.socket()
    try:
        probe.bind((LOOPBACK, port))
    except OSError:
        probe.close()
        return None
    return probe
