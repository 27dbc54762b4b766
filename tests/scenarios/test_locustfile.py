"""The journeys run under stock Locust as well."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import SHORT, Running, happened, wait_for

pytestmark = pytest.mark.slow
CHECKOUT = Path(__file__).resolve().parents[2]


def test_stock_locust_walks_the_journeys(tmp_path: Path, background: Callable[..., Running]) -> None:
    """`locust -f scenarios/locustfile.py --host URL` against `thongsuot up`: requests, and no failure."""
    record = tmp_path / "record"
    background("up", SHORT, "--out", record)
    wait_for(lambda: happened(record, "stack_started"), 60)
    portal = json.loads((record / "stack.json").read_text())["systems"]["national"]["url"]
    arguments = ["--headless", "-u", "10", "-r", "10", "-t", "6s", "--json", "--only-summary"]
    ended = subprocess.run(
        [Path(sys.executable).parent / "locust", "-f", "scenarios/locustfile.py", "--host", portal, *arguments],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    statistics = json.loads(ended.stdout[ended.stdout.index("[") :])
    assert sum(entry["num_requests"] for entry in statistics) > 20
    assert sum(entry["num_failures"] for entry in statistics) == 0
    assert {"national.submit", "province.intake"} & {entry["name"] for entry in statistics}
