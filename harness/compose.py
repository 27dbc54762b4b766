"""The stack in containers: ``docker-compose.yml`` as a project of its own, brought up, looked into, and taken down.

Only containers, networks and volumes that carry this project's name are ever touched.
"""

import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from docker.errors import DockerException, NotFound

from faults.containers import client, container_of, sweep
from harness.errors import HarnessError, UsageError

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "docker-compose.yml"
BUILD_WITHIN, UP_WITHIN = 900.0, 120.0
"""Seconds that the images may take to build, and the containers to start."""
PROMETHEUS_IMAGE = "prom/prometheus:v2.53.5"
"""As docker-compose.yml has it."""
PACKAGES = ("model", "scenarios", "mocks", "faults", "reports", "harness")


class Compose:
    """A compose project of one run.

    Args:
        name: The project's name, unique among the runs of this machine.
        config: Folder that the systems read as /config.
        record: Folder that the load's master writes as /record.
        log: File that everything that Compose says is appended to.

    Attributes:
        name: The project's name.
    """

    def __init__(self, name: str, config: Path, record: Path, log: Path) -> None:
        self.name = name
        self._log = log
        self._override = config / "compose.json"
        self._command = [*program(), "--project-name", name, "--file", str(FILE)]
        self._environment = {
            **os.environ,
            "THONGSUOT_IMAGE": f"thongsuot:{digest()}",
            "THONGSUOT_CONFIG": str(config),
            "THONGSUOT_PROMETHEUS": str(record / "prometheus"),
            "THONGSUOT_RECORD": str(record),
            "THONGSUOT_USER": f"{os.getuid()}:{os.getgid()}",
        }
        self._client = client()

    def extend(self, services: Mapping[str, object]) -> None:
        """Add services to those of the file."""
        if not services:
            return
        self._override.parent.mkdir(parents=True, exist_ok=True)
        self._override.write_text(json.dumps({"services": services}), encoding="utf-8")
        self._command += ["--file", str(self._override)]

    def build(self) -> bool:
        """Build the image of this version where it isn't there; returns whether it was built."""
        image = self._environment["THONGSUOT_IMAGE"]
        if self._client.images.list(image):
            return False
        self._run(["build", "national"], BUILD_WITHIN)
        return True

    def up(self, services: Sequence[str], scale: Mapping[str, int] | None = None) -> None:
        """Start services in the background; raises HarnessError."""
        scaled = [word for name, count in (scale or {}).items() for word in ("--scale", f"{name}={count}")]
        self._run(["up", "--detach", "--no-deps", "--no-build", *scaled, *services], UP_WITHIN)

    def attached(self, service: str, arguments: Sequence[str]) -> list[str]:
        """Return the command that runs a one-off container of a service on the caller's pipes, under its name."""
        options = ["-T", "--rm", "--no-deps", "--use-aliases", "--name", f"{self.name}-{service}"]
        return [*self._command, "run", *options, service, *arguments]

    @property
    def environment(self) -> Mapping[str, str]:
        """What commands of this project need in their environment."""
        return self._environment

    def container(self, service: str) -> Any:
        """Return the container of a service; raises HarnessError where there is none."""
        try:
            return container_of(self._client, self.name, service)
        except ProcessLookupError as error:
            raise HarnessError(f"{error}; see {self._log}") from None

    def address(self, service: str) -> str:
        """Return a service's address on the project's network."""
        deadline = time.monotonic() + 5.0
        while True:
            networks = self.container(service).attrs["NetworkSettings"]["Networks"]
            address = next((str(network["IPAddress"]) for network in networks.values() if network["IPAddress"]), "")
            if address:
                return address
            if time.monotonic() > deadline:
                raise HarnessError(f"the container of {service} has no address: {self.last_words(service)}")
            time.sleep(0.1)

    def gateway(self, service: str) -> str:
        """Return the address at which containers of the project reach this machine; ``service`` is one that runs."""
        networks = self.container(service).attrs["NetworkSettings"]["Networks"]
        return str(next(iter(networks.values()))["Gateway"])

    def last_words(self, service: str) -> str:
        """Return the last lines that a service has written."""
        said = self.container(service).logs(tail=3).decode(errors="replace").split("\n")
        return " / ".join(line.strip() for line in said if line.strip()) or "it wrote nothing"

    def keep_logs(self, folder: Path, services: Iterable[str]) -> None:
        """Write down what the containers have written."""
        for service in services:
            try:
                (folder / f"{service}.log").write_bytes(self.container(service).logs())
            except (HarnessError, NotFound):
                continue

    def down(self) -> None:
        """Remove everything that carries this project's name."""
        sweep(self.name, self._client)
        self._client.close()

    def _run(self, arguments: Sequence[str], patience: float) -> None:
        with self._log.open("ab") as log:
            try:
                done = subprocess.run(
                    [*self._command, *arguments],
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    timeout=patience,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise HarnessError(
                    f"compose {arguments[0]} took longer than {patience:.0f} s; see {self._log}"
                ) from None
        if done.returncode:
            said = self._log.read_text(encoding="utf-8", errors="replace").rstrip().split("\n")[-1]
            raise HarnessError(f"compose {arguments[0]} failed: {said} (log: {self._log})")


def check() -> None:
    """Raise UsageError where this machine can't run the stack in containers."""
    if not FILE.exists():
        raise UsageError("--stack compose: docker-compose.yml isn't here; run from a checkout of thongsuot")
    program()
    try:
        client().close()
    except DockerException as error:
        raise UsageError(f"--stack compose: no Docker engine answers ({error}); start one") from None


def check_prometheus() -> None:
    """Raise UsageError where the image of the stack's Prometheus isn't here and can't be pulled."""
    image = os.environ.get("THONGSUOT_PROMETHEUS_IMAGE") or PROMETHEUS_IMAGE
    engine = client()
    try:
        if not engine.images.list(image):
            engine.images.pull(image)
    except DockerException as error:
        reason = getattr(error, "explanation", None) or error
        raise UsageError(
            f"--prometheus: the image {image} isn't here and can't be pulled ({reason}); "
            "build docker/prometheus, or name another one with THONGSUOT_PROMETHEUS_IMAGE"
        ) from None
    finally:
        engine.close()


def digest() -> str:
    """Return a digest of what goes into the image: another version of the program is another image."""
    found = hashlib.sha256()
    sources = [ROOT / "Dockerfile", ROOT / "requirements-image.lock", ROOT / "pyproject.toml"]
    for package in PACKAGES:
        sources += [path for path in (ROOT / package).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    for path in sorted(sources):
        found.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:12]


def program() -> tuple[str, ...]:
    """Return Compose v2's command, or the older one's; raises UsageError."""
    if shutil.which("docker"):
        asked = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
        if asked.returncode == 0:
            return "docker", "compose"
    if shutil.which("docker-compose"):
        return ("docker-compose",)
    raise UsageError("--stack compose: neither `docker compose` nor `docker-compose` is here; install one")
