"""The control API of a system: faults that are switched on inside it, under a lease of its own. See docs/faults.md."""

import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

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
class Endpoint:
    """Where a system answers.

    Attributes:
        address: ``host:port`` that is dialled.
        host: What it is called: Host header, and the name in its certificate; empty: as ``address``.
        base: Stands before every path.
        tls: Whether it speaks TLS.
        ca_file: Certificates to trust instead of the system's.
        headers: That authenticate.
    """

    address: str
    host: str = ""
    base: str = ""
    tls: bool = False
    ca_file: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def ask(self, method: str, path: str, body: object = None, patience: float | None = None) -> Answer:
        """Send one request over a fresh connection and return the answer, whatever its status; raises OSError.

        Args:
            method: Of the request.
            path: Behind ``base``.
            body: Sent as JSON; None: nothing.
            patience: Seconds that the system may take; None: as many as any call.
        """
        called, within = self.host or self.address, CALL if patience is None else patience
        connection = http.client.HTTPConnection(called, timeout=within)
        data = None if body is None else json.dumps(body).encode()
        try:
            connection.sock = self._dial(within)
            headers = {"Host": called, "Content-Type": "application/json", **self.headers}
            connection.request(method, f"{self.base}{path}", data, headers)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        except http.client.HTTPException as error:
            raise ControlError(f"{called}: {method} {path}: {type(error).__name__}") from None
        finally:
            connection.close()

    def _dial(self, within: float) -> socket.socket:
        host, _, port = self.address.rpartition(":")
        dialled = socket.create_connection((host.strip("[]"), int(port)), timeout=within)
        dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self.tls:
            return dialled
        try:
            trusted = ssl.create_default_context(cafile=self.ca_file or None)
            return trusted.wrap_socket(dialled, server_hostname=urlsplit(f"//{self.host}").hostname)
        except OSError:
            dialled.close()
            raise


@dataclass(frozen=True, slots=True)
class Control:
    """The control API of one system.

    Attributes:
        endpoint: Where faults are, each by its id; past every proxy.
        lease: Seconds that a fault outlives its last renewal.
    """

    endpoint: Endpoint
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
        answer = self.endpoint.ask(method, quote(fault, safe=""), body)
        if answer.status not in fine:
            said = "" if self.endpoint.host else f" {answer.body[:200]!r}"  # a stranger may say our secret back
            where = f"{self.endpoint.host or self.endpoint.address}: {method} {self.endpoint.base}"
            raise ControlError(f"{where}{quote(fault, safe='')}: {answer.status}{said}")
        return answer


@dataclass(frozen=True, slots=True)
class Stranger:
    """A system that isn't ours, and inside which faults may be switched on all the same.

    Attributes:
        control: Its control endpoint.
        itself: The system.
        path: What is asked of it without harm.
    """

    control: Control
    itself: Endpoint
    path: str


def of_ours(address: str, token: str, lease: float = LEASE) -> Control:
    """Return the control API of a system of ours."""
    return Control(Endpoint(address, base="/control/faults/", headers={"Authorization": f"Bearer {token}"}), lease)


def ask(
    address: str,
    method: str,
    path: str,
    body: object = None,
    headers: Mapping[str, str] | None = None,
    patience: float | None = None,
) -> Answer:
    """Send a system of ours one request, as ``Endpoint.ask`` does; raises OSError."""
    return Endpoint(address, headers=headers or {}).ask(method, path, body, patience)
