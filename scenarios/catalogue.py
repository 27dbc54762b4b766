"""Every journey, by the name that campaigns use, and every operation that samples may name."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from scenarios.journeys import citizen, officer, old_codes
from scenarios.personas import DOUBLE_SUBMIT, ENDINGS
from scenarios.session import Session


@dataclass(slots=True)
class Memory:
    """Codes of recent submissions, for personas who follow one up."""

    codes: deque[str] = field(default_factory=lambda: deque(maxlen=1000))

    def recent(self) -> str | None:
        """Return a recent code, each in its turn; None before the first submission."""
        if not self.codes:
            return None
        self.codes.rotate(1)
        return self.codes[0]


def _submit_online(session: Session, memory: Memory) -> None:
    memory.codes.append(citizen.submit_online(session))


def _counter_intake(session: Session, memory: Memory) -> None:
    officer.intake(session)


def _process(session: Session, memory: Memory) -> None:
    officer.process(session)


def _track(session: Session, memory: Memory) -> None:
    citizen.track_only(session, memory.recent)


def _submit_old_code(session: Session, memory: Memory) -> None:
    memory.codes.append(old_codes.submit(session))


def _submit_split(session: Session, memory: Memory) -> None:
    memory.codes.append(old_codes.submit(session, split=True))


def _intake_old_code(session: Session, memory: Memory) -> None:
    old_codes.intake(session)


JOURNEYS: dict[str, tuple[Callable[[Session, Memory], None], str]] = {
    "submit-online": (
        _submit_online,
        "a citizen submits at the national portal: VNeID, population, payment, tracking",
    ),
    "counter-intake": (_counter_intake, "a one-stop officer takes a dossier in at the counter"),
    "process": (_process, "an officer takes the oldest open dossier to its end"),
    "track": (_track, "a citizen looks a dossier up at the portal"),
    "submit-old-code": (_submit_old_code, "a citizen's form carries the unit code of before the merger"),
    "submit-split": (_submit_split, "the same, of a unit that was split: the hamlet tells, or the citizen chooses"),
    "intake-old-code": (_intake_old_code, "an officer takes a form with an old unit code in at the counter"),
}

_FEE = 0.6
"""Share of online submissions that cost a fee, roughly [A]."""

_LOGGED_IN = {
    "vneid.authorize": 1.0,
    "vneid.token": 1.0,
    "national.session": 1.0,
    "national.procedures": 1.0,
    "national.population": 1.0,
}

EXPECTED: dict[str, dict[str, float]] = {
    "submit-online": {
        "vneid.authorize": 1,
        "vneid.token": 1,
        "national.session": 1,
        "national.procedures": 1,
        "national.population": 1,
        "national.submit": 1 + DOUBLE_SUBMIT,
        "national.payment": _FEE,
        "payment.pay": _FEE,
        "national.track": 1,
    },
    "counter-intake": {"province.session": 1, "province.population": 1, "province.intake": 1 + DOUBLE_SUBMIT},
    "process": {
        "province.session": 1,
        "province.claim": 1,
        "province.accept": 0.75,
        "province.process": 1,
        "province.finish": ENDINGS["return"],
        "province.return_result": ENDINGS["return"],
        "province.request_papers": ENDINGS["papers"],
        "province.request_fee": ENDINGS["fee"],
        "province.stop": ENDINGS["stop"],
    },
    "track": {"national.track": 1},
    "submit-old-code": {**_LOGGED_IN, "national.submit_old_code": 1.2, "national.track": 1},
    "submit-split": {**_LOGGED_IN, "national.submit_old_code": 1.4, "national.track": 1},
    "intake-old-code": {"province.session": 1, "province.population": 1, "province.intake_old_code": 1.2},
}
"""Requests of each operation that a journey makes on average: what `plan` estimates with, not a measurement [A]."""

OPERATIONS = frozenset(operation for expected in EXPECTED.values() for operation in expected)
"""Names that a sample's ``operation`` may have."""
