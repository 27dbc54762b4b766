"""Every journey, by the name that campaigns use, and every operation that samples may name."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from scenarios.journeys import citizen, drafts, inspector, officer, old_interface
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

    def any(self, seed: int) -> str | None:
        """Return a code, young or old, as the seed has it; None before the first submission."""
        return self.codes[seed % len(self.codes)] if self.codes else None


def _submit_online(session: Session, memory: Memory) -> None:
    memory.codes.append(citizen.submit_online(session))


def _counter_intake(session: Session, memory: Memory) -> None:
    officer.intake(session)


def _process(session: Session, memory: Memory) -> None:
    officer.process(session)


def _track(session: Session, memory: Memory) -> None:
    citizen.track_only(session, memory.recent)


def _resume_draft(session: Session, memory: Memory) -> None:
    memory.codes.append(drafts.at_home(session))


def _counter_weak_line(session: Session, memory: Memory) -> None:
    drafts.at_the_counter(session)


def _old_interface(session: Session, memory: Memory) -> None:
    old_interface.submit(session)


def _follow_up(session: Session, memory: Memory) -> None:
    inspector.follow_up(session, memory.any(session.arrival.seed))


def _broker(session: Session, memory: Memory) -> None:
    inspector.broker(session)


JOURNEYS: dict[str, tuple[Callable[[Session, Memory], None], str]] = {
    "submit-online": (
        _submit_online,
        "a citizen submits at the national portal: VNeID, population, payment, tracking",
    ),
    "counter-intake": (_counter_intake, "a one-stop officer takes a dossier in at the counter"),
    "process": (_process, "an officer takes the oldest open dossier to its end"),
    "track": (_track, "a citizen looks a dossier up at the portal"),
    "resume-draft": (
        _resume_draft,
        "a citizen submits out of a draft, with an attachment, in several sessions",
    ),
    "counter-weak-line": (
        _counter_weak_line,
        "an officer takes a dossier in out of a draft, with an attachment",
    ),
    "old-interface": (_old_interface, "a citizen begins at the old interface and ends where T_cutover leads"),
    "follow-up": (_follow_up, "a citizen looks whether an older dossier is done, or forgotten"),
    "broker": (_broker, "one account submits in a burst until it is throttled"),
}

_FEE = 0.6
"""Share of online submissions that cost a fee, roughly [A]."""

_LOG_IN = {"vneid.authorize": 1, "vneid.token": 1, "national.session": 1}
_PIECES = sum(drafts.SIZES) / 2 / drafts.PIECE
"""Pieces of an attachment of average size."""

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
    "resume-draft": {
        **_LOG_IN,
        "national.save_draft": 3,
        "national.announce": 1,
        "national.upload": _PIECES,
        "national.attach": 1,
        "national.resume_draft": 1 + drafts.LATER,
        "national.submit": 1,
    },
    "counter-weak-line": {
        "province.session": 1 + drafts.LATER,
        "province.save_draft": 3,
        "province.announce": 1,
        "province.upload": _PIECES,
        "province.attach": 1,
        "province.resume_draft": 1 + drafts.LATER,
        "province.intake": 1,
    },
    "old-interface": {
        **_LOG_IN,
        "province.portal": 1,
        "province.portal_session": 1,
        "province.portal_draft": 2,
        "province.portal_submit": 0.5,
        "national.handover": 0.5,
        "national.resume_draft": 0.5,
        "national.save_draft": 0.5,
        "national.submit": 0.5,
    },
    "follow-up": {"national.follow_up": 1},
    "broker": {**_LOG_IN, "national.broker_submit": 32, "national.throttled": 1},
}
"""Requests of each operation that a journey makes on average: what `plan` estimates with, not a measurement [A]."""

OPERATIONS = frozenset(operation for expected in EXPECTED.values() for operation in expected)
"""Names that a sample's ``operation`` may have."""
