"""People on a weak line: a draft saved step by step, an attachment uploaded in pieces, both resumed after a failure."""

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from model.dossier import State
from scenarios.journeys import citizen, officer
from scenarios.session import WORTH_A_RETRY, JourneyFailed, Session
from scenarios.writes import Write

COMEBACKS = 6  # times that a person comes back after a failure [A]
AWAY = (1.0, 3.0)  # seconds until then [A]
LATER = 0.3  # share of the people who go on in another session though nothing failed [A]
PIECE = 32_768  # bytes of an upload that travel together
SIZES = (20_000, 400_000)  # bytes of an attachment: one page to a scanned booklet [A]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a dossier is handed in.

    Attributes:
        system: Name of the system.
        write: How the ledger calls the creation.
        state: In which the dossier begins.
        log_in: Opens a session there.
    """

    system: str
    write: str
    state: State
    log_in: Callable[[Session], object]

    def operation(self, action: str) -> str:
        """Name an operation."""
        return f"{self.system.partition(':')[0]}.{action}"


def at_home(session: Session) -> str:
    """Submit online out of a draft, with an attachment; return the code."""
    return Desk(session, Place("national", "submit", State.REGISTERED, citizen.log_in)).work()


def at_the_counter(session: Session) -> str:
    """Take a dossier in at the counter out of a draft, with an attachment; return the code."""
    return Desk(session, Place(officer.province(session), "intake", State.RECEIVED, officer.log_in)).work()


class Desk:
    """One person's work on one draft, through failures of the line.

    Attributes:
        session: The person's.
        place: Where.
    """

    def __init__(self, session: Session, place: Place) -> None:
        self.session = session
        self.place = place
        self._rng = random.Random(session.arrival.seed)
        self._data = self._rng.randbytes(self._rng.randint(*SIZES))
        self._digest = hashlib.sha256(self._data).hexdigest()
        self._path = f"/drafts/{session.key('draft')}"
        self._saved: list[dict[str, Any]] = []
        self._away = False
        self._left = COMEBACKS

    def work(self) -> str:
        """Fill in, attach, look the draft through, submit; return the code."""
        self.persist(lambda: self.place.log_in(self.session))
        for content in self._stages():
            self.persist(partial(self._save, content))
        self.persist(self._upload)
        if self._rng.random() < LATER:
            self._leave()
        self.persist(self._resume)
        return self.persist(self._submit)

    def _stages(self) -> Iterator[dict[str, Any]]:
        """Yield what the draft holds after each step."""
        arrival = self.session.arrival
        content: dict[str, Any] = {
            "procedure": arrival.procedure,
            "province": arrival.province,
            "commune": arrival.commune,
        }
        yield content
        person = {"SoDinhDanh": arrival.person.id_number, "HoVaTen": arrival.person.name}
        content = {**content, "applicant": person, "attachments": [self._digest]}
        yield content
        yield {**content, "form": {"SoBan": 1 + arrival.number % 3, "GhiChu": f"Từ bản nháp, lượt {arrival.number}"}}

    def persist(self, step: Callable[[], T]) -> T:
        """Take a step; whom the line fails comes back later, logs in again and goes on; raises JourneyFailed."""
        while True:
            try:
                if self._away:
                    self.place.log_in(self.session)
                    if self._saved:
                        self._resume()
                    self._away = False
                return step()
            except JourneyFailed as failure:
                answer = failure.answer
                if not self._left or answer is None or answer.outcome not in WORTH_A_RETRY:
                    raise
                self._left -= 1
                self._leave()

    def _leave(self) -> None:
        self.session.think(self._rng.uniform(*AWAY))
        self._away = True

    def _save(self, content: dict[str, Any]) -> None:
        """Save; until it is acknowledged, the draft may hold this or what it held before."""
        before = self._saved[-1:]
        self._saved = [*before, content] if before else []
        operation = self.place.operation("save_draft")
        self.session.put(operation, self.place.system, self._path, {"content": content}, lambda c, _: c["version"] > 0)
        self._saved = [content]

    def _resume(self) -> None:
        """Open the draft; it must hold what was saved."""
        operation = self.place.operation("resume_draft")
        self.session.get(operation, self.place.system, self._path, lambda c, _: c["content"] in self._saved)

    def _upload(self) -> None:
        """Upload the attachment from where it stands, and declare it complete."""
        system, path = self.place.system, f"/attachments/{self._digest}"
        announced = {"hash": self._digest, "size": len(self._data)}
        upload = self.session.post(self.place.operation("announce"), system, "/attachments", announced, _is_upload)
        while upload["offset"] < len(self._data):
            upload = self._send_piece(f"{path}/pieces", upload["offset"])
        write = Write("attach", self.session.key(self.place.write), payload_hash=self._digest)
        operation = self.place.operation("attach")
        self.session.write(write, operation, system, f"{path}/complete", {}, lambda c, _: c["complete"])

    def _send_piece(self, path: str, offset: int) -> Any:
        piece = self._data[offset : offset + PIECE]
        operation, system = self.place.operation("upload"), self.place.system
        return self.session.put(operation, system, f"{path}/{offset}", piece, lambda c, _: c["offset"] > offset)

    def _submit(self) -> str:
        content = self._saved[-1]
        write = Write(self.place.write, self.session.key(self.place.write), payload_hash=citizen.hash_of(content))
        operation = self.place.operation(self.place.write)
        made = self.session.write(
            write, operation, self.place.system, f"{self._path}/dossier", {}, citizen.created(self.place.state)
        )
        return str(made["code"])


def _is_upload(content: dict[str, Any], _: object) -> bool:
    return 0 <= int(content["offset"]) <= int(content["size"])
