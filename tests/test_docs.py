"""What the documentation says works."""

import re
import shlex
from pathlib import Path

import pytest

from harness.cli import read_campaign
from tests.conftest import thongsuot

CHECKOUT = Path(__file__).resolve().parents[1]
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


COMMANDS = [line for block in blocks("console") for line in block.splitlines() if line.startswith("thongsuot ")]
OFFLINE = [line for line in COMMANDS if line.split()[1] in ("list", "plan", "doctor")]


def test_the_two_set_up_commands_are_targets_of_the_makefile() -> None:
    """Make run and make test exist."""
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    assert blocks("console")[0].split("\n")[:2] == ["make run", "make test"]
    assert re.search("^run:", makefile, re.MULTILINE)
    assert re.search("^test:", makefile, re.MULTILINE)


@pytest.mark.parametrize("command", OFFLINE)
def test_a_command_that_starts_nothing_works(command: str) -> None:
    """list, plan and doctor end with 0."""
    ended = thongsuot(*shlex.split(command)[1:])
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.split()[1] == "run"])
def test_the_changes_of_a_run_command_are_understood(command: str) -> None:
    """Each `run` of the README is a valid `plan`."""
    words = shlex.split(command)[2:]
    for option in ("--out", "--expect-workers", "--bind", "--stack"):
        if option in words:
            del words[words.index(option) : words.index(option) + 2]
    words = [word for word in words if word not in ("--unattended", "--prometheus")]
    ended = thongsuot("plan", *words)
    assert ended.returncode == 0, ended.stderr


def test_the_example_campaign_runs(tmp_path: Path) -> None:
    """The README's TOML is a campaign, with samples enough for its objective."""
    (example,) = blocks("toml")
    path = tmp_path / "two-provinces.toml"
    path.write_text(example, encoding="utf-8")
    plan = read_campaign(str(path), None, None, None)
    assert plan.stack.provinces == ("01", "11")
    assert plan.duration == 30
