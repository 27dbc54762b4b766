"""The guard's test bench with real runs: nothing leaves, exit 2 or a recorded abort, one line that says why.

What a run alone can't show is in tests/scenarios/test_guard.py (a name that changes its address, a rate above a
worker's share, both with a resolver or a burst made for it) and in test_altered_plan.py.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import COMMAND, events
from tests.harness.test_targets import CAMPAIGN, PATIENT, SECRET, targets_file
from tests.scenarios.outside import counting, leave

FILE = f"""{leave("B-1")}[[journeys.track]]
operation = "national.track"
system = "national"
path = "/a"
STEP
[audit]
mode = "none"
"""
BENCH = """
name = "bench"
title = "A system that leads elsewhere"
seed = 3
[stack]
provinces = ["01"]
[load]
gaps = "constant"
[load.journeys]
track = 1
[[phases]]
name = "the first one"
duration = 1
rate = 1
[[phases]]
name = "calm"
duration = 40
rate = 0.05
"""


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a campaign with nobody at the terminal."""
    return subprocess.run(
        [COMMAND, "run", *map(str, arguments), "--toxiproxy", "embedded"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
        env={**os.environ, "DEMO_TOKEN": SECRET},
    )


@pytest.mark.parametrize(
    ("changes", "arguments", "said"),
    [
        ({}, ["--yes", "DEMO-1", "--set", "load.scale=20"], "requests/s would leave, 110 are authorised"),
        ({"end": "2025-07-02T00:00:00+07:00"}, ["--yes", "DEMO-1"], "outside the window: it is "),
        ({"reference": '""'}, ["--yes", "DEMO-1"], "authorised.reference: "),
        ({"by": '""'}, ["--yes", "DEMO-1"], "authorised.by: "),
        ({}, [], "nobody is there to confirm; give --yes 'DEMO-1'"),
        ({"addresses": '["127.0.0.2/32"]'}, ["--yes", "DEMO-1"], "national: 127.0.0.1 leads to 127.0.0.1, which the"),
    ],
)
def test_what_is_not_allowed_is_not_begun(
    tmp_path: Path, changes: dict[str, str], arguments: list[str], said: str
) -> None:
    """A rate above the cap, outside the window, no authorisation, an address that isn't declared: exit 2."""
    with counting() as (where, heads):
        path = targets_file(tmp_path, where, where, **changes)
        ended = run(CAMPAIGN, "--targets", path, "--out", tmp_path / "record", *arguments)
    assert (ended.returncode, heads) == (2, [])
    assert said in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr
    assert not (tmp_path / "record").exists()


@pytest.mark.parametrize(
    ("step", "reply", "said"),
    [
        (
            "follow = true",
            "HTTP/1.1 302 X\r\nLocation: http://FOREIGN/b\r\nContent-Length: 0\r\n\r\n",
            "guard: a redirect leads outside the declared hosts: 'http://FOREIGN/b'",
        ),
        (
            'save = { next = "header:X-Next" }\n[[journeys.track]]\noperation = "national.track"\n'
            'system = "national"\npath = "{next}"',
            "HTTP/1.1 200 OK\r\nX-Next: http://FOREIGN/b\r\nContent-Length: 0\r\n\r\n",
            "guard: national named an address outside the declared hosts: 'http://FOREIGN/b'",
        ),
    ],
    ids=["redirect", "address in a reply"],
)
def test_what_leads_elsewhere_ends_the_run(tmp_path: Path, step: str, reply: str, said: str) -> None:
    """The foreign host hears nothing, the first request was the last one, the record and the verdict say why."""
    record = tmp_path / "record"
    with counting() as (foreign, elsewhere):
        with counting(reply=reply.replace("FOREIGN", foreign).encode()) as (where, heads):
            (tmp_path / "targets.toml").write_text(FILE.replace("ADDRESS", where).replace("STEP", step), "utf-8")
            (tmp_path / "bench.toml").write_text(BENCH, encoding="utf-8")
            words = ["--targets", tmp_path / "targets.toml", "--out", record, "--yes", "B-1", "--workers", 1]
            ended = run(tmp_path / "bench.toml", *words, *PATIENT)
        assert (len(heads), elsewhere) == (1, [])
    assert ended.returncode == 3, ended.stdout + ended.stderr
    (forbidden,) = (event for event in events(record) if event["event"] == "load_forbidden")
    assert forbidden["reason"] == said.replace("FOREIGN", foreign)
    reasons = json.loads((record / "verdict.json").read_text(encoding="utf-8"))["reasons"]
    (line,) = (reason for reason in reasons if forbidden["reason"] in reason)
    assert line.startswith("load: aborted at ")
