"""The cookies of one persona: name, value, host and path, for as long as the persona stays.

Enough of RFC 6265 for a dialogue with few hosts: no expiry dates, no public suffixes. A cookie goes back to the very
host that set it, never to a neighbour, whatever its Domain attribute says.
"""

from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie

MAX_COOKIES = 50
"""Cookies that a host may leave, as in browsers; further ones are ignored."""


class Jar:
    """Keeps what hosts set, and gives it back to them."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[tuple[str, str], str]] = {}

    def store(self, host: str, target: str, lines: Iterable[bytes]) -> None:
        """Keep the cookies of a reply's Set-Cookie lines; what isn't a cookie is ignored."""
        for line in lines:
            try:
                parsed = SimpleCookie(line.decode("latin-1"))
            except CookieError:
                continue
            for name, morsel in parsed.items():
                path = morsel["path"] if morsel["path"].startswith("/") else _folder(target)
                gone = morsel["max-age"] == "0" or morsel["max-age"].startswith("-")
                self._put(host, path, name, "" if gone else morsel.coded_value)

    def _put(self, host: str, path: str, name: str, value: str) -> None:
        kept = self._kept.setdefault(host, {})
        if not value:
            kept.pop((path, name), None)
        elif value.isascii() and value.isprintable() and ((path, name) in kept or len(kept) < MAX_COOKIES):
            kept[path, name] = value

    def header(self, host: str, target: str) -> str:
        """Return the Cookie header for a request, those of longer paths first; empty where there is none."""
        path = target.partition("?")[0]
        fitting = [item for item in self._kept.get(host, {}).items() if _covers(item[0][0], path)]
        fitting.sort(key=lambda item: -len(item[0][0]))
        return "; ".join(f"{name}={value}" for (_, name), value in fitting)


def _folder(target: str) -> str:
    """Return the path that a cookie is for where it names none: that of the request up to its last slash."""
    return target.partition("?")[0].rpartition("/")[0] or "/"


def _covers(path: str, asked: str) -> bool:
    return asked == path or asked.startswith(path if path.endswith("/") else f"{path}/")
