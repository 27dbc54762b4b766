"""The tools that are compared: how each is started, and its version. What isn't there is said to be missing."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from benchmarks import certificate

HERE = Path(__file__).parent
TOOLS = HERE.parent / ".tools"
OWN, UNRECORDED, FAST, PLAIN, K6, VEGETA, WRK = (
    "thongsuot",
    "thongsuot, recording nothing",
    "Locust FastHttpUser",
    "Locust HttpUser",
    "k6",
    "vegeta",
    "wrk",
)


@dataclass(frozen=True, slots=True)
class Load:
    """What a tool is asked to do.

    Attributes:
        case: ``get``, ``post``, ``journey``, or ``tls``: a GET over TLS.
        port: Of the server.
        seconds: For how long.
        rate: Requests/s of an open model; 0: 50 connections, each as fast as it can.
        report: File for the tool's own figures.
    """

    case: str
    port: int
    seconds: float
    rate: float = 0.0
    report: Path = field(default=Path("/dev/null"))

    @property
    def url(self) -> str:
        """The server's address."""
        return f"{'https' if self.case == TLS else 'http'}://127.0.0.1:{self.port}"

    @property
    def trust(self) -> dict[str, str]:
        """What makes OpenSSL and Go trust the server, for the environment; every tool verifies its certificate."""
        return {"SSL_CERT_FILE": str(certificate.authority_file())} if self.case == TLS else {}

    @property
    def request(self) -> str:
        """What is sent, whatever carries it."""
        return "get" if self.case == TLS else self.case


TLS = "tls"
Command = tuple[list[str], dict[str, str]]
"""Arguments, and additions to the environment."""


def own(load: Load) -> Command:
    """Return how our engine (open) or its parts (closed) are started."""
    form = "open" if load.rate else "closed"
    tail = [load.request, load.url, str(load.seconds), str(load.rate)]
    return [sys.executable, "-m", "benchmarks.ours", form, *tail], load.trust


def unrecorded(load: Load) -> Command:
    """Return how our parts are started without recorder and ledger."""
    tail = [load.request, load.url, str(load.seconds)]
    return [sys.executable, "-m", "benchmarks.ours", "bare", *tail], load.trust


def rung(name: str) -> Callable[[Load], Command]:
    """Return how a rung of the ladder is started: a GET with so many of our parts."""

    def command(load: Load) -> Command:
        return [sys.executable, "-m", "benchmarks.ladder", name, load.url, str(load.seconds)], {}

    return command


def locust(user: str) -> Callable[[Load], Command]:
    """Return how Locust is started with a user class; a rate is shared by 20 users who pace themselves."""

    def command(load: Load) -> Command:
        users, pace = (20, str(load.rate / 20)) if load.rate else (50, "")
        arguments = ["-f", str(HERE / "locust_users.py"), user, "--host", load.url, "--headless", "--only-summary"]
        arguments += ["-u", str(users), "-r", str(users), "-t", f"{load.seconds:.0f}s", "--loglevel", "ERROR"]
        if load.report.name != "null":
            arguments += ["--csv", str(load.report)]
        return [sys.executable, "-m", "locust", *arguments], {"CASE": load.request, "PACE": pace, **load.trust}

    return command


def k6(load: Load) -> Command:
    """Return how k6 is started: its usage report and summary are off."""
    settings = {"CASE": load.request, "URL": load.url, "SECONDS": f"{load.seconds:.0f}", "RATE": f"{load.rate:.0f}"}
    flags = ["--quiet", "--no-usage-report", "--address", ""]
    if load.report.name != "null":
        flags += ["--summary-export", str(load.report)]
    environment = [part for name, value in settings.items() for part in ("-e", f"{name}={value}")]
    return [str(program("k6")), "run", *flags, *environment, str(HERE / "k6.js")], load.trust


def wrk(load: Load) -> Command:
    """Return how wrk is started: one thread, 50 connections."""
    path = "/small" if load.case == "get" else "/dossiers"
    script = ["-s", str(HERE / "post.lua")] if load.case == "post" else []
    seconds = f"-d{load.seconds:.0f}s"
    return [str(program("wrk")), "-t1", "-c50", seconds, *script, f"{load.url}{path}"], {}


def vegeta(load: Load) -> Command:
    """Return how vegeta is started: ``-rate 0`` is as fast as 50 workers can."""
    targets = f"GET {load.url}/small"
    if load.case == "post":
        headers = "Content-Type: application/json\nIdempotency-Key: b-1-submit"
        targets = f"POST {load.url}/dossiers\n{headers}\n@{HERE / 'submission.json'}"
    pace = f"-rate {load.rate:.0f}/1s" if load.rate else "-rate 0 -max-workers 50"
    report = f"> {load.report}" if load.report.name != "null" else "> /dev/null"
    shell = f"exec {program('vegeta')} attack {pace} -duration {load.seconds:.0f}s {report}"
    return ["sh", "-c", f"printf '%s\\n' '{targets}' | {shell}"], {}


def program(name: str) -> Path | None:
    """Return where a program is, in .tools or on PATH."""
    return TOOLS / name if (TOOLS / name).exists() else Path(found) if (found := shutil.which(name)) else None


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool.

    Attributes:
        command: How it is started.
        cases: What it can do.
        paced: Whether it has an open model.
    """

    command: Callable[[Load], Command]
    cases: tuple[str, ...]
    paced: bool = False


CATALOGUE: dict[str, Tool] = {
    OWN: Tool(own, ("get", "post", "journey", TLS), paced=True),
    UNRECORDED: Tool(unrecorded, ("get", "post", "journey", TLS)),
    FAST: Tool(locust("Fast"), ("get", "post", "journey", TLS)),
    PLAIN: Tool(locust("Plain"), ("get", "post")),
    K6: Tool(k6, ("get", "post", "journey", TLS), paced=True),
    VEGETA: Tool(vegeta, ("get", "post"), paced=True),
    WRK: Tool(wrk, ("get", "post")),
}

LADDER: dict[str, Callable[[Load], Command]] = {
    "sockets and the hub's watchers": rung("sockets"),
    "and llhttp": rung("parser"),
    "and the client: heads, time-outs, outcomes": rung("client"),
    "and the session: reply decoded and checked": unrecorded,
    "and the recorder": own,
}
"""Our parts of a GET, each rung the one above and one part more."""


def versions() -> dict[str, str]:
    """Return each tool's version; a missing one says so."""
    locust_version = f"{metadata.version('locust')}, Python {sys.version.split()[0]}"
    found = {OWN: metadata.version("thongsuot"), FAST: locust_version, PLAIN: locust_version}
    found[UNRECORDED] = found[OWN]
    for name, arguments in ((K6, ["version"]), (VEGETA, ["-version"]), (WRK, ["-v"])):
        where = program(name)
        found[name] = _said(where, arguments) if where else "missing"
    return found


def _said(where: Path, arguments: list[str]) -> str:
    done = subprocess.run([where, *arguments], capture_output=True, text=True, check=False, timeout=20)
    words = (done.stdout + done.stderr).split()
    return next((word for word in words if re.search(r"\d+\.\d+", word)), "unknown")
