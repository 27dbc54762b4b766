"""How long the audit of many dossiers takes, and how much memory: on a generated record of 35 systems.

    python -m benchmarks.audit --dossiers 1000000

Every dossier is submitted, accepted and taken into processing: 6 rows of the ledger, and 4 of the readings, for portal
and province are read twice. One in ``ODD`` came to harm, so that every category but one has something to find. The
audit runs in a process of its own, whose peak memory is measured.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb

from model import places
from model.record import Record
from reports import audit, sql, tables

ODD = 10_007
T0 = 1_751_330_000
PROVINCES = tuple(places.provinces())

DOSSIERS = """
CREATE VIEW dossiers AS
SELECT
    i, list_extract({provinces}, 1 + (i % {count})::INTEGER) AS province,
    format('H{{}}.{{:05d}}-250701-{{:07d}}', province, i % 3321, i) AS code,
    md5(i::VARCHAR) AS key, format('{{:05d}}', i % 3321) AS commune,
    md5(i::VARCHAR) || md5((i + 1)::VARCHAR) AS hash, (i // 100) / 10 AS t, i % 10 = 0 AS test
FROM range({dossiers}) AS numbers(i)
"""

LEDGER = """
SELECT 0 AS worker, 3 * i + step AS op, event, t + step + CASE event WHEN 'ok' THEN 0.1 ELSE 0 END AS time,
       ['submit', 'accept', 'process'][step + 1] AS operation,
       CASE step WHEN 0 THEN key ELSE md5(key || step) END AS key, province, commune,
       CASE WHEN event = 'ok' OR step > 0 THEN code END AS dossier,
       CASE event WHEN 'ok' THEN step + 1 ELSE 0 END::INTEGER AS sequence,
       CASE event WHEN 'ok' THEN [1, 2, 4][step + 1] ELSE 0 END::INTEGER AS state,
       CASE step WHEN 0 THEN hash END AS hash, NULL::VARCHAR AS reason, NULL::VARCHAR AS entries, test
FROM dossiers, (SELECT unnest(range(3)) AS step), (SELECT unnest(['invoke', 'ok']) AS event)
ORDER BY time
"""

READS = """
SELECT pass, CASE side WHEN 0 THEN 'national' ELSE 'province:' || province END AS system, code, key,
       CASE WHEN odd = 1 THEN '00' ELSE province END AS province, commune,
       CASE WHEN odd = 2 AND side = 0 THEN md5(hash) ELSE hash END AS hash,
       CASE WHEN odd = 3 AND side = 0 THEN 2 ELSE 4 END::INTEGER AS state, 3::INTEGER AS sequence,
       format('[[1, 1, {{0:.6f}}, {{0:.6f}}], [{{1}}, 2, {{2:.6f}}, {{3:.6f}}], [3, 4, {{4:.6f}}, {{5:.6f}}]]',
              {t0} + t, CASE odd WHEN 4 THEN 5 ELSE 2 END, {t0} + t + 1, {t0} + t + 1 + side * 0.3,
              {t0} + t + 2, {t0} + t + 2 + side * (i % 97) / 100) AS history, false AS archived,
       test <> (odd = 7 AND side = 0) AS test
FROM (SELECT *, i % {odd} AS odd FROM dossiers),
     (SELECT unnest([1, 2])::INTEGER AS pass), (SELECT unnest([0, 1]) AS side)
WHERE NOT (odd = 5 AND side = 0) AND NOT (odd = 6 AND pass = 1 AND side = 0)
ORDER BY pass, system, code
"""


def main() -> None:
    """Generate a record, audit it in a process of its own, and print what that took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dossiers", type=int, default=1_000_000)
    parser.add_argument("--record", type=Path, help="generate it here and keep it; audit it if it is there")
    parser.add_argument("--measured", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measured:
        print(json.dumps(measured(Record(options.record))))
        return
    with tempfile.TemporaryDirectory() as folder:
        directory = options.record or Path(folder) / "record"
        if not directory.exists():
            generate(directory, options.dossiers)
        print(shown(run_apart(directory)))


def generate(directory: Path, dossiers: int) -> None:
    """Write the tables of a record with so many dossiers; ``reads`` and ``ledger`` alone, no plan, no events."""
    directory.mkdir(parents=True)
    record = Record(directory)
    with (
        tempfile.TemporaryDirectory() as spill,
        duckdb.connect(config={"temp_directory": spill, "memory_limit": "2GB"}) as database,
    ):
        provinces = list(PROVINCES)
        database.execute(DOSSIERS.format(provinces=provinces, count=len(provinces), dossiers=dossiers))
        for name, query in (("ledger", LEDGER), ("reads", READS.format(t0=T0, odd=ODD))):
            target = sql.text(record.table(name))
            database.execute(f"COPY ({query}) TO {target} (FORMAT parquet, COMPRESSION zstd)")


def run_apart(directory: Path) -> dict[str, Any]:
    """Audit a record in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.audit", "--measured", "--record", str(directory)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def measured(record: Record) -> dict[str, Any]:
    """Audit a record; returns counts, wall and processor seconds, and the peak of the resident memory in bytes."""
    start, used = time.perf_counter(), time.process_time()
    with tables.opened(record) as database:
        result = audit.audit(database, PROVINCES, list(readings(database)))
    return {
        "seconds": time.perf_counter() - start,
        "processor_seconds": time.process_time() - used,
        "peak_bytes": peak_memory(),
        "counts": dict(result.counts),
    }


def peak_memory() -> int:
    """Return the most resident memory of this program, in bytes.

    ``ru_maxrss`` isn't that: a process inherits it from the one that started it, here the generator.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def readings(database: duckdb.DuckDBPyConnection) -> Iterator[Mapping[str, Any]]:
    """Yield the events that say that every system was read, twice."""
    rows = database.execute('SELECT system, "pass", count(*) FROM reads GROUP BY ALL').fetchall()
    for system, number, count in rows:
        yield {"event": "audit_read", "system": system, "pass": number, "dossiers": count, "complete": True}


def shown(result: Mapping[str, Any]) -> str:
    """Write what an audit took, on one line, and what it found."""
    counts = ", ".join(f"{name} {count:,}" for name, count in result["counts"].items())
    return (
        f"{result['seconds']:.1f} s ({result['processor_seconds']:.1f} s of processors), "
        f"{result['peak_bytes'] / 1e9:.2f} GB: {counts}"
    )


if __name__ == "__main__":
    main()
