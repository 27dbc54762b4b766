"""Free ports, chosen below the range from which the kernel takes the ports of outgoing connections and of port 0."""

import random
import socket
from collections.abc import Iterator

LOOPBACK = "127.0.0.1"
_LOWEST, _HIGHEST = 15000, 32000


def free_ports() -> Iterator[int]:
    """Yield ports of 127.0.0.1 that nobody listens on, none twice."""
    chooser = random.SystemRandom()
    for port in chooser.sample(range(_LOWEST, _HIGHEST), _HIGHEST - _LOWEST):
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
        yield port
