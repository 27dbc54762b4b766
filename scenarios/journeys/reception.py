"""Reception points and centres: helpers, officers in training, desks of both topologies, teams on the road."""

import random
from functools import partial
from typing import Any
from urllib.parse import quote

from model import centres, places
from model.books import content_hash
from model.dossier import Channel, State
from model.procedures import Level, procedures
from model.workflows import Role
from scenarios.journeys import citizen, drafts, officer
from scenarios.personas import Arrival
from scenarios.session import Session
from scenarios.writes import Write

SLOW = (1.0, 4.0)
"""Seconds that an officer in training takes over a page, a rehearsal's minute being a few seconds [A]."""
FILLING_IN = (0.5, 2.0)
"""Seconds that a helper takes to fill in for somebody [A]."""
HOME = (1.0, 3.0)
"""Seconds until the citizen looks at home, or the team's stub is looked up [A]."""

Body = dict[str, Any]


def assisted(session: Session) -> str:
    """Log in on the reception point's device, let a helper fill in and send, look at home whose it is; return the code.

    A helper helps one after the other: the dossiers of a day are many citizens', and no burst of one account.
    """
    arrival, luck = session.arrival, random.Random(session.arrival.seed)
    badge = f"TN-{arrival.commune}-{arrival.number % 3}"
    citizen.log_in(session)
    citizen.find_procedure(session)
    session.think(luck.uniform(*FILLING_IN))
    code = citizen.submit(session, {**_content(arrival, "Có người hỗ trợ nộp"), "helper": badge})
    session.think(luck.uniform(*HOME))
    path = f"/mine/{quote(code)}"
    session.get("national.mine", "national", path, lambda c, _: (c["code"], c["helper"]) == (code, badge))
    return code


def novice(session: Session) -> str:
    """Take a dossier in as an officer in training: slowly, with mistakes, and with a colleague's help; return its code.

    A date of birth is mistyped and refused; a procedure is mistaken, nobody refuses that, and a colleague mends it.
    """
    arrival, luck, system = session.arrival, random.Random(session.arrival.seed), officer.province(session)
    staff = officer.Staff(session)
    staff.turn(Role.ONE_STOP)
    session.think(luck.uniform(*SLOW))
    _look_up_with_a_slip(session, system)
    right = _content(arrival, "Cán bộ mới tiếp nhận")
    draft = f"/drafts/{session.key('draft')}"
    _save(session, draft, {**right, "procedure": _other_than(arrival.procedure)})
    session.think(luck.uniform(*SLOW))
    _ask(session, system)
    staff.turn(Role.SPECIALIST)
    _help_out(session, system, right)
    staff.turn(Role.ONE_STOP)
    session.get("province.resume_draft", system, draft, lambda c, _: c["content"] == right)
    write = Write("intake", session.key("intake"), payload_hash=citizen.hash_of(right))
    made = session.write(write, "province.intake", system, f"{draft}/dossier", {}, citizen.created(State.RECEIVED))
    return str(made["code"])


def _look_up_with_a_slip(session: Session, system: str) -> None:
    """Mistype the date of birth, be told so, and look up again."""
    asked = citizen.identity(session)
    born = asked["NgayThangNamSinh"]
    slip = {**asked, "NgayThangNamSinh": f"{born[:6]}{born[7]}{born[6]}" if born[6] != born[7] else f"{born[:6]}00"}
    path = "/counter/population"
    told = session.refused("province.slip", system, path, slip, lambda c, _: c["reason"] == "validation")
    session.think(0.5 if told else 0.0)
    session.post("province.population", system, path, asked, citizen.is_success)


def _save(session: Session, draft: str, content: Body) -> None:
    system = officer.province(session)
    session.put("province.save_draft", system, draft, {"content": content}, lambda c, _: c["version"] > 0)


def _ask(session: Session, system: str) -> None:
    """Leave the draft to a colleague; a question that is asked twice is one."""
    question = {"draft": session.key("draft"), "question": "Hồ sơ này thuộc thủ tục nào?"}
    write = Write("ask", session.key("ask"))
    session.write(write, "province.ask_help", system, "/officer/questions", question, lambda c, _: c["answer"] is None)


def _help_out(session: Session, system: str, right: Body) -> None:
    """Mend the draft, as the specialist of the same desk to whom it was left."""
    name = session.key("draft")
    session.get("province.questions", system, "/officer/questions", lambda c, _: isinstance(c["items"], list))
    said = {"answer": "Đã chọn đúng thủ tục", "content": right}
    path, write = f"/officer/questions/{quote(name, safe='')}/answer", Write("answer", session.key("answer"))
    session.write(write, "province.answer_help", system, path, said, lambda c, _: bool(c["answer"]))


def at_the_centre(session: Session) -> str:
    """Take a dossier in where the province's topology receives people, and open it at the desk that decides it.

    Two levels: at the provincial centre or the commune's, by the procedure. One level: at a branch, and it is opened
    at another one, by who processes it. Returns the code.
    """
    arrival, system = session.arrival, officer.province(session)
    procedure = procedures()[arrival.procedure]
    received_at, opened_at = desks(arrival, procedure.level)
    officer.log_in(session, received_at)
    body = _content(arrival, f"Nộp tại {received_at}")
    write = Write("intake", session.key("intake"), payload_hash=citizen.hash_of(body))
    check = citizen.created(State.RECEIVED)
    made = session.write(write, "province.intake", system, "/counter/dossiers", body, check)
    code = str(made["code"])
    officer.log_in(session, opened_at, role=procedure.workflow["process"])
    desk = centres.desk_of(arrival.one_level, arrival.province, arrival.commune, procedure.level)
    path = f"/officer/dossiers/{quote(code)}"
    session.get("province.open_dossier", system, path, lambda c, _: (c["code"], c["desk"]) == (code, desk))
    return code


def desks(arrival: Arrival, level: Level) -> tuple[str, str]:
    """Name the place where somebody is received, and the one where the dossier is opened next."""
    if arrival.one_level:
        branches = centres.branches(arrival.province)
        number = arrival.number % len(branches)
        return branches[number], branches[(number + 1) % len(branches)]
    place = centres.centre(arrival.province) if level == "tỉnh" else arrival.commune
    return place, place


def on_the_road(session: Session) -> str:
    """Take a dossier in at somebody's home, over the team's own line; the stub that is left there must lead to it.

    Draft and attachment come through whatever the line does; the stub's number is known before the system is. The
    stub is entered in the province's book: at the end of a run, every one of it must lead to its dossier.
    """
    team = f"mobile:{session.arrival.province}"
    place = drafts.Place(team, "intake", State.RECEIVED, partial(officer.log_in, system=team))
    desk = drafts.Desk(session, place)
    code = desk.work()
    number = session.key("intake")
    entry = Write("hand_out", session.key("stub"), payload_hash=content_hash({"code": code}), owners=(number,))
    stub = {"number": number, "code": code}
    desk.persist(lambda: session.write(entry, "mobile.hand_out", team, "/stubs", stub, lambda c, _: c["sequence"] == 1))
    desk.persist(
        lambda: session.get("mobile.stub", team, f"/stubs/{quote(number, safe='')}", lambda c, _: c["code"] == code)
    )
    return code


def across_the_border(session: Session) -> str:
    """Take a dossier in that another province decides (phi địa giới); return the code that was acknowledged.

    The ledger has it where it must end: with the province and the commune that it is for.
    """
    arrival, system = session.arrival, officer.province(session)
    officer.log_in(session)
    place = places.communes()[arrival.elsewhere]
    body = {**_content(arrival, "Nộp phi địa giới"), "province": place.province, "commune": place.code}
    write = Write("forward", session.key("forward"), payload_hash=citizen.hash_of(body), commune=place.code)
    for _ in range(1 + arrival.double_submit):
        check = citizen.created(State.RECEIVED)
        made = session.write(write, "province.forward", system, "/HoSo/PhiDiaGioi", body, check)
    return str(made["code"])


def by_post(session: Session) -> str:
    """Take in what came by post (BCCI), with nobody at the counter who could be asked; return the code."""
    system = officer.province(session)
    officer.log_in(session)
    body = {**_content(session.arrival, "Nhận qua bưu chính"), "KenhThucHien": Channel.POST.value}
    write = Write("intake", session.key("intake"), payload_hash=citizen.hash_of(body))
    check = citizen.created(State.RECEIVED)
    made = session.write(write, "province.intake", system, "/counter/dossiers", body, check)
    return str(made["code"])


def in_shift(session: Session, sessions: dict[tuple[str, bool], str]) -> str:
    """Take a dossier in at a counter whose officer logged in before: nothing but the registration; return its code.

    Args:
        session: The officer's.
        sessions: Commune, and whether in test mode -> the session that is open there since the first dossier.
    """
    arrival, system = session.arrival, officer.province(session)
    desk = (arrival.commune, arrival.test)
    if desk in sessions:
        session.authorise(system, sessions[desk])
    else:
        sessions[desk] = officer.log_in(session)
    body = _content(arrival, "Nộp tại quầy")
    write = Write("intake", session.key("intake"), payload_hash=citizen.hash_of(body))
    for _ in range(1 + arrival.double_submit):
        check = citizen.created(State.RECEIVED)
        made = session.write(write, "province.intake", system, "/counter/dossiers", body, check)
    return str(made["code"])


def _content(arrival: Arrival, note: str) -> Body:
    return {
        "procedure": arrival.procedure,
        "province": arrival.province,
        "commune": arrival.commune,
        "applicant": {"SoDinhDanh": arrival.person.id_number, "HoVaTen": arrival.person.name},
        "form": {"SoBan": 1 + arrival.number % 3, "GhiChu": f"{note}, lượt {arrival.number}"},
    }


def _other_than(procedure: str) -> str:
    """Return the procedure after this one in the catalogue: what an inexperienced hand picks in its place."""
    codes = list(procedures())
    return codes[(codes.index(procedure) + 1) % len(codes)]
