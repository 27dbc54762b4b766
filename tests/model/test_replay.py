"""Recorded arrivals: files that can be replayed, and what is said of those that can't."""

from pathlib import Path

import duckdb
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model import replay
from model.campaign import CampaignError, load
from model.plan import Plan, Replay, decode, encode
from tests.model.test_campaign import KNOWN, message_of

CAMPAIGN = """\
name = "again"
[stack]
provinces = ["01", "79"]
[load.journeys]
track = 1
[[phases]]
name = "tape"
duration = 60
curve = { kind = "replay", file = "a.csv" }
"""
GOOD = "time,journey,province,commune\n0.5,track,01,00004\n2,submit-online,79,\n1.25,track,,\n"


def written(tmp_path: Path, content: str | bytes = GOOD, campaign: str = CAMPAIGN) -> Path:
    (tmp_path / "a.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    (tmp_path / "c.toml").write_text(campaign, encoding="utf-8")
    return tmp_path / "c.toml"


def recording_of(plan: Plan) -> replay.Recording:
    curve = plan.phases[0].curve
    assert isinstance(curve, Replay)
    return curve.recording


def error_of(path: Path, *changes: str) -> str:
    with pytest.raises(CampaignError) as caught:
        load(path, KNOWN, changes)
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(f"{path.parent}/", "")


def test_a_recording_is_sorted_and_travels_in_the_plan(tmp_path: Path) -> None:
    """Whoever reads plan.json needs neither the campaign nor the recording."""
    plan = load(written(tmp_path), KNOWN)
    found = recording_of(plan)
    assert found.times == (0.5, 1.25, 2.0)
    assert found.who == (("track", "01", "00004"), ("track", "", ""), ("submit-online", "79", ""))
    (tmp_path / "a.csv").unlink()
    assert decode(encode(plan)) == plan
    assert recording_of(decode(encode(plan))) == found


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (["10", "3.5", "10"], (3.5, 10, 10)),
        (["1751331600.5", "1751331600", "1751331602"], (0, 0.5, 2)),
        (["2025-07-01T08:00:02+07:00", "2025-07-01T01:00:00Z", "2025-07-01 01:00:00.250"], (0, 0.25, 2)),
        (["2025-07-01", "2025-07-02"], (0, 86_400)),
    ],
)
def test_timestamps_count_from_the_earliest(tmp_path: Path, times: list[str], expected: tuple[float, ...]) -> None:
    """Seconds count from the phase's start, Unix seconds and ISO 8601 from the first arrival."""
    rows = "".join(f"track,{time}\n" for time in times)
    path = written(tmp_path, "journey,time\n" + rows)
    assert recording_of(load(path, KNOWN, ["phases.tape.curve.speed=1e4"])).times == expected


def test_a_commune_tells_its_province(tmp_path: Path) -> None:
    path = written(tmp_path, "time,journey,commune\n0,track,00004\n")
    assert recording_of(load(path, KNOWN)).who == (("track", "01", "00004"),)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "a.csv:1: is empty; begin with a header like time,journey"),
        ("time,journey\n", "a.csv: has no arrivals; give a row for each"),
        ("journey\ntrack\n", "a.csv:1: column time is missing; begin with a header like time,journey"),
        ("time\n1\n", "a.csv:1: column journey is missing; begin with a header like time,journey"),
        ("time,journey,provnce\n", 'a.csv:1: unknown column "provnce"; did you mean "province"?'),
        ("time,journey,time\n", "a.csv:1: column time comes twice; keep one"),
        (
            "time,journey\n1,track\n\nten,track\n",
            'a.csv:4: time: "ten" isn\'t a time; give seconds, or a timestamp like 2025-07-01T08:00:00',
        ),
        (
            "time,journey\n,track\n",
            "a.csv:2: time: is empty; give seconds, or a timestamp like 2025-07-01T08:00:00",
        ),
        ("time,journey\n-1,track\n", "a.csv:2: time: -1 isn't allowed; give seconds from 0 on"),
        ("time,journey\nnan,track\n", "a.csv:2: time: nan isn't allowed; give seconds from 0 on"),
        ("time,journey\ninf,track\n", "a.csv:2: time: inf isn't allowed; give seconds from 0 on"),
        (
            "time,journey\n1,track\n2025-07-01,track\n",
            'a.csv:3: time: "2025-07-01" isn\'t of the kind of the rows before; write all as seconds, or none',
        ),
        ("time,journey\n1,trak\n", 'a.csv:2: journey: unknown journey "trak"; did you mean "track"?'),
        ("time,journey,province\n1,track,99\n", 'a.csv:2: province: unknown province "99"; known: 01, 79'),
        (
            "time,journey,province\n1,track,96\n",
            "a.csv:2: province: 96 isn't part of the stack; add it to stack.provinces",
        ),
        (
            "time,journey,commune\n1,track,4\n",
            'a.csv:2: commune: unknown commune "4"; give its code of five digits, or none',
        ),
        (
            "time,journey,province,commune\n1,track,79,00004\n",
            "a.csv:2: commune: 00004 lies in province 01; correct one of the two",
        ),
        ("time,journey\n1\n", "a.csv:2: has 1 cells, the header 2; correct this line"),
        ('time,journey\n1,"track', "a.csv:2: not CSV (unexpected end of data); correct this line"),
        (b"time,journey\n1,tr\xff\n", "a.csv:2: not UTF-8; save it as UTF-8"),
        (
            "time,journey\n0,track\n100,track\n",
            "c.toml:9: phases.tape.curve.speed: at 1, a.csv lasts 100 s, the phase 60 s; "
            "set it to 1.667 or more, or lengthen the phase",
        ),
    ],
)
def test_a_malformed_file_is_named_with_line_column_and_remedy(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    assert error_of(written(tmp_path, content)) == message


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("no.csv", "c.toml:9: phases.tape.curve.file: no.csv: no such file; give it relative to the campaign file"),
        (".", "c.toml:9: phases.tape.curve.file: {}: no such file; give it relative to the campaign file"),
        ("c.toml", "c.toml: neither .csv nor .parquet; name it after what it is"),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path: Path, file: str, message: str) -> None:
    path = written(tmp_path, campaign=CAMPAIGN.replace("a.csv", file))
    assert error_of(path) == message.format(tmp_path)


def test_more_arrivals_than_a_plan_can_hold_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "MAX_ARRIVALS", 2)
    assert error_of(written(tmp_path)) == "a.csv: more than 2 arrivals; replay a part of them"


def test_a_recording_is_not_written_by_hand(tmp_path: Path) -> None:
    message = error_of(written(tmp_path), 'phases.tape.curve.recorded="x"')
    assert message.endswith("phases.tape.curve.recorded: is filled in from the file; leave it out")


@pytest.mark.parametrize("recorded", ["", "x", "eA==", "eJwrSczLAAAExgHh", "Ư"])
def test_a_plan_whose_recording_is_broken_is_no_plan(tmp_path: Path, recorded: str) -> None:
    """Whoever opens the record learns it at once."""
    data = msgspec.json.decode(encode(load(written(tmp_path), KNOWN)))
    data["phases"][0]["curve"]["recorded"] = recorded
    with pytest.raises(msgspec.ValidationError, match="no recorded arrivals in phase tape"):
        decode(msgspec.json.encode(data))


def parquet(tmp_path: Path, query: str, name: str = "a[1].parquet") -> Path:
    with duckdb.connect() as database:
        database.execute(f"COPY ({query}) TO '{tmp_path / name}' (FORMAT parquet)")
    return written(tmp_path, campaign=CAMPAIGN.replace("a.csv", name))


@pytest.mark.parametrize(
    ("query", "times"),
    [
        ("SELECT unnest([2.0, 0.5]) AS time, 'track' AS journey", (0.5, 2)),
        ("SELECT unnest([2, 0])::INTEGER AS time, 'track' AS journey", (0, 2)),
        (
            "SELECT unnest([TIMESTAMP '2025-07-01 08:00:00', '2025-07-01 08:00:02']) AS time, 'track' AS journey",
            (0, 2),
        ),
        ("SELECT TIMESTAMPTZ '2025-07-01 08:00:00+07' AS time, 'track' AS journey", (0,)),
        ("SELECT '2025-07-01T08:00:00' AS time, 'track' AS journey", (0,)),
    ],
    ids=["double", "integer", "timestamp", "timestamp with zone", "text"],
)
def test_parquet_files_are_replayed_as_well(tmp_path: Path, query: str, times: tuple[float, ...]) -> None:
    assert recording_of(load(parquet(tmp_path, query), KNOWN)).times == times


def test_the_arrivals_of_a_record_can_be_replayed(tmp_path: Path) -> None:
    """With the query that docs/campaigns.md gives."""
    with duckdb.connect() as database:
        database.execute(
            f"COPY (SELECT 0 AS arrival, 0 AS worker, 'track' AS journey, '01' AS province, '00004' AS commune, "
            f"1.5 AS intended, 1.5 AS started, 2.0 AS finished, 'ok' AS outcome) TO '{tmp_path}/arrivals.parquet'"
        )
    text = (Path(__file__).parents[2] / "docs" / "campaigns.md").read_text(encoding="utf-8")
    (query,) = [line for line in text.splitlines() if line.startswith("COPY (SELECT intended")]
    with duckdb.connect() as database:
        database.execute(
            query.replace("runs/first/", f"{tmp_path}/").replace("'first.parquet'", f"'{tmp_path}/a.parquet'")
        )
    found = recording_of(load(written(tmp_path, campaign=CAMPAIGN.replace("a.csv", "a.parquet")), KNOWN))
    assert found == replay.Recording((1.5,), (replay.Who("track", "01", "00004"),))


def test_rows_of_parquet_are_named_by_their_number(tmp_path: Path) -> None:
    path = parquet(tmp_path, "SELECT unnest([2.0, NULL]) AS time, 'track' AS journey", "a.parquet")
    assert error_of(path) == ("a.parquet: row 2: time: is empty; give seconds, or a timestamp like 2025-07-01T08:00:00")


def test_a_column_that_parquet_lacks_is_named(tmp_path: Path) -> None:
    path = parquet(tmp_path, "SELECT 1 AS time", "a.parquet")
    assert error_of(path) == "a.parquet: column journey is missing; begin with a header like time,journey"


@pytest.mark.parametrize("keep", [0, 3, 100, -1])
def test_a_truncated_parquet_file_is_refused(tmp_path: Path, keep: int) -> None:
    path = parquet(tmp_path, "SELECT i AS time, 'track' AS journey FROM range(50) t(i)", "a.parquet")
    (tmp_path / "a.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:keep])
    message = error_of(path)
    assert message.startswith("a.parquet: can't be read as Parquet (")
    assert message.endswith("); write it again, whole")


who = st.builds(
    replay.Who, st.sampled_from(["track", "a-b"]), st.sampled_from(["", "01"]), st.sampled_from(["", "00004"])
)


@given(st.lists(st.tuples(st.integers(0, 10**13).map(lambda us: us / 1e6), who)))
def test_what_is_encoded_is_decoded(rows: list[tuple[float, replay.Who]]) -> None:
    rows.sort(key=lambda row: row[0])
    recording = replay.Recording(tuple(row[0] for row in rows), tuple(row[1] for row in rows))
    assert replay.decode(replay.encode(recording)) == recording


@given(st.binary(max_size=60) | st.text(alphabet='time,journey\n"1\0', max_size=60).map(str.encode))
def test_any_file_gives_a_recording_or_one_line(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = written(tmp_path_factory.getbasetemp(), content)
    message = message_of(path)
    assert message is None or message.isprintable()
