"""Host names, resolved without holding up the others, and remembered while they serve."""

import ipaddress
import socket
from time import monotonic

import gevent
from gevent.hub import get_hub

from scenarios.connection import Failure, SocketAddress


class Resolver:
    """The addresses of one host and port.

    Attributes:
        host: Name, IPv4 or IPv6 address.
        port: TCP port.
    """

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self._literal = _literal(host, port)
        self._known = self._literal

    def addresses(self, deadline: float) -> list[SocketAddress]:
        """Return the addresses, asking for them only where they aren't known; raises Failure."""
        return self._known or self._ask(deadline)

    def forget(self) -> None:
        """Ask again next time: none of the addresses served."""
        self._known = self._literal

    def _ask(self, deadline: float) -> list[SocketAddress]:
        late = gevent.Timeout.start_new(max(deadline - monotonic(), 0.001))
        try:
            found = get_hub().resolver.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except gevent.Timeout as expired:
            if expired is not late:
                raise
            raise Failure("timeout", f"the name {self.host!r} was not resolved in time") from None
        except (OSError, UnicodeError) as error:
            raise Failure("refused", f"the name {self.host!r} was not resolved: {error}") from None
        finally:
            late.close()
        self._known = [(family, address) for family, _, _, _, address in found]
        return self._known


def _literal(host: str, port: int) -> list[SocketAddress]:
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return []
    return [(socket.AF_INET, (host, port)) if version == 4 else (socket.AF_INET6, (host, port, 0, 0))]
