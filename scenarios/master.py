"""The master of the load: briefs workers, divides the schedule among them, notices who is lost and who is back.

Locust connects the workers, starts their users and watches their heartbeats. What comes in over its messages is only
queued in its handlers, which swallow exceptions; it is acted on in `Master.run`, where an exception ends the process.
"""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import gevent
from gevent.queue import Empty, Queue
from locust.env import Environment
from locust.runners import MasterRunner

from model import plan as plans
from model.links import mobile_lines
from model.record import Record
from scenarios.delivery import Inbox
from scenarios.lines import say
from scenarios.shares import Division
from scenarios.user import Schedule
from scenarios.version import fingerprint

MISSING = "missing"
"""What Locust calls a worker whose heartbeats have stopped for three seconds."""
PULSE = 1.0
"""Seconds between two signs of life to the workers."""
AHEAD = 0.5
"""Seconds from telling a division to its beginning: time for the word to reach every worker."""
MESSAGES = ("hello", "clock", "joined", "rows", "tally", "guarded", "declined")


@dataclass(slots=True)
class Member:
    """A worker that was briefed.

    Attributes:
        index: Its number in this run.
        name: What it calls itself, unique among the living.
        client: Its address in Locust's messages.
        ready: Whether it has joined.
        lost: Whether it is missed.
        gone: Whether its process has ended: it won't come back.
        tally: What became of its share, once it is over.
    """

    index: int
    name: str
    client: str
    ready: bool = False
    lost: bool = False
    gone: bool = False
    tally: dict[str, Any] = field(default_factory=dict)

    @property
    def living(self) -> bool:
        """Whether it takes part."""
        return self.ready and not self.lost


class Master:
    """Waits for the expected workers, then keeps the schedule divided among the living ones.

    Attributes:
        members: By index.
    """

    def __init__(self, host: str, port: int, expected: int, record: Record, run: str) -> None:
        self.members: list[Member] = []
        self._expected = expected
        self._record = record
        self._plan = record.path("plan.json").read_bytes()
        self._external = plans.decode(self._plan).targets is not None
        self._run = run
        self._inbox = Inbox(record)
        self._queue: Queue = Queue()
        self._divisions: list[Division] = []
        self._t0: float | None = None
        self._stack: dict[str, Any] = {}
        self._early: list[tuple[str, dict[str, Any]]] = []
        self._environment = Environment(user_classes=[Schedule])
        self._runner: MasterRunner = self._environment.create_master_runner(host, port)
        for name in MESSAGES:
            self._runner.register_message(name, self._enqueue)
        self._handlers: Mapping[str, Callable[[str, dict[str, Any]], None]] = {
            "hello": self._hello,
            "clock": self._clock,
            "joined": self._joined,
            "rows": self._rows,
            "tally": self._tally,
            "guarded": self._guarded,
            "declined": self._declined,
        }

    def _enqueue(self, environment: Environment, msg: Any, **_: object) -> None:
        self._queue.put((msg.type, msg.node_id, msg.data))

    def handle(self, command: dict[str, Any]) -> None:
        """Act on a command of the conductor."""
        self._queue.put(("command", "", command))

    def run(self) -> None:
        """Act on messages until every living worker has told its tally, then report."""
        pulse = 0.0
        while not self._finished():
            try:
                kind, client, data = self._queue.get(timeout=0.1)
            except Empty:
                pass
            else:
                self._act(kind, client, data)
            if time.monotonic() - pulse >= PULSE:
                pulse = time.monotonic()
                self._tell_all("pulse", {})
            self._look_for_changes()
        self._report()

    def _act(self, kind: str, client: str, data: dict[str, Any]) -> None:
        if kind == "command":
            self._command(data)
        else:
            self._handlers[kind](client, data)

    def _command(self, command: dict[str, Any]) -> None:
        if "stack" in command:
            self._stack = self._record.json("stack.json")
            for client, data in self._early:
                self._hello(client, data)
        elif "begin" in command:
            self._t0 = float(command["begin"])
            self._runner.start(user_count=len(self.members), spawn_rate=len(self.members))
            self._divide(float("-inf"))
            self._tell_all("begin", {"t0": self._t0})
        elif "gone" in command:
            self._bury({member.index for member in self.members if member.name == command["gone"]})
        elif "stop" in command:
            self._tell_all("halt", {})

    def _hello(self, client: str, data: dict[str, Any]) -> None:
        """Brief a worker, or refuse it; one that comes before the stack is up waits."""
        if not self._stack:
            self._early.append((client, data))
            return
        refusal = self._refusal(data)
        if refusal:
            self._runner.send_message("refuse", {"reason": refusal}, client)
            return
        member = Member(len(self.members), data["name"], client)
        self.members.append(member)
        systems = self._stack["systems"]
        addresses = {name: system["url"] for name, system in systems.items()} | mobile_lines(self._stack["links"])
        brief = {
            "index": member.index,
            "run": self._run,
            "workers": self._expected,
            "addresses": addresses,
            "proxies": {name: system["proxy"] for name, system in systems.items() if "proxy" in system},
            "plan": self._plan.decode(),
        }
        self._runner.send_message("brief", brief, client)

    def _refusal(self, data: dict[str, Any]) -> str:
        if data["version"] != fingerprint():
            return f"it runs version {data['version']}, the master {fingerprint()}: install the same"
        if any(member.name == data["name"] and not member.lost for member in self.members):
            return f"a worker named {data['name']} is there already: give this one another --name"
        if self._external and len(self.members) >= self._expected:
            return (
                f"the authorised rate is divided among {self._expected} workers, and all have come: begin another run"
            )
        return ""

    def _clock(self, client: str, data: dict[str, Any]) -> None:
        divisions = [_as_message(division) for division in self._divisions]
        answer = {"asked": data["asked"], "master": time.monotonic(), "divisions": divisions}
        self._runner.send_message("clock", answer, client)

    def _joined(self, client: str, data: dict[str, Any]) -> None:
        member = self.members[data["index"]]
        member.ready = True
        say(joined=member.index, name=member.name, host=data["host"])
        say(clock=member.index, seconds=data["offset"], uncertainty=data["uncertainty"])
        if self._t0 is not None:
            for division in self._divisions:
                self._runner.send_message("division", _as_message(division), client)
            self._runner.send_message("begin", {"t0": self._t0}, client)
            self._divide(self._soon())
        elif sum(member.ready for member in self.members) == self._expected:
            say(ready=self._expected)

    def _rows(self, client: str, data: dict[str, Any]) -> None:
        size = self._inbox.take(data["part"], data["table"], data["offset"], data["data"])
        self._runner.send_message("got", {"table": data["table"], "size": size}, client)

    def _tally(self, client: str, data: dict[str, Any]) -> None:
        self.members[data["index"]].tally = data

    def _guarded(self, client: str, data: dict[str, Any]) -> None:
        say(guarded=data["index"], reason=data["reason"])

    def _declined(self, client: str, data: dict[str, Any]) -> None:
        """Tell of a worker that doesn't take part, and why: its place stays empty."""
        self._runner.send_message("declined", {}, client)
        say(declined=self.members[data["index"]].name, reason=data["reason"])

    def _look_for_changes(self) -> None:
        """Compare with Locust's view of who is missing."""
        states = {client.id: client.state for client in self._runner.clients.values()}
        missing = {
            m.index for m in self.members if m.living and not m.tally and states.get(m.client, MISSING) == MISSING
        }
        absent = [m for m in self.members if m.ready and m.lost and not m.gone]
        back = {m.index for m in absent if states.get(m.client, MISSING) != MISSING}
        self._lose(missing)
        self._take_back(back)

    def _bury(self, indices: set[int]) -> None:
        """Lose workers for good, unless they were done."""
        ended = {index for index in indices if not self.members[index].tally}
        for index in ended:
            self.members[index].gone = True
        self._lose(ended)

    def _lose(self, indices: set[int]) -> None:
        lost = [member for member in self.members if member.index in indices and not member.lost]
        for member in lost:
            member.lost = True
            say(lost=member.index, name=member.name)
        if lost and self._t0 is not None:
            self._divide(self._soon())

    def _take_back(self, indices: set[int]) -> None:
        for index in indices:
            self.members[index].lost = False
            say(back=index)
        if indices and self._t0 is not None:
            self._divide(self._soon())

    def _soon(self) -> float:
        assert self._t0 is not None
        return time.monotonic() - self._t0 + AHEAD

    def _divide(self, start: float) -> None:
        division = Division(start, tuple(member.index for member in self.members if member.living))
        self._divisions.append(division)
        self._tell_all("division", _as_message(division))
        if start > 0:
            say(division=start, workers=list(division.workers))

    def _tell_all(self, kind: str, data: dict[str, Any]) -> None:
        for member in self.members:
            if member.ready:
                self._runner.send_message(kind, data, member.client)

    def _finished(self) -> bool:
        if self._t0 is None:
            return False
        return all(member.tally or member.lost or not member.ready for member in self.members)

    def _report(self) -> None:
        tallies = [member.tally for member in self.members if member.tally]
        names = ("started", "dropped", "unfinished", "broken")
        say(
            finished={name: sum(tally[name] for tally in tallies) for name in names},
            errors=[error for tally in tallies for error in tally["errors"]],
            halted=[tally["halted"] for tally in tallies if tally["halted"] is not None],
        )
        self._runner.quit()


def _as_message(division: Division) -> dict[str, Any]:
    return {"start": division.start, "workers": list(division.workers)}


def serve(master: Master, commands: Callable[[Callable[[dict[str, Any]], None]], None]) -> None:
    """Run the master until it is done or its standard input ends."""
    job = gevent.spawn(master.run)
    listener = gevent.spawn(commands, master.handle)
    gevent.joinall([job, listener], count=1)
    if job.ready():
        job.get()
    sys.stdout.flush()
