import json
import subprocess
import sys
from pathlib import Path

import pytest

from model.plan import Load, Phase, Plan, encode
from model.record import COLUMNS, EventLog, Record, RecordError

PLAN = Plan(name="x", phases=(Phase(name="p", duration=1, rate=1),), load=Load(journeys={"track": 1}))

WRITER = """
import sys, time
from pathlib import Path
from model.record import EventLog
log = EventLog(Path(sys.argv[1]), time.monotonic())
for number in range(500):
    log.write("phase_started", phase=sys.argv[2] * 300, number=number)
"""


def test_a_plan_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    record = Record(tmp_path)
    record.write_plan(PLAN)
    assert record.plan() == PLAN


@pytest.mark.parametrize("cut", [0, 1, 40, -3])
def test_a_truncated_plan_is_named_on_one_line(tmp_path: Path, cut: int) -> None:
    (tmp_path / "plan.json").write_bytes(encode(PLAN)[:cut])
    with pytest.raises(RecordError, match=r"plan.json: not a campaign plan .*truncated or foreign") as caught:
        Record(tmp_path).plan()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"[]", b"{}", b'{"name": 1}', b"\xff\xfe", b"null", b'{"name": "\xff"}'])
def test_a_foreign_plan_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "plan.json").write_bytes(content)
    with pytest.raises(RecordError, match=r"plan.json: not a campaign plan"):
        Record(tmp_path).plan()


def test_a_plan_that_is_not_there_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"plan.json: not there; give the folder"):
        Record(tmp_path / "nowhere").plan()


def test_a_file_in_place_of_a_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(RecordError, match=r"plan.json: not there"):
        Record(tmp_path / "file").plan()


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "stack.json").mkdir()
    with pytest.raises(RecordError, match=r"stack.json: can't be read"):
        Record(tmp_path).json("stack.json")


def test_json_is_written_in_one_step_and_read_back(tmp_path: Path) -> None:
    record = Record(tmp_path)
    record.write_json("stack.json", {"a": [1, "đ"]})
    assert record.json("stack.json") == {"a": [1, "đ"]}
    assert [path.name for path in tmp_path.iterdir()] == ["stack.json"]


def test_json_that_is_broken_or_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text('{"a": ')
    with pytest.raises(RecordError, match=r"stack.json: not JSON"):
        Record(tmp_path).json("stack.json")
    with pytest.raises(RecordError, match=r"audit.json: not there"):
        Record(tmp_path).json("audit.json")


def test_two_processes_append_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), letter]) for letter in "ab"]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    events = Record(tmp_path).events()
    assert len(events) == 1000
    for letter in "ab":
        assert [e["number"] for e in events if e["phase"][0] == letter] == list(range(500))
        assert {e["phase"] for e in events if e["phase"][0] == letter} == {letter * 300}


def test_events_before_t0_have_no_t(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    assert log.write("run_started")["t"] is None
    log.t0 = 0.0
    assert log.write("t0")["t"] > 0
    log.close()
    assert [event["event"] for event in Record(tmp_path).events()] == ["run_started", "t0"]


def test_events_come_in_the_order_of_time(tmp_path: Path) -> None:
    lines = [{"t": 2, "time": 12, "event": "b"}, {"t": 1, "time": 11, "event": "a"}]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert [event["event"] for event in Record(tmp_path).events()] == ["a", "b"]


@pytest.mark.parametrize("odd", ["\u2028", "\x85", "\x0b", "\r", "\n"])
def test_an_event_may_quote_any_character(tmp_path: Path, odd: str) -> None:
    """Text of a target may hold what Python takes for a line's end; an event is still one line."""
    EventLog(tmp_path / "events.jsonl").write("fault_heal_failed", reason=f"a{odd}b")
    assert [event["reason"] for event in Record(tmp_path).events()] == [f"a{odd}b"]


@pytest.mark.parametrize(
    "line",
    ["{", "[]", "1", '{"time": 1}', '{"t": null, "time": "x", "event": "a"}', '{"t": [1], "time": 1, "event": "a"}'],
)
def test_a_line_that_is_no_event_is_named_by_its_number(tmp_path: Path, line: str) -> None:
    good = '{"t": null, "time": 1, "event": "a"}\n'
    (tmp_path / "events.jsonl").write_text(good + line)
    with pytest.raises(RecordError, match=r"events.jsonl:2: not an event"):
        Record(tmp_path).events()


def test_events_that_are_missing_or_not_utf_8_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"events.jsonl: not there"):
        Record(tmp_path).events()
    (tmp_path / "events.jsonl").write_bytes(b"\xff")
    with pytest.raises(RecordError, match=r"events.jsonl: not UTF-8"):
        Record(tmp_path).events()


def test_a_spool_lies_in_its_tables_folder(tmp_path: Path) -> None:
    record = Record(tmp_path)
    for table in COLUMNS:
        assert record.spool(table, "worker-1").parent.is_dir()
        assert record.table(table).suffix == ".parquet"
