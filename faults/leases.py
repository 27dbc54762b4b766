"""A lease: what a network fault has changed on a Toxiproxy server, and how to undo it, by whoever notices."""

import json
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

from faults.toxiproxy import Proxies, ProxyError


@dataclass(frozen=True, slots=True)
class Lease:
    """One change of one proxy.

    Attributes:
        fault: The fault's id.
        api: ``http://host:port`` of the server.
        proxy: The proxy that is changed.
        toxic: The toxic that is put on it; None: the proxy is disabled.
        link: The link that the proxy carries.
    """

    fault: str
    api: str
    proxy: str
    toxic: str | None
    link: str

    def as_message(self) -> dict[str, Any]:
        """Return the lease as a JSON object."""
        return asdict(self)

    def held(self, proxies: Proxies) -> bool:
        """Read back whether the change is on; raises ProxyError."""
        try:
            state = proxies.get(self.proxy)
        except ProxyError as error:
            if error.status == 404:
                return False
            raise
        return state.toxic(self.toxic) is not None if self.toxic else not state.enabled

    def release(self, proxies: Proxies) -> None:
        """Undo the change; twice is fine, and so is a proxy that is gone. Raises ProxyError."""
        try:
            if self.toxic:
                proxies.remove_toxic(self.proxy, self.toxic)
            else:
                proxies.set_enabled(self.proxy, True)
        except ProxyError as error:
            if error.status != 404:
                raise

    @property
    def by_hand(self) -> str:
        """The shell command that undoes the change."""
        url = f"{self.api}/proxies/{quote(self.proxy, safe='')}"
        if self.toxic:
            return f"curl -X DELETE '{url}/toxics/{quote(self.toxic, safe='')}'"
        return f"curl -X POST -d '{json.dumps({'enabled': True})}' '{url}'"
