"""Which cases the self-test tries, and when a case is right."""

import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from harness import selftest
from harness.cli import read_campaign
from harness.errors import UsageError
from harness.selftest import Case, Trial, cases, checks, fewest, healthy, is_right, matrix, run
from model.campaign import shipped

F5 = "f05-lost-after-commit"
PLANS = {F5: read_campaign(F5, None, None, None)}


def test_each_weakness_is_tried_once_and_health_with_every_seed() -> None:
    found = list(cases(PLANS, 3))
    assert [case.seed for case in found if case.defect is None] == [5, 6, 7]
    assert {case.defect for case in found if case.defect} == {"outbox-in-memory", "drop-sync", "ack-before-commit"}


def test_a_defect_alone_is_tried_where_it_is_looked_for() -> None:
    assert list(cases(PLANS, 3, ["drop-sync"])) == [Case(F5, 5, "drop-sync", ("lost", "divergent", "regressed"))]
    assert list(cases(PLANS, 3, ["collapse-status"])) == []


def test_the_fewest_campaigns_have_every_check() -> None:
    plans = {name: read_campaign(name, None, None, None) for name in shipped()}
    chosen = fewest(plans)
    assert set().union(*map(checks, chosen.values())) == set().union(*map(checks, plans.values()))
    assert len(chosen) <= len(plans) / 3


def test_health_is_asked_seed_by_seed() -> None:
    plans = {name: read_campaign(name, None, None, None) for name in (F5, "f01-portal-out")}
    found = [(case.campaign, case.seed, case.defect) for case in healthy(plans, 2)]
    assert found == [(F5, 5, None), ("f01-portal-out", 1, None), (F5, 6, None), ("f01-portal-out", 2, None)]


def test_an_interrupted_self_test_begins_no_further_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []
    noted = threading.Event()

    class Screen(Console):
        """Tells when a trial is printed."""

        def print(self, *_: object, **__: object) -> None:
            noted.set()

    def interrupted(case: Case, *_: object) -> Trial:
        begun.append(case)
        if len(begun) == 2:
            assert noted.wait(60)
            raise KeyboardInterrupt
        time.sleep(0.1)
        return Trial(case, "pass", (), {}, (), 1.0, True)

    monkeypatch.setattr("harness.selftest._try", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run([Case(F5, seed) for seed in range(200)], tmp_path, 1, "embedded", Screen())
    assert len(begun) < 200
    assert json.loads((tmp_path / "selftest.json").read_text())[0]["verdict"] == "pass"


def test_the_matrix_tells_who_saw_what() -> None:
    indicators = {"counters go on": "availability", "look-ups are right": "availability"}
    drafts = Case("f11-weak-line", 1, "draft-lost", ("counters go on",))
    sync = Case(F5, 5, "drop-sync", ("lost", "document: lost", "divergent"))
    trials = [
        Trial(Case(F5, 5), "pass", (), indicators, (), 60.0, True),
        Trial(sync, "fail", ("look-ups are right", "lost"), indicators, (), 60.0, True),
        Trial(drafts, "fail", ("look-ups are right",), indicators, (), 60.0, False),
    ]
    console = Console(width=80)
    with console.capture() as captured:
        console.print(matrix(trials))
    header, unseen, seen, legend = captured.get().splitlines()
    assert header.split() == ["defect", "run", "a", "b", "c", "seen", "by"]
    assert unseen.split() == ["draft-lost", "f11", "○"]
    assert seen.split() == ["drop-sync", "f05", "○", "·", "●", "lost"]
    assert legend.replace("\N{NO-BREAK SPACE}", " ") == "a availability · b divergent · c lost"


@contextmanager
def held_back(number: int) -> Iterator[None]:
    """Let a signal to what is started meanwhile wait until that takes it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_a_run_that_hangs_is_interrupted_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has time to heal, the others are tried, and it counts as wrong."""
    healed = tmp_path / "healed"
    program = (
        "import pathlib, signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit())\n"
        "try:\n    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})\n    time.sleep(60)\n"
        f"finally:\n    pathlib.Path({str(healed)!r}).touch()"
    )
    monkeypatch.setattr(selftest, "PATIENCE", 0.5)
    with (tmp_path / "log").open("wb") as log, held_back(signal.SIGTERM):
        assert selftest._wait([sys.executable, "-c", program], log) == "timed out"
        monkeypatch.setattr(selftest, "PATIENCE", 60.0)
        assert selftest._wait([sys.executable, "-c", "raise SystemExit(3)"], log) == "exit 3"
    assert healed.exists()
    assert not is_right(Case(F5, 5), "timed out", ())


def test_nothing_to_try_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to try"):
        run([], tmp_path, 1, "embedded", Console())


@pytest.mark.parametrize(
    ("defect", "verdict", "checks", "right"),
    [
        (None, "pass", (), True),
        (None, "inconclusive", (), False),
        (None, "exit 4", (), False),
        ("drop-sync", "fail", ("lost",), True),
        ("drop-sync", "fail", ("availability",), False),
        ("drop-sync", "fail", ("document: lost",), False),
        ("drop-sync", "pass", (), False),
        ("drop-sync", "inconclusive", ("lost",), False),
    ],
)
def test_a_case_is_right_when_it_ends_as_it_must(
    defect: str | None, verdict: str, checks: tuple[str, ...], right: bool
) -> None:
    assert is_right(Case(F5, 1, defect, ("lost", "divergent")), verdict, checks) is right
