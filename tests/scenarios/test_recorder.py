"""What a worker writes down can be read back, and is there when the worker is killed."""

import csv
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from model import people
from model.histogram import seconds_of
from model.plan import Load, Phase, Plan, Stack
from model.record import COLUMNS, Record
from scenarios import recorder as recorder_module
from scenarios import spools
from scenarios.http import Reply
from scenarios.notary import Notary
from scenarios.personas import Arrival
from scenarios.recorder import Recorder
from scenarios.writes import Result, Write

ARRIVAL = Arrival(5, 1.25, "submit-online", "01", "00004", people.person(1), "2.000815", 0, False, "return")
WRITE = Write("submit", "r-5-submit", payload_hash="abc")


def rows(record: Record, table: str) -> list[dict[str, str]]:
    """Read the whole lines of a spool."""
    text = record.spool(table, "worker-3").read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1].splitlines()
    return [dict(zip(COLUMNS[table], row, strict=True)) for row in csv.reader(whole)]


def test_counts_are_merged_per_second_and_kind(tmp_path: Path) -> None:
    """Two equal requests are one row of count 2 for each kind of time."""
    record = Record(tmp_path)
    recorder = Recorder(record, 3)
    for _ in range(2):
        recorder.times[7, "surge", "national.track", "01", "ok"].extend((1.5, 0.5))
    recorder.close()
    found = {row["kind"]: row for row in rows(record, "samples")}
    assert {row["count"] for row in found.values()} == {"2"}
    assert found["response"]["second"] == "7"
    assert abs(seconds_of(int(found["response"]["bucket"])) - 1.5) < 0.015
    assert abs(seconds_of(int(found["service"]["bucket"])) - 0.5) < 0.005


def test_nothing_is_kept_after_a_flush(tmp_path: Path) -> None:
    """A second flush adds nothing: memory is bounded by a second's distinct counts."""
    record = Record(tmp_path)
    recorder = Recorder(record, 3)
    recorder.times[1, "p", "o", "01", "ok"].extend((0.1, 0.1))
    recorder.flush()
    recorder.flush()
    recorder.close()
    assert len(rows(record, "samples")) == 2


def test_the_ledger_has_two_rows_per_write(tmp_path: Path) -> None:
    """Invocation first, outcome second, joined by the operation's number."""
    record = Record(tmp_path)
    recorder = Recorder(record, 3)
    op = recorder.ledger.invoke(ARRIVAL, WRITE)
    recorder.ledger.complete(ARRIVAL, op, WRITE, Result("ok", "G01.00004-250701-0001", 1, 1, ""))
    recorder.close()
    invoked, done = rows(record, "ledger")
    assert (invoked["event"], invoked["hash"], invoked["dossier"]) == ("invoke", "abc", "")
    assert (done["event"], done["dossier"], done["sequence"]) == ("ok", "G01.00004-250701-0001", "1")
    assert invoked["op"] == done["op"] == "1"
    assert (invoked["entries"], done["entries"]) == ("", "")


def test_the_ledger_says_whose_entries_a_write_makes_and_which_were_acknowledged(tmp_path: Path) -> None:
    record = Record(tmp_path)
    recorder = Recorder(record, 3)
    write = Write("verify", "k", owners=("population", "land"))
    op = recorder.ledger.invoke(ARRIVAL, write)
    told = (("population", "BN-1"), ('la nd,"', "BN\n 2"))
    recorder.ledger.complete(ARRIVAL, op, write, Result("ok", "", 2, 0, "", told))
    recorder.close()
    assert [row["entries"] for row in rows(record, "ledger")] == ["population land", "population=BN-1 land=BN2"]


def test_the_ledger_has_the_place_that_a_dossier_is_for(tmp_path: Path) -> None:
    """Not that of the counter, where somebody takes it in for another province."""
    record = Record(tmp_path)
    recorder = Recorder(record, 3)
    write = Write("forward", "r-5-forward", payload_hash="abc", commune="25747")
    op = recorder.ledger.invoke(ARRIVAL, write)
    recorder.ledger.complete(ARRIVAL, op, write, Result("ok", "H01.25747-250701-0001", 1, 2, ""))
    recorder.close()
    assert [(row["province"], row["commune"]) for row in rows(record, "ledger")] == [("79", "25747")] * 2


def test_what_a_target_says_cannot_break_a_row(tmp_path: Path) -> None:
    """Separators, quotes, line ends and control characters of a reply don't reach the ledger."""
    record = Record(tmp_path)
    recorder = Recorder(record, 3)
    op = recorder.ledger.invoke(ARRIVAL, WRITE)
    recorder.ledger.complete(ARRIVAL, op, WRITE, Result("fail", 'a,"b\n\r', 0, 0, "x,y\n\x1b[31m" + "z" * 500))
    recorder.close()
    assert len(rows(record, "ledger")) == 2
    assert rows(record, "ledger")[1]["reason"].startswith("xy")


def test_what_a_target_called_a_dossier_cannot_break_the_row_of_a_later_write(tmp_path: Path) -> None:
    """The code of an earlier reply, named by the next write, is cleaned as well."""
    record = Record(tmp_path)
    recorder = Recorder(record, 3)
    recorder.ledger.invoke(ARRIVAL, Write("pay", "r-5-pay", dossier='G1,"\n2'))
    recorder.close()
    assert [row["dossier"] for row in rows(record, "ledger")] == ["G12"]


def test_a_request_counts_in_the_second_and_phase_in_which_it_was_due(tmp_path: Path) -> None:
    """A phase may end within a second; what is late counts where it was due; what is due after the end, in the last."""
    record = Record(tmp_path)
    recorder = Recorder(record, 3)
    phases = (Phase(name="calm", duration=1.5, rate=1), Phase(name="surge", duration=2, rate=1))
    plan = Plan(name="p", seed=1, phases=phases, load=Load(journeys={"track": 1.0}), stack=Stack(provinces=("01",)))
    notary = Notary(plan, recorder, t0=100.0)
    dues = (0.0, 1.4, 1.5, 1.9, 0.9, 1.45, 2.0, 3.6)
    for due in dues:
        answer = Reply("ok", True, began=100.0 + due, finished=100.25 + due)
        notary.request(ARRIVAL, "national.track", "ok", 100.0 + due, answer)
    recorder.close()
    found = [(row["second"], row["phase"], row["count"]) for row in rows(record, "samples") if row["kind"] == "service"]
    expected = [("0", "calm", "2"), ("1", "calm", "2"), ("1", "surge", "2"), ("2", "surge", "1"), ("3", "surge", "1")]
    assert sorted(found) == expected


def test_long_gatherings_are_flushed_in_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two slices others may work; what they add is neither lost nor counted twice."""
    monkeypatch.setattr(recorder_module, "SLICE", 2)
    record = Record(tmp_path)
    recorder = Recorder(record, 3)
    for second in range(5):
        recorder.times[second, "p", "o", "01", "ok"].extend((0.1, 0.1))
    slices = 0
    for _ in recorder.flushing():
        slices += 1
        recorder.times[9, "p", "o", "01", "ok"].extend((0.1, 0.1))
    recorder.close()
    counts = Counter({row["second"]: int(row["count"]) for row in rows(record, "samples") if row["kind"] == "response"})
    assert slices == 5
    assert counts == {"0": 1, "1": 1, "2": 1, "3": 1, "4": 1, "9": 5}


def test_a_ledger_longer_than_its_window_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that cross from one mapped window to the next are neither torn nor doubled, and nothing is left behind."""
    monkeypatch.setattr(spools, "WINDOW", 8192)
    record = Record(tmp_path)
    recorder = Recorder(record, 3)
    for _ in range(500):
        recorder.ledger.invoke(ARRIVAL, WRITE)
    recorder.close()
    assert [row["op"] for row in rows(record, "ledger")] == [str(number) for number in range(1, 501)]
    assert record.spool("ledger", "worker-3").read_bytes().endswith(b"\n")


def test_arrivals_without_start_have_empty_times(tmp_path: Path) -> None:
    """A dropped arrival has an intended time alone."""
    record = Record(tmp_path)
    recorder = Recorder(record, 3)
    recorder.arrival(ARRIVAL, None, None, "dropped")
    recorder.close()
    (row,) = rows(record, "arrivals")
    assert (row["intended"], row["started"], row["finished"], row["outcome"]) == ("1.250000", "", "", "dropped")


def test_a_killed_worker_loses_no_ledger_row(tmp_path: Path) -> None:
    """The ledger is written through: SIGKILL right after a write leaves both of its rows."""
    program = f"""
import os, signal
from pathlib import Path
from model.record import Record
from scenarios.recorder import Recorder
from scenarios.writes import Result
from tests_recorder import ARRIVAL, WRITE
recorder = Recorder(Record(Path({str(tmp_path)!r})), 3)
op = recorder.ledger.invoke(ARRIVAL, WRITE)
recorder.ledger.complete(ARRIVAL, op, WRITE, Result("ok", "C", 1, 1, ""))
os.kill(os.getpid(), signal.SIGKILL)
""".replace("tests_recorder", Path(__file__).stem)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    ended = subprocess.run([sys.executable, "-c", program], env=environment, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert [row["event"] for row in rows(Record(tmp_path), "ledger")] == ["invoke", "ok"]
