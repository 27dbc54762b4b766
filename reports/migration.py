"""The audit of a migration: what was there before, against what the register holds after it.

``stock`` has the legacy dossiers: moment ``before`` with the commune that each belongs to by the official table, moment
``after`` with archive flag and attachments. Where a dossier is, and with which content, is read like any other's.
``accounts`` has the officers' accounts in the same way; both moments are listed by the province itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from model.links import province_system
from model.plan import Plan

STAGES = """
CREATE TEMP TABLE legacy AS FROM stock WHERE moment = 'before';

CREATE TEMP TABLE officers AS FROM accounts WHERE moment = 'before';

CREATE TEMP TABLE officers_moved AS FROM accounts WHERE moment = 'after';

CREATE TEMP TABLE migrated AS
SELECT reads.* FROM reads JOIN legacy ON legacy.key = reads.key WHERE reads."pass" = 2;
"""

LOST = """
SELECT code, key, province, commune, 'not in the register of ' || system || ' after the migration'
FROM legacy ANTI JOIN migrated ON migrated.key = legacy.key AND migrated.system = legacy.system
WHERE system IN (FROM readable)
UNION ALL
SELECT name, name, province, commune, format('account ({}) not in {} after the migration', role, system)
FROM officers
ANTI JOIN officers_moved ON officers_moved.name = officers.name AND officers_moved.system = officers.system
WHERE system IN (FROM readable)
"""

DUPLICATED = """
SELECT migrated.code, legacy.key, legacy.province, legacy.commune,
       format('the migration stored {} {} times', legacy.code, several.times)
FROM (SELECT key, count(*) AS times FROM migrated GROUP BY key HAVING count(*) > 1) several
JOIN legacy ON legacy.key = several.key
JOIN migrated ON migrated.key = several.key
UNION ALL
SELECT name, name, any_value(province), any_value(commune), format('account is in {} {} times', system, count(*))
FROM officers_moved GROUP BY name, system HAVING count(*) > 1
"""

DIVERGENT = """
SELECT code, key, province, commune, 'altered by the migration: ' || detail FROM (
    SELECT legacy.*, concat_ws('; ',
        CASE WHEN migrated.hash IS DISTINCT FROM legacy.hash THEN 'other content' END,
        CASE WHEN migrated.state IS DISTINCT FROM legacy.state OR migrated.sequence IS DISTINCT FROM legacy.sequence
             THEN format('state {} after step {}, was {} after {}',
                         migrated.state, migrated.sequence, legacy.state, legacy.sequence) END,
        CASE WHEN moved.archived IS DISTINCT FROM legacy.archived THEN 'archive flag' END,
        CASE WHEN moved.attachments IS DISTINCT FROM legacy.attachments THEN 'attachments' END) AS detail
    FROM legacy
    JOIN migrated ON migrated.key = legacy.key AND migrated.code = legacy.code AND migrated.system = legacy.system
    LEFT JOIN (FROM stock WHERE moment = 'after') moved ON moved.code = legacy.code AND moved.system = legacy.system
) WHERE detail <> ''
UNION ALL
SELECT officers.name, officers.name, officers.province, officers.commune,
       format('account altered by the migration: role {}, was {}; content {}', officers_moved.role, officers.role,
              CASE WHEN officers_moved.hash = officers.hash THEN 'the same' ELSE 'other' END)
FROM officers JOIN officers_moved ON officers_moved.name = officers.name AND officers_moved.system = officers.system
WHERE officers_moved.role IS DISTINCT FROM officers.role OR officers_moved.hash IS DISTINCT FROM officers.hash
"""

MISROUTED = """
SELECT legacy.code, legacy.key, legacy.province, legacy.commune,
       format('{}: migrated to {}/{} instead of {}/{}',
              migrated.system, migrated.province, migrated.commune, legacy.province, legacy.commune)
FROM legacy JOIN migrated ON migrated.key = legacy.key
WHERE migrated.commune IS DISTINCT FROM legacy.commune OR migrated.province IS DISTINCT FROM legacy.province
   OR migrated.system <> legacy.system
UNION ALL
SELECT officers.name, officers.name, officers.province, officers.commune,
       format('{}: account migrated to {}/{} instead of {}/{}', officers.system,
              officers_moved.province, officers_moved.commune, officers.province, officers.commune)
FROM officers JOIN officers_moved ON officers_moved.name = officers.name AND officers_moved.system = officers.system
WHERE officers_moved.commune IS DISTINCT FROM officers.commune
   OR officers_moved.province IS DISTINCT FROM officers.province
"""

CATEGORIES: Mapping[str, str] = {
    "lost": LOST,
    "duplicated": DUPLICATED,
    "divergent": DIVERGENT,
    "misrouted": MISROUTED,
}
"""Category of ``classify.CATEGORIES`` -> query of (code, key, province, commune, detail)."""


def shown(plan: Plan) -> str:
    """Say, of a run that passed, what came of the migration; empty where the plan has none."""
    if plan.migration is None:
        return ""
    dossiers = plan.migration.total(plan.stack.provinces)
    accounts = dossiers // plan.migration.dossiers * plan.migration.accounts
    moved = f"{dossiers} legacy dossiers and {accounts} officers' accounts"
    return f"{moved} migrated, the same before and after; "


def doubts(plan: Plan, events: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Say why a migration proves nothing: it never began or ended, or it wasn't read whole before and after."""
    if plan.migration is None:
        return
    said = {(event.get("system"), event.get("moment")): event for event in events if event["event"] == "migration_read"}
    done = {event.get("system") for event in events if event["event"] == "migration_finished"}
    for code, _ in plan.migration.starts(plan.stack.provinces):
        system = province_system(code)
        if system not in done:
            yield f"migration: {system} did not finish; see the migration events"
        for moment in ("before", "after"):
            if not said.get((system, moment), {}).get("complete"):
                yield f"migration: what {system} held {moment} it wasn't read completely"
        if said.get((system, "before"), {}).get("dossiers") != plan.migration.dossiers:
            yield f"migration: {system} didn't begin with {plan.migration.dossiers} legacy dossiers"
        if said.get((system, "before"), {}).get("accounts") != plan.migration.accounts:
            yield f"migration: {system} didn't begin with {plan.migration.accounts} officers' accounts"
