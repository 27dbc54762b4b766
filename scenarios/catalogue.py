"""Every journey, by the name that campaigns use, and every operation that samples may name."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from model.checks import BOUNDARY_FREE
from model.plan import Cutover
from scenarios.figures import Figures
from scenarios.journeys import (
    business,
    citizen,
    clerk,
    data_only,
    drafts,
    hotline,
    inspector,
    office,
    officer,
    old_codes,
    old_interface,
    reception,
)
from scenarios.personas import DOUBLE_SUBMIT, ENDINGS
from scenarios.session import Session

REMEMBERED = 1000
"""Dossiers that personas know of."""


@dataclass(slots=True)
class Memory:
    """What personas know of each other, and of what is announced.

    Attributes:
        cutover: When the old interfaces close; None: they stay open.
        codes: Of recent submissions, for who follows one up.
        shown: Code -> the furthest step that the portal has shown.
        figures: What the operation centre must show.
        shifts: Commune, and whether in test mode -> the session of the officer who logged in there first.
    """

    cutover: Cutover | None = None
    codes: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    shown: dict[str, int] = field(default_factory=dict)
    figures: Figures = field(default_factory=Figures)
    shifts: dict[tuple[str, bool], str] = field(default_factory=dict)

    def recent(self) -> str | None:
        """Return a recent code, each in its turn; None before the first submission."""
        if not self.codes:
            return None
        self.codes.rotate(1)
        return self.codes[0]

    def note(self, code: str, step: int) -> None:
        """Remember that the portal has shown a step, and forget what was remembered longest ago."""
        self.shown[code] = max(step, self.shown.get(code, 1))
        if len(self.shown) > REMEMBERED:
            del self.shown[next(iter(self.shown))]

    def any(self, seed: int) -> str | None:
        """Return a code, young or old, as the seed has it; None before the first submission."""
        return self.codes[seed % len(self.codes)] if self.codes else None


def _submit_online(session: Session, memory: Memory) -> None:
    memory.codes.append(citizen.submit_online(session))


def _keep_session(session: Session, memory: Memory) -> None:
    memory.codes.extend(citizen.keep_session(session))


def _business(session: Session, memory: Memory) -> None:
    memory.codes.append(business.submit_online(session))


def _counter_intake(session: Session, memory: Memory) -> None:
    officer.intake(session)
    memory.figures.register(session.arrival.province)


def _process(session: Session, memory: Memory) -> None:
    officer.process(session)


def _track(session: Session, memory: Memory) -> None:
    code = memory.recent()
    if code is None:
        citizen.find_procedure(session)
    else:
        memory.note(code, citizen.track(session, code, memory.shown.get(code, 1)))


def _submit_old_code(session: Session, memory: Memory) -> None:
    memory.codes.append(old_codes.submit(session))


def _submit_split(session: Session, memory: Memory) -> None:
    memory.codes.append(old_codes.submit(session, split=True))


def _intake_old_code(session: Session, memory: Memory) -> None:
    old_codes.intake(session)


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
    office.watch_dashboard(session, memory.figures)


def _resume_draft(session: Session, memory: Memory) -> None:
    memory.codes.append(drafts.at_home(session))


def _counter_weak_line(session: Session, memory: Memory) -> None:
    drafts.at_the_counter(session)


def _old_interface(session: Session, memory: Memory) -> None:
    old_interface.submit(session, memory.cutover)


def _follow_up(session: Session, memory: Memory) -> None:
    inspector.follow_up(session, memory.any(session.arrival.seed))


def _check_unit_table(session: Session, memory: Memory) -> None:
    inspector.check_unit_table(session)


def _broker(session: Session, memory: Memory) -> None:
    inspector.broker(session)


def _assisted(session: Session, memory: Memory) -> None:
    memory.codes.append(reception.assisted(session))


def _novice_intake(session: Session, memory: Memory) -> None:
    reception.novice(session)


def _centre_intake(session: Session, memory: Memory) -> None:
    reception.at_the_centre(session)


def _mobile_reception(session: Session, memory: Memory) -> None:
    reception.on_the_road(session)


def _shift_intake(session: Session, memory: Memory) -> None:
    reception.in_shift(session, memory.shifts)


def _boundary_free(session: Session, memory: Memory) -> None:
    reception.across_the_border(session)


def _postal_intake(session: Session, memory: Memory) -> None:
    reception.by_post(session)


JOURNEYS: dict[str, tuple[Callable[[Session, Memory], None], str]] = {
    "submit-online": (
        _submit_online,
        "a citizen submits at the national portal: VNeID, population, payment, tracking",
    ),
    "keep-session": (_keep_session, "a citizen logs in once, then submits and tracks dossier after dossier"),
    "business": (
        _business,
        "a business files at the national portal with its own account: submission, payment, tracking",
    ),
    "counter-intake": (_counter_intake, "a one-stop officer takes a dossier in at the counter"),
    "process": (_process, "officers of a desk take the oldest open dossier to its end, each action by its role"),
    "track": (_track, "a citizen looks a dossier up at the portal"),
    "submit-old-code": (_submit_old_code, "a citizen's form carries the unit code of before the merger"),
    "submit-split": (_submit_split, "the same, of a unit that was split: the hamlet tells, or the citizen chooses"),
    "intake-old-code": (_intake_old_code, "an officer takes a form with an old unit code in at the counter"),
    "data-only": (_data_only, "a citizen uses a service based wholly on data: databases confirm, no paper"),
    "data-only-counter": (_data_only_counter, "the same at a counter, by a one-stop officer"),
    "send-document": (_send_document, "a province's clerk sends a document to communes and provinces over the axis"),
    "receive-documents": (_receive_documents, "a clerk fetches what has come over the axis, receives or rejects it"),
    "call-hotline": (_call_hotline, "a citizen calls the hotline with a question"),
    "ops-alert": (_ops_alert, "an officer reports an incident to the operators"),
    "report": (_report, "a unit sends a periodic report, now and then late or twice"),
    "poll-tasks": (_poll_tasks, "a province looks at the tasks that it was given, and reports on one"),
    "join-meeting": (_join_meeting, "a unit joins an online meeting, stays a while and leaves it"),
    "watch-dashboard": (
        _watch_dashboard,
        "a dashboard of the operation centre polls figures of every province, that are fresh",
    ),
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
    "check-unit-table": (_check_unit_table, "an operator compares unit tables with the register's"),
    "assisted": (
        _assisted,
        "a helper at a reception point fills in and sends for a citizen, who finds it as their own",
    ),
    "novice-intake": (_novice_intake, "an officer in training takes a dossier in: slips, and a colleague who helps"),
    "centre-intake": (
        _centre_intake,
        "an officer of a centre or branch takes a dossier in; the desk that decides opens it",
    ),
    "mobile-reception": (_mobile_reception, "a team on the road takes a dossier in at home, over a line of its own"),
    "shift-intake": (
        _shift_intake,
        "an officer who is logged in takes a dossier in: the registration and nothing else",
    ),
    BOUNDARY_FREE: (_boundary_free, "a counter takes a dossier in that another province decides"),
    "postal-intake": (_postal_intake, "an officer takes in what came by post"),
}

PLATFORMS: dict[str, str] = {
    "data-only": "specialised",
    "data-only-counter": "specialised",
    "check-unit-table": "codes",
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

_BUSINESS_FEE = 0.79
"""The same of business registration [A]."""

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
    "keep-session": {**_LOG_IN, "national.submit": citizen.VISITS, "national.track": citizen.VISITS},
    "business": {
        **_LOG_IN,
        "national.procedures": 1,
        "national.submit": 1 + DOUBLE_SUBMIT,
        "national.payment": _BUSINESS_FEE,
        "payment.pay": _BUSINESS_FEE,
        "national.track_business": 1,
    },
    "counter-intake": {"province.session": 1, "province.population": 1, "province.intake": 1 + DOUBLE_SUBMIT},
    "process": {
        "province.session": 2.5,
        "province.claim": 1.4,
        "province.accept": 0.75,
        "province.process": 1,
        "province.finish": ENDINGS["return"],
        "province.return_result": ENDINGS["return"],
        "province.request_papers": ENDINGS["papers"],
        "province.request_fee": ENDINGS["fee"],
        "province.stop": ENDINGS["stop"],
        "province.look_up": 1,
    },
    "track": {"national.track": 1},
    "submit-old-code": {
        **_LOG_IN,
        "national.procedures": 1,
        "national.population": 1,
        "national.submit_old_code": 1.2,
        "national.track": 1,
    },
    "submit-split": {
        **_LOG_IN,
        "national.procedures": 1,
        "national.population": 1,
        "national.submit_old_code": 1.4,
        "national.track": 1,
    },
    "intake-old-code": {"province.session": 1, "province.population": 1, "province.intake_old_code": 1.2},
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
    "check-unit-table": {
        "codes.versions": 1,
        "national.unit_table": 1,
        "province.unit_table": 1,
        "codes.unit": 1,
        "national.unit_name": 1,
        "province.unit_name": 1,
    },
    "assisted": {**_LOG_IN, "national.procedures": 1, "national.submit": 1 + DOUBLE_SUBMIT, "national.mine": 1},
    "novice-intake": {
        "province.session": 2,
        "province.slip": 1,
        "province.population": 1,
        "province.save_draft": 1,
        "province.ask_help": 1,
        "province.questions": 1,
        "province.answer_help": 1,
        "province.resume_draft": 1,
        "province.intake": 1,
    },
    "centre-intake": {"province.session": 2, "province.intake": 1, "province.open_dossier": 1},
    "mobile-reception": {
        "mobile.session": 1 + drafts.LATER,
        "mobile.save_draft": 3,
        "mobile.announce": 1,
        "mobile.upload": _PIECES,
        "mobile.attach": 1,
        "mobile.resume_draft": 1 + drafts.LATER,
        "mobile.intake": 1,
        "mobile.hand_out": 1,
        "mobile.stub": 1,
    },
    "shift-intake": {"province.session": 0.01, "province.intake": 1 + DOUBLE_SUBMIT},
    BOUNDARY_FREE: {"province.session": 1, "province.forward": 1 + DOUBLE_SUBMIT},
    "postal-intake": {"province.session": 1, "province.intake": 1},
    "broker": {**_LOG_IN, "national.broker_submit": 32, "national.throttled": 1},
}
"""Requests of each operation that a journey makes on average: what `plan` estimates with, not a measurement [A]."""

COMPLAINT = "hotline.complain"
"""What citizens do whose journey failed, where the campaign says so: ``load.complaints``."""

OPERATIONS = frozenset(operation for expected in EXPECTED.values() for operation in expected) | {COMPLAINT}
"""Names that a sample's ``operation`` may have."""
