"""The audit of a migration: what was there before, against what the register holds after it.

``stock`` has the legacy dossiers: moment ``before`` with the commune that each belongs to by the official table, the
province's centre where that decides what was filed with a district, empty where nobody knows; moment ``held`` those
that wait for a person. One is known by its key; by its code and its old province where two old provinces issued the
code: moment ``found`` has what a look-up by these two led to. Where a dossier is, and with which content, history,
archive flag and attachments, is read like any other's. What officers did with it after it had moved is in the ledger.
``accounts`` has the officers' accounts; ``after`` are those that the province has now.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from model.links import province_system
from model.plan import Plan
from reports.screen import PARSED

if TYPE_CHECKING:
    import duckdb

STEPS = "try(from_json(history, '[[\"DOUBLE\"]]')) AS steps"
FILES = "list_sort(json_extract_string(attachments, '$[*].hash')) AS files"

STOCK = f"""
CREATE TEMP TABLE legacy AS
SELECT
    mine.* EXCLUDE new_code, coalesce(found.new_code, mine.code) AS new_code,
    shared AND found.new_code IS NULL AS unfound
FROM (
    SELECT *, {STEPS}, {FILES}, count(*) OVER (PARTITION BY system, code) > 1 AS shared
    FROM stock WHERE moment = 'before'
) mine
LEFT JOIN (FROM stock WHERE moment = 'found') found
    ON found.system = mine.system AND found.key = mine.key AND found.code = mine.code
    AND found.old_province = mine.old_province AND shared;

CREATE TEMP TABLE parked AS SELECT *, {STEPS}, {FILES} FROM stock WHERE moment = 'held';

CREATE TEMP TABLE officers AS FROM accounts WHERE moment = 'before';

CREATE TEMP TABLE officers_moved AS FROM accounts WHERE moment = 'after';

CREATE TEMP TABLE officers_parked AS FROM accounts WHERE moment = 'held';

CREATE TEMP TABLE listed (system VARCHAR);

CREATE TEMP TABLE unequal (system VARCHAR, detail VARCHAR);
"""
"""What needs no reading.

``legacy``: ``new_code`` is what a dossier must be under, its own code where no other has that; ``unfound``: another has
it, and code and old province don't lead to this one. ``listed``: systems that were listed completely before and after.
"""

READ = f"""
CREATE TEMP TABLE migrated AS FROM ({PARSED.format(source="readings")}) SEMI JOIN legacy USING (key);

CREATE TEMP TABLE later AS
SELECT
    migrated.code, legacy.key, legacy.province, legacy.commune,
    unnest(migrated.numbers[len(legacy.steps) + 1:]) AS number,
    unnest(migrated.states[len(legacy.steps) + 1:]) AS state
FROM migrated JOIN legacy USING (key);
"""
"""Needs ``legacy`` and the ``readings`` of the screen. ``later``: steps after those that a dossier came with."""

LOST = """
SELECT code, key, province, commune, CASE
    WHEN other IS NOT NULL
        THEN format('not under its code in the register of {} after the migration, only as {}', system, other)
    WHEN parked THEN format('held by {}, though it says where it belongs', system)
    ELSE format('not in the register of {} after the migration', system) END
FROM legacy
ANTI JOIN migrated ON migrated.key = legacy.key AND migrated.code = legacy.new_code AND migrated.system = legacy.system
LEFT JOIN (SELECT key, system, min(code) AS other FROM migrated GROUP BY ALL) elsewhere USING (key, system)
LEFT JOIN (SELECT DISTINCT key, system, true AS parked FROM parked) waiting USING (key, system)
WHERE commune IS NOT NULL AND NOT (unfound AND other IS NOT NULL) AND system IN (FROM readable)
UNION ALL
SELECT code, key, province, commune, format('not found in {} by this code of {}, which others have as well',
                                            system, old_province)
FROM legacy SEMI JOIN migrated USING (key, system) WHERE unfound AND system IN (FROM listed)
UNION ALL
SELECT code, key, province, commune, format('neither in the register of {} nor held for a person', system)
FROM legacy ANTI JOIN parked USING (key, code, system) ANTI JOIN migrated USING (key, system)
WHERE commune IS NULL AND system IN (FROM readable) AND system IN (FROM listed)
UNION ALL
SELECT name, name, province, commune, format('account ({}) not in {} after the migration', role, system)
FROM officers ANTI JOIN officers_moved USING (name, system)
WHERE commune IS NOT NULL AND system IN (FROM listed)
UNION ALL
SELECT name, name, province, commune, format('account ({}) neither in {} nor held for a person', role, system)
FROM officers ANTI JOIN officers_parked USING (name, system) ANTI JOIN officers_moved USING (name, system)
WHERE commune IS NULL AND system IN (FROM listed)
"""

DUPLICATED = """
SELECT migrated.code, legacy.key, legacy.province, legacy.commune,
       format('the migration stored {} {} times', legacy.code, several.times)
FROM (SELECT key, count(*) AS times FROM migrated GROUP BY key HAVING count(*) > 1) several
JOIN legacy ON legacy.key = several.key
JOIN migrated ON migrated.key = several.key
UNION ALL
SELECT code, key, province, commune, format('in the register of {}, and held as well', system)
FROM legacy SEMI JOIN migrated USING (key, system) SEMI JOIN parked USING (key, system)
UNION ALL
SELECT name, name, any_value(province), any_value(commune), format('account is in {} {} times', system, count(*))
FROM (FROM officers_moved UNION ALL FROM officers_parked) GROUP BY name, system HAVING count(*) > 1
"""

DIVERGENT = """
SELECT code, key, province, commune, 'altered by the migration: ' || detail FROM (
    SELECT legacy.*, concat_ws('; ',
        CASE WHEN migrated.hash IS DISTINCT FROM legacy.hash THEN 'other content' END,
        CASE WHEN list_transform(migrated.steps[:len(legacy.steps)], lambda step: step[:3])
                  IS DISTINCT FROM legacy.steps
             THEN format('history {}, was {}', migrated.history, legacy.history) END,
        CASE WHEN migrated.state IS DISTINCT FROM migrated.states[-1]
                  OR migrated.sequence IS DISTINCT FROM migrated.numbers[-1]
             THEN format('state {} after step {}, its history ends with {} after {}',
                         migrated.state, migrated.sequence, migrated.states[-1], migrated.numbers[-1]) END,
        CASE WHEN migrated.archived IS DISTINCT FROM legacy.archived THEN 'archive flag' END,
        CASE WHEN coalesce(held.files, []) IS DISTINCT FROM legacy.files
             THEN format('attachments: {} there, {} of the {} of before',
                         len(coalesce(held.files, [])), len(list_intersect(coalesce(held.files, []), legacy.files)),
                         len(legacy.files)) END) AS detail
    FROM legacy
    JOIN migrated ON migrated.key = legacy.key AND migrated.code = legacy.new_code AND migrated.system = legacy.system
    LEFT JOIN (
        SELECT system, code, list(hash ORDER BY hash) AS files FROM attachments
        SEMI JOIN legacy ON legacy.system = attachments.system AND legacy.new_code = attachments.code
        WHERE "pass" = 2 GROUP BY ALL
    ) held ON held.code = legacy.new_code AND held.system = legacy.system
) WHERE detail <> ''
UNION ALL
SELECT code, key, province, commune, format('{} steps after the migration that nobody took', count(*))
FROM later ANTI JOIN (FROM writes WHERE event = 'ok') said
    ON said.dossier = later.code AND said.sequence = later.number AND said.state = later.state
LEFT JOIN (
    SELECT dossier AS code, count(*) AS attempts FROM (
        SELECT dossier, key FROM writes GROUP BY ALL
        HAVING count(*) FILTER (event = 'ok') = 0
           AND count(*) FILTER (event = 'fail') < count(*) FILTER (event = 'invoke')
    ) GROUP BY dossier
) unknown USING (code)
GROUP BY code, key, province, commune, attempts HAVING count(*) > coalesce(attempts, 0)
UNION ALL
SELECT legacy.code, legacy.key, legacy.province, legacy.commune, 'altered while it is held'
FROM legacy JOIN parked ON parked.key = legacy.key AND parked.code = legacy.code AND parked.system = legacy.system
WHERE parked.hash IS DISTINCT FROM legacy.hash OR parked.steps IS DISTINCT FROM legacy.steps
   OR parked.archived IS DISTINCT FROM legacy.archived OR parked.files IS DISTINCT FROM legacy.files
UNION ALL
SELECT officers.name, officers.name, officers.province, officers.commune,
       format('account altered by the migration: role {}, was {}; content {}', kept.role, officers.role,
              CASE WHEN kept.hash = officers.hash THEN 'the same' ELSE 'other' END)
FROM officers JOIN (FROM officers_moved UNION ALL FROM officers_parked) kept
    ON kept.name = officers.name AND kept.system = officers.system
WHERE kept.role IS DISTINCT FROM officers.role OR kept.hash IS DISTINCT FROM officers.hash
UNION ALL
SELECT system, '', substr(system, 10), '', 'counts and hashes after the migration are others: ' || detail
FROM unequal WHERE system IN (FROM listed)
"""

PHANTOM = """
SELECT code, key, province, commune, format('held by {}; it was not there before the migration', system)
FROM parked ANTI JOIN legacy USING (key, code, system)
WHERE system IN (FROM listed)
UNION ALL
SELECT name, name, province, commune, format('account ({}) in {}; it was not there before the migration', role, system)
FROM (FROM officers_moved UNION ALL FROM officers_parked) ANTI JOIN officers USING (name, system)
WHERE system IN (FROM listed)
"""

MISROUTED = """
SELECT legacy.code, legacy.key, legacy.province, legacy.commune,
       format('{}: migrated to {}/{} instead of {}/{}', migrated.system, migrated.province, migrated.commune,
              legacy.province, coalesce(legacy.commune, 'one that a person must say'))
FROM legacy JOIN migrated ON migrated.key = legacy.key
WHERE migrated.commune IS DISTINCT FROM legacy.commune OR migrated.province IS DISTINCT FROM legacy.province
   OR migrated.system <> legacy.system
UNION ALL
SELECT officers.name, officers.name, officers.province, officers.commune,
       format('{}: account migrated to {}/{} instead of {}/{}', officers.system, officers_moved.province,
              officers_moved.commune, officers.province, coalesce(officers.commune, 'one that a person must say'))
FROM officers JOIN officers_moved ON officers_moved.name = officers.name AND officers_moved.system = officers.system
WHERE officers_moved.commune IS DISTINCT FROM officers.commune
   OR officers_moved.province IS DISTINCT FROM officers.province
"""

HELD = """
SELECT code, key, province, commune, format('held by {} for a person: nothing says where it belongs', system)
FROM legacy SEMI JOIN parked USING (key, code, system) WHERE commune IS NULL
UNION ALL
SELECT name, name, province, commune, format('account ({}) held by {} for a person: nothing says where it belongs',
                                             role, system)
FROM officers SEMI JOIN officers_parked USING (name, system) WHERE commune IS NULL
"""

CATEGORIES: Mapping[str, str] = {
    "lost": LOST,
    "duplicated": DUPLICATED,
    "divergent": DIVERGENT,
    "phantom": PHANTOM,
    "misrouted": MISROUTED,
    "held": HELD,
}
"""Category of ``classify.CATEGORIES`` -> query of (code, key, province, commune, detail)."""

LISTED = """
SELECT system, CASE moment WHEN 'before' THEN 'before' ELSE 'after' END, count(*)
FROM (SELECT system, moment FROM stock UNION ALL SELECT system, moment FROM accounts) GROUP BY ALL
"""
MOMENTS = ("before", "after")


def stage(database: "duckdb.DuckDBPyConnection", events: Sequence[Mapping[str, Any]]) -> None:
    """Leave the temporary tables that ``STOCK`` names, filled."""
    database.execute(STOCK)
    whole, counted = _whole(database, events), _holdings(events)
    for system in sorted({system for system, _ in whole}):
        if all((system, moment) in whole for moment in MOMENTS):
            database.execute("INSERT INTO listed VALUES (?)", [system])
        before, after = (counted.get((system, moment), {}) for moment in MOMENTS)
        if before and after and before != after:
            names = sorted(name for name in {**before, **after} if before.get(name) != after.get(name))
            detail = ", ".join(f"{name} {after.get(name)}, was {before.get(name)}" for name in names)
            database.execute("INSERT INTO unequal VALUES (?, ?)", [system, detail])


def shown(plan: Plan, held: int) -> str:
    """Say, of a run that passed, what came of the migration; empty where the plan has none."""
    if plan.migration is None:
        return ""
    dossiers = plan.migration.total(plan.stack.provinces)
    accounts = plan.migration.accounts * len(plan.migration.movers(plan.stack.provinces))
    moved = f"{dossiers} legacy dossiers and {accounts} officers' accounts"
    kept = f", {held} of them held for a person" if held else ""
    return f"{moved} migrated, the same before and after{kept}; "


def doubts(database: "duckdb.DuckDBPyConnection", plan: Plan, events: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Say why a migration proves nothing: it never began or ended, or it wasn't read whole before and after."""
    if plan.migration is None:
        return
    said = {(event.get("system"), event.get("moment")): event for event in events if event["event"] == "migration_read"}
    done = {event.get("system") for event in events if event["event"] == "migration_finished"}
    whole, counted = _whole(database, events), _holdings(events)
    for code, _ in plan.migration.starts(plan.stack.provinces):
        system = province_system(code)
        if system not in done:
            yield f"migration: {system} did not finish; see the migration events"
        for moment in MOMENTS:
            if (system, moment) not in whole:
                yield f"migration: what {system} held {moment} it wasn't read completely"
            elif not counted.get((system, moment)):
                yield f"migration: what {system} held {moment} it wasn't counted and hashed"
        if said.get((system, "before"), {}).get("dossiers") != plan.migration.dossiers:
            yield f"migration: {system} didn't begin with {plan.migration.dossiers} legacy dossiers"
        if said.get((system, "before"), {}).get("accounts") != plan.migration.accounts:
            yield f"migration: {system} didn't begin with {plan.migration.accounts} officers' accounts"


def _whole(database: "duckdb.DuckDBPyConnection", events: Sequence[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """Return (system, moment) of the listings that are complete, and that the record holds."""
    kept = {(system, moment): count for system, moment, count in database.execute(LISTED).fetchall()}
    return {
        (event["system"], event["moment"])
        for event in events
        if event["event"] == "migration_read"
        and event.get("complete") is True
        and kept.get((event["system"], event["moment"]), 0)
        >= (event.get("dossiers") or 0) + (event.get("accounts") or 0)
    }


def _holdings(events: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Return (system, moment) -> the counts and hashes that the system gave."""
    return {
        (event["system"], event["moment"]): event.get("holdings") or {}
        for event in events
        if event["event"] == "migration_read"
    }
