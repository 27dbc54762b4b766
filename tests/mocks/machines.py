"""What the stateful tests share: how a machine runs, and the life cycle as the domain's description has it."""

import tempfile
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, run_state_machine_as_test

from tests.conftest import BEARER
from tests.mocks.inside import Inside

MEMORY = Path("/dev/shm")  # noqa: S108  a folder of its own is made there
"""Where files needn't wait for a disk: what one does to them is for tests/mocks/test_crash.py."""
FOLLOWS = {
    1: {2, 3, 5, 7},
    2: {4, 5, 6, 7, 9},
    3: set(),
    4: {5, 6, 7, 8, 9},
    5: {2, 3, 7},
    6: {4, 7},
    7: set(),
    8: set(),
    9: {10},
    10: set(),
}
"""State -> what may follow it, beside the way back from 5 to the state before it; written down a second time."""
LEADS_TO = {
    "accept": 2,
    "reject": 3,
    "process": 4,
    "request_papers": 5,
    "request_fee": 6,
    "withdraw": 7,
    "stop": 8,
    "finish": 9,
    "return_result": 10,
}

ROLE_OF = {
    "2.000815": ("cb", "cb", "ld", "cb"),
    "1.012753": ("cb", "cv", "ld", "vt"),
}
"""Procedure -> who receives, processes, decides and hands back."""
PART = {
    **dict.fromkeys(("accept", "reject", "resume", "withdraw"), 0),
    **dict.fromkeys(("process", "request_papers", "request_fee"), 1),
    **dict.fromkeys(("finish", "stop"), 2),
    "return_result": 3,
}
NEXT = {1: "accept", 2: "process", 4: "finish", 9: "return_result"}


def role_of(procedure, action):
    """Return whose an action is."""
    return ROLE_OF[procedure][PART[action]]


def after(action, states):
    """Return the state to which an action takes a dossier of this history; None: the life cycle forbids it."""
    now, before = states[-1], states[-2] if len(states) > 1 else None
    target = {5: before, 6: 4}.get(now) if action == "resume" else LEADS_TO[action]
    allowed = target in FOLLOWS[now] or (now == 5 and target == before)
    return target if target is not None and allowed else None


class Clock:
    """The hour that systems see: it goes on when a rule says so.

    Attributes:
        now: Unix seconds.
    """

    def __init__(self):
        self.now = 1_751_328_000.0  # 1 July 2025, 07:00 in Việt Nam

    def time(self):
        return self.now

    def dated(self):
        """Return a datetime whose ``now`` is this clock's."""

        class Dated(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.fromtimestamp(self.now, tz)

        return Dated


class Machine(RuleBasedStateMachine):
    """Puts rules to the systems named in ``names``; ``options`` go to them.

    ``timed`` names the modules whose clock is the machine's. In the middle they are restarted.
    """

    names: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    options: dict[str, object] = {}  # noqa: RUF012  each machine has its own
    timed: tuple[str, ...] = ()

    def __init__(self):
        super().__init__()
        self.clock, self.keys, self.undo = Clock(), 0, ExitStack()
        folder = self.undo.enter_context(tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None))
        for module in self.timed:
            self.undo.enter_context(patch(f"{module}.time", self.clock))
        self.inside = Inside(folder, self.names, self.platforms, **self.options)
        self.undo.callback(self.inside.stop)
        self.prepare()

    def prepare(self):
        """Begin with an empty model."""

    @initialize(steps=st.integers(2, 12))
    def choose_when_to_restart(self, steps):
        self.steps = steps

    @invariant()
    def restart(self):
        """After so many steps go on as before: what was answered outlives the process that answered it."""
        self.steps -= 1
        if self.steps == 0:
            self.settle()
            for name in self.names:
                self.inside.restart(name)
            self.restarted()

    def settle(self):
        """Bring to its end what is under way."""

    def restarted(self):
        """Forget what is a process's alone."""

    def key(self):
        """Return an idempotency key: the same one when the same steps are run again."""
        self.keys += 1
        return {"Idempotency-Key": f"k-{self.keys}"}

    def fault(self, name, kind, **attributes):
        """Switch a fault inside a system on."""
        order = {"kind": kind, "attributes": attributes, "lease": 60}
        answer = self.inside.ask(name, "PUT", "/control/faults/f", json=order, headers=BEARER)
        assert answer.status_code == 200, answer.text

    def heal(self, name):
        """Switch it off."""
        assert self.inside.ask(name, "DELETE", "/control/faults/f", headers=BEARER).status_code == 200

    def teardown(self):
        self.undo.close()


def answers(answer, status, content):
    """Assert that a system answered so."""
    assert (answer.status_code, answer.json()) == (status, content)


def refuses(answer, status, reason):
    """Assert that a system refused so."""
    assert (answer.status_code, answer.json().get("reason")) == (status, reason)


def finds(machine, examples=1000, steps=20, **options):
    """Assert that a machine finds what is wrong: as a rule within ten examples, at times only after a hundred.

    Which ones are tried depends on the modules that are loaded: hypothesis takes constants out of their source.
    """
    with pytest.raises(AssertionError):
        run(machine, examples, steps, **options)


def run(machine, examples, steps=25, **options):
    """Run a machine; with ``options`` against systems that have them."""
    chosen = type(machine.__name__, (machine,), {"options": {**machine.options, **options}})
    quick = settings(
        max_examples=examples,
        stateful_step_count=steps,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        report_multiple_bugs=False,
    )
    run_state_machine_as_test(chosen, settings=quick)
