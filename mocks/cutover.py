"""T_cutover as a system is told it: it survives a restart."""

from typing import Annotated

import msgspec

from mocks.store import Store
from mocks.wire import Body

SCHEMA = """
CREATE TABLE IF NOT EXISTS cutover(id INTEGER PRIMARY KEY CHECK(id = 1), at REAL NOT NULL, redirect REAL NOT NULL);
"""


class Cutover(Body):
    """When the old interface begins to redirect (Unix seconds), and for how many seconds until it is closed."""

    at: float
    redirect: Annotated[float, msgspec.Meta(gt=0)]


async def keep(store: Store, cutover: Cutover) -> Cutover:
    """Store T_cutover in place of what was set before, and return it."""
    statement = "INSERT OR REPLACE INTO cutover VALUES(1, ?, ?)"
    await store.write(lambda connection: connection.execute(statement, (cutover.at, cutover.redirect)) and None)
    return cutover


def find(store: Store) -> Cutover | None:
    """Return T_cutover, None where nobody has set it."""
    row = store.reader.execute("SELECT at, redirect FROM cutover").fetchone()
    return None if row is None else Cutover(*row)
