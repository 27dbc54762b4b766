"""What a system refuses for good is named by the audit, though no message waits any more."""

import json
from pathlib import Path

import pytest

from tests.conftest import SHORT, members, thongsuot

FAULT = """
[[faults]]
id = "refuses"
kind = "error-rate"
system = "national"
start = 6
duration = 5
attributes = { share = 100, status = 422 }
"""


@pytest.mark.slow
def test_refused_dossiers_are_lost_or_divergent(tmp_path: Path) -> None:
    """The portal refuses every message for 5 s: no outbox holds one in the end, and the audit says what is missing."""
    campaign, record = tmp_path / "refusing.toml", tmp_path / "record"
    campaign.write_text(SHORT.read_text(encoding="utf-8") + FAULT, encoding="utf-8")
    ended = thongsuot("run", campaign, "--out", record)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert not members(record)
    audit = json.loads((record / "audit.json").read_text(encoding="utf-8"))
    found = {item["category"] for item in audit["findings"]}
    assert "lost" in found
    assert found & {"divergent", "regressed"}
    events = [json.loads(line) for line in (record / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [event["drained"] for event in events if event["event"] == "drain_finished"] == [True]
