"""The screen of the audit: which dossiers need a look one by one, found without holding all of them in memory.

A dossier is *clear* when everything that was written and read of it says the same: acknowledged under one key and with
one code, which no other key has; in both readings of portal and province, with the place, the content and the mark of a
rehearsal that were sent; at the end with one history on both sides, possible, in order, and with every step that was
acknowledged. Nothing of it can be a finding of ``reports.classify``, neither its own nor another dossier's: no key and
no code leads from it to another. All others are suspects, and go on to ``reports.classify`` with every row of theirs.

Rows are compared by 64-bit hashes and grouped by them: states of fixed size, which spill. Two keys or two codes that
collide make suspects of their dossiers; that two different contents of one dossier collide happens once in 2^64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.dossier import Channel, State, why_not_history

if TYPE_CHECKING:
    import duckdb

CREATIONS = "('submit', 'intake', 'forward')"
TOLD = """
    count(*) FILTER (event = 'ok') > 0 AS acknowledged,
    count(*) FILTER (event IN ('ok', 'info')) = 0
        AND count(*) FILTER (event = 'fail') >= greatest(count(*) FILTER (event = 'invoke'), 1) AS refused
"""
"""What citizens were told of one key, over its rows of the ledger."""
LONGEST = 15  # steps of a history that fits into a path; longer ones are suspects

PARSED = """
SELECT
    *,
    list_transform(steps, lambda step: try_cast(step[1] AS INTEGER)) AS numbers,
    list_transform(steps, lambda step: try_cast(step[2] AS INTEGER)) AS states,
    list_transform(steps, lambda step: step[3]) AS occurred,
    list_transform(steps, lambda step: step[4]) AS applied
FROM (SELECT *, try(from_json(history, '[["DOUBLE"]]')) AS steps FROM {source} WHERE "pass" = 2)
"""
"""The second reading in a table like ``reads``, its histories as lists; NULL where there is no such number."""

FINAL = PARSED.format(source="reads")

PATH = f"""
CASE WHEN len(states) <= {LONGEST} AND list_min(states) > 0 AND list_max(states) < 16
     THEN list_reduce(list_reverse(states), lambda path, state: path * 16 + state, 0::BIGINT) END
"""
"""The states of a history in one number, four bits each, the first one lowest."""

ORDERLY = """
numbers = range(1, len(numbers) + 1)::INTEGER[] AND len(numbers) = sequence AND states[-1] = state
AND list_count(states) = sequence AND list_count(occurred) = sequence
AND list_reduce(occurred, lambda before, time: CASE WHEN time >= before THEN time END) IS NOT NULL
"""

SOUND = """
key <> '' AND code <> '' AND province <> '' AND commune <> '' AND hash <> '' AND test IS NOT NULL
AND system IN ('national', 'province:' || province) AND system IN (FROM readable)
"""

SLOT = "CASE WHEN system = 'national' THEN 0 ELSE 1 END"
MARK = "hash(hash(hash(key, province, commune, hash, test), hash(code)), {slot}, {path})"
EXPECTED = " + ".join(
    f"hash(hash(intended.place, intended.code), {slot}, {path})::HUGEINT"
    for slot in (0, 1)
    for path in ("0::BIGINT", "held.path")
)
"""The marks of a dossier's four readings, as they must be by what was written and by one final history, added up.

One reading more makes another sum, also one that isn't sound: its mark is 1.
"""

COMPARED = f"""
CREATE TEMP TABLE held AS
SELECT person, sum(mark) AS marks, max(path) AS path, max(earlier) AS earlier
FROM (
    SELECT
        hash(coalesce(key, '')) AS person, NULL::BIGINT AS path, sequence AS earlier,
        CASE WHEN {SOUND} THEN {MARK.format(slot=SLOT, path="0::BIGINT")} ELSE 1 END AS mark
    FROM reads WHERE "pass" = 1
    UNION ALL
    SELECT
        hash(coalesce(key, '')), path, NULL,
        CASE WHEN {SOUND} AND {ORDERLY} AND path > 0 THEN {MARK.format(slot=SLOT, path="path")} ELSE 1 END
    FROM (SELECT *, {PATH} AS path FROM ({FINAL}))
)
GROUP BY person;

CREATE TEMP TABLE intended AS
SELECT
    person, min(place) AS place, min(code) AS code, bool_and(online) AS online,
    min(place) = max(place) AND min(code) = max(code) AND min(unit) = max(unit) AS clear
FROM (
    SELECT
        hash(coalesce(key, '')) AS person, operation = 'submit' AS online,
        hash(key, province, commune, operation) AS unit,
        CASE WHEN hash <> '' THEN hash(key, province, commune, hash, test) END AS place,
        CASE WHEN event = 'ok' THEN hash(coalesce(dossier, '')) END AS code
    FROM ledger WHERE operation IN {CREATIONS}
)
GROUP BY person;

CREATE TEMP TABLE compared AS
SELECT
    coalesce(held.person, intended.person) AS person, intended.code, held.path,
    coalesce(
        intended.clear AND held.marks = {EXPECTED}
        AND (held.earlier <= 1 OR held.path >> (4 * (held.earlier - 1)) > 0)
        AND intended.online = ((held.path & 15) = {State.REGISTERED.value}),
        false
    ) AS clear
FROM held FULL JOIN intended ON intended.person = held.person;
DROP TABLE held;
DROP TABLE intended;

CREATE TEMP TABLE screened AS SELECT person, code, path FROM compared WHERE clear;
CREATE TEMP TABLE suspects AS SELECT person FROM compared WHERE NOT clear;
DROP TABLE compared;
"""
"""Needs ``readable(system)``.

Leaves ``screened(person, code, path)``, which seem clear so far, and ``suspects(person)``, the others.
"""

DUE = "greatest(occurred, since)"
"""When a step is due at the other side: once it was taken, and its commune is connected (else ``since`` is NULL)."""

LINKED = f"""
INSERT INTO suspects
SELECT person FROM screened WHERE path IN (FROM impossible)
UNION SELECT hash(key) FROM ledger WHERE operation = 'attach'
UNION SELECT hash(key) FROM legacy;

CREATE TEMP TABLE readings AS FROM reads WHERE hash(coalesce(key, '')) IN (FROM suspects);

CREATE TEMP TABLE linked AS
SELECT hash(code) AS code FROM readings
UNION
SELECT hash(dossier) FROM ledger
WHERE operation IN {CREATIONS} AND event = 'ok' AND hash(coalesce(key, '')) IN (FROM suspects)
UNION
SELECT code FROM screened GROUP BY code HAVING count(*) > 1
UNION
SELECT hash(said.dossier)
FROM ledger said LEFT JOIN screened ON screened.code = hash(said.dossier)
WHERE said.event = 'ok' AND said.dossier <> '' AND said.sequence > 0 AND said.state > 0
    AND coalesce(said.sequence > {LONGEST} OR (path >> (4 * (said.sequence - 1))) & 15 <> said.state, true);

CREATE TEMP TABLE joined AS
SELECT person FROM screened ANTI JOIN suspects ON suspects.person = screened.person WHERE code IN (FROM linked);
INSERT INTO readings SELECT * FROM reads SEMI JOIN joined ON joined.person = hash(coalesce(key, ''));
INSERT INTO suspects FROM joined;
DROP TABLE joined;

CREATE TEMP TABLE writes AS
FROM ledger
WHERE operation = 'attach' OR CASE WHEN operation IN {CREATIONS}
    THEN hash(coalesce(key, '')) IN (FROM suspects) ELSE hash(dossier) IN (FROM linked) END;

CREATE TEMP TABLE clear AS SELECT person FROM screened ANTI JOIN suspects ON suspects.person = screened.person;
DROP TABLE screened;

CREATE TEMP TABLE lags AS
SELECT province, {DUE} AS occurred, greatest(applied - {DUE}, 0) AS lag
FROM (
    SELECT
        substr(system, 10) AS province, commune, states[1] = {State.RECEIVED.value} AS from_province,
        unnest(range(1, len(occurred) + 1)) AS number, unnest(occurred) AS occurred, unnest(portal.applied) AS applied
    FROM (SELECT hash(key) AS person, * FROM ({FINAL}) WHERE system <> 'national') province
    JOIN (SELECT hash(key) AS person, applied FROM ({FINAL}) WHERE system = 'national') portal
        ON portal.person = province.person
    ANTI JOIN suspects ON suspects.person = province.person
)
LEFT JOIN unconnected USING (commune)
WHERE number > 1 OR from_province;
"""
"""Needs ``impossible(path)``, ``legacy``, ``unconnected(commune, since)``.

Leaves ``clear(person)``, ``readings`` and ``writes`` of suspects, and ``lags``.

``lags`` has one row per step that a province owed the portal: ``lag`` in seconds, NULL where the portal hasn't got it.
"""


def screen(database: duckdb.DuckDBPyConnection) -> int:
    """Part the dossiers of a record; returns how many are clear, and leaves what ``LINKED`` says.

    Args:
        database: With the record's tables, and the temporary tables ``readable`` and ``legacy``.
    """
    database.execute(COMPARED)
    paths = [path for (path,) in database.execute("SELECT DISTINCT path FROM screened ORDER BY path").fetchall()]
    database.execute("CREATE TEMP TABLE impossible (path BIGINT)")
    for path in paths:
        if why_not_history(_states(path), _channel(path)):
            database.execute("INSERT INTO impossible VALUES (?)", [path])
    database.execute(LINKED)
    ((clear,),) = database.execute("SELECT count(*) FROM clear").fetchall()
    return int(clear)


def _states(path: int) -> list[int]:
    return [(path >> shift) & 15 for shift in range(0, path.bit_length(), 4)]


def _channel(path: int) -> Channel:
    return Channel.ONLINE if path & 15 == State.REGISTERED else Channel.DIRECT
