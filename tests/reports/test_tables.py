"""Sealing spools, and opening tables."""

from pathlib import Path

import duckdb
import pytest

from model.record import COLUMNS, Record, RecordError
from reports import sql, tables

LINE = "1,calm,national.submit,01,ok,response,5,2\n"


def spooled(folder: Path, **parts: str) -> Record:
    record = Record(folder)
    for part, content in parts.items():
        record.spool("samples", part).write_text(content)
    return record


def rows(record: Record, table: str = "samples") -> list[tuple[object, ...]]:
    with tables.opened(record) as database:
        return database.execute(f"FROM {table}").fetchall()


def test_spools_become_a_table_in_the_order_of_names_and_lines(tmp_path: Path) -> None:
    record = spooled(tmp_path, b=LINE.replace("1,", "3,", 1), a=LINE + LINE.replace("1,", "2,", 1))
    assert tables.seal(record) == {"samples": 0}
    assert [row[0] for row in rows(record)] == [1, 2, 3]
    assert rows(record)[0] == (1, "calm", "national.submit", "01", "ok", "response", 5, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["samples.parquet"]


def test_sealing_is_deterministic_and_can_be_repeated(tmp_path: Path) -> None:
    content = "".join(LINE.replace("1,", f"{number},", 1) for number in range(5000))
    one, other = (spooled(tmp_path / name, a=content, b=content) for name in ("one", "other"))
    tables.seal(one)
    tables.seal(other)
    data = one.table("samples").read_bytes()
    assert other.table("samples").read_bytes() == data
    assert tables.seal(one) == {}
    assert one.table("samples").read_bytes() == data


@pytest.mark.parametrize("tail", ["1,calm,nat", "1", LINE.rstrip("\n"), '1,"calm,'])
def test_a_torn_last_line_is_left_out_and_counted(tmp_path: Path, tail: str) -> None:
    record = spooled(tmp_path, a=LINE + tail, b=LINE)
    assert tables.seal(record) == {"samples": 1}
    assert len(rows(record)) == 2


def test_a_spool_of_one_torn_line_is_an_empty_table(tmp_path: Path) -> None:
    record = spooled(tmp_path, a="1,ca")
    assert tables.seal(record) == {"samples": 1}
    assert rows(record) == []


@pytest.mark.parametrize(
    "bad",
    ["1,calm,submit,01,ok,response,5\n", "x,calm,submit,01,ok,response,5,2\n", "1,calm,submit,01,ok,response,5,2,9\n"],
)
def test_a_malformed_line_is_named_and_nothing_is_lost(tmp_path: Path, bad: str) -> None:
    record = spooled(tmp_path, a=LINE, b=LINE + bad + LINE)
    with pytest.raises(RecordError, match=r"samples/b\.csv:2: not a line of samples") as caught:
        tables.seal(record)
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == ["a.csv", "b.csv"]
    assert [path.name for path in tmp_path.iterdir()] == ["samples"]


def test_quotes_and_empty_fields(tmp_path: Path) -> None:
    record = Record(tmp_path)
    record.spool("reads", "a").write_text('1,national,G1,a,01,,,2,1,"[[1, 2, 3.5, 4.5]]",false,true\n')
    tables.seal(record)
    assert rows(record, "reads") == [
        (1, "national", "G1", "a", "01", None, None, 2, 1, "[[1, 2, 3.5, 4.5]]", False, True)
    ]


def test_an_empty_spool_folder_is_an_empty_table(tmp_path: Path) -> None:
    record = Record(tmp_path)
    (tmp_path / "ledger").mkdir()
    assert tables.seal(record) == {"ledger": 0}
    assert rows(record, "ledger") == []


def test_what_a_crash_left_behind_is_not_sealed_again(tmp_path: Path) -> None:
    """A crash after the table was written and the spools were set aside leaves the table as it is."""
    record = spooled(tmp_path, a=LINE)
    tables.seal(record)
    (tmp_path / ".samples.sealed").mkdir()
    (tmp_path / ".samples.sealed" / "a.csv").write_text(LINE)
    assert tables.seal(record) == {}
    assert len(rows(record)) == 1
    record.spool("samples", "a").write_text(LINE)
    assert tables.seal(record) == {"samples": 0}
    assert not (tmp_path / ".samples.sealed").exists()


def test_missing_tables_are_empty_ones_with_their_columns(tmp_path: Path) -> None:
    with tables.opened(Record(tmp_path)) as database:
        for name, columns in COLUMNS.items():
            described = database.execute(f"DESCRIBE {name}").fetchall()
            assert {row[0]: row[1] for row in described} == columns
            assert database.execute(f"FROM {name}").fetchall() == []


def test_a_column_of_another_type_is_foreign(tmp_path: Path) -> None:
    record = spooled(tmp_path, a=LINE)
    tables.seal(record)
    wrong = tmp_path / "wrong.parquet"
    duckdb.execute(f"COPY (SELECT * REPLACE (second::VARCHAR AS second) FROM '{record.table('samples')}') TO '{wrong}'")
    wrong.replace(record.table("samples"))
    with pytest.raises(RecordError, match="second is VARCHAR, not INTEGER"):
        rows(record)


def test_pages_that_are_spoilt_are_noticed_when_they_are_read(tmp_path: Path) -> None:
    record = spooled(
        tmp_path, a="".join(LINE.replace("1,", f"{number * 7919 % 100003},", 1) for number in range(20000))
    )
    tables.seal(record)
    data = bytearray(record.table("samples").read_bytes())
    data[4:2000] = bytes(1996)
    record.table("samples").write_bytes(data)
    with pytest.raises(RecordError, match="unreadable tables"), tables.opened(record) as database:
        database.execute("SELECT sum(second) FROM samples").fetchall()


def test_literals_are_quoted() -> None:
    assert sql.text("o'clock") == "'o''clock'"
    assert sql.texts(["b", "a'"]) == "('a''', 'b')"
    assert sql.texts([]) == "(NULL)"
