"""The audit of a migration: before = after, dossier by dossier."""

import json
from collections.abc import Callable

import pytest

from model.migration import Migration
from reports import judge
from reports.judge import Judgement
from tests.reports.conftest import COMMUNES, HASH, Scene

PROVINCE = "14"
SYSTEM = f"province:{PROVINCE}"
FILES = json.dumps([{"name": "a.pdf", "hash": "b" * 64}])
Maker = Callable[..., Scene]


def migrated(run: Maker, number: int = 3, **events: bool) -> Scene:
    """Make a healthy run in which one province migrates so many dossiers, all of them returned, the first archived."""
    scene = run(migration=Migration(start=1, provinces=(PROVINCE,), dossiers=number))
    for n in range(1, number + 1):
        held(scene, n)
        for moment in ("before", "after"):
            unit = [f"H14.03000-250301-000{n}", f"legacy-14-{n}", PROVINCE, COMMUNES[PROVINCE]]
            scene.rows["stock"].append([moment, SYSTEM, *unit, HASH, 10, 4, "true" if n == 1 else "false", FILES])
    for moment in ("before", "after"):
        scene.rows["accounts"].append([moment, SYSTEM, OFFICER, "cv", PROVINCE, COMMUNES[PROVINCE], HASH])
        scene.event("migration_read", 1.0, system=SYSTEM, moment=moment, dossiers=number, accounts=1, complete=True)
    scene.event("migration_finished", 20.0, system=SYSTEM)
    return scene


def held(scene: Scene, n: int, **changes: object) -> None:
    """Let the register hold a migrated dossier."""
    fields = {"code": f"H14.03000-250301-000{n}", "key": f"legacy-14-{n}"} | changes
    code, key = str(fields.pop("code")), str(fields.pop("key"))
    scene.book(SYSTEM, code, key, (2, 4, 9, 10), **fields)


def without(scene: Scene, n: int, table: str = "reads") -> list[list[object]]:
    """Take a migrated dossier out of a table; returns its rows."""
    kept, gone = [], []
    for row in scene.rows[table]:
        (gone if f"legacy-14-{n}" in row else kept).append(row)
    scene.rows[table] = kept
    return gone


def judged(scene: Scene) -> Judgement:
    scene.events = [event for event in scene.events if event["event"] != "audit_read"]
    scene.with_readings()
    return judge.judge(scene.write())


def found(judgement: Judgement) -> dict[str, tuple[str, ...]]:
    return {category: codes for category, codes in judgement.audit.codes.items() if codes}


OFFICER = "cv.14.03000-1"
SECOND = "H14.03000-250301-0002"


def test_a_whole_migration_passes(run: Maker) -> None:
    """Migrated dossiers are no phantoms, owe the portal nothing, and aren't counted as submissions."""
    plain, judgement = judged(run("plain")), judged(migrated(run))
    assert (judgement.verdict, found(judgement)) == ("pass", {})
    assert judgement.audit.counts == plain.audit.counts
    assert judgement.audit.sync_lag == plain.audit.sync_lag
    assert "; 3 legacy dossiers and 1 officers' accounts migrated, the same before and after; " in judgement.reasons[-1]


def test_a_dossier_that_did_not_arrive_is_lost(run: Maker) -> None:
    scene = migrated(run)
    without(scene, 2)
    judgement = judged(scene)
    assert (judgement.verdict, found(judgement)) == ("fail", {"lost": (SECOND,)})
    (finding,) = judgement.audit.findings
    assert finding.detail == "not in the register of province:14 after the migration"


def test_a_dossier_that_was_stored_under_a_second_code_is_duplicated(run: Maker) -> None:
    scene = migrated(run)
    held(scene, 2, code="H14.03646-261122-0001")
    judgement = judged(scene)
    assert judgement.verdict == "fail"
    assert found(judgement) == {"duplicated": (SECOND, "H14.03646-261122-0001")}


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"commune": "03650"}, "province:14: migrated to 14/03650 instead of 14/03646"),
        ({"province": "01"}, "province:14: migrated to 01/00004 instead of 14/03646"),
    ],
)
def test_a_dossier_under_another_commune_is_misrouted(run: Maker, changes: dict[str, str], detail: str) -> None:
    scene = migrated(run)
    without(scene, 2)
    held(scene, 2, **changes)
    judgement = judged(scene)
    assert (judgement.verdict, found(judgement)) == ("fail", {"misrouted": (SECOND,)})
    assert judgement.audit.findings[0].detail == detail


def test_a_dossier_in_another_provinces_register_is_lost_and_misrouted(run: Maker) -> None:
    scene = migrated(run)
    without(scene, 2)
    scene.book("province:01", SECOND, "legacy-14-2", (2, 4, 9, 10), province=PROVINCE)
    assert found(judged(scene)) == {"lost": (SECOND,), "misrouted": (SECOND,)}


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"hash": "c" * 64}, "other content"),
        ({"state": 9, "sequence": 3}, "state 9 after step 3, was 10 after 4"),
    ],
)
def test_a_dossier_with_other_content_or_state_is_divergent(
    run: Maker, changes: dict[str, object], detail: str
) -> None:
    scene = migrated(run)
    without(scene, 2)
    held(scene, 2, **changes)
    judgement = judged(scene)
    assert judgement.audit.codes["divergent"] == (SECOND,)
    assert {finding.detail for finding in judgement.audit.findings if finding.category == "divergent"} == {
        f"altered by the migration: {detail}"
    }


@pytest.mark.parametrize(
    ("column", "value", "detail"), [(9, "false", "archive flag"), (10, "[]", "attachments")], ids=["archive", "files"]
)
def test_an_archive_or_attachment_that_is_missing_is_divergent(
    run: Maker, column: int, value: str, detail: str
) -> None:
    scene = migrated(run)
    for row in without(scene, 1, "stock"):
        scene.rows["stock"].append([*row[:column], value, *row[column + 1 :]] if row[0] == "after" else row)
    judgement = judged(scene)
    assert found(judgement) == {"divergent": ("H14.03000-250301-0001",)}
    assert judgement.audit.findings[0].detail == f"altered by the migration: {detail}"


@pytest.mark.parametrize(
    ("event", "moment", "reason"),
    [
        ("migration_finished", None, "migration: province:14 did not finish; see the migration events"),
        ("migration_read", "after", "migration: what province:14 held after it wasn't read completely"),
        ("migration_read", "before", "migration: what province:14 held before it wasn't read completely"),
    ],
)
def test_a_migration_of_which_something_is_unknown_is_inconclusive(
    run: Maker, event: str, moment: str | None, reason: str
) -> None:
    scene = migrated(run)
    scene.events = [said for said in scene.events if (said["event"], said.get("moment")) != (event, moment)]
    judgement = judged(scene)
    assert judgement.verdict == "inconclusive"
    assert reason in judgement.reasons


@pytest.mark.parametrize(
    ("after", "category", "detail"),
    [
        ([], "lost", "account (cv) not in province:14 after the migration"),
        ([{}, {}], "duplicated", "account is in province:14 2 times"),
        ([{3: "ld"}], "divergent", "account altered by the migration: role ld, was cv; content the same"),
        ([{6: "c" * 64}], "divergent", "account altered by the migration: role cv, was cv; content other"),
        ([{5: "03650"}], "misrouted", "province:14: account migrated to 14/03650 instead of 14/03646"),
    ],
)
def test_an_officers_account_arrives_once_and_whole(
    run: Maker, after: list[dict[int, str]], category: str, detail: str
) -> None:
    scene = migrated(run)
    before, moved = scene.rows["accounts"]
    scene.rows["accounts"] = [before, *([change.get(n, cell) for n, cell in enumerate(moved)] for change in after)]
    judgement = judged(scene)
    assert (judgement.verdict, found(judgement)) == ("fail", {category: (OFFICER,)})
    assert [finding.detail for finding in judgement.audit.findings] == [detail]


def test_a_migration_without_the_accounts_that_it_should_have_is_inconclusive(run: Maker) -> None:
    """Before and after agree on nothing."""
    scene = migrated(run)
    scene.rows["accounts"] = []
    for said in scene.events:
        said.pop("accounts", None)
    judgement = judged(scene)
    assert judgement.verdict == "inconclusive"
    assert "migration: province:14 didn't begin with 1 officers' accounts" in judgement.reasons


def test_a_migration_of_nothing_is_inconclusive(run: Maker) -> None:
    scene = migrated(run, 3)
    for said in scene.events:
        if said.get("moment") == "before":
            said["dossiers"] = 0
    assert judged(scene).reasons[0] == "migration: province:14 didn't begin with 3 legacy dossiers"
