"""A province's electronic processes (quy trình điện tử): which procedures have one, and whose each action is."""

from collections.abc import Collection

import msgspec

from mocks.control import Control
from mocks.tokens import Claims
from mocks.wire import Call, Nothing, Refusal, Route
from mocks.worklist import Turns
from model.procedures import awaiting, procedures
from model.workflows import Role


class TakenBy(msgspec.Struct):
    """An action, and the role that takes it."""

    action: str
    role: Role


class Workflow(msgspec.Struct):
    """The electronic process of a procedure: whether it is there, and who takes which step."""

    procedure: str
    available: bool
    steps: list[TakenBy]


class Listed(msgspec.Struct):
    """The electronic processes of the catalogue's procedures."""

    items: list[Workflow]


class Workflows:
    """The processes of one province.

    Args:
        control: Its faults: ``missing-workflow`` takes processes away.
    """

    def __init__(self, control: Control) -> None:
        self._control = control

    def routes(self) -> tuple[Route, ...]:
        """Return its route."""
        return (Route("GET", "/workflows", "workflows", self.list, gives=Listed),)

    async def list(self, call: Call[Nothing]) -> Listed:
        """Say which procedures have a process, and who takes its steps."""
        return Listed(
            [
                Workflow(code, not self.holds(code), [TakenBy(*step) for step in procedure.workflow.items()])
                for code, procedure in procedures().items()
            ]
        )

    def holds(self, procedure: str) -> bool:
        """Tell whether dossiers of a procedure wait, since it has no process."""
        return self._control.strikes("missing-workflow", procedure)

    def held(self) -> Collection[str]:
        """Return the procedures whose dossiers wait."""
        if self._control.find("missing-workflow") is None:
            return ()
        return [code for code in procedures() if self.holds(code)]

    def turns(self, officer: Claims, but: Collection[str] = ()) -> Turns:
        """Return what waits for an officer's role: state -> procedures, without held ones and those in ``but``."""
        assert officer.role is not None
        others = {*self.held(), *but}
        return {state: codes - others for state, codes in awaiting(officer.role).items()}


def check_step(officer: Claims, procedure: str, action: str) -> None:
    """Raise Refusal 403 where the procedure's process gives an action to another role than the officer's."""
    check(officer, procedures()[procedure].workflow[action], f"{action} with a dossier of {procedure}")


def check(officer: Claims, role: Role, what: str) -> None:
    """Raise Refusal 403 unless it is an officer's of this role."""
    if officer.role is not role:
        raise Refusal(403, "role", f"role: {what} is for {role}, and you are logged in as {officer.role}")
