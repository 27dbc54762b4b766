"""Citizens who begin at their province's old interface and end at the national portal, session and draft kept.

The interface must be what T_cutover makes of it: open, then leading on (302), then closed (410). One that is closed
early has failed, and leads on all the same.
"""

import html
import math
import random
import re
from typing import Any
from urllib.parse import urlencode, urlsplit

from model.dossier import State
from model.plan import Cutover
from scenarios.journeys import citizen
from scenarios.journeys.officer import province
from scenarios.session import Answer, Check, JourneyFailed, Session
from scenarios.writes import Write

PAUSE = (0.5, 4.0)  # seconds that a page of the form takes [A]
GRACE = 2.0  # seconds around a change in which the interface may be what it was, or what it will be [A]
STANDS = {200: "open", 201: "open", 302: "redirecting", 410: "closed"}
"""HTTP status -> what the interface is that answers so."""
_LINK = re.compile(rb'href="(http[^"]+)"')
"""The way on of a page that is closed; other links stay inside the interface."""


def submit(session: Session, cutover: Cutover | None) -> str:
    """Begin at the old interface; where it leads on or is closed, finish at the portal; return the code."""
    return Visit(session, cutover).begin()


class Visit:
    """One citizen's work on one draft.

    Attributes:
        session: The citizen's.
        cutover: When the interface closes; None: it stays open.
    """

    def __init__(self, session: Session, cutover: Cutover | None) -> None:
        arrival = session.arrival
        self.session = session
        self.cutover = cutover
        self._rng = random.Random(arrival.seed)
        self._draft = session.key("draft")
        self._pages = (
            {"procedure": arrival.procedure, "commune": arrival.commune},
            {"SoBan": str(1 + arrival.number % 3), "GhiChu": f"Giao diện cũ, lượt {arrival.number}"},
        )
        self._kept: dict[str, Any] = {}

    def begin(self) -> str:
        """Open the first page, log in, and go on from there."""
        session = self.session
        if _leads_on(self._page("portal", "GET", "/portal")):
            return citizen.submit_online(session)
        mode = "true" if session.arrival.test else "false"
        form = urlencode({"access_token": citizen.access_token(session), "ThuNghiem": mode})
        opened = self._page("portal_session", "POST", "/portal/session", form)
        if _leads_on(opened):
            return self.go_on(opened)
        session.remember(province(session), opened)
        return self.fill_in()

    def fill_in(self) -> str:
        """Fill in page by page, and submit."""
        for fields in self._pages:
            answer = self._keep(fields)
            if _leads_on(answer):
                return self.go_on(answer)
            self.session.think(self._rng.uniform(*PAUSE))
        try:
            return self._submit("province.portal_submit", province(self.session), "/portal", self._is_due)
        except JourneyFailed as failure:
            if failure.answer is None or failure.answer.status != 410:
                raise
        return self.go_on(self._keep(self._pages[-1]))

    def _keep(self, fields: dict[str, str]) -> Answer:
        """Send a page; unless the interface is closed it is kept."""
        form = urlencode({"draft": self._draft, **fields})
        answer = self._page("portal_draft", "POST", "/portal/draft", form)
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
        return self._submit("national.submit", "national", "", lambda *_: True)

    def _submit(self, operation: str, system: str, prefix: str, right: Check) -> str:
        created = citizen.created(State.REGISTERED)
        write = Write("submit", self.session.key("submit"), payload_hash=citizen.hash_of(self._kept))
        path = f"{prefix}/drafts/{self._draft}/dossier"
        made = self.session.write(write, operation, system, path, {}, lambda c, a: created(c, a) and right(c, a))
        return str(made["code"])

    def _page(self, action: str, method: str, path: str, form: str = "") -> Answer:
        """Ask for a page; one that is closed early leads on as well. Raises JourneyFailed for any other failure."""
        session = self.session
        try:
            return session.page(f"province.{action}", province(session), method, path, form, self._is_due)
        except JourneyFailed as failure:
            if failure.answer is None or failure.answer.status != 410:
                raise
            return failure.answer

    def _is_due(self, _: object, answer: Answer) -> bool:
        """Tell whether the interface is what the plan says, while an answer was on its way."""
        t0 = self.session.t0
        return STANDS.get(answer.status) in stands(self.cutover, answer.began - t0, answer.finished - t0)


def stands(cutover: Cutover | None, began: float, finished: float) -> set[str]:
    """Return what the interface may be between two moments, seconds since t0."""
    if cutover is None:
        return {"open"}
    early, late, closes = began - GRACE, finished + GRACE, cutover.at + cutover.redirect
    spans = {"open": (-math.inf, cutover.at), "redirecting": (cutover.at, closes), "closed": (closes, math.inf)}
    return {stand for stand, (start, stop) in spans.items() if early < stop and late >= start}


def _leads_on(answer: Answer) -> bool:
    return answer.status in (302, 410)


def _where(answer: Answer) -> str:
    if answer.status == 302:
        return answer.headers.get("location", "")
    found = _LINK.search(answer.body)
    return html.unescape(found[1].decode()) if found else ""
