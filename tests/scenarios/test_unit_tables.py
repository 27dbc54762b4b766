"""An operator who compares unit tables sees a system that keeps the announced one: by its version, and by a name."""

import dataclasses
import time
from typing import Any

import pytest

from mocks.unit_table import ANNOUNCED
from scenarios.catalogue import EXPECTED, JOURNEYS, Memory
from scenarios.network import Network
from scenarios.session import JourneyFailed, Session
from tests.conftest import TOKEN
from tests.mocks.conftest import Stack, eventually
from tests.scenarios.test_desk_journeys import Notes
from tests.scenarios.test_reception import ARRIVAL

JOURNEY = "check-unit-table"


def checked(stack: Any) -> Notes:
    network, notes = Network({name: f"127.0.0.1:{port}" for name, port in stack.ports.items()}, 20.0, 30.0), Notes()
    session = Session(dataclasses.replace(ARRIVAL, journey=JOURNEY), network, notes, time.monotonic(), "r")
    try:
        JOURNEYS[JOURNEY][0](session, Memory())
    except JourneyFailed:
        assert notes.failed()
    finally:
        network.close()
    return notes


def set_cutover(stack: Any, at: float) -> None:
    url, content = f"{stack.url('codes')}/control/cutover", {"at": at, "redirect": 1.0}
    assert stack.http.put(url, json=content, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


@pytest.mark.parametrize("defect", [None, "stale-units"])
def test_a_name_that_was_corrected_shows_who_keeps_the_announced_table(tmp_path: Any, defect: str | None) -> None:
    stack: Any = Stack(tmp_path, ("01",), [defect] if defect else (), token=TOKEN, platforms=("codes",))  # type: ignore[no-untyped-call]  # tests of mocks
    try:
        stack.start("codes", "national", "province:01")
        set_cutover(stack, time.time() + 3600)
        for system in ("national", "province:01"):
            eventually(lambda system=system: stack.get(system, "/units").json()["version"] == ANNOUNCED)  # type: ignore[no-untyped-call]  # tests of mocks
        assert checked(stack).failed() == []
        set_cutover(stack, 0.0)
        if not defect:
            for system in ("national", "province:01"):
                eventually(lambda system=system: stack.get(system, "/units").json()["version"] != ANNOUNCED)  # type: ignore[no-untyped-call]  # tests of mocks
        notes = checked(stack)
    finally:
        stack.stop()
    assert [operation for operation, _ in notes.failed()] == (["national.unit_name"] if defect else [])
    assert {operation for operation, _ in notes.outcomes} <= EXPECTED[JOURNEY].keys()
