"""Whole runs with every platform: all books whole on a healthy stack, and each defect found by its own check."""

import json
from pathlib import Path
from typing import Any

import pytest

from reports.audit import FAILURES
from tests.conftest import SHORT, members, thongsuot

pytestmark = pytest.mark.slow
CAMPAIGN = SHORT.with_name("platforms.toml")


def rehearsed(record: Path, *options: str) -> dict[str, Any]:
    ended = thongsuot("run", CAMPAIGN, "--out", record, *options)
    assert ended.returncode in (0, 1, 3), ended.stdout + ended.stderr
    assert not members(record)
    found: dict[str, Any] = json.loads((record / "audit.json").read_text(encoding="utf-8"))
    return found


def test_every_book_is_whole(tmp_path: Path) -> None:
    """Every kind of entry was acknowledged and is there; the seven platforms were read."""
    audit = rehearsed(tmp_path / "record")
    entries = audit["entries"]
    assert entries["findings"] == []
    assert entries["unread_systems"] == []
    assert entries["acknowledged"].keys() >= {"document", "mark", "alert", "report", "progress"}
    assert all(count > 0 for count in entries["acknowledged"].values())
    assert [item for item in audit["findings"] if item["category"] in FAILURES] == []


def test_defects_are_found_each_in_its_book(tmp_path: Path) -> None:
    """Three at once: they touch different books. One by one they are what the drills look for."""
    defects = ("fake-success", "axis-duplicate", "axis-drops-rejects")
    audit = rehearsed(tmp_path / "record", *(word for name in defects for word in ("--defect", name)))
    found = {(item["category"], item["book"]) for item in audit["entries"]["findings"]}
    assert found >= {("unfounded", "mark"), ("duplicated", "document"), ("lost", "reject")}
    assert json.loads((tmp_path / "record" / "verdict.json").read_text())["verdict"] == "fail"
