"""What the stateful tests share: how a machine runs, and the life cycle as the domain's description has it."""

import tempfile

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.mocks.inside import Inside

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


def after(action, states):
    """Return the state to which an action takes a dossier of this history; None: the life cycle forbids it."""
    now, before = states[-1], states[-2] if len(states) > 1 else None
    target = {5: before, 6: 4}.get(now) if action == "resume" else LEADS_TO[action]
    allowed = target in FOLLOWS[now] or (now == 5 and target == before)
    return target if target is not None and allowed else None


class Machine(RuleBasedStateMachine):
    """Puts rules to the systems named in ``names``; ``options`` go to them."""

    names: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    options: dict[str, object] = {}  # noqa: RUF012  each machine has its own

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.inside = Inside(self.folder.name, self.names, self.platforms, **self.options)
        self.prepare()

    def prepare(self):
        """Begin with an empty model."""

    def key(self):
        """Return an idempotency key: the same one when the same steps are run again."""
        self.keys = getattr(self, "keys", 0) + 1
        return {"Idempotency-Key": f"k-{self.keys}"}

    def teardown(self):
        self.inside.stop()
        self.folder.cleanup()


def run(machine, examples, steps=25, **options):
    """Run a machine; with ``options`` against systems that have them."""
    chosen = type(machine.__name__, (machine,), {"options": {**machine.options, **options}})
    quick = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        report_multiple_bugs=False,
    )
    run_state_machine_as_test(chosen, settings=quick)
