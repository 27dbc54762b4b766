"""Other people's systems: nothing of them is started here; only links to them that a fault breaks get a proxy."""

import os
import secrets
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import NoReturn
from urllib.parse import urlsplit

from faults.control import Control, Endpoint, Stranger
from faults.kinds.base import FaultError
from faults.leases import TakenLease
from faults.probe import Question
from faults.server import Server
from faults.toxiproxy import Proxies
from harness.errors import UsageError
from harness.gate import leads_to
from harness.ports import LOOPBACK
from harness.stack import Stack
from model.links import PEOPLE
from model.plan import Plan
from model.record import EventLog, Record
from model.target_checks import controlled, proxied
from model.targets import Network, Place, SecretError, Targets, Window, astray, host_and_port

Addresses = dict[str, tuple[str, ...]]
"""System -> the addresses that its name resolves to."""


def resolved(plan: Plan) -> Addresses:
    """Resolve the name of every system that is loaded; raises UsageError where one leads elsewhere than declared."""
    targets = plan.targets
    assert targets is not None
    urls = targets.urls(plan.systems)
    return {name: _resolved(name, url, targets.target(name).networks) for name, url in urls.items()}


def resolved_controls(plan: Plan) -> Addresses:
    """Resolve the names of the control endpoints that faults need; raises UsageError as ``resolved`` does."""
    assert plan.targets is not None
    controls = {name: plan.targets.control(name) for name in controlled(plan)}
    return {name: _resolved(f"{name} control", one.url, one.networks) for name, one in controls.items()}


def _resolved(what: str, url: str, networks: Iterable[Network]) -> tuple[str, ...]:
    host, _ = host_and_port(url)
    try:
        found = leads_to(url)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"{what}: {host} was not resolved ({error}); correct its url") from None
    elsewhere = astray(host, found, networks)
    if elsewhere:
        raise UsageError(f"{what}: {elsewhere}; nothing was sent, ask whose address that is")
    return found


def check(plan: Plan, now: float | None = None) -> None:
    """Refuse a run that isn't allowed, or can't be, at this moment (Unix seconds); raises UsageError."""
    assert plan.targets is not None
    targets, moment = plan.targets, time.time() if now is None else now
    last = moment + plan.duration + plan.load.grace
    _check_window(targets.window, moment, last, "the load", "is")
    for system in controlled(plan):
        _check_window(targets.control(system).window, moment, last, f"faults inside {system}", "are")
    if killed := targets.killed():
        raise UsageError(f"{killed}; remove it when load is allowed again")
    for place in (*targets.systems.values(), *map(targets.control, controlled(plan))):
        _headers(place)


def _check_window(window: Window, moment: float, last: float, what: str, are: str) -> None:
    """Refuse a run that isn't inside a window from its first moment to its last."""
    allowed = f"{are} allowed from {window.start.isoformat()} to {window.end.isoformat()}"
    if window.closed(moment):
        raise UsageError(f"outside the window: it is {_time(moment)}, and {what} {allowed}; wait for it")
    if window.closed(last):
        raise UsageError(f"the load would last until {_time(last)}, and {what} {allowed}; shorten it")


def _headers(place: Place) -> dict[str, str]:
    """Return the headers that authenticate; raises UsageError where the secret isn't there."""
    try:
        return place.auth.headers(os.environ) if place.auth else {}
    except SecretError as error:
        raise UsageError(str(error)) from None


def _endpoint(place: Place, url: str, address: str) -> Endpoint:
    """Return how a place is asked, at an address that its name had: a name can't lead elsewhere later."""
    parts = urlsplit(url)
    where = _joined(address, host_and_port(url)[1])
    return Endpoint(where, parts.netloc, parts.path, parts.scheme == "https", place.ca_file)


def _time(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


class ExternalStack(Stack):
    """Systems that somebody else runs.

    Attributes:
        addresses: Empty: nothing is done to them past the journeys.
    """

    def __init__(self, plan: Plan, record: Record, events: EventLog, bind: str = LOOPBACK) -> None:
        super().__init__(plan, record, events)
        self._bind = bind
        self._found: Addresses = {}
        self._controls: Addresses = {}
        self._mark = secrets.token_hex(4)  # whoever breaks the same system has faults of other names

    def start(self, server: Server, proxies: Proxies) -> None:
        """Create the proxies, write ``stack.json``; raises UsageError where a name leads elsewhere than declared.

        A proxy leads to an address, not to a name: it can't be led elsewhere while the run goes on.
        """
        targets = self._plan.targets
        assert targets is not None
        urls, found = targets.urls(self._plan.systems), resolved(self._plan)
        self._found, self._controls = found, resolved_controls(self._plan)
        links = proxied(self._plan)
        upstreams = {link.name: _joined(found[link.target][0], host_and_port(urls[link.target])[1]) for link in links}
        hosts = dict.fromkeys(upstreams, self._bind) if self._bind != LOOPBACK else {}
        self.routes = proxies.create_all(upstreams, hosts)
        self._record.path("state").mkdir(exist_ok=True)
        self._server = server
        self._write()
        self._events.write("targets_resolved", systems=_lists(found), controls=_lists(self._controls))
        self._events.write("stack_started", systems=len(urls), links=len(self.routes))

    def questions(self) -> dict[str, Question]:
        """Return what proofs ask at each link that a fault breaks."""
        targets = self._plan.targets
        assert targets is not None
        found = {}
        for link in proxied(self._plan):
            url = urlsplit(targets.target(link.target).url_for(link.target))
            found[link.name] = Question(url.path + targets.target(link.target).probe, url.netloc)
        return found

    def strangers(self) -> dict[str, Stranger]:
        """Return the systems that a control endpoint lets us break from inside; raises UsageError."""
        targets = self._plan.targets
        assert targets is not None
        return {system: self._stranger(targets, system) for system in controlled(self._plan)}

    def _stranger(self, targets: Targets, system: str) -> Stranger:
        one, control = targets.target(system), targets.control(system)
        endpoint = _endpoint(control, control.url, self._controls[system][0])
        marked = replace(endpoint, base=f"{endpoint.base}/{self._mark}-", headers=_headers(control))
        itself = _endpoint(one, one.url_for(system), self._found[system][0])
        return Stranger(Control(marked), itself, one.probe)

    def _systems(self) -> dict[str, dict[str, object]]:
        assert self._plan.targets is not None
        return {name: self._entry(name, url) for name, url in self._plan.targets.urls(self._plan.systems).items()}

    def _entry(self, system: str, url: str) -> dict[str, object]:
        proxy = self.routes.get(f"{PEOPLE}->{system}")
        return {"url": url, "direct_url": url, "pid": None, **({"proxy": proxy} if proxy else {})}

    def _port(self, system: str) -> NoReturn:
        _not_ours(system)

    def kill(self, system: str) -> NoReturn:
        """Raise FaultError."""
        _not_ours(system)

    def restart(self, system: str) -> NoReturn:
        """Raise FaultError."""
        _not_ours(system)

    def is_running(self, system: str) -> NoReturn:
        """Raise FaultError."""
        _not_ours(system)

    def pid(self, system: str) -> NoReturn:
        """Raise FaultError."""
        _not_ours(system)

    def pausing(self, fault: str, system: str) -> TakenLease:
        """Raise FaultError."""
        _not_ours(system)

    def limiting(self, fault: str, system: str, headroom: int) -> TakenLease:
        """Raise FaultError."""
        _not_ours(system)

    def disconnecting(self, fault: str, system: str) -> TakenLease:
        """Raise FaultError."""
        _not_ours(system)

    def find(self, system: str) -> None:
        """Do nothing: where they are is declared."""

    def exited(self) -> Iterator[tuple[str, int]]:
        """Yield nothing: their processes aren't known."""
        yield from ()

    def stop(self) -> None:
        """Do nothing: nothing of them was started."""


def _not_ours(system: str) -> NoReturn:
    raise FaultError(f"{system}: this harness didn't start it, and doesn't break it")


def _lists(found: Addresses) -> dict[str, list[str]]:
    return {name: list(addresses) for name, addresses in found.items()}


def _joined(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
