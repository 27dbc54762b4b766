"""People whose forms still carry the unit code of before 1 July 2025: citizens at the portal, officers at a counter."""

import random
from collections.abc import Mapping
from functools import cache
from typing import Any

from model import hamlets, places
from model.places import LegacyUnit
from scenarios.journeys import citizen, officer
from scenarios.journeys.citizen import created, hash_of, identity, is_success
from scenarios.personas import Arrival
from scenarios.session import Session
from scenarios.writes import Write

SAYS_HAMLET = 0.5
"""Share of the people of a split unit whose form names the hamlet (thôn, tổ dân phố) [A]."""
SLIPS = 0.1
"""Share of the forms whose old code nobody had, or another province's unit has [A]."""
NOBODYS = "99999"

Body = dict[str, object]


def submit(session: Session, split: bool = False) -> str:
    """Submit online with an old code, ``split``: of a unit that was split, where the commune has one; return the code.

    Who gave a code that is refused, or must choose among candidates, does so and submits again.
    """
    citizen.log_in(session)
    citizen.find_procedure(session)
    person = session.post("national.population", "national", "/population", identity(session), is_success)
    place = ("submit", "national.submit_old_code", "national", "/dossiers", 1)
    code = _file(session, place, _body(session.arrival, person), split)
    citizen.track(session, code)
    return code


def intake(session: Session) -> str:
    """Take a dossier with an old code in at the counter of the commune of today; return its code."""
    system = officer.province(session)
    officer.log_in(session)
    person = session.post("province.population", system, "/counter/population", identity(session), is_success)
    place = ("intake", "province.intake_old_code", system, "/counter/dossiers", 2)
    return _file(session, place, _body(session.arrival, person), split=False)


def _body(arrival: Arrival, person: Mapping[str, Any]) -> Body:
    return {
        "procedure": arrival.procedure,
        "province": arrival.province,
        "applicant": {"SoDinhDanh": person["SoDinhDanh"], "HoVaTen": person["HoVaTen"]},
        "form": {"SoBan": 1 + arrival.number % 3, "GhiChu": f"Mẫu cũ, lượt {arrival.number}"},
    }


def _file(session: Session, place: tuple[str, str, str, str, int], body: Body, split: bool) -> str:
    """File with the address of before; mend it as often as the system asks."""
    arrival, luck = session.arrival, random.Random(session.arrival.seed)
    if luck.random() < SLIPS:
        said = _send(session, place, "slip", body | {"legacy_commune": _slip(arrival, luck)}, is_validation)
        if "code" in said:
            return str(said["code"])
    unit = _unit(arrival, luck, split)
    address: Body = {"legacy_commune": unit.code}
    if luck.random() < SAYS_HAMLET:
        address |= _hamlet(unit, arrival.commune, luck)
    if len(unit.successors) > 1 and "hamlet" not in address:
        said = _send(session, place, "open", body | address, lambda c, a: offers(c, arrival.commune))
        if "code" in said:
            return str(said["code"])
        address["commune"] = arrival.commune
    return str(_send(session, place, "old", body | address)["code"])


def _send(
    session: Session, place: tuple[str, str, str, str, int], purpose: str, body: Body, refusal: Any = None
) -> dict[str, Any]:
    """Send one submission, under a key of its own: another content is another submission."""
    operation, sample, system, path, state = place
    write = Write(operation, session.key(f"{operation}-{purpose}"), payload_hash=hash_of(body))
    said: dict[str, Any] = session.write(write, sample, system, path, body, created(state), refusal)
    return said


def _unit(arrival: Arrival, luck: random.Random, split: bool) -> LegacyUnit:
    """Draw an old unit that the arrival's commune took over; one whose code was another, where there is one."""
    known = places.predecessors(arrival.commune)
    other = [unit for unit in known if unit.code != arrival.commune]
    wanted = [unit for unit in known if len(unit.successors) > 1] if split else []
    return luck.choice(wanted or other or known)


def _hamlet(unit: LegacyUnit, commune: str, luck: random.Random) -> Body:
    """Name a hamlet of the unit that is in the commune now."""
    names = [name for name, where in hamlets.hamlets(unit).items() if where == commune]
    return {"hamlet": luck.choice(names)} if names else {}


def _slip(arrival: Arrival, luck: random.Random) -> str:
    """Draw a code that nobody had, or that of a unit of another province."""
    return luck.choice([NOBODYS, luck.choice(_elsewhere(arrival.province))])


@cache
def _elsewhere(province: str) -> list[str]:
    known = places.communes()
    return [unit.code for unit in places.legacy().values() if known[unit.default].province != province]


def is_validation(content: Any, _: object) -> bool:
    """Tell a refusal for what the form says."""
    return bool(content["reason"] == "validation")


def offers(content: Any, commune: str) -> bool:
    """Tell a refusal that lets the applicant choose among successors, the right one among them."""
    return is_validation(content, None) and any(item["code"] == commune for item in content["candidates"])
