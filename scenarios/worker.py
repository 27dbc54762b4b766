"""A worker of the load: joins a master, runs its shares of the schedule, delivers what it recorded."""

import os
import socket
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gevent
from gevent.event import AsyncResult
from locust.env import Environment
from locust.runners import WorkerRunner

from model.plan import Plan
from model.record import Record
from model.target_checks import rate_for_load
from model.targets import SecretError
from scenarios.briefing import Refused, checked
from scenarios.contact import Contact
from scenarios.delivery import Outbox
from scenarios.engine import Engine
from scenarios.guard import Guard
from scenarios.guarded import GuardedNetwork
from scenarios.lines import say
from scenarios.recorder import Recorder
from scenarios.shares import Division
from scenarios.user import Schedule
from scenarios.version import fingerprint

FOUND_WITHIN = 10.0
"""Seconds in which the master must be found."""
BRIEFED_WITHIN = 30.0
"""Seconds in which the master must answer: it does when its systems are up."""
PINGS = 9
"""Measurements of the clock's offset; the one with the shortest round trip counts."""
HEARD_WITHIN = 2.0
"""Seconds in which the master must have heard why this worker leaves."""
DELIVERED_WITHIN = 20.0
"""Seconds in which the master must have taken the last rows."""


@dataclass(frozen=True, slots=True)
class Offset:
    """What the master's monotonic clock shows more than this host's.

    Attributes:
        seconds: The difference.
        uncertainty: Half the round trip of the measurement, seconds.
    """

    seconds: float
    uncertainty: float


class Worker:
    """One worker.

    Attributes:
        name: What it calls itself.
    """

    def __init__(self, host: str, port: int, name: str, folder: Path, delivers: bool, plan: str = "") -> None:
        """Connect; raises Refused.

        Args:
            host: Of the master.
            port: Of the master.
            name: What it calls itself.
            folder: The record, or a spool.
            delivers: Whether rows are sent to the master.
            plan: Fingerprint of the plan that it may run; empty: of any that leads to systems of the master's own.
        """
        self.name = name
        self._allowed = plan
        self._record = Record(folder)
        self._delivers = delivers
        self._brief: AsyncResult = AsyncResult()
        self._pong: AsyncResult = AsyncResult()
        self._t0: AsyncResult = AsyncResult()
        self._declined: AsyncResult = AsyncResult()
        self._engine: Engine | None = None
        self._outbox: Outbox | None = None
        self._divisions: list[Division] = []
        self._contact = Contact(lambda moment: self._send("clock", asked=moment))
        self._rush = False
        self._runner = self._connect(host, port)

    def _connect(self, host: str, port: int) -> WorkerRunner:
        _await_master(host, port)
        environment = Environment(user_classes=[Schedule])
        runner = environment.create_worker_runner(host, port)
        handlers = {
            "brief": self._brief.set,
            "refuse": self._brief.set,
            "declined": self._declined.set,
            "clock": self._answered,
            "begin": lambda data: self._t0.set(float(data["t0"])),
            "division": self._divide,
            "halt": self._halt,
            "pulse": lambda _: None,
            "got": self._got,
        }
        for kind, handler in handlers.items():
            runner.register_message(kind, lambda environment, msg, handler=handler, **_: self._hear(handler, msg.data))
        return runner

    def _hear(self, handler: Callable[[dict[str, Any]], None], data: dict[str, Any]) -> None:
        self._contact.hear()
        handler(data)

    def run(self) -> None:
        """Join, run, deliver; raises Refused."""
        brief = self._join()
        index = int(brief["index"])
        recorder = Recorder(self._record, index)
        plan, external = self._accepted(brief)
        engine = Engine(plan, recorder, brief["addresses"], brief["run"], external)
        engine.shares.divisions = self._divisions
        engine.certain = lambda: self._contact.certain
        self._engine = engine
        helpers = []
        if external is not None:
            helpers.append(gevent.spawn(external.guard.watch))
        if self._delivers:
            self._outbox = Outbox(self._record, f"worker-{index}")
            helpers.append(gevent.spawn(self._deliver, self._outbox))
        offset = self._measure()
        helpers.append(gevent.spawn(self._contact.watch))
        self._send(
            "joined", index=index, host=socket.gethostname(), offset=offset.seconds, uncertainty=offset.uncertainty
        )
        say(joined=index)
        tally = engine.run(self._t0.get() - (offset.seconds if self._delivers else 0.0))
        recorder.close()
        self._await_delivery()
        self._send("tally", index=index, **asdict(tally))
        Schedule.over.set()
        gevent.killall(helpers)

    def _accepted(self, brief: dict[str, Any]) -> tuple[Plan, GuardedNetwork | None]:
        """Return the plan and the way into other people's systems; raises Refused, which the master is told."""
        try:
            plan = checked(brief["plan"].encode(), self._allowed)
            return plan, self._external(plan, brief)
        except Refused as refusal:
            self._send("declined", index=brief["index"], reason=str(refusal))
            self._declined.wait(HEARD_WITHIN)
            raise

    def _external(self, plan: Plan, brief: dict[str, Any]) -> GuardedNetwork | None:
        """Return the way into other people's systems; None where the plan has none."""
        if plan.targets is None:
            return None
        guard = Guard(
            plan.targets,
            rate_for_load(plan, plan.targets) / brief["workers"],
            lambda reason: self._send("guarded", index=brief["index"], reason=reason),
        )
        try:
            credentials = plan.targets.credentials(os.environ)
        except SecretError as error:
            raise Refused(str(error)) from None
        return GuardedNetwork(plan, plan.targets, guard, credentials, brief["proxies"])

    def _join(self) -> dict[str, Any]:
        self._send("hello", name=self.name, version=fingerprint())
        try:
            brief: dict[str, Any] = self._brief.get(timeout=BRIEFED_WITHIN)
        except gevent.Timeout:
            raise Refused(f"the master didn't answer within {BRIEFED_WITHIN:.0f} s: is it one of thongsuot?") from None
        if "reason" in brief:
            raise Refused(f"the master refused worker {self.name}: {brief['reason']}")
        if self._delivers:
            self._record.write_json("brief.json", {"index": brief["index"], "name": self.name})
        return brief

    def _measure(self) -> Offset:
        """Ask for the master's clock some times; the shortest round trip is the best measurement."""
        return min((self._ping() for _ in range(PINGS)), key=lambda offset: offset.uncertainty)

    def _ping(self) -> Offset:
        self._pong = AsyncResult()
        asked = time.monotonic()
        self._send("clock", asked=asked)
        try:
            answer, received = self._pong.get(timeout=BRIEFED_WITHIN)
        except gevent.Timeout:
            raise Refused("the master stopped answering while clocks were compared") from None
        return Offset(answer["master"] - (asked + received) / 2, (received - asked) / 2)

    def _divide(self, data: dict[str, Any]) -> None:
        self._divisions.append(_division(data))

    def _answered(self, data: dict[str, Any]) -> None:
        """Take the master's clock, and the divisions that it has told so far: some may have been lost on their way."""
        self._pong.set((data, time.monotonic()))
        self._divisions[:] = map(_division, data["divisions"])
        self._contact.answer(data["asked"])

    def _halt(self, _: dict[str, Any]) -> None:
        if self._engine is not None:
            self._engine.stop()

    def _got(self, data: dict[str, Any]) -> None:
        if self._outbox is not None:
            self._outbox.acknowledge(data["table"], data["size"])

    def _deliver(self, outbox: Outbox) -> None:
        """Send new rows every second, and again what was not acknowledged."""
        while True:
            for table, offset, data in outbox.due():
                self._send("rows", part=outbox.part, table=table, offset=offset, data=data)
            gevent.sleep(0.05 if self._rush else 1.0)

    def _await_delivery(self) -> None:
        self._rush = True
        deadline = time.monotonic() + DELIVERED_WITHIN
        while self._outbox is not None and self._outbox.pending and time.monotonic() < deadline:
            gevent.sleep(0.05)

    def _send(self, kind: str, **data: object) -> None:
        self._runner.send_message(kind, data)


def _division(data: dict[str, Any]) -> Division:
    return Division(float(data["start"]), tuple(data["workers"]))


def _await_master(host: str, port: int) -> None:
    """Wait until somebody listens; raises Refused."""
    deadline = time.monotonic() + FOUND_WITHIN
    while True:
        try:
            socket.create_connection((host, port), timeout=FOUND_WITHIN).close()
        except OSError as error:
            if time.monotonic() > deadline:
                raise Refused(f"no master at {host}:{port} ({error}); start one with thongsuot run --bind") from None
            gevent.sleep(0.1)
        else:
            return
