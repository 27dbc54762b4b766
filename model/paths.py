"""Where mocks serve the operations of their interfaces: under our own paths, or those that a campaign gives them.

A *table* of paths is kind of system -> our path -> the path in its place, parameters in braces. Servers and callers
read the same one. What the harness itself asks, look-ups, listings and health, stays where it is.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from model.links import MOBILE
from model.shape import did_you_mean, shown

Table = Mapping[str, Mapping[str, str]]

INTERFACES: Mapping[str, Mapping[str, str]] = {
    "national": {
        "/session": "POST",
        "/procedures": "GET",
        "/population": "POST",
        "/dossiers": "POST",
        "/dossiers/{code}/payment": "POST",
        "/payments/callback": "POST",
        "/login": "POST",
        "/sync": "POST",
    },
    "province": {
        "/login": "POST",
        "/HoSo/NopTrucTuyen": "POST",
        "/HoSo/PhiDiaGioi": "POST",
        "/officer/session": "POST",
        "/officer/claim": "POST",
        "/officer/queue": "GET",
        "/counter/population": "POST",
        "/counter/dossiers": "POST",
        "/dossiers/{code}/steps": "POST",
        "/statistics": "GET",
    },
    "vneid": {"/authorize": "GET", "/token": "POST", "/userinfo": "GET", "/revoke": "POST"},
    "population": {"/ndxp/population": "POST", "/ndxp/confirm": "POST"},
    "specialised": {"/ndxp/confirm": "POST"},
    "payment": {
        "/payments": "POST",
        "/payments/{transaction}": "GET",
        "/payments/{transaction}/pay": "POST",
        "/payments/{transaction}/receipt": "GET",
    },
    "axis": {
        "/axis/registerAgency": "POST",
        "/axis/getAgenciesList": "GET",
        "/axis/sendEdoc": "POST",
        "/axis/getReceivedEdocList": "GET",
        "/axis/getEdoc/{document}": "GET",
        "/axis/updateStatus": "POST",
        "/axis/getSentEdocList": "GET",
    },
}
"""Kind of system -> path of an operation that a campaign may serve elsewhere -> its method."""

KEPT = (
    "/", "/healthz", "/readyz", "/metrics", "/vitals", "/openapi.json", "/outbox", "/entries", "/pages/{shelf}",
    "/pages/{shelf}/{key}", "/control/faults", "/control/faults/{id}", "/control/cutover", "/control/migration",
    "/dossiers", "/dossiers/{code}", "/dossiers/{code}/verification", "/units", "/units/{code}", "/legacy-units",
    "/drafts/{draft}", "/drafts/{draft}/dossier", "/attachments", "/attachments/{hash}", "/attachments/{hash}/complete",
    "/attachments/{hash}/pieces/{offset}", "/api/attachments/{code}/{hash}/{size}/pieces/{offset}",
    "/api/drafts/redeem", "/api/payments", "/payments/{transaction}/cancel", "/directory", "/outbox/refused",
    "/handover", "/mine/{code}",
    "/portal", "/portal/session", "/portal/draft", "/portal/drafts/{draft}/dossier", "/portal/login", "/portal/form",
    "/portal/submission", "/online", "/online/login", "/online/session", "/online/form", "/online/draft",
    "/online/submission", "/online/payment",
    "/centres", "/documents", "/incidents", "/workflows", "/officer/dossiers/{code}", "/officer/questions",
    "/officer/questions/{draft}/answer", "/stubs", "/stubs/{number}", "/migration", "/migration/holdings",
    "/migration/staged", "/migration/moved", "/migration/staged-accounts", "/migration/moved-accounts",
    "/migration/held", "/migration/held-accounts", "/migration/dossiers/{code}",
)  # fmt: skip
"""Paths of these systems that stay: no other operation can be served there."""

_SEGMENT = r"[A-Za-z0-9._~-]+"
_PATH = re.compile(rf"(/({_SEGMENT}|\{{[a-z]+\}}))+")
_PARAMETER = re.compile(r"\{([a-z]+)\}")
LONGEST = 200
"""Characters of a path."""


class Paths:
    """The paths of one system.

    Args:
        system: Its name; ``mobile:11`` is a way to ``province:11``.
        table: Of all kinds.
    """

    def __init__(self, system: str = "", table: Table | None = None) -> None:
        word = system.partition(":")[0]
        kind = "province" if word == MOBILE else word
        renamed = (table or {}).get(kind, {})
        self._served = {(INTERFACES[kind][ours], ours): theirs for ours, theirs in renamed.items()}
        self._patterns = [
            (method, re.compile(_PARAMETER.sub(r"(?P<\1>[^/]+)", ours)), theirs)
            for (method, ours), theirs in self._served.items()
            if "{" in ours
        ]

    def served(self, method: str, path: str) -> str:
        """Return where an operation of ours is served, parameters in braces in both."""
        return self._served.get((method, path), path)

    def asked(self, method: str, target: str) -> str:
        """Return what is asked for in place of our path, with its query: a look into a table, and nothing without one.

        A path with parameters is held against those of the table, not against all there are.
        """
        if not self._served:
            return target
        path, mark, query = target.partition("?")
        found = self._served.get((method, path)) or self._filled(method, path) or path
        return f"{found}{mark}{query}"

    def _filled(self, method: str, path: str) -> str | None:
        for wanted, pattern, theirs in self._patterns:
            match = pattern.fullmatch(path) if wanted == method else None
            if match is not None:
                return theirs.format_map(match.groupdict())
        return None


OURS = Paths()
"""Our own paths."""


@dataclass(frozen=True, slots=True)
class Misfit:
    """What is wrong with a table of paths.

    Attributes:
        kind: Kind of system.
        path: Our path, empty where the kind is what is wrong.
        what: What is wrong.
        remedy: What to do.
    """

    kind: str
    path: str
    what: str
    remedy: str


def misfits(table: Table) -> Iterator[Misfit]:
    """Yield what is wrong with a table: kinds and paths that there are none of, bad paths, and those that clash."""
    for kind, renamed in table.items():
        if kind not in INTERFACES:
            yield Misfit(kind, "", f"unknown kind of system {shown(kind)}", did_you_mean(kind, INTERFACES))
            continue
        for ours, theirs in renamed.items():
            wrong = _unknown(kind, ours) or _form(ours, theirs) or _clash(kind, ours, theirs, renamed)
            if wrong is not None:
                yield Misfit(kind, ours, *wrong)


def _unknown(kind: str, ours: str) -> tuple[str, str] | None:
    if ours in INTERFACES[kind]:
        return None
    return f"{kind} has no operation there that can be served elsewhere", did_you_mean(ours, INTERFACES[kind])


def _form(ours: str, theirs: str) -> tuple[str, str] | None:
    if len(theirs) > LONGEST or not _PATH.fullmatch(theirs):
        return "isn't a path", "write it like /HoSo/NopTrucTuyen or /ThanhToan/{transaction}"
    wanted, given = _PARAMETER.findall(ours), _PARAMETER.findall(theirs)
    if sorted(wanted) != sorted(given):
        needed = ", ".join(f"{{{name}}}" for name in wanted) or "no parameters"
        return f"must have the parameters of {ours}", f"give it {needed}, each once"
    return None


def _clash(kind: str, ours: str, theirs: str, renamed: Mapping[str, str]) -> tuple[str, str] | None:
    others = [renamed.get(path, path) for path in INTERFACES[kind] if path != ours]
    taken = [path for path in (*others, *KEPT) if _same(theirs, path)]
    return (f"would be served where {taken[0]} is", "choose another path") if taken else None


def _same(one: str, other: str) -> bool:
    """Tell whether a request could be meant for either of two paths."""
    pairs = list(zip(one.split("/"), other.split("/"), strict=False))
    return one.count("/") == other.count("/") and all(
        left == right or left.startswith("{") or right.startswith("{") for left, right in pairs
    )
