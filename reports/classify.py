"""The SQL of the audit: ledger × reads -> findings. One statement per intermediate table, one query per category.

It looks at what ``reports.screen`` suspects: ``writes`` are the rows of the ledger, ``readings`` those of reads.
Every statement is a scan, a hash join or a grouping: linear in the number of rows, and able to spill. A dossier is
known by the idempotency key of its creation; a *book* is what one system holds, the portal or a province; the second
reading (pass 2) is the final one. Legacy dossiers of a migration are in no book, and owe the portal nothing: they are
in ``migrated``, and with the books in ``histories``.
"""

from reports import migration
from reports.screen import CREATIONS, DUE, PARSED, TOLD

STAGES = f"""
CREATE TEMP TABLE creations AS
SELECT
    coalesce(key, '') AS key,
    min(operation) AS operation,
    min(province) AS province,
    min(commune) AS commune,
    min(nullif(hash, '')) AS hash,
    bool_or(test) AS test,
    {TOLD}
FROM writes
WHERE operation IN {CREATIONS}
GROUP BY ALL;

CREATE TEMP TABLE acknowledged AS
SELECT DISTINCT coalesce(key, '') AS key, coalesce(dossier, '') AS code
FROM writes
WHERE operation IN {CREATIONS} AND event = 'ok';

CREATE TEMP TABLE books AS
SELECT
    system, system = 'national' AS portal, substr(system, 10) AS owner,
    code, coalesce(key, '') AS key, province, commune, hash, test, state, sequence, numbers, states, occurred,
    applied
FROM ({PARSED.format(source="readings")}) ANTI JOIN legacy USING (key);
{migration.READ}
CREATE TEMP VIEW histories AS
FROM (SELECT system, portal, code, key, province, commune, sequence, numbers, states, occurred FROM books)
UNION ALL BY NAME
SELECT system, system = 'national' AS portal, code, key, province, commune, sequence, numbers, states, occurred
FROM migrated;

CREATE TEMP TABLE presence AS
SELECT
    coalesce(key, '') AS key,
    bool_or("pass" = 2 AND system = 'national') AS portal,
    bool_or("pass" = 2 AND system <> 'national') AS provincial,
    bool_or("pass" = 1 AND system = 'national') AS portal_before,
    bool_or("pass" = 1 AND system <> 'national') AS provincial_before,
    min(code) AS code
FROM readings ANTI JOIN legacy USING (key)
GROUP BY ALL;

CREATE TEMP TABLE fates AS
SELECT
    creations.*,
    presence.code,
    coalesce(portal, false) AS portal,
    coalesce(provincial, false) AS provincial,
    coalesce(portal_before, false) AS portal_before,
    coalesce(provincial_before, false) AS provincial_before,
    'national' NOT IN (FROM readable) OR 'province:' || province NOT IN (FROM readable) AS unread
FROM creations LEFT JOIN presence ON creations.key = presence.key;

CREATE TEMP TABLE names AS
SELECT DISTINCT key, code FROM (
    SELECT key, code FROM books UNION ALL SELECT key, code FROM acknowledged
) WHERE key <> '' AND code <> '';

CREATE TEMP TABLE lost AS
SELECT
    acknowledged.code, fates.key, province, commune,
    CASE
        WHEN NOT portal AND NOT provincial THEN 'absent from the portal and from province ' || province
        WHEN NOT portal THEN 'absent from the portal'
        WHEN NOT provincial THEN 'absent from province ' || province
        ELSE 'no system holds the acknowledged code, only ' || fates.code
    END
    || CASE WHEN portal_before > portal OR provincial_before > provincial
            THEN ', though the first reading found it' ELSE '' END AS detail
FROM fates
JOIN acknowledged ON fates.key = acknowledged.key
LEFT JOIN (
    FROM acknowledged ANTI JOIN books ON books.key = acknowledged.key AND books.code = acknowledged.code
) unheld ON unheld.key = acknowledged.key AND unheld.code = acknowledged.code
WHERE NOT unread AND (NOT portal OR NOT provincial OR (acknowledged.code <> '' AND unheld.code IS NOT NULL));

CREATE TEMP TABLE paths AS
SELECT DISTINCT states, coalesce(operation, CASE states[1] WHEN 1 THEN 'submit' ELSE 'intake' END) AS operation
FROM histories LEFT JOIN creations ON histories.key = creations.key
WHERE len(states) > 0 AND len(list_filter(states, lambda state: state IS NULL)) = 0;

CREATE TEMP TABLE missing_attachments AS
SELECT DISTINCT acknowledged.code, sent.key, sent.province, sent.commune, holders.system, sent.hash
FROM (
    SELECT key, province, commune, writes.hash
    FROM writes SEMI JOIN (FROM writes WHERE operation = 'attach' AND event = 'ok') done
        ON done.worker = writes.worker AND done.op = writes.op
    WHERE operation = 'attach' AND event = 'invoke'
) sent
JOIN acknowledged ON acknowledged.key = sent.key AND acknowledged.code <> ''
JOIN (SELECT DISTINCT system, code FROM books) holders ON holders.code = acknowledged.code
ANTI JOIN (FROM attachments WHERE "pass" = 2) held
    ON held.system = holders.system AND held.code = acknowledged.code AND held.hash = sent.hash;

INSERT INTO lags
SELECT province, {DUE} AS occurred, CASE WHEN applied IS NOT NULL THEN greatest(applied - {DUE}, 0) END AS lag
FROM (
    SELECT
        province.owner AS province,
        province.commune,
        province.states[1] = 2 AS from_province,
        unnest(province.numbers) AS number,
        unnest(province.occurred) AS occurred,
        unnest(CASE WHEN portal.numbers = province.numbers THEN portal.applied ELSE list_transform(
            province.numbers, lambda number: portal.applied[list_position(portal.numbers, number)]) END) AS applied
    FROM books province
    LEFT JOIN (FROM books WHERE portal) portal ON portal.key = province.key AND portal.code = province.code
    WHERE NOT province.portal
)
LEFT JOIN unconnected USING (commune)
WHERE (number > 1 OR from_province) AND occurred IS NOT NULL;
"""
"""Needs ``readable(system)``: the systems of which both readings are complete; and what ``reports.screen`` leaves."""

LOST = "SELECT code, key, province, commune, detail FROM lost"

DUPLICATED = """
WITH keys AS (
    SELECT key FROM names GROUP BY key HAVING count(*) > 1
), codes AS (
    SELECT code FROM names GROUP BY code HAVING count(*) > 1
), several AS (
    SELECT key, count(*) || ' dossiers for one key: ' || string_agg(code, ', ' ORDER BY code) AS detail
    FROM names SEMI JOIN keys ON keys.key = names.key
    GROUP BY key
), shared AS (
    SELECT code, min(key) AS key,
           'one code for ' || count(*) || ' keys: ' || string_agg(key, ', ' ORDER BY key) AS detail
    FROM names SEMI JOIN codes ON codes.code = names.code
    GROUP BY code
), doubled AS (
    SELECT code, min(key) AS key, system || ' lists it ' || count(*) || ' times' AS detail
    FROM books
    GROUP BY system, code HAVING count(*) > 1
)
SELECT code, found.key, province, commune, detail
FROM (
    SELECT names.code, several.key, detail FROM names JOIN several ON several.key = names.key
    UNION ALL FROM shared
    UNION ALL FROM doubled
) found
LEFT JOIN creations ON creations.key = found.key
"""

DIVERGENT = """
SELECT code, key, province, commune, detail FROM (
    SELECT portal.code, portal.key, creations.province, creations.commune, concat_ws('; ',
        CASE WHEN portal.state IS DISTINCT FROM province.state
             THEN format('state: portal {}, province {}', portal.state, province.state) END,
        CASE WHEN portal.sequence IS DISTINCT FROM province.sequence
             THEN format('last step: portal {}, province {}', portal.sequence, province.sequence) END,
        CASE WHEN portal.hash IS DISTINCT FROM province.hash THEN 'the hashes of portal and province differ' END,
        CASE WHEN portal.hash <> creations.hash THEN 'the portal holds other content than was sent' END,
        CASE WHEN province.hash <> creations.hash THEN 'the province holds other content than was sent' END,
        CASE WHEN portal.states[-1] <> portal.state OR portal.numbers[-1] <> portal.sequence
             THEN 'the portal''s history ends elsewhere than its state' END,
        CASE WHEN province.states[-1] <> province.state OR province.numbers[-1] <> province.sequence
             THEN 'the province''s history ends elsewhere than its state' END,
        CASE WHEN portal.states <> province.states AND len(list_filter(
                province.numbers, lambda number: portal.states[list_position(portal.numbers, number)]
                              <> province.states[list_position(province.numbers, number)])) > 0
             THEN 'step states: portal ' || portal.states::VARCHAR || ', province ' || province.states::VARCHAR END
    ) AS detail
    FROM books portal
    JOIN books province ON portal.key = province.key AND portal.code = province.code
    JOIN creations ON creations.key = portal.key
    WHERE portal.portal AND NOT province.portal
) WHERE detail <> ''
UNION ALL
SELECT code, key, province, commune,
       'never acknowledged, yet ' || CASE WHEN portal THEN 'at the portal and not in province ' || province
                                          ELSE 'in province ' || province || ' and not at the portal' END
FROM fates
WHERE NOT acknowledged AND NOT refused AND NOT unread AND portal <> provincial
UNION ALL
SELECT code, key, province, commune,
       format('the attachment {} is missing or damaged at {}', hash, string_agg(system, ' and ' ORDER BY system))
FROM missing_attachments
WHERE system IN (FROM readable)
GROUP BY code, key, province, commune, hash
"""

REGRESSED = """
WITH said AS (
    FROM writes WHERE event = 'ok' AND dossier <> '' AND sequence > 0 AND state > 0
), missing AS MATERIALIZED (
    SELECT said.* FROM said
    LEFT JOIN (SELECT code, numbers, states FROM histories WHERE NOT portal) held ON held.code = said.dossier
    WHERE coalesce(held.numbers[said.sequence] <> said.sequence OR held.states[said.sequence] <> said.state, true)
)
SELECT code, key, province, commune, system || ': ' || detail FROM (
    SELECT *, concat_ws('; ',
        CASE WHEN states IS NULL OR len(list_filter(numbers, lambda number: number IS NULL)) > 0
                  OR len(list_filter(states, lambda state: state IS NULL)) > 0
                  OR len(list_filter(occurred, lambda time: time IS NULL)) > 0
             THEN 'its history can''t be read' END,
        CASE WHEN numbers <> list_transform(range(1, len(numbers) + 1), lambda number: number::INTEGER)
             THEN 'steps ' || numbers::VARCHAR || ' aren''t 1 to ' || len(numbers) END,
        CASE WHEN occurred <> list_sort(occurred) THEN 'times go backwards' END,
        why
    ) AS detail
    FROM (
        SELECT suspects.*, why
        FROM (
            FROM histories
            WHERE states IS NULL OR list_count(numbers) < len(numbers) OR list_count(states) < len(states)
               OR list_count(occurred) < len(occurred) OR numbers <> range(1, len(numbers) + 1)::INTEGER[]
               OR occurred <> list_sort(occurred) OR states IN (SELECT states FROM forbidden)
        ) suspects
        LEFT JOIN creations ON creations.key = suspects.key
        LEFT JOIN forbidden ON forbidden.states = suspects.states AND forbidden.operation =
            coalesce(creations.operation, CASE suspects.states[1] WHEN 1 THEN 'submit' ELSE 'intake' END)
    )
) WHERE detail <> ''
UNION ALL
SELECT final.code, final.key, final.province, final.commune,
       format('{}: {} steps in the first reading, {} in the second',
              final.system, earlier.sequence, final.sequence)
FROM histories final
JOIN (SELECT system, code, key, sequence FROM readings WHERE "pass" = 1) earlier
    ON earlier.system = final.system AND earlier.code = final.code AND earlier.key = final.key
WHERE earlier.sequence > final.sequence
UNION ALL
SELECT said.dossier, '', min(province), min(commune),
       format('the acknowledged step {} ({}, state {}) isn''t in the province''s history',
              said.sequence, min(operation), said.state)
FROM missing said
ANTI JOIN (
    SELECT code, unnest(numbers) AS sequence, unnest(states) AS state
    FROM histories SEMI JOIN missing ON missing.dossier = histories.code WHERE NOT portal
) held
    ON held.code = said.dossier AND held.sequence = said.sequence AND held.state = said.state
ANTI JOIN (FROM acknowledged ANTI JOIN books ON books.code = acknowledged.code AND NOT books.portal) absent
    ON absent.code = said.dossier
WHERE 'province:' || province IN (FROM readable)
GROUP BY said.dossier, said.sequence, said.state
"""

PHANTOM = """
SELECT readings.code, unknown.key, min(province), min(commune),
       'held by ' || string_agg(DISTINCT system, ', ' ORDER BY system) || '; nobody attempted it'
FROM readings
JOIN (SELECT presence.key FROM presence ANTI JOIN creations ON creations.key = presence.key) unknown
    ON unknown.key = coalesce(readings.key, '')
GROUP BY ALL
"""

RESURRECTED = """
SELECT code, key, province, commune,
       'refused, yet held by ' || CASE WHEN portal OR portal_before THEN 'the portal' ELSE 'a province' END
FROM fates
WHERE refused AND code IS NOT NULL
"""

MISROUTED = """
SELECT books.code, books.key, creations.province, creations.commune, concat_ws('; ',
    CASE WHEN NOT portal AND owner <> creations.province THEN 'stored by ' || system END,
    CASE WHEN books.province IS DISTINCT FROM creations.province
              OR books.commune IS DISTINCT FROM creations.commune
         THEN format('{}: {}/{} instead of {}/{}', system, coalesce(books.province, ''), coalesce(books.commune, ''),
                     creations.province, creations.commune) END)
FROM books JOIN creations ON creations.key = books.key
WHERE (NOT portal AND owner <> creations.province)
   OR books.province IS DISTINCT FROM creations.province
   OR books.commune IS DISTINCT FROM creations.commune
"""

MISFILED = """
SELECT books.code, books.key, creations.province, creations.commune, system || CASE
    WHEN creations.test THEN ': a test counts as an official dossier'
    ELSE ': an official dossier counts as a test' END
FROM books JOIN creations ON creations.key = books.key
WHERE books.test IS DISTINCT FROM creations.test
"""

STALE = """
SELECT coalesce(fates.code, ''), fates.key, province, commune, 'only the second reading found it '
       || CASE WHEN portal_before THEN 'in province ' || province ELSE 'at the portal' END
FROM fates ANTI JOIN lost ON lost.key = fates.key
WHERE acknowledged AND NOT unread AND portal AND provincial AND NOT (portal_before AND provincial_before)
"""

RECOVERED = """
SELECT code, key, province, commune, 'never acknowledged, yet stored'
FROM fates
WHERE NOT acknowledged AND NOT refused AND (portal OR provincial)
"""


def _with_migration(category: str, query: str) -> str:
    """Add what the migration did to its dossiers."""
    return f"SELECT * FROM ({query}) UNION ALL SELECT * FROM ({migration.CATEGORIES[category]})"


CATEGORIES: dict[str, str] = {
    "lost": _with_migration("lost", LOST),
    "duplicated": _with_migration("duplicated", DUPLICATED),
    "divergent": _with_migration("divergent", DIVERGENT),
    "regressed": REGRESSED,
    "phantom": _with_migration("phantom", PHANTOM),
    "resurrected": RESURRECTED,
    "misrouted": _with_migration("misrouted", MISROUTED),
    "misfiled": MISFILED,
    "stale": STALE,
    "recovered": RECOVERED,
    "held": migration.HELD,
}
"""Category -> query of (code, key, province, commune, detail)."""

COUNTS = """
SELECT
    (SELECT count(*) FROM creations),
    (SELECT count(*) FROM creations WHERE acknowledged),
    (SELECT count(*) FROM creations WHERE refused),
    (SELECT count(*) FROM creations WHERE NOT acknowledged AND NOT refused),
    (SELECT count(DISTINCT code) FROM books),
    (SELECT count(*) FROM fates WHERE acknowledged AND unread)
"""

SYNC_LAG = """
WITH slots AS (
    SELECT floor(lag * 1000) AS slot, count(*) AS n FROM lags WHERE lag IS NOT NULL GROUP BY slot
), reached AS (
    SELECT *, sum(n) OVER (ORDER BY slot) AS upto FROM slots
), wanted AS (
    SELECT share, ceil(share * total) AS place, slot, upto - n AS before
    FROM reached, (SELECT unnest([0.5, 0.95, 0.99]) AS share), (SELECT sum(n) AS total FROM slots)
    WHERE place > before AND place <= upto
), within AS (
    SELECT share, place, lag, before + sum(count(*)) OVER (PARTITION BY share ORDER BY lag) AS upto
    FROM lags JOIN wanted ON floor(lag * 1000) = slot
    GROUP BY share, place, lag, before
), quantiles AS (
    SELECT list(lag ORDER BY share) AS lags
    FROM (SELECT share, min(lag) AS lag FROM within WHERE upto >= place GROUP BY share)
)
SELECT quantiles.lags, longest, samples FROM quantiles, (SELECT max(lag) AS longest, count(lag) AS samples FROM lags)
"""
"""The order statistics themselves, by way of a histogram of milliseconds: sorting all lags would take them into memory.

Its row: those of 50, 95 and 99 %, the longest lag, and how many there are.
"""
