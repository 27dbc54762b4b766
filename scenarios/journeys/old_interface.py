"""Citizens who begin at their province's old interface and end at the national portal, session and draft kept."""

import html
import random
import re
from typing import Any
from urllib.parse import urlencode, urlsplit

from model.dossier import State
from scenarios.journeys import citizen
from scenarios.journeys.officer import province
from scenarios.session import Answer, JourneyFailed, Session
from scenarios.writes import Write

PAUSE = (0.5, 4.0)  # seconds that a page of the form takes [A]
_LINK = re.compile(rb'href="([^"]+)"')


def submit(session: Session) -> str:
    """Begin at the old interface; where it leads on or is closed, finish at the portal; return the code."""
    home = _page(session, "portal", "GET", "/portal")
    if _leads_on(home):
        return citizen.submit_online(session)
    form = urlencode({"access_token": citizen.access_token(session)})
    opened = _page(session, "portal_session", "POST", "/portal/session", form)
    visit = Visit(session)
    if _leads_on(opened):
        return visit.go_on(opened)
    session.remember(province(session), opened)
    return visit.fill_in()


class Visit:
    """One citizen's work on one draft.

    Attributes:
        session: The citizen's.
    """

    def __init__(self, session: Session) -> None:
        arrival = session.arrival
        self.session = session
        self._rng = random.Random(arrival.seed)
        self._draft = session.key("draft")
        self._pages = (
            {"procedure": arrival.procedure, "commune": arrival.commune},
            {"SoBan": str(1 + arrival.number % 3), "GhiChu": f"Giao diện cũ, lượt {arrival.number}"},
        )
        self._kept: dict[str, Any] = {}

    def fill_in(self) -> str:
        """Fill in page by page, and submit."""
        for fields in self._pages:
            answer = self._keep(fields)
            if _leads_on(answer):
                return self.go_on(answer)
            self.session.think(self._rng.uniform(*PAUSE))
        try:
            return self._submit("province.portal_submit", province(self.session), "/portal")
        except JourneyFailed as failure:
            if failure.answer is None or failure.answer.status != 410:
                raise
        return self.go_on(self._keep(self._pages[-1]))

    def _keep(self, fields: dict[str, str]) -> Answer:
        """Send a page; unless the interface is closed it is kept."""
        form = urlencode({"draft": self._draft, **fields})
        answer = _page(self.session, "portal_draft", "POST", "/portal/draft", form)
        if answer.status != 410:
            self._kept = self._content(self._kept, fields)
        return answer

    def _content(self, before: dict[str, Any], fields: dict[str, str]) -> dict[str, Any]:
        """Return what the draft holds after a page."""
        person = self.session.arrival.person
        plain = {name: value for name, value in fields.items() if name in ("procedure", "commune")}
        entered = {name: value for name, value in fields.items() if name not in plain}
        return {
            **before,
            **plain,
            "province": self.session.arrival.province,
            "applicant": {"SoDinhDanh": person.id_number, "HoVaTen": person.name},
            "form": {**before.get("form", {}), **entered},
        }

    def go_on(self, answer: Answer) -> str:
        """Follow the interface to the portal; the draft must be there as it was kept. Fill in the rest, and submit."""
        session, kept = self.session, self._kept
        there = urlsplit(_where(answer))
        name = self._draft if kept else ""
        landed = session.get(
            "national.handover",
            "national",
            f"{there.path}?{there.query}",
            lambda c, _: bool(c["session"]) and c["draft"] == name,
        )
        session.authorise("national", landed["session"])
        path = f"/drafts/{self._draft}"
        if kept:
            session.get("national.resume_draft", "national", path, lambda c, _: c["content"] == kept)
        for fields in self._pages:
            self._kept = self._content(self._kept, fields)
        saved = {"content": self._kept}
        session.put("national.save_draft", "national", path, saved, lambda c, _: c["version"] > 0)
        return self._submit("national.submit", "national", "")

    def _submit(self, operation: str, system: str, prefix: str) -> str:
        write = Write("submit", self.session.key("submit"), payload_hash=citizen.hash_of(self._kept))
        path = f"{prefix}/drafts/{self._draft}/dossier"
        made = self.session.write(write, operation, system, path, {}, citizen.created(State.REGISTERED))
        return str(made["code"])


def _page(session: Session, action: str, method: str, path: str, form: str = "") -> Answer:
    """Ask for a page of the old interface; a closed one is an answer as well. Raises JourneyFailed for any other."""
    try:
        return session.page(f"province.{action}", province(session), method, path, form)
    except JourneyFailed as failure:
        if failure.answer is None or failure.answer.status != 410:
            raise
        return failure.answer


def _leads_on(answer: Answer) -> bool:
    return answer.status in (302, 410)


def _where(answer: Answer) -> str:
    if answer.status == 302:
        return answer.headers.get("location", "")
    found = _LINK.search(answer.body)
    return html.unescape(found[1].decode()) if found else ""
