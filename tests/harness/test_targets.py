"""Other people's systems: what is refused before anything leaves, secrets in no record, a campaign at strangers."""

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from harness import confirm, external
from harness.cli import read_campaign
from harness.errors import UsageError
from harness.look_up import choose
from harness.ports import free_ports
from model.plan import Plan
from model.targets import Audit
from scenarios.schedule import due_times
from tests.conftest import COMMAND, Running, changed, happened, needs, thongsuot, wait_for
from tests.scenarios.outside import counting

CHECKOUT = Path(__file__).resolve().parents[2]
DEMO = CHECKOUT / "scenarios" / "targets"
CAMPAIGN = DEMO / "demo.campaign.toml"
SECRET = "bi-mat-khong-ai-biet-7391"  # noqa: S105  made up for the test
PATIENT = changed("limits.late_p99=20", "limits.loop_delay=20")
STRANGERS = CHECKOUT / ".strangers" / "bin" / "granian"


def targets_file(folder: Path, portal: str, provinces: str, **changes: str) -> Path:
    """Write the example's targets file with other addresses."""
    text = (DEMO / "demo.toml").read_text(encoding="utf-8")
    text = text.replace("127.0.0.1:8321", portal).replace("127.0.0.1:8322", provinces)
    for old, new in changes.items():
        text, found = re.subn(rf"^{old} = .*$", f"{old} = {new}", text, count=1, flags=re.MULTILINE)
        assert found
    path = folder / "targets.toml"
    path.write_text(text, encoding="utf-8")
    return path


def chosen(path: Path, *changes: str) -> Plan:
    return read_campaign(str(CAMPAIGN), None, list(changes), None, path)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Console:
    monkeypatch.setenv("DEMO_TOKEN", SECRET)
    return Console(file=StringIO(), width=200)


def output(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_who_names_the_authorisation_may_begin(tmp_path: Path, told: Console) -> None:
    """What would be touched is shown, without the secret."""
    confirm.confirm(chosen(targets_file(tmp_path, "127.0.0.1:9", "127.0.0.1:9")), "DEMO-1", told)
    for part in ("http://127.0.0.1:9/hanoi", "127.0.0.0/16", "DEMO-1", "bearer, from $DEMO_TOKEN", "citizen->national"):
        assert part in output(told)
    assert SECRET not in output(told)


@pytest.mark.parametrize(
    ("changes", "yes", "said"),
    [
        ({"end": "2025-07-02T00:00:00+07:00"}, "DEMO-1", "outside the window"),
        ({"start": "2034-07-02T00:00:00+07:00"}, "DEMO-1", "outside the window"),
        ({}, "DEMO-2", "'DEMO-2' isn't the reference of the authorisation; nothing was sent, give 'DEMO-1'"),
        ({}, None, "nobody is there to confirm; give --yes 'DEMO-1', the reference of the authorisation"),
        ({"addresses": '["127.0.0.2/32"]'}, "DEMO-1", "leads to 127.0.0.1, which the targets file doesn't declare"),
        ({"auth": '{ kind = "bearer", env = "NOT_SET" }'}, "DEMO-1", "environment variable NOT_SET: holds no secret"),
        ({"auth": '{ kind = "bearer", file = "none.txt" }'}, "DEMO-1", "none.txt: can't be read"),
    ],
)
def test_what_is_not_allowed_is_refused_in_one_line(
    tmp_path: Path, told: Console, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], yes: str | None, said: str
) -> None:
    """Outside the window, without authorisation, elsewhere than declared, without a secret."""
    monkeypatch.setattr("sys.stdin", StringIO(""))
    plan = chosen(targets_file(tmp_path, "127.0.0.1:9", "127.0.0.1:9", **changes))
    with pytest.raises(UsageError) as refused:
        confirm.confirm(plan, yes, told)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_run_that_would_outlast_the_window_is_refused(tmp_path: Path, told: Console) -> None:
    """It isn't begun at all."""
    plan = chosen(targets_file(tmp_path, "127.0.0.1:9", "127.0.0.1:9"))
    last = datetime.fromisoformat("2035-06-30T23:59:50+07:00").timestamp()
    with pytest.raises(UsageError, match=r"^the load would last until .*; shorten it$"):
        external.check(plan, last)


def test_a_kill_switch_that_is_there_refuses_a_run(tmp_path: Path, told: Console) -> None:
    """Until somebody takes it away."""
    plan = chosen(targets_file(tmp_path, "127.0.0.1:9", "127.0.0.1:9"))
    (tmp_path / "STOP").touch()
    with pytest.raises(UsageError, match="the kill switch is there"):
        external.check(plan)


def test_a_refused_run_exits_with_2_and_sends_nothing(tmp_path: Path) -> None:
    """No record, no request, one line."""
    with counting() as (where, heads):
        path = targets_file(tmp_path, where, where)
        ended = thongsuot("run", CAMPAIGN, "--targets", path, "--out", tmp_path / "record", "--yes", "DEMO-2")
    assert (ended.returncode, heads) == (2, [])
    assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr
    assert not (tmp_path / "record").exists()


def test_a_sample_is_drawn_by_its_seed() -> None:
    """The same dossiers whatever their order; all where there are no more than the sample."""
    known = [(f"c{number}", f"k{number}", "01", "00004") for number in range(50)]
    audit = Audit(mode="sample", number=10, seed=3)
    assert choose(known, audit) == choose(known[::-1], audit)
    assert len(set(choose(known, audit))) == 10
    assert choose(known[:5], audit) == known[:5]
    assert choose(known, Audit(mode="none")) == ()


def run(record: Path, path: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the example against a targets file, the secret in the environment."""
    words = ["run", CAMPAIGN, "--targets", path, "--out", record, "--yes", "DEMO-1", "--workers", "1", *PATIENT]
    return subprocess.run(
        [COMMAND, *map(str, words), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
        env={**os.environ, "DEMO_TOKEN": SECRET},
    )


def holding(folder: Path, *words: str) -> list[str]:
    """Return the files of a folder in any byte of which a word is found."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [str(path) for path in files if any(word.encode() in path.read_bytes() for word in words)]


def answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[str]:
    """Start a plain nginx with the example's configuration, on a free port."""
    folder, port = tmp_path / "nginx", next(free_ports())
    folder.mkdir()
    text = (DEMO / "nginx.conf").read_text(encoding="utf-8").replace("8322", str(port))
    (folder / "nginx.conf").write_text(text, encoding="utf-8")
    command = [shutil.which("nginx") or "nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with started(command, f"127.0.0.1:{port}") as address:
        yield address


@pytest.fixture
def httpbin() -> Iterator[str]:
    """Start httpbin under granian, from an environment of its own."""
    if not STRANGERS.exists():
        assert os.environ.get("CI") != "true", "CI must run make strangers"
        pytest.skip("no httpbin: make strangers")
    port = next(free_ports())
    command = [str(STRANGERS), "--interface", "wsgi", "--port", str(port), "httpbin:app"]
    with started(command, f"127.0.0.1:{port}") as address:
        yield address


@contextmanager
def started(command: list[str], address: str) -> Iterator[str]:
    """Run a stranger's process until it is no longer needed; yields its address once it answers."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: answers(address), 30)
        yield address
    finally:
        process.terminate()
        process.wait(20)


def settled(heads: list[bytes]) -> int:
    """Return how many requests have come once no more come: what had left before the end may arrive after it."""
    seen = -1
    deadline = time.monotonic() + 30
    while len(heads) != seen:
        assert time.monotonic() < deadline, "requests go on"
        seen = len(heads)
        time.sleep(0.3)
    return seen


@pytest.mark.slow
@needs("nginx", "nginx-light")
def test_a_campaign_against_two_strangers_gives_a_verdict_and_holds_no_secret(
    tmp_path: Path, httpbin: str, nginx: str
) -> None:
    """A fault on our own proxy is proved, a sample is looked up, the verdict says how sure it is."""
    record, path = tmp_path / "record", targets_file(tmp_path, httpbin, nginx, number="20", at_most="0.2")
    later = ["faults.slow-line.start=7.5", "faults.slow-line.duration=6", "steady_state.window=8"]
    ended = run(record, path, *changed("objectives.1.target=8", *later))
    verdict = json.loads((record / "verdict.json").read_text(encoding="utf-8"))
    starved = [reason for reason in verdict["reasons"] if re.search(r"worker 0 used \d+% of a core", reason)]
    assert ended.returncode == (3 if starved else 0), ended.stdout + ended.stderr
    assert verdict["reasons"] == starved or not starved
    assert re.fullmatch(
        r"20 of \d+ acknowledged dossiers were looked up, 0 lost or other: "
        r"at 95 % confidence at most 14 % of all are \(exact binomial bound, sampled\)",
        verdict["look_ups"],
    )
    assert happened(record, "fault_proved") is not None
    assert happened(record, "fault_gone") is not None
    assert (record / "report.html").stat().st_size > 10_000
    assert holding(record, SECRET) == []
    judged = thongsuot("judge", record)
    assert judged.returncode == ended.returncode, judged.stdout + judged.stderr


def test_the_kill_switch_aborts_a_run(
    tmp_path: Path, background: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Touched while the load goes on: the run ends, no pass, with one line; nothing leaves after it."""
    monkeypatch.setenv("DEMO_TOKEN", SECRET)
    with counting() as (where, heads):
        record, path = tmp_path / "record", targets_file(tmp_path, where, where)
        words = ["--targets", path, "--out", record, "--yes", "DEMO-1", "--workers", 1, *PATIENT]
        running = background("run", CAMPAIGN, *words)
        wait_for(lambda: len(heads) > 5, 90)
        (tmp_path / "STOP").touch()
        forbidden = wait_for(lambda: happened(record, "load_forbidden"), 60)
        stopped = wait_for(lambda: happened(record, "load_stopped"), 60)
        sent = settled(heads)
        output, errors = running.process.communicate(timeout=90)
        assert len(heads) == sent
    assert running.process.returncode == 3, output + errors
    assert stopped["planned"] < len(list(due_times(chosen(path))))
    assert forbidden["reason"] == f"guard: the kill switch is there: {tmp_path / 'STOP'}"
    (said,) = (line for line in output.splitlines() if "load: stopped by the kill switch at " in line)
    assert said.endswith(f"nothing left any more: {tmp_path / 'STOP'}")
    assert happened(record, "run_finished") is not None
