"""Journeys through systems with another interface than our mocks': the requests that a targets file declares."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlencode, urljoin

from model.links import province_system
from model.targets import Step, Targets
from model.targets_file import PLACEHOLDER, REMEMBERED, strings
from scenarios import ledger
from scenarios.cookies import Jar
from scenarios.guarded import GuardedNetwork
from scenarios.network import Visitor
from scenarios.session import Answer, Request, Session
from scenarios.writes import Write

if TYPE_CHECKING:
    from scenarios.catalogue import Memory

Words = dict[str, str | int]
"""Placeholder -> what stands for it."""
LONGEST = 2000
"""Characters of a text that a reply may fill in; a longer one is no code, token or link [A]."""
_ODD = re.compile(r"[^0-9A-Za-z .:-]")


class Adapter:
    """Runs declared journeys.

    Attributes:
        journeys: Journey -> what performs it, as the catalogue has it.
    """

    def __init__(self, targets: Targets, network: GuardedNetwork) -> None:
        self._targets = targets
        self._network = network
        self.journeys: Mapping[str, Callable[[Session, Memory], None]] = {
            name: self._performer(steps) for name, steps in targets.journeys.items()
        }

    def _performer(self, steps: tuple[Step, ...]) -> Callable[[Session, "Memory"], None]:
        follows_up = any(f"{{{REMEMBERED}}}" in text for step in steps for text in strings([step.path, step.body]))

        def perform(session: Session, memory: "Memory") -> None:
            """Send the journey's requests in order."""
            words, jar = words_of(session), Jar()
            recent = memory.recent() if follows_up else None
            if follows_up and recent is None:
                return  # nobody has created a dossier yet that this person could follow up
            words |= {} if recent is None else {REMEMBERED: recent}
            for number, step in enumerate(steps):
                words |= self._take(session, step, f"{number}", words, jar)
                if step.write:
                    memory.codes.append(str(words["code"]))

        return perform

    def _take(self, session: Session, step: Step, number: str, words: Words, jar: Jar) -> Words:
        """Send one request; returns what its reply fills in."""
        system = province_system(session.arrival.province) if step.system == "province" else step.system
        key = session.key(number)
        words = {**words, "key": key}
        headers, body = encoded(step, words)
        check, refusal = _checks(step)
        request = Request(
            step.operation,
            system,
            step.method,
            address(self._targets.target(system).url_for(system), step.path, words),
            headers,
            body,
            check,
            refusal,
            self._reader(step),
            Visitor(self._network, step.follow, jar),
        )
        write = Write(step.write, key, payload_hash=hashlib.sha256(body).hexdigest()) if step.write else None
        found = session.ask(request, write)
        given: Words = {name: found[name] for name in step.save}
        return {**given, "code": original(found["code"])} if step.code else given

    def _reader(self, step: Step) -> Callable[[Answer], dict[str, Any] | None]:
        """Return what reads a reply; None of it where something is missing, or a secret came back."""

        def read(answer: Answer) -> dict[str, Any] | None:
            """Return what was wanted of one reply."""
            content = answer.json()
            try:
                found = {name: text_at(place, content, answer.headers) for name, place in step.save.items()}
                code = text_at(step.code, content, answer.headers) if step.code else ""
                state = at(step.state, content, answer.headers) if step.state else 0
            except LookupError:
                return None
            kept = recordable(code)
            if kept is None or any(secret in code for secret in self._network.secrets):
                return None
            return {**found, "code": kept, "state": step.states.get(str(state), state)}

        return read


def _checks(step: Step) -> tuple[Callable[[Any, Answer], bool], Callable[[Any, Answer], bool]]:
    def holds(content: Any, answer: Answer) -> bool:
        return content is not None and answer.status in step.ok

    return holds, holds


def words_of(session: Session) -> Words:
    """Return the placeholders that an arrival fills in."""
    arrival = session.arrival
    return {
        "number": arrival.number,
        "key": "",
        "province": arrival.province,
        "commune": arrival.commune,
        "procedure": arrival.procedure,
        "person_id": arrival.person.id_number,
        "person_name": arrival.person.name,
        "birth_date": arrival.person.birth_date,
        "fee": arrival.fee,
    }


def encoded(step: Step, words: Words) -> tuple[dict[str, str], bytes]:
    """Return headers and body of a step."""
    headers = {name: filled(text, words) for name, text in step.headers.items()}
    if step.body:
        text = json.dumps(rendered(step.body, words), ensure_ascii=False, separators=(",", ":"))
        return {"Content-Type": "application/json", **headers}, text.encode()
    if step.form:
        form = {name: filled(text, words) for name, text in step.form.items()}
        return {"Content-Type": "application/x-www-form-urlencoded", **headers}, urlencode(form).encode()
    return headers, b""


def filled(text: str, words: Words) -> str:
    """Fill placeholders in."""
    return PLACEHOLDER.sub(lambda match: str(words[match[1]]), text)


def rendered(value: Any, words: Words) -> Any:
    """Fill placeholders in everywhere; a text that is one placeholder becomes what stands for it, of its own type."""
    if isinstance(value, Mapping):
        return {name: rendered(inner, words) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [rendered(inner, words) for inner in value]
    if not isinstance(value, str):
        return value
    whole = PLACEHOLDER.fullmatch(value)
    return words[whole[1]] if whole else filled(value, words)


def address(url: str, path: str, words: Words) -> str:
    """Return the address of a path below a system's own; what a reply named is taken as the web takes a link."""
    whole = PLACEHOLDER.fullmatch(path)
    if whole:
        return urljoin(f"{url}/", str(words[whole[1]]))
    return url + PLACEHOLDER.sub(lambda match: quote(str(words[match[1]]), safe=""), path)


def recordable(code: str) -> str | None:
    """Return a code as the ledger keeps it, ``>2F`` for a slash; None where it is too long."""
    kept = _ODD.sub(lambda match: "".join(f">{byte:02X}" for byte in match[0].encode()), code)
    return kept if len(kept) <= ledger.LONGEST else None


def original(kept: str) -> str:
    """Return the code that ``recordable`` was given."""
    return unquote(kept.replace(">", "%"))


def text_at(place: str, content: Any, headers: Mapping[str, str]) -> str:
    """Return a text of a reply that may be recorded: one line, not too long; raises LookupError."""
    found = at(place, content, headers)
    text = str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""
    if not text or len(text) > LONGEST or not text.isprintable():
        raise LookupError(place)
    return text


def at(place: str, content: Any, headers: Mapping[str, str]) -> Any:
    """Return what stands at a place of a reply: a header, or a JSON pointer (RFC 6901); raises LookupError."""
    if place.startswith("header:"):
        return headers[place.removeprefix("header:").lower()]
    for word in _words(place):
        if isinstance(content, list) and word.isascii() and word.isdigit():
            content = content[int(word)]
        elif isinstance(content, dict):
            content = content[word]
        else:
            raise LookupError(place)
    return content


def _words(pointer: str) -> Iterator[str]:
    for word in pointer.split("/")[1:]:
        yield word.replace("~1", "/").replace("~0", "~")
