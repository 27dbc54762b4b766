"""The benchmark's own arithmetic, and that its server satisfies the journey."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks import certificate, masters, second, tables
from benchmarks.measure import lateness, quantile, server, truth
from benchmarks.plans import plan_for
from benchmarks.tools import FAST, K6, OWN, VEGETA
from model.histogram import bucket_of, seconds_of

ROOT = Path(__file__).parents[2]


def test_an_even_schedule_is_not_late() -> None:
    """Arrivals every 1/rate s have no lateness, wherever they begin."""
    late = lateness([7.0 + k / 100 for k in range(300)], 100, 3)
    assert (late.p50, late.p99, late.max) == pytest.approx((0, 0, 0), abs=1e-6)
    assert late.missing == 0


def test_a_pause_makes_all_that_was_due_in_it_late() -> None:
    """A tool that sends nothing for 0.1 s and then all at once was up to 100 ms late."""
    moments = [max(k / 100, 2.1) if 2.0 <= k / 100 < 2.1 else k / 100 for k in range(300)]
    late = lateness(moments, 100, 3)
    assert late.max == pytest.approx(100, abs=0.1)
    assert late.p50 == pytest.approx(0, abs=0.1)


def test_what_was_never_sent_is_said() -> None:
    """A tenth of the schedule is missing, and what came after is late by it."""
    late = lateness([k / 100 for k in range(300) if k % 10], 100, 3)
    assert late.missing == pytest.approx(0.1)
    assert late.max > 150


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 2), (0.75, 3), (0.76, 4), (1.0, 4)])
def test_a_quantile_is_a_value_that_so_many_do_not_exceed(share: float, value: int) -> None:
    """The smallest such one."""
    assert quantile([1, 2, 3, 4], share) == value


@pytest.mark.parametrize("case", ["get", "post", "journey"])
def test_the_server_satisfies_every_check(case: str) -> None:
    """Our own tool ends without a failed journey, and all that the server counted was recorded as ok."""
    with server(core=0) as target:
        command = [sys.executable, "-m", "benchmarks.ours", "closed", case, f"http://127.0.0.1:{target.port}", "0.3"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
        assert ended.returncode == 0, ended.stderr
        told = json.loads(ended.stdout.splitlines()[-1])
        assert told["outcomes"] == {"ok": target.count()}


def test_the_table_says_which_target_was_missed_and_which_tool_is_missing() -> None:
    """No figure is invented for a tool that wasn't there."""
    seen = {"achieved": 1000.0, "cpu": 20.0, "busy": 0.5, "per_core": 50_000.0}
    slow = {**seen, "achieved": 500.0, "per_core": 20_000.0}
    found = {
        "date": "2026-01-01",
        "machine": "a machine",
        "versions": {OWN: "1", FAST: "2", VEGETA: "missing"},
        "capacity": {"get": {OWN: seen, FAST: slow, K6: None}},
    }
    text = tables.markdown(found)
    assert "vegeta missing" in text
    assert "| 200-byte GET: k6 | failed |" in text
    assert "| 200-byte GET: 3 × Locust FastHttpUser | 2.50 × per CPU second, 2.00 × requests/s | missed |" in text
    assert "2 × k6" not in text
    assert "200-byte GET" in tables.picture(found)


def test_the_truth_of_a_stall_includes_the_service_time() -> None:
    """Those due before it, in service when it begins, in it, at its end, after it."""
    seen = truth([0.0, 9.99, 10.0, 12.5, 14.0, 15.0], begin=10.0, end=15.0, service=0.02)
    assert seen == pytest.approx([0.02, 0.02, 1.02, 2.52, 5.01, 5.02])


def test_a_server_takes_its_service_time_whatever_else_it_has_to_do() -> None:
    """Also over TLS; its log says when each reply was sent."""
    with server(core=0, tls=True, service=0.05) as target:
        command = [sys.executable, "-m", "benchmarks.ours", "closed", "get", f"https://127.0.0.1:{target.port}", "0.5"]
        trust = {**os.environ, "SSL_CERT_FILE": str(certificate.authority_file())}
        ended = subprocess.run(command, env=trust, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
        assert ended.returncode == 0, ended.stderr
        moments = target.ask("moments")
    took = [sent - came for came, sent in zip(moments["came"], moments["answered"], strict=True)]
    assert len(took) >= 50
    assert min(took) >= 0.05
    told = json.loads(ended.stdout.splitlines()[-1])
    assert told["outcomes"] == {"ok": len(took)}
    assert told["quantiles"]["p50"] >= seconds_of(bucket_of(0.05))


def test_an_untrusted_server_is_refused() -> None:
    """The TLS path is measured with verification: without the authority no request is sent."""
    with server(core=0, tls=True) as target:
        command = [
            sys.executable,
            "-m",
            "benchmarks.ours",
            "open",
            "get",
            f"https://127.0.0.1:{target.port}",
            "0.3",
            "20",
        ]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
        assert json.loads(ended.stdout.splitlines()[-1])["outcomes"] == {"refused": 6}
        assert target.count() == 0


def test_a_simulated_second_has_rows_of_every_table_that_is_spooled() -> None:
    """50 journeys of the 9 operations each, two times a request."""
    rows = second.rows_of_a_second()
    samples = [line.split(",") for line in rows["samples"].decode().splitlines()]
    assert sum(int(line[-1]) for line in samples) == 2 * 9 * second.JOURNEYS
    assert len(rows["arrivals"].splitlines()) == second.JOURNEYS
    assert len(rows["ledger"].splitlines()) == 2 * second.JOURNEYS
    assert len(rows["health"].splitlines()) == 1


def test_a_real_master_takes_what_simulated_workers_send() -> None:
    """Two of them deliver a second's rows each second."""
    rows = sum(map(len, second.rows_of_a_second().values()))
    seen = masters.master(plan_for("submit-online", 60, 1.0), 2, 2.0, 5 * rows)
    assert seen.kilobytes > 20
    assert 0 < seen.cpu < 1
    table = tables.markdown(
        {"date": "d", "machine": "m", "versions": {}, "master": [{"workers": 2, **asdict(seen)}, None]}
    )
    assert "| 2 |" in table


def test_a_rung_of_the_ladder_costs_what_it_has_more_than_the_one_above() -> None:
    """The table names the parts in their order."""
    text = tables.markdown({"date": "d", "machine": "m", "versions": {}, "ladder": {"sockets": 5.0, "and llhttp": 6.5}})
    assert "| sockets | 5.0 | +5.0 |" in text
    assert "| and llhttp | 6.5 | +1.5 |" in text


@pytest.mark.parametrize("rung", ["sockets", "parser", "client"])
def test_every_rung_makes_requests(rung: str) -> None:
    """On the same server, awake as for the capacity."""
    with server(core=0, awake=True) as target:
        command = [sys.executable, "-m", "benchmarks.ladder", rung, f"http://127.0.0.1:{target.port}", "0.2"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
        assert ended.returncode == 0, ended.stderr
        assert target.count() >= 50
