"""The audit of a migration: before = after, dossier by dossier."""

import json
from collections.abc import Callable

import pytest

from model.migration import Migration
from reports import judge
from reports.judge import Judgement
from tests.reports.conftest import COMMUNES, HASH, T0, Scene

PROVINCE = "14"
SYSTEM = f"province:{PROVINCE}"
FILE = "b" * 64
FILES = json.dumps([{"name": "a.pdf", "hash": FILE}])
HISTORY = json.dumps([[number, state, T0 + number] for number, state in enumerate((2, 4, 9, 10), 1)])
HOLDINGS = {"dossiers": 3, "digest": "d" * 64, "accounts": 1}
Maker = Callable[..., Scene]


def migrated(run: Maker, number: int = 3, **events: bool) -> Scene:
    """Make a healthy run in which one province migrates so many dossiers, all of them returned, the first archived."""
    scene = run(migration=Migration(start=1, provinces=(PROVINCE,), dossiers=number))
    for n in range(1, number + 1):
        held(scene, n)
        staged(scene, "before", n)
    for moment in ("before", "after"):
        scene.rows["accounts"].append([moment, SYSTEM, OFFICER, "cv", PROVINCE, COMMUNES[PROVINCE], HASH])
        told = {"dossiers": number if moment == "before" else 0, "accounts": 1, "holdings": HOLDINGS}
        scene.event("migration_read", 1.0, system=SYSTEM, moment=moment, complete=True, **told)
    scene.event("migration_finished", 20.0, system=SYSTEM)
    return scene


def held(scene: Scene, n: int, **changes: object) -> None:
    """Let the register hold a migrated dossier, with its attachment."""
    archived = "true" if n == 1 else "false"
    fields = {"code": code_of(n), "key": f"legacy-14-{n}", "states": (2, 4, 9, 10), "archived": archived} | changes
    code, key, states = str(fields.pop("code")), str(fields.pop("key")), fields.pop("states")
    scene.book(SYSTEM, code, key, states, **fields)  # type: ignore[arg-type]  # states
    elsewhere = [row for row in scene.rows["attachments"] if row[2] != code]
    scene.rows["attachments"] = [*elsewhere, *([number, SYSTEM, code, FILE] for number in (1, 2))]


def staged(scene: Scene, moment: str, n: int, commune: str = COMMUNES[PROVINCE], **changes: str) -> None:
    """List a legacy dossier: before the migration, as held, or as found by its code and old province."""
    archived = "true" if n == 1 else "false"
    names = {"code": code_of(n), "history": HISTORY, "old_province": "Sơn La", "new_code": ""} | changes
    unit = [names["code"], f"legacy-14-{n}", PROVINCE, commune]
    content = [HASH, names["history"], archived, FILES]
    scene.rows["stock"].append([moment, SYSTEM, *unit, *content, names["old_province"], names["new_code"]])


def code_of(n: int) -> str:
    return f"H14.03000-250301-000{n}"


def parked(scene: Scene, n: int) -> None:
    """Let a dossier not say where it belongs, and be held."""
    without(scene, n)
    without(scene, n, "stock")
    staged(scene, "before", n, "")
    staged(scene, "held", n, "")


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
        ({"state": 9, "sequence": 3}, "state 9 after step 3, its history ends with 10 after 4"),
        ({"archived": "true"}, "archive flag"),
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
    ("states", "changed"),
    [
        ((2, 4, 6, 10), True),
        ((2, 4, 4, 9, 10), True),
        ((2, 4, 9), True),
        ((2, 4, 9, 10), False),
    ],
)
def test_a_history_that_was_rewritten_is_divergent(run: Maker, states: tuple[int, ...], changed: bool) -> None:
    """Whatever it ends with."""
    scene = migrated(run)
    without(scene, 2)
    held(scene, 2, states=states)
    judgement = judged(scene)
    assert judgement.verdict == ("fail" if changed else "pass")
    details = [finding.detail for finding in judgement.audit.findings if finding.category == "divergent"]
    assert any(detail.startswith("altered by the migration: history [[1,") for detail in details) is changed


def test_a_history_with_other_times_is_divergent(run: Maker) -> None:
    scene = migrated(run)
    without(scene, 2)
    held(scene, 2, history=[[n, state, T0 + n - 0.5, T0 + 9] for n, state in enumerate((2, 4, 9, 10), 1)])
    assert found(judged(scene)) == {"divergent": (SECOND,)}


def test_a_dossier_that_is_kept_under_another_code_alone_is_lost(run: Maker) -> None:
    """People hold the receipt with the old one."""
    scene = migrated(run)
    without(scene, 2)
    held(scene, 2, code="H14.03646-261122-0001")
    judgement = judged(scene)
    assert (judgement.verdict, found(judgement)) == ("fail", {"lost": (SECOND,)})
    assert judgement.audit.findings[0].detail == (
        "not under its code in the register of province:14 after the migration, only as H14.03646-261122-0001"
    )


@pytest.mark.parametrize(
    ("files", "same"), [([], 0), (["c" * 64], 0), ([FILE, "c" * 64], 1)], ids=["lost", "truncated", "more"]
)
def test_attachments_whose_bytes_are_missing_or_others_are_divergent(run: Maker, files: list[str], same: int) -> None:
    scene = migrated(run)
    scene.rows["attachments"] = [row for row in scene.rows["attachments"] if row[2] != SECOND]
    scene.rows["attachments"] += [[number, SYSTEM, SECOND, digest] for digest in files for number in (1, 2)]
    judgement = judged(scene)
    assert (judgement.verdict, found(judgement)) == ("fail", {"divergent": (SECOND,)})
    detail = f"altered by the migration: attachments: {len(files)} there, {same} of the 1 of before"
    assert judgement.audit.findings[0].detail == detail


OTHERS = "H14.03646-261122-0001"
"""The code that a second dossier got whose own one another has."""


def with_one_code(run: Maker, *found: int) -> Scene:
    """Migrate two dossiers of two old provinces, the second and the third, which had one code; some are found by it."""
    scene = migrated(run)
    without(scene, 3)
    without(scene, 3, "stock")
    held(scene, 3, code=OTHERS)
    staged(scene, "before", 3, code=SECOND, old_province="Lai Châu")
    homes = {2: {"new_code": SECOND}, 3: {"code": SECOND, "old_province": "Lai Châu", "new_code": OTHERS}}
    for n in found:
        staged(scene, "found", n, **homes[n])
    return scene


def test_two_dossiers_that_had_one_code_are_both_there(run: Maker) -> None:
    """The second one has another code; both are found by their code and their old province."""
    judgement = judged(with_one_code(run, 2, 3))
    assert (judgement.verdict, found(judgement)) == ("pass", {})


@pytest.mark.parametrize("missing", [2, 3])
def test_of_two_dossiers_with_one_code_the_one_that_is_not_there_is_lost(run: Maker, missing: int) -> None:
    scene = with_one_code(run, 5 - missing)
    without(scene, missing)
    judgement = judged(scene)
    assert (judgement.verdict, found(judgement)) == ("fail", {"lost": (SECOND,)})
    assert [(finding.key, finding.detail) for finding in judgement.audit.findings] == [
        (f"legacy-14-{missing}", "not in the register of province:14 after the migration")
    ]


@pytest.mark.parametrize("missing", [2, 3])
def test_of_two_dossiers_with_one_code_the_one_that_is_not_found_by_it_is_lost(run: Maker, missing: int) -> None:
    judgement = judged(with_one_code(run, 5 - missing))
    home = {2: "Sơn La", 3: "Lai Châu"}[missing]
    assert (judgement.verdict, found(judgement)) == ("fail", {"lost": (SECOND,)})
    assert [(finding.key, finding.detail) for finding in judgement.audit.findings] == [
        (f"legacy-14-{missing}", f"not found in province:14 by this code of {home}, which others have as well")
    ]


def test_a_look_up_that_leads_to_the_other_one_finds_nobody(run: Maker) -> None:
    scene = with_one_code(run, 2)
    staged(scene, "found", 2, code=SECOND, old_province="Lai Châu", new_code=SECOND)
    judgement = judged(scene)
    assert (judgement.verdict, found(judgement)) == ("fail", {"lost": (SECOND,)})
    assert [finding.key for finding in judgement.audit.findings] == ["legacy-14-3"]


def test_what_has_another_code_now_is_compared_like_any_other(run: Maker) -> None:
    scene = with_one_code(run, 2, 3)
    without(scene, 3)
    held(scene, 3, code=OTHERS, hash="c" * 64)
    scene.rows["attachments"] = [row for row in scene.rows["attachments"] if row[2] != OTHERS]
    judgement = judged(scene)
    assert (judgement.verdict, found(judgement)) == ("fail", {"divergent": (SECOND,)})
    assert judgement.audit.findings[0].detail == (
        "altered by the migration: other content; attachments: 0 there, 0 of the 1 of before"
    )


def test_a_code_that_no_other_dossier_has_is_kept(run: Maker) -> None:
    """Though a look-up by the old province would lead to it."""
    scene = migrated(run)
    without(scene, 2)
    held(scene, 2, code=OTHERS)
    staged(scene, "found", 2, new_code=OTHERS)
    assert found(judged(scene)) == {"lost": (SECOND,)}


@pytest.mark.parametrize(("belongs", "is_at"), [("H14", "03646"), ("03646", "03650"), ("03646", "H14")])
def test_a_districts_dossier_that_is_not_where_it_is_decided_is_misrouted(run: Maker, belongs: str, is_at: str) -> None:
    scene = migrated(run)
    without(scene, 2)
    without(scene, 2, "stock")
    staged(scene, "before", 2, belongs)
    held(scene, 2, commune=is_at)
    judgement = judged(scene)
    assert (judgement.verdict, found(judgement)) == ("fail", {"misrouted": (SECOND,)})
    assert judgement.audit.findings[0].detail == f"province:14: migrated to 14/{is_at} instead of 14/{belongs}"


def open_one(run: Maker, *taken: tuple[int, int, str, str]) -> Scene:
    """Migrate a dossier that is open; officers take steps with it: (sequence, state, operation, outcome)."""
    scene = migrated(run)
    without(scene, 2)
    without(scene, 2, "stock")
    staged(scene, "before", 2, history=json.dumps([[1, 2, T0 + 1]]))
    held(scene, 2, states=(2, *(state for _, state, _, _ in taken)))
    for sequence, state, operation, outcome in taken:
        scene.step(SECOND, sequence, state, PROVINCE, operation, outcome)
    return scene


def test_officers_go_on_with_a_dossier_that_has_moved(run: Maker) -> None:
    """Also where they weren't told that a step was taken; the portal isn't owed any of it."""
    plain = judged(run("plain"))
    judgement = judged(open_one(run, (2, 4, "process", "ok"), (3, 9, "finish", "info")))
    assert (judgement.verdict, found(judgement)) == ("pass", {})
    assert judgement.audit.sync_lag == plain.audit.sync_lag


def test_a_step_that_nobody_took_is_divergent(run: Maker) -> None:
    scene = open_one(run, (2, 4, "process", "ok"), (3, 9, "finish", "ok"))
    scene.rows["ledger"] = [row for row in scene.rows["ledger"] if not (row[8] == SECOND and row[4] == "finish")]
    judgement = judged(scene)
    assert (judgement.verdict, found(judgement)) == ("fail", {"divergent": (SECOND,)})
    assert judgement.audit.findings[0].detail == "1 steps after the migration that nobody took"


def test_an_acknowledged_step_that_a_migrated_dossier_lacks_is_regressed(run: Maker) -> None:
    scene = open_one(run, (2, 4, "process", "ok"))
    scene.step(SECOND, 3, 9, PROVINCE, "finish")
    assert found(judged(scene)) == {"regressed": (SECOND,)}


def test_what_does_not_say_where_it_belongs_is_held_and_not_lost(run: Maker) -> None:
    scene = migrated(run)
    parked(scene, 2)
    scene.rows["accounts"] += [[moment, SYSTEM, "vt.x-2", "vt", PROVINCE, "", HASH] for moment in ("before", "held")]
    judgement = judged(scene)
    assert (judgement.verdict, found(judgement)) == ("pass", {"held": (SECOND, "vt.x-2")})
    assert judgement.audit.findings[0].detail == "held by province:14 for a person: nothing says where it belongs"
    assert ", the same before and after, 2 of them held for a person; " in judgement.reasons[-1]


def test_what_is_neither_moved_nor_held_is_lost(run: Maker) -> None:
    scene = migrated(run)
    parked(scene, 2)
    scene.rows["stock"] = [row for row in scene.rows["stock"] if row[0] != "held"]
    scene.rows["accounts"].append(["before", SYSTEM, "vt.x-2", "vt", PROVINCE, "", HASH])
    assert {finding.detail for finding in judged(scene).audit.findings} == {
        "neither in the register of province:14 nor held for a person",
        "account (vt) neither in province:14 nor held for a person",
    }


def test_what_says_where_it_belongs_is_not_to_be_held(run: Maker) -> None:
    scene = migrated(run)
    without(scene, 2)
    staged(scene, "held", 2)
    judgement = judged(scene)
    assert found(judgement) == {"lost": (SECOND,)}
    assert judgement.audit.findings[0].detail == "held by province:14, though it says where it belongs"


@pytest.mark.parametrize(
    ("spoil", "category"),
    [
        (lambda scene: held(scene, 2), {"duplicated": (SECOND,), "held": (SECOND,), "misrouted": (SECOND,)}),
        (lambda scene: scene.rows["stock"][-1].__setitem__(8, "true"), {"divergent": (SECOND,), "held": (SECOND,)}),
        (lambda scene: staged(scene, "held", 7, ""), {"held": (SECOND,), "phantom": (code_of(7),)}),
    ],
    ids=["guessed", "altered", "invented"],
)
def test_what_is_held_stays_what_it_was(
    run: Maker, spoil: Callable[[Scene], None], category: dict[str, tuple[str, ...]]
) -> None:
    scene = migrated(run)
    parked(scene, 2)
    spoil(scene)
    judgement = judged(scene)
    assert (judgement.verdict, found(judgement)) == ("fail", category)


def test_counts_and_hashes_that_differ_fail(run: Maker) -> None:
    scene = migrated(run)
    for said in scene.events:
        if said.get("moment") == "after":
            said["holdings"] = {**HOLDINGS, "dossiers": 1, "digest": "e" * 64}
    judgement = judged(scene)
    assert (judgement.verdict, found(judgement)) == ("fail", {"divergent": (SYSTEM,)})
    assert judgement.audit.findings[0].detail == (
        f"counts and hashes after the migration are others: digest {'e' * 64}, was {'d' * 64}, dossiers 1, was 3"
    )


@pytest.mark.parametrize("moment", ["before", "after"])
def test_counts_and_hashes_that_are_missing_are_inconclusive(run: Maker, moment: str) -> None:
    scene = migrated(run)
    for said in scene.events:
        if said.get("moment") == moment:
            said["holdings"] = {}
    judgement = judged(scene)
    assert judgement.verdict == "inconclusive"
    assert f"migration: what province:14 held {moment} it wasn't counted and hashed" in judgement.reasons


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
    for said in scene.events:
        if said.get("moment") == "after":
            said["accounts"] = len(after)
    judgement = judged(scene)
    assert (judgement.verdict, found(judgement)) == ("fail", {category: (OFFICER,)})
    assert [finding.detail for finding in judgement.audit.findings] == [detail]


def test_an_account_that_was_not_there_before_is_a_phantom(run: Maker) -> None:
    scene = migrated(run)
    scene.rows["accounts"].append(["after", SYSTEM, "ld.x-9", "ld", PROVINCE, COMMUNES[PROVINCE], HASH])
    judgement = judged(scene)
    assert (judgement.verdict, found(judgement)) == ("fail", {"phantom": ("ld.x-9",)})
    assert judgement.audit.findings[0].detail == "account (ld) in province:14; it was not there before the migration"


def test_a_listing_that_the_record_has_not_kept_is_inconclusive(run: Maker) -> None:
    """Nothing is concluded from accounts that were read, and are in the record no more."""
    scene = migrated(run)
    scene.rows["accounts"] = []
    judgement = judged(scene)
    assert (judgement.verdict, found(judgement)) == ("inconclusive", {})
    assert "migration: what province:14 held after it wasn't read completely" in judgement.reasons


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
