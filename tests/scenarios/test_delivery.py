"""Rows of a worker on another host reach the record once, whatever is lost or sent twice on the way."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.record import Record
from scenarios import delivery
from scenarios.delivery import Inbox, Outbox


def spooled(tmp_path: Path, text: str) -> tuple[Outbox, Inbox, Path]:
    here, there = Record(tmp_path / "here"), Record(tmp_path / "there")
    here.spool("ledger", "worker-1").write_text(text)
    return Outbox(here, "worker-1"), Inbox(there), there.spool("ledger", "worker-1")


@given(st.lists(st.sampled_from(["take", "lose", "twice", "lose receipt"]), max_size=30))
def test_what_is_lost_is_sent_again_and_what_comes_twice_is_taken_once(fates: list[str]) -> None:
    """After any misfortune the receiver has exactly what the sender spooled."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(delivery, "PIECE", 64)
        patch.setattr(delivery, "AGAIN", 0.0)
        text = "".join(f"{number},row\n" for number in range(100))
        outbox, inbox, copy = spooled(Path(folder), text)
        for fate in [*fates, *["take"] * 100]:
            for table, offset, data in outbox.due():
                if fate == "lose":
                    continue
                for _ in range(2 if fate == "twice" else 1):
                    size = inbox.take("worker-1", table, offset, data)
                if fate != "lose receipt":
                    outbox.acknowledge(table, size)
        assert copy.read_text() == text
        assert not outbox.pending


def test_a_torn_last_line_waits(tmp_path: Path) -> None:
    """Only whole lines travel."""
    outbox, _, _ = spooled(tmp_path, "1,whole\n2,to")
    assert [data for _, _, data in outbox.due()] == [b"1,whole\n"]


def test_a_piece_is_not_sent_again_before_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was just sent waits for its receipt."""
    monkeypatch.setattr(delivery, "AGAIN", 60.0)
    outbox, _, _ = spooled(tmp_path, "1,whole\n")
    assert len(outbox.due()) == 1
    assert outbox.due() == []
    assert outbox.pending


def test_a_piece_that_leaves_a_hole_is_not_taken(tmp_path: Path) -> None:
    """The receiver never writes behind a gap."""
    _, inbox, copy = spooled(tmp_path, "")
    assert inbox.take("worker-1", "ledger", 10, b"late\n") == 0
    assert not copy.exists()


def test_a_foreign_table_is_refused(tmp_path: Path) -> None:
    """Nothing but the worker's own tables is written."""
    _, inbox, _ = spooled(tmp_path, "")
    with pytest.raises(ValueError, match="reads"):
        inbox.take("worker-1", "reads", 0, b"x\n")
