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
from typing import cast

import msgspec
import pytest
from docker.errors import DockerException

from faults.server import Server
from faults.toxiproxy import Proxies
from harness.compose import FILE, PROMETHEUS_IMAGE, ROOT, Compose, check_prometheus, digest, program
from harness.compose_stack import ComposeStack
from harness.errors import UsageError
from model.capacity import Capacity
from model.histogram import seconds_of
from model.record import EventLog, Record
from reports import tables
from tests.harness.plans import short_plan

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
    for wanted in (os.environ.get("THONGSUOT_BASE", "python:3.11-slim-bookworm"), PROMETHEUS_IMAGE):
        if wanted not in images:
            return f"no image {wanted}, and none can be pulled"
    return ""


MISSING = engine_missing()
needs_engine = pytest.mark.skipif(bool(MISSING) and not REQUIRED, reason=MISSING)
SLOW = "stack.capacity.province.median=0.05"


def left_over(run: Path) -> list[str]:
    """Name what carries the name of a run's project."""
    project = re.findall(r"thongsuot-[0-9a-f]{8}", (run / "logs" / "compose.log").read_text())[0]
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
        found += [line for line in listed.stdout.splitlines() if project in line]
    return found


@pytest.fixture
def clean(tmp_path: Path) -> Iterator[None]:
    yield
    assert left_over(tmp_path / "run") == []


def test_another_version_is_another_image(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = digest()
    assert first == digest()
    monkeypatch.setattr("harness.compose.PACKAGES", ("model",))
    assert digest() != first


@pytest.mark.parametrize(
    ("programs", "found"),
    [
        ({"docker": "exit 0", "docker-compose": "exit 0"}, ("docker", "compose")),
        ({"docker": "exit 1", "docker-compose": "exit 0"}, ("docker-compose",)),
        ({"docker-compose": "exit 0"}, ("docker-compose",)),
        ({"docker": '[ "$*" = "compose version" ]'}, ("docker", "compose")),
    ],
)
def test_the_newer_compose_is_preferred(
    programs: dict[str, str], found: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`docker compose` where its plugin answers, else `docker-compose`."""
    for name, line in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program() == found


def test_without_compose_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="neither `docker compose` nor `docker-compose` is here; install one"):
        program()


class Listed:
    """An engine without images, which pulls none."""

    def __init__(self) -> None:
        self.images = self
        self.asked: list[str] = []

    def list(self, name: str) -> list[str]:
        self.asked.append(name)
        return []

    def pull(self, name: str) -> None:
        raise DockerException(f"no such host for {name}")

    def close(self) -> None:
        self.asked.append("closed")


def test_an_image_of_prometheus_that_can_not_be_had_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Listed()
    monkeypatch.delenv("THONGSUOT_PROMETHEUS_IMAGE", raising=False)
    monkeypatch.setattr("harness.compose.client", lambda: engine)
    assert f"-{PROMETHEUS_IMAGE}}}" in FILE.read_text()
    with pytest.raises(UsageError) as said:
        check_prometheus()
    assert str(said.value) == (
        f"--prometheus: the image {PROMETHEUS_IMAGE} isn't here and can't be pulled (no such host for "
        f"{PROMETHEUS_IMAGE}); build docker/prometheus, or name another one with THONGSUOT_PROMETHEUS_IMAGE"
    )
    assert engine.asked == [PROMETHEUS_IMAGE, "closed"]


class Up(Exception):
    """The containers would start now."""


class Engineless:
    """A compose project whose containers never start."""

    def address(self, service: str) -> str:
        return "172.30.0.2"

    def up(self, services: list[str]) -> None:
        raise Up(*services)


class Listening:
    """A Toxiproxy that takes every proxy."""

    def create_all(self, upstreams: dict[str, str], listens: dict[str, str]) -> dict[str, str]:
        assert upstreams.keys() == listens.keys()
        return listens


def test_containers_are_told_their_speed_and_prometheus_its_targets(tmp_path: Path) -> None:
    """`[stack.capacity]` stands in each container's configuration, the systems' names in that of Prometheus."""
    plan, events = short_plan(SLOW), EventLog(tmp_path / "events.jsonl")
    stack = ComposeStack(plan, Record(tmp_path), events, cast(Compose, Engineless()))
    with pytest.raises(Up) as started:
        stack.start(cast(Server, None), cast(Proxies, Listening()))
    events.close()
    assert started.value.args == ("national", "platforms", "provinces-1", "provinces-2")
    for name in started.value.args:
        config = json.loads((tmp_path / "state" / f"{name}.json").read_text())
        assert msgspec.convert(config["capacity"], dict[str, Capacity]) == plan.stack.capacity
        assert config["capacity"]["province"]["median"] == 0.05
    targets = json.loads((tmp_path / "prometheus" / "targets" / "systems.json").read_text())
    assert {target["labels"]["target"]: target["targets"] for target in targets} == {
        name: [address] for name, address in stack.scraped.items()
    }
    assert stack.scraped["national"] == "national:8000"


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
    """A slow province's container is killed, another one frozen, a third taken off the network; all are healed."""
    command = [*RUN, "--set", SLOW, "--out", str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    verdict = json.loads((tmp_path / "run" / "verdict.json").read_text())
    assert verdict["verdict"] == "pass"
    assert all(fault["proved"] and fault["healed"] for fault in verdict["faults"])
    with tables.opened(Record(tmp_path / "run")) as database:
        fastest = "SELECT min(bucket) FROM samples WHERE outcome = 'ok' AND operation = 'province.process'"
        (bucket,) = database.execute(fastest).fetchall()[0]
    assert seconds_of(bucket) >= 0.05


@needs_engine
@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_defect_fails_in_containers_too(tmp_path: Path, clean: None) -> None:
    """The stack's own Prometheus looks on, and says what the record says."""
    changes = ["--set", "faults=[]", "--defect", "drop-sync", "--prometheus", "--keep-tsdb"]
    done = subprocess.run([*RUN, *changes, "--out", str(tmp_path / "run")], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    integrity = json.loads((tmp_path / "run" / "verdict.json").read_text())["integrity"]
    assert integrity["lost"] or integrity["divergent"] or integrity["regressed"]
    (asked,) = json.loads((tmp_path / "run" / "prometheus.json").read_text())
    assert asked["source"] == "live"
    assert {said["objective"]: said["values"] for said in asked["objectives"]}["nobody refused"] == {"": 0.0}
    assert "prometheus" not in " ".join(json.loads((tmp_path / "run" / "verdict.json").read_text())["reasons"])
    assert list((tmp_path / "run" / "prometheus" / "data").iterdir())


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
    deadline = time.monotonic() + 90
    while left_over(tmp_path / "run"):
        assert time.monotonic() < deadline, left_over(tmp_path / "run")
        time.sleep(0.2)
