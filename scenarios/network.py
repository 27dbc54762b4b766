"""The systems as people reach them: a keep-alive pool per link."""

from collections.abc import Mapping

from scenarios.http import Pool, Reply


class Network:
    """Keep-alive pools to the systems, as people reach them.

    Attributes:
        addresses: System name -> ``host:port``.

    """

    def __init__(self, addresses: Mapping[str, str], connect_timeout: float, request_timeout: float) -> None:
        self._pools = {system: Pool(address, connect_timeout, request_timeout) for system, address in addresses.items()}

    def send(self, system: str, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Send one request to a system; never raises for what the network or the system does."""
        return self._pools[system].request(method, path, headers, body)

    def close(self) -> None:
        """Close idle connections."""
        for pool in self._pools.values():
            pool.close()
