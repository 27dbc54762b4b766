"""kill -9 of every kind of system under load: nothing that was acknowledged comes to harm."""

from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.mock_kills import SYSTEMS, Outcome, draw, look, markdown, run


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_kind_of_system_is_killed_and_nothing_is_lost(tmp_path: Path) -> None:
    outcome = run(draw(3, len(SYSTEMS)), 3, 8, tmp_path / "run")
    assert outcome.problems == []
    assert len(outcome.killed) > len(SYSTEMS) / 2  # a system that is slow to start may still be down at its next turn
    assert outcome.acknowledged.keys() >= {"dossier", "document", "mark", "alert", "report", "progress"}


def test_a_seed_decides_who_dies_when_and_everybody_has_a_turn() -> None:
    kills = draw(1, 2 * len(SYSTEMS))
    assert kills == draw(1, 2 * len(SYSTEMS))
    assert kills != draw(2, 2 * len(SYSTEMS))
    assert sorted(kill.system for kill in kills[: len(SYSTEMS)]) == sorted(SYSTEMS)
    assert all(kill.start + kill.duration < after.start for kill, after in pairwise(kills))


def test_what_the_audit_found_is_told() -> None:
    """A dossier that was lost, an entry that is there twice, a system that wasn't read."""
    outcome = Outcome(draw(1, 3), killed=["national"])
    found = {
        "counts": {"acknowledged": 3},
        "findings": [
            {"category": "lost", "code": "G1", "detail": "absent from the portal"},
            {"category": "stale", "code": "G2", "detail": "only the second reading found it"},
        ],
        "systems": [{"system": "national", "complete": False}],
        "entries": {
            "acknowledged": {"call": 2},
            "findings": [{"category": "duplicated", "book": "call", "key": "k"}],
            "unread_systems": [],
        },
    }
    look(found, outcome)
    assert outcome.problems == [
        "lost G1: absent from the portal",
        "duplicated call k",
        "not read: national",
    ]
    text = markdown([outcome])
    assert "| national | 1 |" in text
    assert "1 kills in 1 runs. Acknowledged: dossier 3, call 2." in text
    assert "lost G1" in text
