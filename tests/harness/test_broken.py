"""What the harness can't do ends in one clear line, exit code 4, and everything that was started is stopped."""

import os
import socket
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.ports import free_ports
from tests.conftest import COMMAND, SHORT, members, thongsuot


def test_a_real_toxiproxy_that_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--toxiproxy real without one says how to get it."""
    from faults import server

    monkeypatch.setenv("PATH", str(Path(COMMAND).parent))
    monkeypatch.delenv(server.VARIABLE, raising=False)
    monkeypatch.setattr(server, "CHECKOUT", tmp_path)
    with pytest.raises(server.ToxiproxyMissing, match="make toxiproxy"):
        server.start("real", tmp_path / "log")


def test_a_toxiproxy_that_does_not_answer_is_told(tmp_path: Path) -> None:
    """An address where nobody listens ends the run before anything else is started."""
    port = next(free_ports())
    record = tmp_path / "record"
    ended = thongsuot("run", SHORT, "--out", record, "--toxiproxy", f"http://127.0.0.1:{port}")
    assert ended.returncode == 4
    assert "Traceback" not in ended.stderr
    assert f"127.0.0.1:{port}" in ended.stderr
    assert not members(record)


def test_a_mock_that_does_not_come_up_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that is taken ends the run with the line that the mock said, and nothing remains."""
    from rich.console import Console

    from harness import stack
    from harness.progress import LineProgress
    from harness.run import run
    from tests.harness.plans import short_plan

    record = tmp_path / "record"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(stack, "free_ports", lambda: iter([port, *(next(free_ports()) for _ in range(50))]))
        with Path(os.devnull).open("w") as quiet, pytest.raises(HarnessError, match=str(port)):
            run(short_plan(), record, "embedded", LineProgress(Console(file=quiet)))
    assert not members(record)
