"""The screen of the audit: which dossiers need a look one by one, found without holding all of them in memory.

A dossier is *clear* when everything that was written and read of it says the same: acknowledged under one key and with
one code, which no other key has; in both readings of portal and province, with the place and the content that were
sent; at the end with one history on both sides, possible, in order, and with every step that was acknowledged. Nothing
of it can be a finding of ``reports.classify``, neither its own nor another dossier's: no key and no code leads from it
to another. All others are suspects, and go on to ``reports.classify`` with every row of theirs.

Rows are compared by 64-bit hashes and grouped by them: states of fixed size, which spill. Two keys or two codes that
collide make suspects of their dossiers; that two different contents of one dossier collide happens once in 2^64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.dossier import Channel, State, why_not_history

if TYPE_CHECKING:
    import duckdb

CREATIONS = "('submit', 'intake')"
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
key <> '' AND code <> '' AND province <> '' AND commune <> '' AND hash <> ''
AND system IN ('national', 'province:' || province) AND system IN (FROM readable)
"""

COMPARED = f"""
CREATE TEMP TABLE held AS
SELECT
    person, min(place) AS place, min(code) AS code, min(path) AS path,
    count(*) = 4 AND sum(slot) = 4369 AND min(place) = max(place) AND min(code) = max(code)
        AND count(path) = 2 AND min(path) = max(path) AND min(ending) = max(ending)
        AND max(earlier) <= min(sequence) AND bool_and(sound) AS clear
FROM (
    SELECT
        hash(coalesce(key, '')) AS person, hash(key, province, commune, hash) AS place, hash(code) AS code,
        CASE WHEN system = 'national' THEN 1 ELSE 16 END AS slot,
        NULL::BIGINT AS path, NULL::UBIGINT AS ending, sequence AS earlier, NULL::INTEGER AS sequence,
        coalesce({SOUND}, false) AS sound
    FROM reads WHERE "pass" = 1
    UNION ALL
    SELECT
        hash(coalesce(key, '')), hash(key, province, commune, hash), hash(code),
        CASE WHEN system = 'national' THEN 256 ELSE 4096 END,
        {PATH}, hash(state, sequence), NULL, sequence,
        coalesce({SOUND} AND {ORDERLY}, false)
    FROM ({FINAL})
)
GROUP BY person;

CREATE TEMP TABLE intended AS
SELECT
    person, min(place) AS place, min(code) AS code, bool_and(online) AS online,
    min(place) = max(place) AND min(code) = max(code) AND min(unit) = max(unit) AND min(online) = max(online) AS clear
FROM (
    SELECT
        hash(coalesce(key, '')) AS person, operation = 'submit' AS online, hash(key, province, commune) AS unit,
        CASE WHEN hash <> '' THEN hash(key, province, commune, hash) END AS place,
        CASE WHEN event = 'ok' THEN hash(coalesce(dossier, '')) END AS code
    FROM ledger WHERE operation IN {CREATIONS}
)
GROUP BY person;

CREATE TEMP TABLE screened AS
SELECT held.person, held.code, held.path
FROM held JOIN intended
    ON intended.person = held.person AND intended.place = held.place AND intended.code = held.code
WHERE held.clear AND intended.clear AND intended.online = ((held.path & 15) = {State.REGISTERED.value});

CREATE TEMP TABLE suspects AS
SELECT person FROM held UNION SELECT person FROM intended
EXCEPT SELECT person FROM screened;
DROP TABLE held;
DROP TABLE intended;
"""
"""Needs ``readable(system)``.

Leaves ``screened(person, code, path)``, which seem clear so far, and ``suspects(person)``, the others.
"""

LINKED = f"""
INSERT INTO suspects
SELECT person FROM screened WHERE path IN (FROM impossible)
UNION SELECT hash(key) FROM ledger WHERE operation = 'attach'
UNION SELECT hash(key) FROM legacy;

CREATE TEMP TABLE linked AS
SELECT hash(code) AS code FROM reads WHERE hash(coalesce(key, '')) IN (FROM suspects)
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

INSERT INTO suspects SELECT person FROM screened WHERE code IN (FROM linked);

CREATE TEMP TABLE readings AS FROM reads WHERE hash(coalesce(key, '')) IN (FROM suspects);

CREATE TEMP TABLE writes AS
FROM ledger
WHERE operation = 'attach' OR CASE WHEN operation IN {CREATIONS}
    THEN hash(coalesce(key, '')) IN (FROM suspects) ELSE hash(dossier) IN (FROM linked) END;

CREATE TEMP TABLE clear AS SELECT person FROM screened ANTI JOIN suspects ON suspects.person = screened.person;
DROP TABLE screened;

CREATE TEMP TABLE lags AS
SELECT province, occurred, greatest(applied - occurred, 0) AS lag
FROM (
    SELECT
        substr(system, 10) AS province, states[1] = {State.RECEIVED.value} AS from_province,
        unnest(range(1, len(occurred) + 1)) AS number, unnest(occurred) AS occurred, unnest(portal.applied) AS applied
    FROM (SELECT hash(key) AS person, * FROM ({FINAL}) WHERE system <> 'national') province
    JOIN (SELECT hash(key) AS person, applied FROM ({FINAL}) WHERE system = 'national') portal
        ON portal.person = province.person
    ANTI JOIN suspects ON suspects.person = province.person
)
WHERE number > 1 OR from_province;
"""
"""Needs ``impossible(path)``, ``legacy``. Leaves ``clear(person)``, ``readings`` and ``writes`` of suspects, ``lags``.

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
