"""Every journey, by the name that campaigns use, and every operation that samples may name."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from scenarios.journeys import citizen, clerk, data_only, hotline, office, officer
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


def _data_only(session: Session, memory: Memory) -> None:
    memory.codes.append(data_only.online(session))


def _data_only_counter(session: Session, memory: Memory) -> None:
    data_only.counter(session)


def _send_document(session: Session, memory: Memory) -> None:
    clerk.send(session)


def _receive_documents(session: Session, memory: Memory) -> None:
    clerk.receive(session)


def _call_hotline(session: Session, memory: Memory) -> None:
    hotline.ask(session)


def _ops_alert(session: Session, memory: Memory) -> None:
    hotline.alert(session)


def _report(session: Session, memory: Memory) -> None:
    office.report(session)


def _poll_tasks(session: Session, memory: Memory) -> None:
    office.poll_tasks(session)


def _join_meeting(session: Session, memory: Memory) -> None:
    office.join_meeting(session)


def _watch_dashboard(session: Session, memory: Memory) -> None:
    office.watch_dashboard(session)


JOURNEYS: dict[str, tuple[Callable[[Session, Memory], None], str]] = {
    "submit-online": (
        _submit_online,
        "a citizen submits at the national portal: VNeID, population, payment, tracking",
    ),
    "counter-intake": (_counter_intake, "a one-stop officer takes a dossier in at the counter"),
    "process": (_process, "an officer takes the oldest open dossier to its end"),
    "track": (_track, "a citizen looks a dossier up at the portal"),
    "data-only": (_data_only, "a citizen uses a service based wholly on data: databases confirm, no paper"),
    "data-only-counter": (_data_only_counter, "the same at a counter, by a one-stop officer"),
    "send-document": (_send_document, "a province's clerk sends a document to communes and provinces over the axis"),
    "receive-documents": (_receive_documents, "a clerk fetches what has come over the axis, receives or rejects it"),
    "call-hotline": (_call_hotline, "a citizen calls the hotline with a question"),
    "ops-alert": (_ops_alert, "an officer reports an incident to the operators"),
    "report": (_report, "a unit sends a periodic report, now and then late or twice"),
    "poll-tasks": (_poll_tasks, "a province looks at the tasks that it was given, and reports on one"),
    "join-meeting": (_join_meeting, "a unit joins an online meeting and leaves it"),
    "watch-dashboard": (_watch_dashboard, "a dashboard of the operation centre polls its figures"),
}

PLATFORMS: dict[str, str] = {
    "data-only": "specialised",
    "data-only-counter": "specialised",
    "send-document": "axis",
    "receive-documents": "axis",
    "call-hotline": "hotline",
    "ops-alert": "hotline",
    "report": "reporting",
    "poll-tasks": "tasks",
    "join-meeting": "meetings",
    "watch-dashboard": "ioc",
}
"""Journey -> the platform that it needs besides the systems that are always there."""

_FEE = 0.6
"""Share of online submissions that cost a fee, roughly [A]."""

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
    "data-only": {
        "vneid.authorize": 1,
        "vneid.token": 1,
        "national.session": 1,
        "national.procedures": 1,
        "national.submit": 1 + DOUBLE_SUBMIT,
        "national.verify": 1,
        "national.verification": 1,
    },
    "data-only-counter": {
        "province.session": 1,
        "province.intake": 1,
        "province.verify": 1,
        "province.verification": 1,
    },
    "send-document": {"province.session": 1, "province.document": 1 + DOUBLE_SUBMIT},
    "receive-documents": {
        "axis.register": 1,
        "axis.list": 1,
        "axis.get": 1,
        "axis.update": 0.92,
        "axis.reject": 0.08,
    },
    "call-hotline": {"hotline.call": 1},
    "ops-alert": {"province.session": 1, "province.incident": 1},
    "report": {"reporting.report": 1 + DOUBLE_SUBMIT},
    "poll-tasks": {"tasks.list": 1, "tasks.progress": 1},
    "join-meeting": {"meetings.list": 1, "meetings.join": 1, "meetings.leave": 1},
    "watch-dashboard": {"ioc.dashboard": 1},
}
"""Requests of each operation that a journey makes on average: what `plan` estimates with, not a measurement [A]."""

COMPLAINT = "hotline.complain"
"""What citizens do whose journey failed, where the campaign says so: ``load.complaints``."""

OPERATIONS = frozenset(operation for expected in EXPECTED.values() for operation in expected) | {COMPLAINT}
"""Names that a sample's ``operation`` may have."""
