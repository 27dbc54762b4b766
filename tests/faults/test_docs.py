"""docs/faults.md says of every kind what the catalogue says."""

from pathlib import Path

import pytest

from faults.catalogue import KINDS
from faults.kinds.base import Kind

TEXT = (Path(__file__).parents[2] / "docs" / "faults.md").read_text(encoding="utf-8")


def section(kind: type[Kind]) -> str:
    """Write a kind as the document has it."""
    lines = [f"### `{kind.name}`", f"Breaks a {kind.breaks}. {_sentence(kind.summary)}", f"Proof: {kind.proof}.", ""]
    if kind.attributes:
        lines += ["| attribute | unit | from – to | default | meaning |", "|---|---|---|---|---|"]
    for a in kind.attributes:
        default = "must be given" if a.default is None else f"{a.default}"
        lines.append(f"| `{a.name}` | {a.unit} | {a.low} – {a.high} | {default} | {a.meaning} |")
    return "\n".join(lines).rstrip()


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_kind_is_documented_as_it_is(kind: type[Kind]) -> None:
    assert f"{section(kind)}\n" in TEXT


def test_no_kind_is_documented_that_there_is_none_of() -> None:
    assert {line[5:-1] for line in TEXT.splitlines() if line.startswith("### `")} == KINDS.keys()
