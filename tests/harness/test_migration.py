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
from tests.conftest import TOKEN
from tests.mocks.conftest import Stack as Systems

COUNT = 60


def plan(stagger: float = 0.5, **changes: Any) -> Plan:
    return Plan(
        name="moving",
        phases=(Phase(name="all", duration=10, rate=1),),
        load=Load(journeys={"track": 1}),
        stack=Stack(provinces=("31", "08")),
        migration=Asked(start=0.2, dossiers=COUNT, rate=10_000, stagger=stagger, **changes),
    )


def test_the_stock_is_that_of_the_provinces_that_migrate() -> None:
    assert stock(plan()) == {"31": COUNT, "08": COUNT}
    assert stock(plan(provinces=("08",))) == {"08": COUNT}


LAND, HOUSEHOLD_BUSINESS = "1.012783", "1.001612"
"""Of the province's centre now, of the commune's."""


@pytest.mark.parametrize(
    ("legacy", "hamlet", "district", "procedure", "place"),
    [
        ("00013", "", "", HOUSEHOLD_BUSINESS, "00004"),
        ("00013", "", "", LAND, "00004"),
        ("00007", "Tổ dân phố 1", "", HOUSEHOLD_BUSINESS, "00008"),
        ("00007", "Tổ dân phố 2", "", HOUSEHOLD_BUSINESS, "00025"),
        ("00007", "Thôn 9", "", HOUSEHOLD_BUSINESS, ""),
        ("99999", "", "", HOUSEHOLD_BUSINESS, ""),
        ("00007", "Tổ dân phố 2", "Quận Ba Đình", HOUSEHOLD_BUSINESS, "00025"),
        ("00007", "", "Quận Ba Đình", HOUSEHOLD_BUSINESS, ""),
        ("00007", "", "Quận Ba Đình", LAND, "H01"),
    ],
)
def test_where_a_legacy_dossier_belongs_is_told_by_the_official_table_and_by_who_decides(
    legacy: str, hamlet: str, district: str, procedure: str, place: str
) -> None:
    told = {"legacy_commune": legacy, "hamlet": hamlet, "district": district}
    assert expected({"province": "01", "procedure": procedure, **told}) == place


def test_an_officer_of_a_district_belongs_where_the_building_is() -> None:
    desk = {"legacy_commune": "00007", "hamlet": "Tổ dân phố 2", "district": "Quận Ba Đình"}
    assert expected({"province": "01", **desk}) == "00025"


def moved(tmp_path: Path, systems: Any, plan: Plan, enough: int) -> Record:
    """Run a migration of two provinces until so many are done."""
    record = Record(tmp_path / "record")
    record.directory.mkdir()
    events = EventLog(record.path("events.jsonl"))
    addresses = {name: f"127.0.0.1:{port}" for name, port in systems.ports.items()}
    moving = Migration(plan, addresses, TOKEN, record, events)
    moving.read_before()
    events.t0 = time.monotonic()
    moving.begin(events.t0)
    moving.end(60, lambda: record.path("events.jsonl").read_text().count("migration_finished") >= enough)
    events.close()
    return record


def migrated(tmp_path: Path, systems: Any, enough: int) -> tuple[list[dict[str, Any]], list[tuple[Any, ...]]]:
    """Run a migration of two provinces until so many are done; returns the events and the rows of the table."""
    record = moved(tmp_path, systems, plan(), enough)
    tables.seal(record)
    accounts = duckdb.sql(f"SELECT moment, count(DISTINCT name) FROM '{record.table('accounts')}' GROUP BY ALL")
    counted = dict(accounts.fetchall())
    assert counted["after"] + counted.get("held", 0) == counted["before"] == enough * COUNT / 10
    rows = duckdb.sql(
        f"""SELECT system, moment, count(*), count(DISTINCT key), count(commune), min(history), min(attachments)
        FROM '{record.table("stock")}' GROUP BY ALL"""
    )
    return record.events(), sorted(rows.fetchall())


@pytest.fixture
def systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("harness.migration.TIMEOUT", 30.0)
    made = Systems(tmp_path, provinces=("31", "08"), token=TOKEN, stock=stock(plan()))  # type: ignore[no-untyped-call]  # tests of mocks
    yield made
    made.stop()


def test_a_migration_is_read_before_and_after(tmp_path: Path, systems: Any) -> None:
    systems.start("province:31", "province:08")
    events, rows = migrated(tmp_path, systems, 2)
    before = {system: figures for system, moment, *figures in rows if moment == "before"}
    held = {system: figures[0] for system, moment, *figures in rows if moment == "held"}
    found = {system: figures[1] for system, moment, *figures in rows if moment == "found"}
    assert {number > 1 for number in found.values()} == {True}
    assert held
    for system in ("province:08", "province:31"):
        dossiers, keys, told, history, attachments = before[system]
        assert (dossiers, keys, told) == (COUNT, COUNT, COUNT - held.get(system, 0))
        assert {len(step) for step in json.loads(history)} == {3}
        assert {len(file["hash"]) for file in json.loads(attachments)} == {64}
    started = {event["system"]: event["t"] for event in events if event["event"] == "migration_started"}
    assert started["province:31"] >= 0.2
    assert started["province:08"] >= 0.7
    finished = {event["system"] for event in events if event["event"] == "migration_finished"}
    assert finished == {"province:31", "province:08"}
    holdings = {
        (event["system"], event["moment"]): json.dumps(event["holdings"])
        for event in events
        if event["event"] == "migration_read"
    }
    assert all(holdings[system, "before"] == holdings[system, "after"] for system, _ in holdings)


def test_a_province_whose_turn_has_not_come_waits(tmp_path: Path, systems: Any) -> None:
    """The other one has moved meanwhile."""
    systems.start("province:31", "province:08")
    events = moved(tmp_path, systems, plan(stagger=60.0), 1).events()
    said = [(event["event"], event["system"]) for event in events if event["event"] != "migration_read"]
    assert said == [("migration_started", "province:31"), ("migration_finished", "province:31")]


def test_a_province_that_is_gone_is_neither_read_nor_finished(tmp_path: Path, systems: Any) -> None:
    systems.start("province:31")
    events, _ = migrated(tmp_path, systems, 1)
    complete = {(event["system"], event["complete"]) for event in events if event["event"] == "migration_read"}
    assert complete == {("province:31", True), ("province:08", False)}
    assert [event["system"] for event in events if event["event"] == "migration_finished"] == ["province:31"]
