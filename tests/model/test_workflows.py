import itertools
from pathlib import Path

import pytest

from model.dossier import ACTIONS, TRANSITIONS, State, next_state
from model.procedures import FIELDS, awaiting, procedures
from model.workflows import NEXT, PARTS, TABLE, Role


def test_every_procedure_has_a_role_for_every_action() -> None:
    actions = {*ACTIONS, "resume"}
    assert TABLE.keys() == FIELDS.keys()
    assert sorted(itertools.chain(*PARTS)) == sorted(actions)
    for procedure in procedures().values():
        assert procedure.workflow.keys() == actions
        assert set(procedure.workflow.values()) <= set(Role)


def test_the_documents_table_is_the_models() -> None:
    text = (Path(__file__).parents[2] / "docs" / "systems.md").read_text(encoding="utf-8")
    rows = [f"| {field} | {' | '.join(f'`{role}`' for role in roles)} |" for field, roles in TABLE.items()]
    assert "\n".join(rows) in text


def test_one_stop_officers_receive_leaders_decide_and_every_role_has_work() -> None:
    workflows = [procedure.workflow for procedure in procedures().values()]
    assert {(workflow["accept"], workflow["finish"]) for workflow in workflows} == {(Role.ONE_STOP, Role.LEADER)}
    assert {role for workflow in workflows for role in workflow.values()} == set(Role)


@pytest.mark.parametrize("state", State)
def test_a_state_waits_for_an_action_that_may_follow_or_for_no_officer(state: State) -> None:
    """Not where papers or a fee are awaited, and not at the end."""
    if state in NEXT:
        assert next_state(NEXT[state], state) in TRANSITIONS[state]
    else:
        assert state in {State.MORE_PAPERS, State.FEE_DUE} or not TRANSITIONS[state]


def test_what_waits_in_a_state_waits_for_one_role() -> None:
    for state in NEXT:
        shares = [awaiting(role).get(state, frozenset()) for role in Role]
        assert frozenset().union(*shares) == procedures().keys()
        assert sum(map(len, shares)) == len(procedures())
