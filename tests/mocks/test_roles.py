"""Officers' roles: who may take which step, who receives, and who is given what."""

import sqlite3

import pytest

from mocks import worklist
from mocks.province import Province
from model.procedures import awaiting, procedures
from model.workflows import Role
from tests.mocks.inside import PERSON, Inside

NAME = "province:01"
WARD, LAND = "2.000815", "1.012753"


@pytest.fixture(scope="module")
def inside(tmp_path_factory):
    inside = Inside(tmp_path_factory.mktemp("roles"), [NAME], ("axis",), ("01", "79"))
    yield inside
    inside.stop()


def submission(procedure=WARD, **changes):
    applicant = {"SoDinhDanh": PERSON.id_number, "HoVaTen": PERSON.name}
    where = {"province": "01", "commune": "00004"}
    return {"procedure": procedure, **where, "applicant": applicant, "form": {}, **changes}


def post(inside, role, path, content, commune="00004"):
    return inside.post(NAME, path, content, headers={**inside.officer(commune, role=role), **inside.key()})


def intake(inside, procedure=WARD, commune="00004"):
    made = post(inside, Role.ONE_STOP, "/counter/dossiers", submission(procedure, commune=commune), commune)
    return made.json()["code"]


def step(inside, role, code, action):
    return post(inside, role, f"/dossiers/{code}/steps", {"action": action})


@pytest.mark.parametrize("procedure", [WARD, LAND])
def test_a_step_is_taken_by_the_role_of_the_workflow_and_by_no_other(inside, procedure):
    """403 says whose it is, stores nothing, and isn't remembered under the key: who may goes on with it."""
    code = intake(inside, procedure)
    for action in ("process", "request_papers", "resume", "finish", "return_result"):
        right = procedures()[procedure].workflow[action]
        before, key = inside.stored(NAME), inside.key()
        path, content = f"/dossiers/{code}/steps", {"action": action}
        for role in set(Role) - {right}:
            refused = inside.post(NAME, path, content, headers={**inside.officer(role=role), **key})
            assert (refused.status_code, refused.json()["reason"]) == (403, "role")
            assert refused.json()["message"].startswith(
                f"role: {action} with a dossier of {procedure} is for {right}, "
            )
        assert inside.stored(NAME) == before
        taken = inside.post(NAME, path, content, headers={**inside.officer(role=right), **key})
        assert taken.status_code == 200, taken.text


RECEIVING = {
    "/counter/dossiers": submission(),
    "/HoSo/PhiDiaGioi": submission(province="79", commune="25747"),
    "/drafts/d-1/dossier": {},
    "/stubs": {"number": "stub-1", "code": "H01.00004-250701-0001"},
}


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ONE_STOP])
@pytest.mark.parametrize("path", RECEIVING)
def test_one_stop_officers_receive_and_nobody_else(inside, path, role):
    """The draft of a colleague of another role is as good as their own; handing it in isn't."""
    saved = inside.ask(NAME, "PUT", "/drafts/d-1", json={"content": submission()}, headers=inside.officer(role=role))
    assert saved.status_code == 200
    before = inside.stored(NAME)
    refused = post(inside, role, path, RECEIVING[path])
    assert (refused.status_code, refused.json()["reason"]) == (403, "role")
    assert inside.stored(NAME) == before


@pytest.mark.parametrize("role", Role)
def test_clerks_send_documents_and_nobody_else(inside, role):
    draft = {"To": ["H79"], "CodeNumber": "1", "CodeNotation": "UBND", "Subject": "V/v", "Content": "x"}
    answer = post(inside, role, "/documents", draft)
    assert answer.status_code == (201 if role is Role.CLERK else 403)


@pytest.mark.parametrize("role", Role)
def test_every_role_looks_up_opens_and_asks_what_waits(inside, role):
    code, headers = intake(inside), inside.officer(role=role)
    for path in ("/officer/queue", "/officer/questions", f"/officer/dossiers/{code}", f"/dossiers/{code}"):
        assert inside.get(NAME, path, headers=headers).status_code == 200


def test_a_dossier_goes_from_role_to_role(inside):
    """What waits is in the queue of one role at a time, and given to that one alone."""
    code = intake(inside, LAND, "00008")
    for action in ("process", "finish", "return_result"):
        right = procedures()[LAND].workflow[action]
        waits = {role: queued(inside, role) for role in Role}
        assert waits == {role: int(role is right) for role in Role}
        assert step(inside, right, code, action).status_code == 200


def queued(inside, role):
    headers = inside.officer("00008", role=role)
    return inside.get(NAME, "/officer/queue", headers=headers).json()["own"]


def test_workflows_name_the_role_of_every_step(inside):
    items = inside.get(NAME, "/workflows").json()["items"]
    assert [item["procedure"] for item in items] == list(procedures())
    for item in items:
        steps = {step["action"]: step["role"] for step in item["steps"]}
        assert steps == procedures()[item["procedure"]].workflow


def test_a_claim_reads_the_oldest_dossiers_of_a_state_from_an_index():
    """Of the commune, and of the province."""
    with sqlite3.connect(":memory:") as connection:
        connection.executescript(Province.schema)
        asked = []
        connection.set_trace_callback(asked.append)
        worklist.claim(connection, "00004", 1, awaiting(Role.CLERK))
        connection.set_trace_callback(None)
        plans = [
            connection.execute(f"EXPLAIN QUERY PLAN {query}").fetchall() for query in asked if "SELECT id" in query
        ]
    steps = [step[3] for plan in plans for step in plan if "dossiers" in step[3]]
    assert len(steps) == 2
    assert all("USING INDEX open_of_" in step and "state=?" in step for step in steps)
