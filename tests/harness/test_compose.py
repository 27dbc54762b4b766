"""The stack in containers, on a real Docker engine."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.compose import FILE, ROOT, digest

REQUIRED = os.environ.get("THONGSUOT_COMPOSE") == "required"
CAMPAIGN = Path(__file__).parents[1] / "campaigns" / "containers.toml"
THONGSUOT = [sys.executable, "-c", "from harness.cli import main; main()"]
RUN = [*THONGSUOT, "run", str(CAMPAIGN), "--stack", "compose"]


def engine_missing() -> str:
    """Say what is missing for containers, nothing where all is there."""
    try:
        import docker

        engine = docker.from_env(timeout=5)
        images = {tag for image in engine.images.list() for tag in image.tags}
    except Exception as error:
        return f"no Docker engine: {error}"
    wanted = os.environ.get("THONGSUOT_BASE", "python:3.11-slim-bookworm")
    return "" if wanted in images else f"no image {wanted}, and none can be pulled"


MISSING = engine_missing()
needs_engine = pytest.mark.skipif(bool(MISSING) and not REQUIRED, reason=MISSING)


def left_over() -> list[str]:
    """Name what carries the name of a run."""
    found = []
    for kind in ("container", "network", "volume"):
        listed = subprocess.run(
            [
                "docker",
                kind,
                "ls",
                *(["-a"] if kind == "container" else []),
                "--filter",
                "label=com.docker.compose.project",
                "--format",
                "{{json .}}",
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        found += [line for line in listed.stdout.splitlines() if "thongsuot-" in line]
    return found


@pytest.fixture
def clean() -> Iterator[None]:
    assert left_over() == []
    yield
    assert left_over() == []


def test_another_version_is_another_image(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = digest()
    assert first == digest()
    monkeypatch.setattr("harness.compose.PACKAGES", ("model",))
    assert digest() != first


def names(requirements: list[str]) -> set[str]:
    """Return what requirements are of, without versions."""
    return {re.split("[=>!]", requirement)[0] for requirement in requirements}


def test_the_image_has_all_that_runs_in_it() -> None:
    """What the image leaves out isn't there when systems and load start: nothing they import needs it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted, image = names(project["project"]["dependencies"]), names(project["dependency-groups"]["image"])
    assert image < wanted
    absent = sorted(wanted - image)
    assert absent == ["docker", "duckdb", "scipy"]
    code = f"import sys; sys.modules.update(dict.fromkeys({[*absent, 'numpy']})); import {{}}"
    for module in ("mocks.serve", "scenarios.load", "harness.cli, harness.remote"):
        done = subprocess.run([sys.executable, "-c", code.format(module)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_image_has_the_versions_of_the_host() -> None:
    """A worker in a container and a conductor outside are one program."""
    pins = [
        set(re.findall(r"^\S+==\S+", (ROOT / name).read_text(), re.MULTILINE))
        for name in ("requirements-image.lock", "requirements.lock")
    ]
    assert pins[0]
    assert pins[0] < pins[1]


def test_nothing_is_published_but_on_loopback() -> None:
    ports = [line.strip() for line in FILE.read_text().splitlines() if "ports:" in line]
    assert ports
    assert all('["127.0.0.1:' in line for line in ports)


@needs_engine
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_cutover_morning_passes_in_containers(tmp_path: Path, clean: None) -> None:
    """All 34 provinces, as on processes of this machine."""
    command = [*THONGSUOT, "run", "cutover-morning", "--stack", "compose", "--out", str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_engine
@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_container_drill_passes_and_leaves_nothing(tmp_path: Path, clean: None) -> None:
    """A province's container is killed, another one frozen, a third taken off the network; all are healed."""
    done = subprocess.run([*RUN, "--out", str(tmp_path / "run")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    verdict = json.loads((tmp_path / "run" / "verdict.json").read_text())
    assert verdict["verdict"] == "pass"
    assert all(fault["proved"] and fault["healed"] for fault in verdict["faults"])


@needs_engine
@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_defect_fails_in_containers_too(tmp_path: Path, clean: None) -> None:
    changes = ["--set", "faults=[]", "--defect", "drop-sync"]
    done = subprocess.run([*RUN, *changes, "--out", str(tmp_path / "run")], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    integrity = json.loads((tmp_path / "run" / "verdict.json").read_text())["integrity"]
    assert integrity["lost"] or integrity["divergent"] or integrity["regressed"]


@needs_engine
@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_killed_conductor_leaves_no_container(tmp_path: Path, clean: None) -> None:
    process = subprocess.Popen(
        [*RUN, "--out", str(tmp_path / "run")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    events = tmp_path / "run" / "events.jsonl"
    deadline = time.monotonic() + 300
    while not (events.exists() and '"fault_applied"' in events.read_text()):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 30
    while left_over():
        assert time.monotonic() < deadline, left_over()
        time.sleep(0.2)
