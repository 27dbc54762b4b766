"""Other people's systems that may be loaded: where they are, who allowed it, when, how fast, and how to talk to them.

``model.targets_file`` reads them from a targets file; a plan carries them to every worker. Secrets are only named here:
an environment variable or a file, which each process that sends requests reads for itself.
"""

import base64
import ipaddress
import os
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec

from model.links import province_of
from model.values import Positive, Share, Text, Value

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Writes = Literal["submit", "intake"]
KILLED = "the kill switch is there: "
"""How a guard's reason begins where somebody touched the kill switch; its path follows."""


class SecretError(Exception):
    """A secret isn't there: which one, and what to do."""


class Auth(Value, frozen=True, kw_only=True):
    """How requests to a system are authenticated; the secret itself is in an environment variable or a file.

    Attributes:
        kind: ``bearer``, ``basic``, or ``header`` for a header of its own name.
        name: Of the header.
        user: For ``basic``.
        env: Environment variable that holds the secret.
        file: File that holds it; of a relative name, beside the targets file.
    """

    kind: Literal["bearer", "basic", "header"]
    name: str = ""
    user: str = ""
    env: str = ""
    file: str = ""

    def secret(self, environment: Mapping[str, str]) -> str:
        """Return the secret; raises SecretError where it isn't there, empty, or can't stand in a header."""
        if self.env:
            where, value = f"environment variable {self.env}", environment.get(self.env, "")
        else:
            where, value = self.file, _content(Path(self.file))
        value = value.strip()
        if not value or not (value.isascii() and value.isprintable()):
            raise SecretError(f"{where}: {'holds no ASCII line' if value else 'holds no secret'}; set it")
        return value

    def headers(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return the headers that carry the secret; raises SecretError."""
        secret = self.secret(environment)
        match self.kind:
            case "bearer":
                return {"Authorization": f"Bearer {secret}"}
            case "basic":
                pair = base64.b64encode(f"{self.user}:{secret}".encode()).decode()
                return {"Authorization": f"Basic {pair}"}
            case "header":
                return {self.name: secret}


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise SecretError(f"{path}: can't be read ({reason}); put the secret there") from None


class Authorised(Value, frozen=True, kw_only=True):
    """Who allowed the load.

    Attributes:
        by: Person and office.
        reference: Number of the letter or ticket; ``--yes`` must name it.
        date: When it was given.
    """

    by: Text
    reference: Text
    date: date


class Window(Value, frozen=True, kw_only=True):
    """When requests may leave.

    Attributes:
        start: From this moment on.
        end: Until this moment.
    """

    start: datetime
    end: datetime

    def closed(self, now: float) -> str:
        """Say why nothing may leave at a moment (Unix seconds); empty: it may."""
        if now < self.start.timestamp():
            return "the window hasn't begun"
        return "the window is over" if now >= self.end.timestamp() else ""


class Place(Value, frozen=True, kw_only=True):
    """Where somebody else's system answers.

    Attributes:
        url: ``http://`` or ``https://``, host, port and path; ``{province}`` stands for the province.
        addresses: CIDRs that its name may resolve to.
        auth: How requests are authenticated; None: they aren't.
        ca_file: Certificates to trust instead of the system's; of a relative name, beside the targets file.
    """

    url: Text
    addresses: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]
    auth: Auth | None = None
    ca_file: str = ""

    @property
    def networks(self) -> tuple[Network, ...]:
        """The declared addresses."""
        return tuple(ipaddress.ip_network(cidr) for cidr in self.addresses)


class FaultControl(Place, frozen=True, kw_only=True):
    """Where faults are switched on inside a system that somebody else runs. The protocol is in docs/targets.md.

    Attributes:
        authorised: Who allowed the faults: another matter than the load.
        window: When faults may be on.
    """

    authorised: Authorised
    window: Window


class Target(Place, frozen=True, kw_only=True):
    """A system that somebody else runs.

    Attributes:
        provinces: Province code -> the word that stands for it in ``url``; others: the code itself.
        probe: Path below ``url`` that proves a fault of it or of its link: it must answer 200, with a Content-Length.
        control: Where faults are switched on inside it; None: nowhere.
    """

    provinces: dict[str, str] = {}  # noqa: RUF012  msgspec copies it
    probe: str = ""
    control: FaultControl | None = None

    def url_for(self, system: str) -> str:
        """Return the address of one system, without a slash at its end."""
        return self.filled(self.url, system)

    def filled(self, url: str, system: str) -> str:
        """Return an address with the system's province in it, without a slash at its end."""
        code = province_of(system) or ""
        return url.replace("{province}", self.provinces.get(code, code)).rstrip("/")


class Step(Value, frozen=True, kw_only=True):
    """One request of a journey, as another system wants it. Text may hold placeholders: docs/targets.md.

    Attributes:
        operation: Name that samples and objectives use.
        system: The system that is asked; ``province`` is that of the arrival.
        method: HTTP method.
        path: Below the system's URL; one that is a placeholder alone may be an address that a reply named.
        headers: To send besides.
        body: Fields of a JSON object.
        form: Fields of a form, in place of ``body``.
        ok: Statuses that count as success.
        write: Of what creates a dossier: ``submit`` or ``intake``; it goes into the ledger.
        code: Where the dossier's code is in the reply: a JSON pointer, or ``header:NAME``.
        state: Where its state is.
        states: The reply's word for a state -> number of the state.
        save: Placeholder for later steps -> where it is in the reply.
        follow: Whether redirects are followed, within the declared systems.
    """

    operation: Text
    system: Text
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    path: Text
    headers: dict[str, str] = {}  # noqa: RUF012
    body: dict[str, Any] = {}  # noqa: RUF012
    form: dict[str, str] = {}  # noqa: RUF012
    ok: Annotated[tuple[int, ...], msgspec.Meta(min_length=1)] = (200,)
    write: Writes | None = None
    code: str = ""
    state: str = ""
    states: dict[str, int] = {}  # noqa: RUF012
    save: dict[str, str] = {}  # noqa: RUF012
    follow: bool = False


class Audit(Value, frozen=True, kw_only=True):
    """How acknowledged dossiers are looked up after the load.

    Attributes:
        mode: ``all`` of them, a ``sample``, or ``none``.
        number: Dossiers of a sample.
        seed: Of the sample.
        at_most: Share of lost dossiers that a sample must rule out, at 95 % confidence, for a pass [A].
        wait: Seconds from the end of the load to the first look-up: what the system needs to settle.
        system: The system that is asked; ``province`` is that of the dossier.
        path: Below its URL.
        headers: To send besides.
        ok: Statuses of a dossier that is there.
        absent: Statuses of one that isn't.
        match: Where in the reply -> what must stand there.
    """

    mode: Literal["all", "sample", "none"]
    number: Annotated[int, msgspec.Meta(ge=1)] = 300
    seed: int = 1
    at_most: Share = 0.05
    wait: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 0.0
    system: str = ""
    path: str = ""
    headers: dict[str, str] = {}  # noqa: RUF012
    ok: tuple[int, ...] = (200,)
    absent: tuple[int, ...] = (404, 410)
    match: dict[str, str] = {}  # noqa: RUF012


class Targets(Value, frozen=True, kw_only=True):
    """What may be loaded, and how.

    Attributes:
        authorised: Who allowed it.
        window: When.
        rate: Highest rate of requests, per second, of all workers together.
        kill_switch: File whose presence ends the load; of a relative name, beside the targets file.
        systems: ``province`` or the name of a shared system -> where it is.
        journeys: Journey -> its requests, in order.
        audit: How acknowledged dossiers are looked up.
    """

    authorised: Authorised
    window: Window
    rate: Positive
    kill_switch: Text = "STOP"
    systems: dict[str, Target]
    journeys: dict[str, Annotated[tuple[Step, ...], msgspec.Meta(min_length=1)]]
    audit: Audit

    def target(self, system: str) -> Target:
        """Return the target that a system's name stands for; raises KeyError."""
        return self.systems[declared_as(system)]

    def urls(self, systems: Iterable[str]) -> dict[str, str]:
        """Return the address of each of these systems that is declared."""
        declared = [name for name in systems if declared_as(name) in self.systems]
        return {name: self.target(name).url_for(name) for name in declared}

    def credentials(self, environment: Mapping[str, str]) -> dict[str, dict[str, str]]:
        """Return the headers that authenticate, by the names of ``systems``; raises SecretError."""
        return {name: one.auth.headers(environment) for name, one in self.systems.items() if one.auth}

    def killed(self) -> str:
        """Say that the kill switch is there; empty: it isn't."""
        there = os.path.exists(self.kill_switch)  # noqa: PTH110  # asked before every request
        return f"{KILLED}{self.kill_switch}" if there else ""

    def control(self, system: str) -> FaultControl:
        """Return where faults are switched on inside a system, its address filled in; raises KeyError."""
        one = self.target(system)
        if one.control is None:
            raise KeyError(system)
        return msgspec.structs.replace(one.control, url=one.filled(one.control.url, system))


def declared_as(system: str) -> str:
    """Return the name in the targets file that stands for a system: ``province`` for ``province:01``."""
    return "province" if province_of(system) else system


def host_and_port(url: str) -> tuple[str, int]:
    """Return host and port of an address."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def astray(host: str, addresses: Iterable[str], networks: Iterable[Network]) -> str:
    """Say that a name leads where it wasn't declared to lead; empty: it doesn't."""
    declared = tuple(networks)
    where = next((address for address in addresses if undeclared(address, declared)), "")
    return f"{host} leads to {where}, which the targets file doesn't declare" if where else ""


def undeclared(address: str, networks: Iterable[Network]) -> bool:
    """Tell whether an address is in none of the networks; IPv4 in an IPv6 coat counts as IPv4."""
    one = ipaddress.ip_address(address.partition("%")[0])
    plain = getattr(one, "ipv4_mapped", None) or one
    return not any(plain.version == network.version and plain in network for network in networks)
