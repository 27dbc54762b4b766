"""Where each value of a TOML document stands: ``tomllib`` reads values, but doesn't say on which line."""

import re
import tomllib
from bisect import bisect_right
from contextlib import suppress

KeyPath = tuple[str | int, ...]
"""Keys and list indices from the top of a document: ``("phases", 1, "rate")``."""

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_KEY = re.compile(r"""[ \t]*("(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)[ \t]*""")
_STRING = re.compile(
    r'''"""(?:\\.|[^\\])*?"""(?:"{0,2})|\'\'\'.*?\'\'\'(?:'{0,2})|"(?:[^"\\]|\\.)*"|'[^']*\'''', re.DOTALL
)
_SCALAR = re.compile(r"[^,\]}\n#]*")


def lines(text: str) -> dict[KeyPath, int]:
    """Return the line, from 1, on which each value is first mentioned, by its path.

    Tables and lists have a line too: that of their header, or of the first key below them. ``text`` must be TOML
    that ``tomllib`` accepts; of any other text the result is partial.
    """
    scanner = _Scanner(text)
    with suppress(_NotTomlError):
        scanner.document()
    return scanner.found


class _NotTomlError(Exception):
    """The text isn't TOML."""


class _Scanner:
    """A recursive descent over a document that notes lines and skips values."""

    def __init__(self, text: str) -> None:
        self.found: dict[KeyPath, int] = {}
        self._text = text
        self._at = 0
        self._breaks = [match.start() for match in re.finditer("\n", text)]
        self._last_index: dict[KeyPath, int] = {}

    def document(self) -> None:
        """Scan headers and key-value pairs to the end."""
        table: KeyPath = ()
        self._match(_BLANK)
        while self._at < len(self._text):
            if self._next("[["):
                table = self._header(self._key(), array=True)
                self._expect("]]")
            elif self._next("["):
                table = self._header(self._key(), array=False)
                self._expect("]")
            else:
                self._pair(table)
            self._match(_BLANK)

    def _header(self, key: list[str], *, array: bool) -> KeyPath:
        path: KeyPath = ()
        for part in key[:-1]:
            path = self._inside((*path, part))
        path = (*path, key[-1])
        if not array:
            return self._inside(path)
        self._note(path)
        self._last_index[path] = self._last_index.get(path, -1) + 1
        return self._inside(path)

    def _inside(self, path: KeyPath) -> KeyPath:
        """Note a table; of an array of tables step into its last one."""
        self._note(path)
        if path in self._last_index:
            path = (*path, self._last_index[path])
            self._note(path)
        return path

    def _pair(self, table: KeyPath) -> None:
        for part in self._key():
            table = (*table, part)
            self._note(table)
        self._expect("=")
        self._match(_SPACE)
        self._value(table)

    def _value(self, path: KeyPath) -> None:
        if self._next("["):
            self._items(path)
        elif self._next("{"):
            self._members(path)
        elif self._text[self._at : self._at + 1] in {'"', "'"}:
            self._match(_STRING)
        else:
            self._match(_SCALAR)

    def _items(self, path: KeyPath) -> None:
        index = 0
        self._match(_BLANK)
        while not self._next("]"):
            self._note((*path, index))
            self._value((*path, index))
            self._comma("]")
            index += 1

    def _members(self, path: KeyPath) -> None:
        self._match(_BLANK)
        while not self._next("}"):
            self._pair(path)
            self._comma("}")

    def _comma(self, closing: str) -> None:
        self._match(_BLANK)
        if not self._next(","):
            self._expect(closing)
            self._at -= 1
        self._match(_BLANK)

    def _key(self) -> list[str]:
        parts = [_plain(self._match(_KEY).strip(" \t"))]
        while self._next("."):
            parts.append(_plain(self._match(_KEY).strip(" \t")))
        return parts

    def _note(self, path: KeyPath) -> None:
        self.found.setdefault(path, bisect_right(self._breaks, self._at - 1) + 1)

    def _next(self, mark: str) -> bool:
        if not self._text.startswith(mark, self._at):
            return False
        self._at += len(mark)
        return True

    def _expect(self, mark: str) -> None:
        if not self._next(mark):
            raise _NotTomlError

    def _match(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise _NotTomlError
        self._at = match.end()
        return match.group()


def _plain(key: str) -> str:
    return str(tomllib.loads(f"k = {key}")["k"]) if key[0] in "\"'" else key
