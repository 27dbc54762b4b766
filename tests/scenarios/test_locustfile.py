"""The journeys run under stock Locust as well."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.conftest import SHORT, Running, happened, wait_for

pytestmark = pytest.mark.slow
CHECKOUT = Path(__file__).resolve().parents[2]
ANSWERED = re.compile(r'^thongsuot_system_requests_total\{code="2xx",operation="(\w+)",.*\} (\S+)$', re.MULTILINE)
ASKED = ("session", "procedures", "population", "submit", "look_up")  # of the portal, by people


def walked(portal: str) -> bool:
    """Tell whether the portal has answered some dozens of requests; who looks a dossier up has submitted one."""
    answered = dict(ANSWERED.findall(requests.get(f"{portal}/metrics", timeout=20).text))
    return float(answered["look_up"]) > 0 and sum(float(answered[operation]) for operation in ASKED) > 30


def test_stock_locust_walks_the_journeys(tmp_path: Path, background: Callable[..., Running]) -> None:
    """`locust -f scenarios/locustfile.py --host URL` against `thongsuot up`: requests, and no failure."""
    record = tmp_path / "record"
    background("up", SHORT, "--out", record)
    wait_for(lambda: happened(record, "stack_started"), 60)
    portal = json.loads((record / "stack.json").read_text())["systems"]["national"]["url"]
    arguments = ["--headless", "-u", "10", "-r", "10", "--json", "--only-summary"]
    command = [Path(sys.executable).parent / "locust", "-f", "scenarios/locustfile.py", "--host", portal, *arguments]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as locust:
        try:
            wait_for(lambda: walked(portal), 50)
        finally:
            locust.terminate()  # it prints its statistics then
            output, errors = locust.communicate(timeout=30)
    assert locust.returncode == 0, errors
    statistics = json.loads(output[output.index("[") :])
    assert sum(entry["num_requests"] for entry in statistics) > 20
    assert sum(entry["num_failures"] for entry in statistics) == 0
    assert {"national.submit", "province.intake"} & {entry["name"] for entry in statistics}
