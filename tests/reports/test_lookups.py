"""What look-ups in external systems prove, and how surely."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from model.record import Record
from model.targets import Audit
from reports import lookups, tables
from reports.lookups import LookUps
from tests.scenarios.outside import targets

Row = tuple[str, str]


def record_of(folder: Path, acknowledged: Iterable[Row], looked: Iterable[Row], failed: Iterable[str] = ()) -> Record:
    """Write a ledger of (key, code) and look-ups of (code, result)."""
    record = Record(folder)
    unit = ["01", "00004"]
    ledger: list[list[object]] = []
    for op, (key, code) in enumerate(acknowledged):
        ledger.append([0, op, "invoke", 1.0, "submit", key, *unit, "", 0, 0, "", "", "", False])
        ledger.append([0, op, "ok", 1.1, "submit", key, *unit, code, 0, 0, "", "", "", False])
    for op, key in enumerate(failed, 1000):
        ledger.append([0, op, "invoke", 1.0, "submit", key, *unit, "", 0, 0, "", "", "", False])
        ledger.append([0, op, "fail", 1.1, "submit", key, *unit, "", 0, 0, "", "", "", False])
    rows = {
        "ledger": ledger,
        "lookups": [[code, f"k-{code}", *unit, result, "status 404" * (result != "found")] for code, result in looked],
    }
    for name, lines in rows.items():
        with record.spool(name, "0").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(lines)
    tables.seal(record)
    return record


def judged(record: Record, folder: Path, mode: Any, chosen: int, at_most: float = 0.05) -> tuple[LookUps, list[Any]]:
    """Return what the look-ups say, and the reasons that follow."""
    allowed = targets("http://127.0.0.1:9", folder, audit=Audit(mode=mode, at_most=at_most, path="/{code}"))
    events = [{"event": "lookups_finished", "chosen": chosen, "reason": ""}]
    with tables.opened(record) as database:
        found = lookups.look_ups(database, allowed, events)
        return found, list(lookups.integrity(lookups.audit(database), found))


def dossiers(count: int) -> list[Row]:
    return [(f"k{number}", f"c{number}") for number in range(count)]


def test_all_found_is_a_pass(tmp_path: Path) -> None:
    """Nothing is left to say but what was looked up."""
    acknowledged = dossiers(20)
    record = record_of(tmp_path, acknowledged, [(code, "found") for _, code in acknowledged], failed=["x"])
    found, reasons = judged(record, tmp_path, "all", 20)
    assert reasons == []
    assert found.sentence == "20 of 20 acknowledged dossiers were looked up, 0 lost or other"


def test_a_sample_says_how_sure_it_is(tmp_path: Path) -> None:
    """59 found of 59 rule out 5 % (1 - 0.05^(1/59) = 4.95 %): enough for 5 %, too few for 4 %."""
    acknowledged = dossiers(400)
    record = record_of(tmp_path, acknowledged, [(code, "found") for _, code in acknowledged[:59]])
    found, reasons = judged(record, tmp_path, "sample", 59)
    assert reasons == []
    assert found.bound == pytest.approx(1 - 0.05 ** (1 / 59))
    assert "59 of 400 acknowledged" in found.sentence
    assert "at 95 % confidence at most 5 % of all are" in found.sentence
    ((verdict, reason),) = judged(record, tmp_path, "sample", 59, at_most=0.04)[1]
    assert verdict == "inconclusive"
    assert "4 % must be ruled out, raise audit.number" in reason


@pytest.mark.parametrize(("result", "rule"), [("absent", "lost"), ("differs", "divergent")])
def test_one_that_is_not_there_or_other_fails(tmp_path: Path, result: str, rule: str) -> None:
    """A single one is enough, in a sample as well."""
    acknowledged = dossiers(400)
    looked = [(code, "found") for _, code in acknowledged[:99]] + [("c99", result)]
    record = record_of(tmp_path, acknowledged, looked)
    _, reasons = judged(record, tmp_path, "sample", 100)
    assert reasons[0] == ("fail", f"integrity: 1 dossier {rule}: c99")


def test_one_code_for_two_keys_is_duplicated(tmp_path: Path) -> None:
    """The ledger alone shows it."""
    record = record_of(tmp_path, [("k1", "same"), ("k2", "same")], [("same", "found")])
    _, reasons = judged(record, tmp_path, "all", 2)
    assert reasons[0] == ("fail", "integrity: 1 dossier duplicated: same")


def test_what_could_not_be_read_proves_nothing(tmp_path: Path) -> None:
    """A status that says neither is no statement."""
    acknowledged = dossiers(3)
    record = record_of(tmp_path, acknowledged, [("c0", "found"), ("c1", "unread"), ("c2", "found")])
    _, reasons = judged(record, tmp_path, "all", 3)
    assert reasons == [("inconclusive", "audit: 2 of 3 look-ups told anything; see lookups")]


def test_without_a_look_up_integrity_is_not_asked(tmp_path: Path) -> None:
    """Inconclusive where dossiers were created, and said plainly."""
    record = record_of(tmp_path, dossiers(3), [])
    _, reasons = judged(record, tmp_path, "none", 0)
    assert reasons == [("inconclusive", "integrity wasn't asked: the targets file has no look-up")]


def test_without_dossiers_there_is_nothing_to_ask(tmp_path: Path) -> None:
    """A campaign that only reads may pass, and says so."""
    found, reasons = judged(record_of(tmp_path, [], []), tmp_path, "none", 0)
    assert reasons == []
    assert found.sentence == "integrity wasn't asked: no journey created a dossier"
