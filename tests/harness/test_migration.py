"""The conductor reads what there is before, starts each migration on the clock, and reads what came of it."""

import json
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from harness.migration import Migration, expected, stock
from model.migration import Migration as Asked
from model.plan import Load, Phase, Plan, Stack
from model.record import EventLog, Record
from reports import tables
from tests.mocks.conftest import Stack as Systems

TOKEN = "only-for-tests"  # noqa: S105  opens nothing else
COUNT = 30


def plan(**changes: Any) -> Plan:
    return Plan(
        name="moving",
        phases=(Phase(name="all", duration=10, rate=1),),
        load=Load(journeys={"track": 1}),
        stack=Stack(provinces=("31", "08")),
        migration=Asked(start=0.2, dossiers=COUNT, rate=10_000, stagger=0.2, **changes),
    )


def test_the_stock_is_that_of_the_provinces_that_migrate() -> None:
    assert stock(plan()) == {"31": COUNT, "08": COUNT}
    assert stock(plan(provinces=("08",))) == {"08": COUNT}


@pytest.mark.parametrize(
    ("legacy", "hamlet", "commune"),
    [
        ("00013", "", "00004"),
        ("00007", "Tổ dân phố 1", "00008"),
        ("00007", "Tổ dân phố 2", "00025"),
        ("00007", "Thôn 9", ""),
        ("99999", "", ""),
    ],
)
def test_where_a_legacy_dossier_belongs_is_told_by_the_official_table(legacy: str, hamlet: str, commune: str) -> None:
    assert expected(legacy, hamlet) == commune


def migrated(tmp_path: Path, systems: Any, enough: int) -> tuple[list[dict[str, Any]], list[tuple[Any, ...]]]:
    """Run a migration of two provinces until so many are done; returns the events and the rows of the table."""
    record = Record(tmp_path / "record")
    record.directory.mkdir()
    events = EventLog(record.path("events.jsonl"), time.monotonic())
    addresses = {name: f"127.0.0.1:{port}" for name, port in systems.ports.items()}
    moving = Migration(plan(), addresses, TOKEN, record, events)
    moving.read_before()
    moving.begin(time.monotonic())
    moving.end(60, lambda: record.path("events.jsonl").read_text().count("migration_finished") >= enough)
    events.close()
    tables.seal(record)
    accounts = duckdb.sql(f"SELECT moment, count(DISTINCT name) FROM '{record.table('accounts')}' GROUP BY ALL")
    assert dict(accounts.fetchall())["after"] == enough * COUNT / 10
    rows = duckdb.sql(
        f"SELECT system, moment, count(*), count(DISTINCT key) FROM '{record.table('stock')}' GROUP BY ALL"
    )
    return record.events(), sorted(rows.fetchall())


@pytest.fixture
def systems(tmp_path: Path) -> Any:
    made = Systems(tmp_path, provinces=("31", "08"), token=TOKEN, stock=stock(plan()))  # type: ignore[no-untyped-call]  # tests of mocks
    yield made
    made.stop()


def test_a_migration_is_read_before_and_after(tmp_path: Path, systems: Any) -> None:
    systems.start("province:31", "province:08")
    events, rows = migrated(tmp_path, systems, 2)
    assert rows == [
        (f"province:{code}", moment, COUNT, COUNT) for code in ("08", "31") for moment in ("after", "before")
    ]
    said = [(event["event"], event["system"]) for event in events if event["event"] != "migration_read"]
    assert said.index(("migration_started", "province:31")) < said.index(("migration_started", "province:08"))
    assert {("migration_finished", "province:31"), ("migration_finished", "province:08")} <= set(said)
    holdings = {
        (event["system"], event["moment"]): json.dumps(event["holdings"])
        for event in events
        if event["event"] == "migration_read"
    }
    assert all(holdings[system, "before"] == holdings[system, "after"] for system, _ in holdings)


def test_a_province_that_is_gone_is_neither_read_nor_finished(tmp_path: Path, systems: Any) -> None:
    systems.start("province:31")
    events, _ = migrated(tmp_path, systems, 1)
    complete = {(event["system"], event["complete"]) for event in events if event["event"] == "migration_read"}
    assert complete == {("province:31", True), ("province:08", False)}
    assert [event["system"] for event in events if event["event"] == "migration_finished"] == ["province:31"]
