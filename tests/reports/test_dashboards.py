"""Grafana's dashboards, as far as they can be checked without a Grafana: shape, queries, metrics."""

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from harness.live import Live
from harness.metrics import RunCollector
from mocks.metrics import Metrics
from model.record import Record
from scenarios.catalogue import OPERATIONS
from tests.conftest import NEEDS_PROMTOOL, promtool
from tests.harness.plans import shipped_plan

FOLDER = Path(str(files("reports"))) / "dashboards"
PATHS = sorted((FOLDER / "boards").glob("*.json"))
BOARDS = [json.loads(path.read_text(encoding="utf-8")) for path in PATHS]
COMPOSE = Path(__file__).resolve().parents[2] / "docker-compose.yml"
PROMETHEUS_OWN = {"up", "ALERTS"}
COLUMNS = 24


def expressions(board: dict[str, Any]) -> Iterator[str]:
    """Yield every PromQL expression of a dashboard."""
    yield from (target["expr"] for panel in board["panels"] for target in panel["targets"])
    yield from (found["expr"] for found in board["annotations"]["list"] if "expr" in found)


def test_the_five_subjects_have_dashboards() -> None:
    """Overview, provinces, synchronisation, generator; faults are annotations of each."""
    assert [path.stem for path in PATHS] == [
        "thongsuot-generator",
        "thongsuot-overview",
        "thongsuot-provinces",
        "thongsuot-sync",
    ]
    for path, board in zip(PATHS, BOARDS, strict=True):
        assert board["uid"] == path.stem
        faults = [found for found in board["annotations"]["list"] if found["name"] == "Faults"]
        assert [found["expr"] for found in faults] == ["thongsuot_fault_active == 1"]


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["uid"])
def test_panels_are_unique_and_fill_the_grid_without_overlap(board: dict[str, Any]) -> None:
    assert board["schemaVersion"] == 38
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids)) > 0
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS
        columns, rows = (range(place[at], place[at] + place[size]) for at, size in (("x", "w"), ("y", "h")))
        cells = set(product(columns, rows))
        assert not taken & cells, panel["title"]
        taken |= cells
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0


def test_every_panel_asks_the_provisioned_datasource() -> None:
    uid = re.search(r"^    uid: (\S+)$", (FOLDER / "datasources/prometheus.yml").read_text(), re.MULTILINE)
    assert uid
    for board in BOARDS:
        for panel in board["panels"]:
            assert {panel["datasource"]["uid"], *(t["datasource"]["uid"] for t in panel["targets"])} == {uid[1]}


def test_the_folder_is_a_provisioning_folder_of_grafana() -> None:
    """Where the compose stack mounts it, the provider's path holds the dashboards."""
    mounted = re.search(r"\./reports/dashboards:(\S+):ro", COMPOSE.read_text(encoding="utf-8"))
    path = re.search(r"^      path: (\S+)$", (FOLDER / "dashboards/thongsuot.yml").read_text(), re.MULTILINE)
    assert mounted
    assert path
    assert path[1] == f"{mounted[1]}/boards"


@NEEDS_PROMTOOL
def test_every_expression_parses(tmp_path: Path) -> None:
    """Promtool reads each as the expression of a rule."""
    written = [expression for board in BOARDS for expression in expressions(board)]
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(written)]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    done = promtool("check", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"SUCCESS: {len(written)} rules found" in done.stdout


def exposed(folder: Path) -> set[str]:
    """Name every series that the conductor of a drill and the systems expose."""
    conductor, portal = CollectorRegistry(), CollectorRegistry()
    live = Live(shipped_plan("f01-portal-out"), Record(folder))
    live.counts.health["0"] = (0.0, 0.0, 0.0, 0.0)
    conductor.register(RunCollector(live, OPERATIONS))
    metrics = Metrics(portal, "national", ["sync"])
    metrics.watch_link("national->province:01", lambda: 0)
    metrics.watch_dossiers(lambda: 0)
    metrics.watch_lag("01")
    text = (generate_latest(conductor) + generate_latest(portal)).decode()
    return {re.split(r"[{ ]", line)[0] for line in text.splitlines() if not line.startswith("#")}


def test_every_metric_of_a_panel_exists(tmp_path: Path) -> None:
    """A panel on a name that nobody exposes stays empty and looks calm."""
    there = exposed(tmp_path)
    for board in BOARDS:
        for expression in expressions(board):
            bare = re.sub(r'"[^"]*"', '""', expression)
            names = set(re.findall(r"thongsuot_\w+|\bup\b|\bALERTS\b", bare))
            assert names <= there | PROMETHEUS_OWN, expression
            assert names or "thongsuot:bad_events:ratio_rate" in expression


def test_every_label_of_a_panel_exists(tmp_path: Path) -> None:
    """Labels that panels group by are labels of some series, or Prometheus' own."""
    conductor = CollectorRegistry()
    live = Live(shipped_plan("f01-portal-out"), Record(tmp_path))
    live.counts.health["0"] = (0.0, 0.0, 0.0, 0.0)
    conductor.register(RunCollector(live, OPERATIONS))
    labels = {label for family in conductor.collect() for sample in family.samples for label in sample.labels}
    known = labels | {"system", "link", "code", "result"}
    for board in BOARDS:
        for expression in expressions(board):
            for group in re.findall(r"(?:by|on) \(([^)]*)\)", expression):
                assert {name.strip() for name in group.split(",")} <= known, expression
