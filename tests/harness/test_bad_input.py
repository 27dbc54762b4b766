"""Bad input gets one clear line on standard error, exit code 2, no traceback, and nothing is started."""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from harness.cli import main
from tests.conftest import SHORT, thongsuot

GOOD = SHORT.read_text(encoding="utf-8")
Command = Callable[..., CompletedProcess[str]]


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Return the command, run inside the test's own process: without the half second that a process takes to start."""

    def run(*arguments: object) -> CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["thongsuot", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return CompletedProcess(sys.argv, int(str(ended.value.code)), *capsys.readouterr())

    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield run
    for number, handler in kept.items():
        signal.signal(number, handler)


def refused(arguments: list[object], out: Path, command: Command = thongsuot) -> str:
    """Run, check that it was refused in one line without starting anything, and return the line."""
    ended = command(*arguments)
    lines = ended.stderr.splitlines()
    assert ended.returncode == 2, ended.stderr
    assert len(lines) == 1, ended.stderr
    assert "Traceback" not in ended.stderr + ended.stdout
    assert not out.exists()
    return lines[0]


def paths(kind: str, ours: str, theirs: object) -> str:
    """Return the good campaign, with another path for one operation."""
    return f"{GOOD}\n[stack.paths.{kind}]\n{json.dumps(ours)} = {json.dumps(theirs)}\n"


BAD = {
    "unknown key": (GOOD.replace("[limits]", "[limits]\nlatte_p99 = 1"), ["latte_p99", "late_p99"]),
    "wrong type": (GOOD.replace("duration = 6", 'duration = "six"'), ["duration"]),
    "negative duration": (GOOD.replace("duration = 6", "duration = -6"), ["duration"]),
    "zero duration": (GOOD.replace("duration = 6", "duration = 0"), ["duration"]),
    "overlapping faults": (GOOD.replace("citizen->province:01", "province:79->national"), ["overlap"]),
    "fault outside the timeline": (GOOD.replace("start = 6", "start = 600"), ["start"]),
    "unknown province": (GOOD.replace('"11"', '"99"'), ["99"]),
    "province as a number": (GOOD.replace('"11"', "11"), ['"11"']),
    "unknown link": (GOOD.replace("province:79->national", "province:79->nation"), ["province:79->nation"]),
    "unknown kind": (GOOD.replace('"latency"', '"lateness"'), ["lateness"]),
    "unknown journey": (GOOD.replace("track =", "trak ="), ["trak", "track"]),
    "infinite rate": (GOOD.replace("rate = 45", "rate = inf"), ["rate"]),
    "rate that is no number": (GOOD.replace("rate = 45", "rate = nan"), ["rate"]),
    "weights that sum to zero": (
        GOOD.replace("= 30\n", "= 0\n")
        .replace("= 15\ntrack = 15", "= 0\ntrack = 0")
        .replace("process = 40", "process = 0")
        .replace("counter-intake = 15", "counter-intake = 0")
        .replace("track = 15", "track = 0"),
        ["journeys"],
    ),
    "attribute of a wrong kind": (GOOD.replace("latency = 300", "lag = 300"), ["lag"]),
    "paths of an unknown kind": (paths("provinces", "/sync", "/dong-bo"), ["stack.paths.provinces", '"province"']),
    "an unknown path": (paths("national", "/synch", "/dong-bo"), ['stack.paths.national."/synch"', '"/sync"']),
    "paths of a platform that isn't there": (
        paths("axis", "/axis/sendEdoc", "/gui"),
        ["stack.paths.axis", "stack.platforms"],
    ),
    "a path of a bad form": (paths("national", "/sync", "dong-bo"), ['"/sync"', "isn't a path"]),
    "a path without its parameter": (
        paths("province", "/dossiers/{code}/steps", "/xu-ly"),
        ['"/dossiers/{code}/steps"', "{code}"],
    ),
    "paths that clash": (paths("national", "/sync", "/login"), ['"/sync"', "/login"]),
    "a path that is kept": (paths("national", "/sync", "/healthz"), ['"/sync"', "/healthz"]),
    "a path that is no text": (paths("national", "/sync", 7), ['"/sync"', "string"]),
    "not TOML": (GOOD + "\n[[phases", ["TOML"]),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_campaign_is_refused(name: str, tmp_path: Path, inside: Command) -> None:
    """The line names the file, a line number, and what is wrong."""
    text, words = BAD[name]
    assert text != GOOD
    campaign = tmp_path / "bad.toml"
    campaign.write_text(text, encoding="utf-8")
    out = tmp_path / "record"
    line = refused(["run", campaign, "--out", out], out, inside)
    assert f"{campaign}:" in line
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "no-such-campaign"],
        ["run", "no/such/file.toml"],
        ["run", SHORT, "--set", "phases.surge.rat=3"],
        ["run", SHORT, "--set", "nonsense"],
        ["run", SHORT, "--set", "stack.one_level=everywhere"],
        ["run", SHORT, "--set", 'stack.mobile=["97"]'],
        ["run", SHORT, "--set", "stack.capacity={province={median=0.1,connections=0}}"],
        ["run", SHORT, "--defect", "drop-sink"],
        ["selftest", "--fewest", "--defect", "drop-sync"],
        ["run", SHORT, "--toxiproxy", "imaginary"],
        ["run", SHORT, "--seed", "many"],
        ["run"],
        ["fly"],
    ],
)
def test_a_bad_command_line_is_refused(arguments: list[object], tmp_path: Path, inside: Command) -> None:
    """Whatever is wrong with the command line is told in one line."""
    out = tmp_path / "record"
    refused([*arguments, "--out", out] if arguments[0] == "run" else arguments, out, inside)


@pytest.mark.parametrize("content", [b"", b"time,journey\nten,track\n", b"time,journey\n1,trak\n", b"\xff"])
def test_a_malformed_recording_is_refused(content: bytes, tmp_path: Path) -> None:
    """The line names the recording and the line in it."""
    (tmp_path / "a.csv").write_bytes(content)
    out = tmp_path / "record"
    campaign = tmp_path / "replay.toml"
    tape = '[[phases]]\nname = "tape"\nduration = 5\ncurve = { kind = "replay", file = "a.csv" }\n\n[[faults]]'
    campaign.write_text(GOOD.replace("[[faults]]", tape, 1), encoding="utf-8")
    assert f"{tmp_path / 'a.csv'}:" in refused(["run", campaign, "--out", out], out)


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    """A record never overwrites anything."""
    (tmp_path / "mine.txt").write_text("precious")
    ended = thongsuot("run", SHORT, "--out", tmp_path)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("command", ["judge", "report"])
def test_a_foreign_folder_is_no_record(command: str, tmp_path: Path) -> None:
    """Judge and report refuse what isn't a record."""
    (tmp_path / "plan.json").write_text('{"name": "something else"}')
    ended = thongsuot(command, tmp_path)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1)
    assert "plan.json" in ended.stderr


def test_plan_starts_nothing_and_prints_the_timeline(tmp_path: Path) -> None:
    """Plan leaves no record, and shows phases, faults and objectives."""
    changes = ("--set", "phases.surge.rate=80", "--set", "load.gaps='constant'")
    ended = thongsuot("plan", SHORT, *changes, cwd=tmp_path)
    assert ended.returncode == 0
    for word in ("surge", "cut-79", "citizen->province:01", "requests answered", "480"):
        assert word in ended.stdout
    assert not list(tmp_path.iterdir())
