"""Literal histories for every category of the audit, each beside one that isn't it."""

import json
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports import tables
from reports.audit import FAILURES, Audit, audit
from reports.classify import SYNC_LAG
from reports.judge import audit_json

T0 = 1_750_000_000.0
Scene = Any  # tests/reports/conftest.py
OTHER = "b" * 64


def audited(scene: Scene, **readings: Any) -> Audit:
    scene.with_readings(**readings)
    record = scene.write()
    with tables.opened(record) as database:
        return audit(database, scene.plan.stack.provinces, record.events())


def found(result: Audit) -> dict[str, tuple[str, ...]]:
    return {category: codes for category, codes in result.codes.items() if codes}


def detail(result: Audit, category: str) -> str:
    return next(finding.detail for finding in result.findings if finding.category == category)


def test_healthy_dossiers_have_no_finding(scene: Scene) -> None:
    scene.healthy("G1", "a", (1, 2, 4, 9, 10))
    scene.healthy("H1", "b", (2, 5, 2, 6, 4, 8), "79")
    result = audited(scene)
    assert result.findings == ()
    assert result.counts["acknowledged"] == result.counts["read"] == 2
    assert result.counts["unread"] == 0
    assert result.unread_systems == ()


def test_a_state_that_there_is_none_of_is_seen_at_one_side_alone(scene: Scene) -> None:
    scene.attempt("a", "ok", "G1")
    scene.book("national", "G1", "a", (1, 99, 4))
    scene.book("province:01", "G1", "a", (1, 2, 4))
    assert found(audited(scene)) == {"divergent": ("G1",), "regressed": ("G1",)}


def test_the_screen_clears_what_is_healthy_and_suspects_what_shares_a_code_with_it(scene: Scene) -> None:
    scene.healthy("G1", "a", (1, 2, 4, 9, 10))
    scene.healthy("G2", "b")
    scene.attempt("c", "ok", "G2")
    scene.with_readings()
    record = scene.write()
    with tables.opened(record) as database:
        audit(database, scene.plan.stack.provinces, record.events())
        held = database.execute("SELECT DISTINCT key FROM readings").fetchall()
        written = database.execute("SELECT DISTINCT dossier FROM writes WHERE dossier <> ''").fetchall()
        ((clear,),) = database.execute("SELECT count(*) FROM clear").fetchall()
    assert (clear, held, written) == (1, [("b",)], [("G2",)])


# lost


def test_lost_everywhere(scene: Scene) -> None:
    scene.attempt("a", "ok", "G1")
    result = audited(scene)
    assert found(result) == {"lost": ("G1",)}
    assert detail(result, "lost") == "absent from the portal and from province 01"


@pytest.mark.parametrize(
    ("system", "said"), [("national", "absent from province 01"), ("province:01", "absent from the portal")]
)
def test_lost_in_one_book(scene: Scene, system: str, said: str) -> None:
    scene.attempt("a", "ok", "G1")
    scene.book(system, "G1", "a")
    result = audited(scene)
    assert found(result) == {"lost": ("G1",)}
    assert detail(result, "lost") == said


def test_lost_between_the_readings(scene: Scene) -> None:
    scene.attempt("a", "ok", "G1")
    scene.book("national", "G1", "a")
    scene.book("province:01", "G1", "a", passes=(1,))
    result = audited(scene)
    assert found(result) == {"lost": ("G1",)}
    assert detail(result, "lost") == "absent from province 01, though the first reading found it"


def test_a_code_that_another_key_holds_is_no_presence(scene: Scene) -> None:
    """Two replicas issued one code: the dossier of the second citizen is gone."""
    scene.attempt("a", "ok", "G1")
    scene.attempt("b", "ok", "G1")
    scene.stored("G1", "a")
    result = audited(scene)
    assert found(result) == {"lost": ("G1",), "duplicated": ("G1",)}
    assert [finding.key for finding in result.findings if finding.category == "lost"] == ["b"]


def test_lost_when_only_another_code_is_stored(scene: Scene) -> None:
    """The code that the citizen was given leads nowhere."""
    scene.attempt("a", "ok", "G1")
    scene.stored("G2", "a")
    result = audited(scene)
    assert result.codes["lost"] == ("G1",)
    assert "only G2" in detail(result, "lost")


def test_a_retry_that_is_acknowledged_later_is_one_dossier(scene: Scene) -> None:
    scene.attempt("a", "info")
    scene.attempt("a", "ok", "G1")
    scene.stored("G1", "a")
    assert found(audited(scene)) == {}


def test_what_was_never_acknowledged_cannot_be_lost(scene: Scene) -> None:
    scene.attempt("a", "info")
    scene.attempt("b", None)
    scene.attempt("c", "fail", reason="validation")
    result = audited(scene)
    assert found(result) == {}
    assert (result.counts["unknown"], result.counts["refused"], result.counts["attempted"]) == (2, 1, 3)


# stale


@pytest.mark.parametrize("system", ["national", "province:01"])
def test_stale(scene: Scene, system: str) -> None:
    """Only the second reading found it: late, but no failure."""
    scene.attempt("a", "ok", "G1")
    for name in ("national", "province:01"):
        scene.book(name, "G1", "a", passes=(2,) if name == system else (1, 2))
    result = audited(scene)
    assert found(result) == {"stale": ("G1",)}
    assert result.counts["stale"] == 1


# duplicated


def test_duplicated_by_a_retry(scene: Scene) -> None:
    """One key, two dossiers; both codes are named."""
    scene.attempt("a", "info")
    scene.attempt("a", "ok", "G2")
    scene.stored("G1", "a")
    scene.stored("G2", "a")
    result = audited(scene)
    assert found(result) == {"duplicated": ("G1", "G2")}
    assert detail(result, "duplicated") == "2 dossiers for one key: G1, G2"


def test_duplicated_across_systems(scene: Scene) -> None:
    scene.attempt("a", "ok", "G1")
    scene.book("national", "G1", "a")
    scene.book("province:01", "H1", "a")
    assert found(audited(scene)) == {"duplicated": ("G1", "H1")}


def test_duplicated_code(scene: Scene) -> None:
    """One code, held for two keys."""
    scene.attempt("a", "ok", "G1")
    scene.attempt("b", "ok", "G1")
    scene.stored("G1", "a")
    scene.stored("G1", "b")
    result = audited(scene)
    assert found(result) == {"duplicated": ("G1",)}


def test_duplicated_in_a_listing(scene: Scene) -> None:
    scene.healthy("G1", "a")
    scene.book("province:01", "G1", "a", passes=(2,))
    assert found(audited(scene)) == {"duplicated": ("G1",)}


def test_two_keys_with_a_code_each_are_no_duplicates(scene: Scene) -> None:
    scene.healthy("G1", "a")
    scene.healthy("G2", "b")
    assert found(audited(scene)) == {}


# divergent


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        ({"state": 9}, "state: portal 9, province 2"),
        ({"sequence": 3}, "last step: portal 3, province 2"),
        ({"hash": OTHER}, "the hashes of portal and province differ"),
        ({"hash": ""}, "the hashes of portal and province differ"),
        ({"states": (1,)}, "state: portal 1, province 2"),
        ({"states": (1, 3)}, "state: portal 3, province 2"),
    ],
)
def test_divergent(scene: Scene, spoilt: dict[str, Any], said: str) -> None:
    scene.attempt("a", "ok", "G1")
    scene.book("province:01", "G1", "a")
    scene.book("national", "G1", "a", **spoilt)
    result = audited(scene)
    assert found(result) == {"divergent": ("G1",)}
    assert said in detail(result, "divergent")


def test_divergent_from_the_ledger(scene: Scene) -> None:
    """Both books agree, on something that the citizen didn't send."""
    scene.attempt("a", "ok", "G1")
    scene.book("province:01", "G1", "a", hash=OTHER)
    scene.book("national", "G1", "a", hash=OTHER)
    result = audited(scene)
    assert found(result) == {"divergent": ("G1",)}
    assert detail(result, "divergent") == (
        "the portal holds other content than was sent; the province holds other content than was sent"
    )


def test_an_attachment_that_both_hold_is_no_finding(scene: Scene) -> None:
    scene.healthy("G1", "a")
    scene.attached("a", "G1", OTHER, "national", "province:01")
    assert found(audited(scene)) == {}


@pytest.mark.parametrize("holders", [("national",), ("province:01",), ()])
def test_an_attachment_that_one_side_lacks_is_divergent(scene: Scene, holders: tuple[str, ...]) -> None:
    """Bytes with another SHA-256 are another attachment: the one that was acknowledged is missing."""
    scene.healthy("G1", "a")
    scene.attached("a", "G1", OTHER, *holders)
    scene.rows["attachments"].append([2, "national", "G1", "c" * 64])
    lacking = [system for system in ("national", "province:01") if system not in holders]
    result = audited(scene)
    assert found(result) == {"divergent": ("G1",)}
    assert detail(result, "divergent") == f"the attachment {OTHER} is missing or damaged at {' and '.join(lacking)}"


def test_an_attachment_of_what_was_never_acknowledged_cannot_be_missing(scene: Scene) -> None:
    scene.attempt("a", None)
    scene.attached("a", "", OTHER)
    assert found(audited(scene)) == {}


def test_divergent_in_the_middle_of_a_history(scene: Scene) -> None:
    """A job that maps 5 to 9 on the way shows even after the states have met again."""
    scene.attempt("a", "ok", "G1")
    scene.book("province:01", "G1", "a", (1, 5, 2))
    scene.book("national", "G1", "a", (1, 9, 2))
    result = audited(scene)
    assert result.codes["divergent"] == ("G1",)
    assert "step states" in detail(result, "divergent")


def test_what_only_the_first_reading_saw_differ_is_not_divergent(scene: Scene) -> None:
    scene.attempt("a", "ok", "G1")
    scene.book("province:01", "G1", "a")
    scene.book("national", "G1", "a", (1,), passes=(1,))
    scene.book("national", "G1", "a", passes=(2,))
    assert found(audited(scene)) == {}


# regressed


@pytest.mark.parametrize("system", ["national", "province:01"])
@pytest.mark.parametrize(
    ("history", "said"),
    [
        ([[1, 1, T0, T0], [3, 4, T0 + 2, T0 + 2]], "steps [1, 3] aren't 1 to 2"),
        ([[1, 1, T0, T0], [2, 2, T0, T0], [4, 4, T0, T0]], "steps [1, 2, 4] aren't 1 to 3"),
        ([[1, 1, T0, T0], [2, 2, T0, T0], [2, 2, T0, T0], [3, 4, T0, T0]], "steps [1, 2, 2, 3] aren't 1 to 4"),
        ([[1, 1, T0, T0], [3, 4, T0 + 1, T0], [2, 2, T0 + 2, T0]], "steps [1, 3, 2] aren't 1 to 3"),
        ([[1, 1, T0 + 9, T0], [2, 2, T0 + 1, T0], [3, 4, T0 + 2, T0]], "times go backwards"),
    ],
)
def test_regressed(scene: Scene, system: str, history: list[list[float]], said: str) -> None:
    scene.attempt("a", "ok", "G1")
    spoilt = {"history": history, "state": 4, "sequence": 3}
    for name in ("national", "province:01"):
        scene.book(name, "G1", "a", (1, 2, 4), **(spoilt if name == system else {}))
    result = audited(scene)
    assert "G1" in result.codes["regressed"]
    assert set(found(result)) <= {"regressed", "divergent"}
    assert detail(result, "regressed").startswith(f"{system}: ")
    assert said in detail(result, "regressed")


@pytest.mark.parametrize("states", [(1, 4), (1, 2, 9, 2), (1, 2, 10), (2, 4), (1, 2, 11), (1, 2, 4, 5, 9)])
def test_regressed_against_the_life_cycle(scene: Scene, states: tuple[int, ...]) -> None:
    """A history that the life cycle forbids; one that came in online must start at 1."""
    scene.attempt("a", "ok", "G1")
    scene.rows["ledger"].clear()
    scene.attempt("a", "info")
    scene.stored("G1", "a", states)
    assert found(audited(scene)) == {"regressed": ("G1",), "recovered": ("G1",)}


@pytest.mark.parametrize("history", ["", "null", "[", "{}", '[["x", 1, 2, 3]]', "[[1]]", "[[1, null, 3, 4]]", "[7]"])
def test_a_history_that_cannot_be_read_is_regressed(scene: Scene, history: str) -> None:
    scene.attempt("a", "info")
    scene.book("province:01", "G1", "a", (1,))
    scene.book("national", "G1", "a", (1,), history=history)
    result = audited(scene)
    assert found(result) == {"regressed": ("G1",), "recovered": ("G1",)}
    assert detail(result, "regressed").startswith("national: its history can't be read")


def test_an_acknowledged_step_that_is_missing_is_regressed(scene: Scene) -> None:
    scene.healthy("G1", "a", (1, 2))
    scene.step("G1", 3, 4, operation="process")
    result = audited(scene)
    assert found(result) == {"regressed": ("G1",)}
    assert detail(result, "regressed") == "the acknowledged step 3 (process, state 4) isn't in the province's history"


def test_an_acknowledged_step_with_another_state_is_regressed(scene: Scene) -> None:
    scene.attempt("a", "ok", "G1")
    scene.step("G1", 2, 2)
    scene.stored("G1", "a", (1, 5))
    assert found(audited(scene)) == {"regressed": ("G1",)}


@pytest.mark.parametrize("outcome", ["info", "fail"])
def test_a_step_that_was_not_acknowledged_may_be_missing(scene: Scene, outcome: str) -> None:
    scene.healthy("G1", "a", (1, 2))
    scene.step("G1", 3, 4, outcome=outcome)
    assert found(audited(scene)) == {}


def test_an_acknowledgement_without_a_step_is_no_regression(scene: Scene) -> None:
    scene.healthy("G1", "a", (1, 2))
    scene.step("G1", 0, 0, operation="pay")
    assert found(audited(scene)) == {}


def test_a_history_that_shrinks_between_the_readings_is_regressed(scene: Scene) -> None:
    scene.attempt("a", "ok", "G1")
    scene.book("national", "G1", "a", (1, 2), passes=(2,))
    scene.book("national", "G1", "a", (1, 2, 4), passes=(1,))
    scene.book("province:01", "G1", "a", (1, 2))
    assert found(audited(scene)) == {"regressed": ("G1",)}


def test_a_history_that_grows_between_the_readings_is_not(scene: Scene) -> None:
    scene.attempt("a", "ok", "G1")
    scene.stored("G1", "a", (1, 2))
    scene.rows["reads"] = [row for row in scene.rows["reads"] if row[0] == 2]
    scene.book("national", "G1", "a", (1,), passes=(1,))
    scene.book("province:01", "G1", "a", (1,), passes=(1,))
    assert found(audited(scene)) == {}


def test_a_lost_dossier_is_not_regressed_as_well(scene: Scene) -> None:
    scene.attempt("a", "ok", "G1")
    scene.step("G1", 2, 2)
    assert found(audited(scene)) == {"lost": ("G1",)}


# phantom


@pytest.mark.parametrize("key", ["z", ""])
def test_phantom(scene: Scene, key: str) -> None:
    scene.healthy("G1", "a")
    scene.book("province:14", "H9", key, (2,))
    result = audited(scene)
    assert found(result) == {"phantom": ("H9",)}
    assert detail(result, "phantom") == "held by province:14; nobody attempted it"


def test_the_key_of_a_step_makes_no_dossier(scene: Scene) -> None:
    scene.healthy("G1", "a", (1, 2))
    step = next(row[5] for row in scene.rows["ledger"] if row[4] == "accept")
    scene.stored("G9", step)
    assert found(audited(scene)) == {"phantom": ("G9",)}


# resurrected and recovered


def test_resurrected(scene: Scene) -> None:
    scene.attempt("a", "fail", reason="validation")
    scene.stored("G1", "a")
    result = audited(scene)
    assert found(result) == {"resurrected": ("G1",)}
    assert result.counts["refused"] == 1


@pytest.mark.parametrize("outcome", ["info", None])
def test_recovered(scene: Scene, outcome: str | None) -> None:
    """A time-out, or an invocation without outcome, may have been applied: no failure. Nor after a refusal as well."""
    scene.attempt("a", outcome)
    scene.attempt("a", "fail")
    scene.stored("G1", "a")
    result = audited(scene)
    assert found(result) == {"recovered": ("G1",)}
    assert result.counts["recovered"] == 1


@pytest.mark.parametrize("system", ["national", "province:01"])
def test_recovered_in_one_book_is_divergent(scene: Scene, system: str) -> None:
    scene.attempt("a", "info")
    scene.book(system, "G1", "a")
    result = audited(scene)
    assert found(result) == {"divergent": ("G1",), "recovered": ("G1",)}
    assert "never acknowledged" in detail(result, "divergent")


# misrouted


@pytest.mark.parametrize("spoilt", [{"province": "79", "commune": "00004"}, {"commune": "00008"}])
def test_misrouted(scene: Scene, spoilt: dict[str, Any]) -> None:
    scene.attempt("a", "ok", "G1")
    scene.book("province:01", "G1", "a")
    scene.book("national", "G1", "a", **spoilt)
    assert found(audited(scene)) == {"misrouted": ("G1",)}


def test_misrouted_to_the_system_of_another_province(scene: Scene) -> None:
    """It isn't lost: it is in the wrong place."""
    scene.attempt("a", "ok", "G1")
    scene.book("national", "G1", "a")
    scene.book("province:79", "G1", "a", province="01")
    result = audited(scene)
    assert found(result) == {"misrouted": ("G1",)}
    assert "stored by province:79" in detail(result, "misrouted")


# misfiled


@pytest.mark.parametrize("system", ["national", "province:01"])
@pytest.mark.parametrize(
    ("test", "what"), [(True, "a test counts as an official dossier"), (False, "an official dossier counts as a test")]
)
def test_misfiled(scene: Scene, system: str, test: bool, what: str) -> None:
    """A rehearsal's dossier is marked at both sides, and no other one is."""
    scene.attempt("a", "ok", "G1", test=test)
    for name in ("national", "province:01"):
        scene.book(name, "G1", "a", test=test is not (name == system))
    result = audited(scene)
    assert found(result) == {"misfiled": ("G1",)}
    assert detail(result, "misfiled") == f"{system}: {what}"


def test_a_rehearsals_dossier_that_is_marked_everywhere_is_sound(scene: Scene) -> None:
    scene.attempt("a", "ok", "G1", test=True)
    for name in ("national", "province:01"):
        scene.book(name, "G1", "a", test=True)
    assert found(audited(scene)) == {}


# unread


def test_unread_is_not_lost(scene: Scene) -> None:
    """Where the portal or the owner couldn't be read, absence proves nothing; another province's dossiers are read."""
    scene.attempt("a", "ok", "G1")
    scene.healthy("G2", "b", province="79")
    result = audited(scene, incomplete=("province:01",))
    assert found(result) == {}
    assert result.counts["unread"] == 1
    assert result.unread_systems == ("province:01",)


@pytest.mark.parametrize("without", [(("national", 1),), (("national", 2),)])
def test_unread_portal(scene: Scene, without: tuple[tuple[str, int], ...]) -> None:
    scene.attempt("a", "ok", "G1")
    scene.healthy("G2", "b", province="79")
    result = audited(scene, without=without)
    assert found(result) == {}
    assert result.counts["unread"] == 2


def test_a_reading_whose_rows_are_missing_is_incomplete(scene: Scene) -> None:
    """A reading that says it found more dossiers than the record holds wasn't recorded whole."""
    scene.healthy("G1", "a")
    scene.with_readings()
    scene.rows["reads"].pop()
    record = scene.write()
    with tables.opened(record) as database:
        result = audit(database, scene.plan.stack.provinces, record.events())
    assert result.unread_systems == ("province:01",)
    assert result.codes["lost"] == ()


def test_a_positive_finding_counts_though_not_all_was_read(scene: Scene) -> None:
    scene.healthy("G1", "a")
    scene.book("province:14", "H9", "z", (2,))
    assert found(audited(scene, incomplete=("province:14",))) == {"phantom": ("H9",)}


@pytest.mark.parametrize("holder", [None, "province:01", "both"])
def test_a_dossier_taken_in_across_the_border_is_looked_for_at_its_authority(scene: Scene, holder: str | None) -> None:
    """Its row of the ledger has the place that it is for; the counter's province having it isn't enough."""
    scene.attempt("a", "ok", "H01", "79", "forward")
    if holder == "both":
        scene.stored("H01", "a", (2, 4), "79")
    elif holder:
        scene.book("national", "H01", "a", (2,), province="79")
        scene.book(holder, "H01", "a", (2,), province="79", commune="25747")
    expected = {"both": {}, None: {"lost": ("H01",)}}
    seen = found(audited(scene))
    assert seen == expected[holder] if holder in expected else "misrouted" in seen


# sync lag


def test_sync_lag(scene: Scene) -> None:
    """A step's lag is from its time in the province to its arrival at the portal; the portal's own step has none."""
    scene.attempt("a", "ok", "G1")
    scene.book("province:01", "G1", "a", (1, 2, 4))
    scene.book("national", "G1", "a", (1, 2, 4), lag=3.0)
    scene.attempt("b", "ok", "H1", operation="intake")
    scene.book("province:01", "H1", "b", (2,))
    scene.book("national", "H1", "b", (2,), lag=1.0)
    result = audited(scene)
    assert audit_json(result)["sync_lag"] == {"p50": 3.0, "p95": 3.0, "p99": 3.0, "max": 3.0, "samples": 3}


@pytest.mark.parametrize("suspected", [False, True])
def test_a_step_of_a_commune_that_is_connected_late_is_due_from_then_on(scene: Scene, suspected: bool) -> None:
    """Taken 1 and 2 s after T0, it arrives 31 s later; its commune was connected at 30 s. A suspect's likewise."""
    scene.event("communes_unconnected", communes=["00004"], until=T0 + 30)
    scene.attempt("a", "ok", "H1", operation="intake")
    scene.book("province:01", "H1", "a", (2, 4))
    scene.book("national", "H1", "a", (2, 4), lag=31.0, **{"hash": OTHER} if suspected else {})
    lag = audited(scene).sync_lag
    assert (lag.max, lag.p50, lag.samples) == (3.0, 2.0, 2)


@settings(max_examples=60)
@given(st.lists(st.none() | st.floats(0, 90).map(lambda lag: round(lag, 3)) | st.sampled_from([0.0, 0.25, 0.2504])))
def test_quantiles_of_the_lag_are_order_statistics(lags: list[float | None]) -> None:
    """As DuckDB's own, which holds every lag; NULL is a step that hasn't arrived."""
    with duckdb.connect() as database:
        database.execute("CREATE TABLE lags AS SELECT unnest(?::DOUBLE[]) AS lag", [lags])
        said = database.execute("SELECT quantile_disc(lag, [0.5, 0.95, 0.99]), max(lag), count(lag) FROM lags")
        expected = said.fetchall()
        assert database.execute(SYNC_LAG).fetchall() == expected


def test_audit_json(scene: Scene) -> None:
    scene.attempt("a", "ok", "G1")
    scene.healthy("G2", "b", province="79")
    written = audit_json(audited(scene))
    assert list(written) == ["counts", "findings", "sync_lag", "stale", "recovered", "systems"]
    assert written["findings"] == [
        {
            "category": "lost",
            "code": "G1",
            "key": "a",
            "province": "01",
            "commune": "00004",
            "detail": "absent from the portal and from province 01",
        }
    ]
    assert written["systems"][0] == {"system": "national", "pass": 1, "dossiers": 1, "complete": True}
    assert json.dumps(written)
    assert set(FAILURES) <= set(written["counts"])
