"""Systems and the links between them, by name.

A *system* is a server of the stack: ``national``, ``province:01`` … ``province:96``, ``vneid``, ``population``,
``payment``, and the platforms that a campaign asks for. A *link* is one direction of dialogue, ``source->target``: who
dials whom. Every link crosses one Toxiproxy proxy of the same name, so that a campaign can break it without touching
its neighbours.
``citizen`` is the people's side: citizens at home, and officers at their terminals; ``mobile`` reception teams on the
road, where a campaign has some.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

SHARED_SYSTEMS = ("national", "vneid", "population", "payment")
PEOPLE = "citizen"
MOBILE = "mobile"
"""Mobile reception teams: people who reach their province over a line of their own."""

Platform = Literal["specialised", "codes", "axis", "hotline", "reporting", "tasks", "meetings", "ioc"]
"""A shared system that only runs where a campaign asks for it."""

PLATFORMS: tuple[str, ...] = get_args(Platform)

PLATFORM_USERS: dict[str, tuple[str, ...]] = {
    "specialised": ("national", "province"),
    "codes": ("national", "province"),
    "axis": (PEOPLE, "province"),
    "hotline": (PEOPLE, "province"),
    "reporting": (PEOPLE,),
    "tasks": (PEOPLE,),
    "meetings": (PEOPLE,),
    "ioc": (PEOPLE,),
}
"""Platform -> who dials it: people, the portal, each province."""

PLATFORM_DIALS: dict[str, tuple[str, ...]] = {"ioc": ("national", "province")}
"""Platform -> whom it dials itself: the portal, each province."""


@dataclass(frozen=True, slots=True)
class Link:
    """One direction of dialogue.

    Attributes:
        source: Who dials: ``citizen`` or a system.
        target: The system that is dialled.
    """

    source: str
    target: str

    @property
    def name(self) -> str:
        """The link's name, which is also its proxy's: ``source->target``."""
        return f"{self.source}->{self.target}"


def province_system(code: str) -> str:
    """Name the system of a province: ``province:01``."""
    return f"province:{code}"


def province_of(system: str) -> str | None:
    """Return the province code of a system's name, None for a shared system."""
    kind, _, code = system.partition(":")
    return code if kind == "province" else None


def systems(provinces: Iterable[str], platforms: Iterable[str] = ()) -> tuple[str, ...]:
    """Name every system of a stack with these provinces, shared systems first."""
    return (*SHARED_SYSTEMS, *platforms, *(province_system(code) for code in provinces))


def links(provinces: Iterable[str], platforms: Iterable[str] = (), mobile: Iterable[str] = ()) -> tuple[Link, ...]:
    """List every link of a stack with these provinces; ``mobile``: those with mobile reception teams."""
    provinces = tuple(provinces)
    shared = [Link(PEOPLE, name) for name in SHARED_SYSTEMS if name != "population"]
    shared += [Link("national", name) for name in ("vneid", "population", "payment")]
    shared.append(Link("payment", "national"))
    per_province = [
        Link(source, target)
        for code in provinces
        for source, target in (
            (PEOPLE, province_system(code)),
            ("national", province_system(code)),
            (province_system(code), "national"),
            (province_system(code), "population"),
            (province_system(code), "vneid"),
        )
    ]
    users = [
        link
        for name in platforms
        for link in (
            *(Link(user, name) for user in _each(PLATFORM_USERS[name], provinces)),
            *(Link(name, target) for target in _each(PLATFORM_DIALS.get(name, ()), provinces)),
        )
    ]
    return (*shared, *users, *per_province, *(Link(MOBILE, province_system(code)) for code in mobile))


def _each(kinds: Iterable[str], provinces: Iterable[str]) -> Iterator[str]:
    """Yield the systems of these kinds, every province for ``province``."""
    for kind in kinds:
        yield from map(province_system, provinces) if kind == "province" else (kind,)


def mobile_lines(links: Mapping[str, str]) -> dict[str, str]:
    """Return the addresses of mobile reception teams' lines, by the names that journeys use: ``mobile:11``."""
    prefix = Link(MOBILE, province_system("")).name
    return {
        f"{MOBILE}:{name.removeprefix(prefix)}": address for name, address in links.items() if name.startswith(prefix)
    }


def touched_province(link: str) -> str | None:
    """Return the province at either end of a link's name, None where both ends are shared."""
    source, _, target = link.partition("->")
    return province_of(target) or province_of(source)


def matching(pattern: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of links or systems that are like a pattern: ``*`` stands for anything but an arrow."""
    wanted = re.compile("[^>]*".join(map(re.escape, pattern.split("*"))))
    return tuple(name for name in names if wanted.fullmatch(name))
