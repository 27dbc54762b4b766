"""Finding and starting the Toxiproxy server: the real one where there is one, else the embedded one."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from faults.toxiproxy import LOOPBACK, Proxies, ProxyError, reserved_port

BINARY = "toxiproxy-server"
VARIABLE = "THONGSUOT_TOXIPROXY"
CHECKOUT = Path(__file__).resolve().parent.parent
EMBEDDED = "embedded"  # part of the version that the embedded server says
COMES_UP = 10.0  # seconds
TRIES = 3


class ToxiproxyMissing(Exception):
    """No real toxiproxy-server where one was asked for: one line that says how to get it."""


@dataclass(frozen=True, slots=True)
class Server:
    """A Toxiproxy server that answers.

    Attributes:
        api: ``http://host:port``.
        kind: ``real`` or ``embedded``.
        process: The process that was started; None for a server that was there already, which isn't ours to stop.
        log: Where its output goes.
        reserved: Its port, bound and not listened on: nobody else gets it before the server listens, or listens again.
    """

    api: str
    kind: Literal["real", "embedded"]
    process: "subprocess.Popen[bytes] | None" = None
    log: Path | None = None
    reserved: socket.socket | None = None

    @property
    def ours(self) -> bool:
        """Whether it was started here. The proxies that one makes on any other must be deleted at the end."""
        return self.process is not None

    def stop(self) -> None:
        """End the process that was started, if any; twice is fine."""
        if self.process:
            _end(self.process)
        if self.reserved:
            self.reserved.close()


def find_real() -> Path | None:
    """Find a real server: the one that THONGSUOT_TOXIPROXY names, in PATH, in ``.tools`` of the checkout."""
    return next((path for path in _candidates() if os.access(path, os.X_OK) and path.is_file()), None)


def _candidates() -> Iterator[Path]:
    if os.environ.get(VARIABLE):
        yield Path(os.environ[VARIABLE])
    in_path = shutil.which(BINARY)
    if in_path:
        yield Path(in_path)
    yield CHECKOUT / ".tools" / BINARY


def start(choice: str, log: Path) -> Server:
    """Return a server that answers.

    Args:
        choice: ``auto`` (real, else embedded), ``real``, ``embedded``, or the ``http://host:port`` of one that runs.
        log: File that the output of a started server is appended to.

    Raises ToxiproxyMissing when there is no real one to start, ProxyError when it doesn't come up or doesn't answer.
    """
    if choice.startswith("http://"):
        return _given(choice)
    binary = find_real() if choice in ("auto", "real") else None
    if choice == "real" and binary is None:
        raise ToxiproxyMissing(
            f"no {BINARY} in {VARIABLE}, PATH or .tools: `make toxiproxy` gets it (with a Go toolchain), "
            "or use --toxiproxy embedded"
        )
    if choice not in ("auto", "real", "embedded"):
        raise ProxyError(f"--toxiproxy {choice}: give auto, real, embedded or http://host:port")
    return _start(binary, log)


def revive(server: Server) -> Server:
    """Start a server again that was started here and has ended: where it was, without any proxy.

    Raises ProxyError when it doesn't come up.
    """
    assert server.log
    binary = find_real() if server.kind == "real" else None
    revived = _launch(binary, server.log, int(server.api.rpartition(":")[2]), server.reserved)
    if not _answers(revived):
        assert revived.process
        _end(revived.process)
        raise ProxyError(f"the {server.kind} toxiproxy server ended and didn't come up again: see {server.log}")
    return revived


def _given(api: str) -> Server:
    return Server(api.rstrip("/"), "embedded" if EMBEDDED in Proxies(api).version() else "real")


def _start(binary: Path | None, log: Path) -> Server:
    """Start a server on a port that is kept for it; on another one where it doesn't come up."""
    log.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(TRIES):
        port = reserved_port(LOOPBACK)
        server = _launch(binary, log, port.getsockname()[1], port)
        if _answers(server):
            return server
        server.stop()
    raise ProxyError(f"the {server.kind} toxiproxy server didn't come up: see {log}")


def _launch(binary: Path | None, log: Path, port: int, reserved: socket.socket | None) -> Server:
    command = (
        [str(binary), "-host", LOOPBACK, "-port", str(port)]
        if binary
        else [sys.executable, "-m", "faults.embedded", "--host", LOOPBACK, "--port", str(port)]
    )
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "LOG_LEVEL": "error"},
        )
    return Server(f"http://{LOOPBACK}:{port}", "real" if binary else "embedded", process, log, reserved)


def _answers(server: Server) -> bool:
    """Wait until the server answers; False when its process ends or takes too long."""
    proxies = Proxies(server.api, timeout=1.0)
    deadline = time.monotonic() + COMES_UP
    while time.monotonic() < deadline and server.process and server.process.poll() is None:
        try:
            proxies.version()
        except ProxyError:
            time.sleep(0.02)
        else:
            return server.process.poll() is None
    return False


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(3)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
