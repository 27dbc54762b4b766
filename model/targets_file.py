"""Read a targets file (TOML) and check it by itself; whatever is wrong ends in a ``CampaignError`` of one line."""

import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from model import shape
from model.links import PLATFORMS, SHARED_SYSTEMS
from model.shape import Problem, did_you_mean, shown
from model.targets import Audit, Auth, Authorised, Place, Step, Target, Targets, Window
from model.toml_file import CampaignError, one_line, parse, read
from model.toml_lines import KeyPath, lines

ARRIVAL = ("number", "key", "province", "commune", "procedure", "person_id", "person_name", "birth_date", "fee")
"""Placeholders that every step may use."""
REMEMBERED = "recent"
"""Placeholder: the code of a dossier that somebody created before."""
DOSSIER = ("code", "key", "province", "commune")
"""Placeholders of a look-up."""
NARROWEST = {4: 16, 6: 32}
"""IP version -> shortest prefix of a declared network: a wider one declares nothing [A]."""
SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie"})

PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
P = TypeVar("P", bound=Place)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def load(path: Path) -> Targets:
    """Read a targets file; names of files in it become absolute.

    Raises:
        CampaignError: It isn't there, isn't TOML or isn't a targets file.
    """
    text = read(path, "targets file", "give the targets file that names what may be loaded")
    data, found = parse(path, text, "targets file"), lines(text)
    for problem in shape.problems(data, Targets):
        raise _error(path, data, found, problem)
    targets = msgspec.convert(data, Targets)
    for check in CHECKS:
        for problem in check(targets):
            raise _error(path, data, found, problem)
    return _resolved(targets, path.parent.resolve())


def _error(file: Path, data: Any, found: Mapping[KeyPath, int], problem: Problem) -> CampaignError:
    path = problem.path
    line = next((found[path[:n]] for n in range(len(path), 0, -1) if path[:n] in found), 1)
    words = (word if re.fullmatch(r"[\w-]+", word) else json.dumps(word) for word in map(str, path))
    return one_line(f"{file}:{line}: {'.'.join(words)}: {problem.what}; {problem.remedy}")


def _resolved(targets: Targets, folder: Path) -> Targets:
    def one(target: Target) -> Target:
        control = _beside(target.control, folder) if target.control else None
        return msgspec.structs.replace(_beside(target, folder), control=control)

    systems = {name: one(target) for name, target in targets.systems.items()}
    return msgspec.structs.replace(targets, systems=systems, kill_switch=str(folder / targets.kill_switch))


def _beside(place: P, folder: Path) -> P:
    auth = place.auth
    if auth is not None and auth.file:
        auth = msgspec.structs.replace(auth, file=str(folder / auth.file))
    return msgspec.structs.replace(place, auth=auth, ca_file=str(folder / place.ca_file) if place.ca_file else "")


def window_is_one(targets: Targets) -> Iterator[Problem]:
    """Refuse a window that ends before it begins, and an authorisation that is younger than it."""
    yield from _window(targets.window, targets.authorised, ())
    for name, target in targets.systems.items():
        if target.control is not None:
            yield from _window(target.control.window, target.control.authorised, ("systems", name, "control"))


def _window(window: Window, authorised: Authorised, path: KeyPath) -> Iterator[Problem]:
    if window.end <= window.start:
        yield Problem((*path, "window", "end"), "isn't after start", "give a later end")
    if authorised.date > window.end.date():
        yield Problem((*path, "authorised", "date"), "is after the window", "give the date of the authorisation")


def systems_are_known(targets: Targets) -> Iterator[Problem]:
    """Refuse systems that no journey can name, and addresses that aren't sound."""
    known = ("province", *SHARED_SYSTEMS, *PLATFORMS)
    for name, target in targets.systems.items():
        path: KeyPath = ("systems", name)
        if name not in known:
            yield Problem(path, f"unknown system {shown(name)}", did_you_mean(name, known))
        yield from _place_is_sound(target, name, path)
        if target.probe:
            yield from _path(target.probe, (*path, "probe"))
        if target.control is not None:
            yield from _place_is_sound(target.control, name, (*path, "control"))
        yield from _words(target, path)


def _place_is_sound(place: Place, name: str, path: KeyPath) -> Iterator[Problem]:
    yield from _url(place, (*path, "url"))
    yield from _networks(place, (*path, "addresses"))
    if place.auth is not None:
        yield from _auth(place.auth, (*path, "auth"))
    if place.ca_file and not place.url.startswith("https://"):
        yield Problem((*path, "ca_file"), "is for https:// alone", "leave it out")
    if name != "province" and "{province}" in place.url:
        yield Problem((*path, "url"), f"{name} is one system", "leave {province} out")


def _words(target: Target, path: KeyPath) -> Iterator[Problem]:
    for code, word in target.provinces.items():
        if not re.fullmatch(r"[A-Za-z0-9.-]+", word):
            yield Problem((*path, "provinces", code), f"{shown(word)} can't stand in an address", "use a-z, 0-9, -, .")


def _url(target: Place, path: KeyPath) -> Iterator[Problem]:
    try:
        parts = urlsplit(target.url.replace("{province}", "00"))
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or not target.url.isascii() or not target.url.isprintable() or " " in target.url:
        yield Problem(path, f"{shown(target.url)} is no address", 'write "https://host/path"')
    elif parts.username is not None or parts.query or parts.fragment:
        yield Problem(path, "holds more than host, port and path", "name secrets in auth")


def _networks(target: Place, path: KeyPath) -> Iterator[Problem]:
    for index, cidr in enumerate(target.addresses):
        try:
            network = ipaddress.ip_network(cidr)
        except ValueError as error:
            yield Problem((*path, index), f"{error}", 'write "203.0.113.0/24"')
        else:
            if network.prefixlen < NARROWEST[network.version]:
                yield Problem(
                    (*path, index), f"{cidr} is too wide to tell anything", f"/{NARROWEST[network.version]} or narrower"
                )


def _auth(auth: Auth, path: KeyPath) -> Iterator[Problem]:
    if bool(auth.env) == bool(auth.file):
        yield Problem(path, "needs one place for the secret", 'give env = "NAME" or file = "path"')
    if auth.kind == "header" and not _HEADER_NAME.fullmatch(auth.name):
        yield Problem((*path, "name"), "isn't the name of a header", 'write name = "X-Api-Key"')
    if auth.kind == "basic" and (not auth.user or ":" in auth.user):
        yield Problem((*path, "user"), "isn't the name of a user", 'write user = "qa"')


def steps_are_sound(targets: Targets) -> Iterator[Problem]:
    """Refuse steps that ask an undeclared system, or use what no earlier step has."""
    for journey, steps in targets.journeys.items():
        given = {*ARRIVAL, REMEMBERED}
        for index, step in enumerate(steps):
            path: KeyPath = ("journeys", journey, index)
            yield from _declared(targets, step.system, (*path, "system"))
            yield from _step(step, path)
            yield from _placeholders(_texts(step), given, path)
            given |= {*step.save, *(["code"] if step.code else [])}


def _step(step: Step, path: KeyPath) -> Iterator[Problem]:
    if step.body and step.form:
        yield Problem((*path, "form"), "there is a body as well", "give one of the two")
    if (step.body or step.form) and step.method in ("GET", "HEAD"):
        yield Problem((*path, "method"), f"{step.method} has no body", 'write method = "POST"')
    if step.write and not step.code:
        yield Problem((*path, "code"), "is missing: what is written must have a code", 'write code = "/id"')
    if step.states and not step.state:
        yield Problem((*path, "state"), "is missing", "say where the state is, or leave states out")
    for key, place in (("code", step.code), ("state", step.state)):
        yield from _place(place, (*path, key)) if place else ()
    for name, place in step.save.items():
        yield from _place(place, (*path, "save", name))
        if not PLACEHOLDER.fullmatch(f"{{{name}}}"):
            yield Problem((*path, "save", name), "isn't the name of a placeholder", "use a-z, 0-9 and _")
    yield from _path(step.path, (*path, "path"))
    yield from _headers(step.headers, (*path, "headers"))


def _path(text: str, path: KeyPath) -> Iterator[Problem]:
    if not text.startswith("/") and not PLACEHOLDER.fullmatch(text):
        yield Problem(path, f"{shown(text)} is no path", "begin it with /")
    elif text.startswith("//"):
        yield Problem(path, f"{shown(text)} would lead to another host", "begin it with one /")


def _place(place: str, path: KeyPath) -> Iterator[Problem]:
    name = place.removeprefix("header:")
    if not (place.startswith("/") or (name != place and _HEADER_NAME.fullmatch(name))):
        yield Problem(path, f"{shown(place)} is no place in a reply", 'write "/json/pointer" or "header:NAME"')


def _headers(headers: Mapping[str, str], path: KeyPath) -> Iterator[Problem]:
    for name, text in headers.items():
        if name.lower() in SECRET_HEADERS and not PLACEHOLDER.search(text):
            yield Problem((*path, name), "would be written into the record", "use auth of the system")
        elif not _HEADER_NAME.fullmatch(name):
            yield Problem((*path, name), "isn't the name of a header", "correct it")


def _texts(step: Step) -> Iterator[tuple[str, str]]:
    yield "path", step.path
    for key, value in (("headers", step.headers), ("body", step.body), ("form", step.form)):
        yield from ((key, text) for text in strings(value))


def strings(value: Any) -> Iterator[str]:
    """Yield every text in nested dictionaries and lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from strings(inner)


def _placeholders(texts: Iterator[tuple[str, str]], given: set[str], path: KeyPath) -> Iterator[Problem]:
    for key, text in texts:
        for name in PLACEHOLDER.findall(text):
            if name not in given:
                yield Problem((*path, key), f"nothing has filled in {{{name}}} yet", did_you_mean(name, given))


def _declared(targets: Targets, system: str, path: KeyPath) -> Iterator[Problem]:
    if system not in targets.systems:
        yield Problem(path, f"system {shown(system)} isn't declared", did_you_mean(system, targets.systems))


def audit_is_sound(targets: Targets) -> Iterator[Problem]:
    """Refuse a look-up that can't be done."""
    audit: Audit = targets.audit
    if audit.mode == "none":
        return
    if not audit.path:
        yield Problem(("audit", "path"), "is missing", 'write path = "/dossiers/{code}", or mode = "none"')
        return
    yield from _declared(targets, audit.system, ("audit", "system"))
    yield from _path(audit.path, ("audit", "path"))
    if "{code}" not in audit.path:
        yield Problem(("audit", "path"), "asks for no dossier in particular", "put {code} into it")
    yield from _headers(audit.headers, ("audit", "headers"))
    texts = (*strings(audit.headers), *strings(audit.match), audit.path)
    yield from _placeholders((("path", text) for text in texts), {*DOSSIER}, ("audit",))
    for place in audit.match:
        yield from _place(place, ("audit", "match", place))
    both = set(audit.ok) & set(audit.absent)
    if both:
        yield Problem(("audit", "absent"), f"{min(both)} is in ok as well", "keep it in one of the two")


CHECKS: tuple[Callable[[Targets], Iterator[Problem]], ...] = (
    window_is_one,
    systems_are_known,
    steps_are_sound,
    audit_is_sound,
)
