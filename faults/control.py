"""The control API of a system: faults that are switched on inside it, under a lease of its own. See docs/faults.md."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

LEASE = 5.0  # seconds that a fault outlives the last renewal
CALL = 2.0  # seconds that a system may take to answer


class ControlError(OSError):
    """A system didn't do what its control API was asked: one line."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a system answered.

    Attributes:
        status: HTTP status.
        headers: By name in lower case.
        body: As it came.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    def field(self, name: str) -> Any:
        """Return a value of the JSON object in the body; raises ControlError where it isn't there."""
        try:
            return json.loads(self.body)[name]
        except (ValueError, KeyError, TypeError):
            raise ControlError(f"no {name!r} in the answer {self.status} {self.body[:80]!r}") from None


@dataclass(frozen=True, slots=True)
class Control:
    """The control API of one system.

    Attributes:
        address: ``host:port`` of the system itself, past every proxy.
        token: What opens the API; it is in the stack's configuration.
        lease: Seconds that a fault outlives its last renewal.
    """

    address: str
    token: str = field(repr=False)
    lease: float = LEASE

    def put(self, fault: str, kind: str, attributes: Mapping[str, int]) -> None:
        """Switch a fault on; raises OSError."""
        body = {"kind": kind, "attributes": dict(attributes), "lease": self.lease}
        self._call("PUT", fault, body, {200})

    def renew(self, fault: str) -> bool:
        """Renew the lease of a fault that is on; False where it isn't, or the system is gone. Raises OSError."""
        try:
            return self._call("POST", fault, {"lease": self.lease}, {200, 404}).status == 200
        except ConnectionRefusedError:
            return False

    def has(self, fault: str) -> bool:
        """Ask whether a fault is on; a system that is gone has none. Raises OSError."""
        try:
            return self._call("GET", fault, None, {200, 404}).status == 200
        except ConnectionRefusedError:
            return False

    def delete(self, fault: str) -> None:
        """Switch a fault off; one that isn't on is fine, and so is a system that is gone. Raises OSError."""
        try:
            self._call("DELETE", fault, None, {200, 404})
        except ConnectionRefusedError:
            return

    def _call(self, method: str, fault: str, body: object, fine: set[int]) -> Answer:
        path = f"/control/faults/{quote(fault, safe='')}"
        answer = ask(self.address, method, path, body, {"Authorization": f"Bearer {self.token}"})
        if answer.status not in fine:
            raise ControlError(f"{self.address}: {method} {path}: {answer.status} {answer.body[:200]!r}")
        return answer


def ask(address: str, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
    """Send one request over a fresh connection and return the answer, whatever its status; raises OSError."""
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=CALL)
    data = None if body is None else json.dumps(body).encode()
    try:
        connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read())
    except http.client.HTTPException as error:
        raise ControlError(f"{address}: {method} {path}: {error!r}") from None
    finally:
        connection.close()
