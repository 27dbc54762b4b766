"""Files that people write in TOML: read, and refused in one line that says where, what is wrong and what to do."""

import re
import tomllib
from pathlib import Path
from typing import Any

MAX_BYTES = 1_000_000
"""Of a file [A]: some 20,000 lines."""

_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


class CampaignError(Exception):
    """A campaign can't be run: one line that says where, what is wrong and what to do."""


def read(path: Path, noun: str, missing: str) -> str:
    """Return the text of a file; raises CampaignError.

    Args:
        path: Of the file.
        noun: What the file should be.
        missing: What to do where there is none.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise one_line(f"{path}: no such file; {missing}") from None
    except IsADirectoryError:
        raise one_line(f"{path}: a folder; give the {noun} in it") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise one_line(f"{path}: can't be read ({reason}); give a {noun}") from None
    if len(content) > MAX_BYTES:
        raise one_line(f"{path}: longer than {MAX_BYTES:,} bytes; give a {noun}")
    return _decode(path, content)


def _decode(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise one_line(f"{path}:{line}: not UTF-8; save it as UTF-8") from None


def parse(path: Path, text: str, noun: str = "campaign") -> dict[str, Any]:
    """Parse a text as TOML; raises CampaignError."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise one_line(f"{path}:1: nested too deeply; a {noun} needs four levels") from None
    except ValueError as error:
        raise _not_toml(path, text, str(error)) from None


def _not_toml(path: Path, text: str, message: str) -> CampaignError:
    place = _PLACE.search(message)
    line = int(place[1]) if place and place[1] else text.rstrip().count("\n") + 1
    culprit = (text.split("\n")[line - 1 : line] or [""])[0]
    remedy = 'write codes in quotes: "01"' if re.search(r"[\[=, ]0\d", culprit) else "correct this line"
    return one_line(f"{path}:{line}: not TOML: {_PLACE.sub('', message)}; {remedy}")


def one_line(message: str) -> CampaignError:
    """Escape whatever would break the line, or the terminal that shows it."""
    return CampaignError("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message))
