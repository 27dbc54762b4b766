"""Indicators of the systems' processes: what they keep of every request, and how hard they press on a busy one."""

from collections.abc import Iterator

from model.plan import Objective
from reports.outcome import Outcome, exact, nothing, number
from reports.selection import Evidence

FEWEST_LOOKS, FEWEST_REQUESTS = 8, 200
"""Fewer looks, or fewer requests between the quarters that are compared, tell nothing of a process [A]."""

GROWTH = """
WITH counted AS (
    SELECT *, min(answered) OVER life AS least, max(answered) OVER life AS most
    FROM processes WINDOW life AS (PARTITION BY process, began)
), warm AS (
    SELECT *, ntile(4) OVER (PARTITION BY process, began ORDER BY time) AS quarter
    FROM counted WHERE answered - least >= (most - least) / 3
), compared AS (
    SELECT process, began, count(*) AS looks,
           min({column}) FILTER (quarter = 4) - min({column}) FILTER (quarter = 1) AS grown,
           median(answered) FILTER (quarter = 4) - median(answered) FILTER (quarter = 1) AS requests
    FROM warm GROUP BY process, began
)
SELECT process, grown, requests FROM compared WHERE looks >= {looks} AND requests >= {requests}
ORDER BY process, began
"""
"""A process that is restarted begins anew. The first third of its requests is its warm-up: caches fill."""

RETRIES = """
WITH looks AS (
    SELECT process, turned_away, turned_away - lag(turned_away) OVER life AS more, time - lag(time) OVER life AS seconds
    FROM processes WINDOW life AS (PARTITION BY process, began ORDER BY time)
)
SELECT process, max(turned_away), max(more / seconds) FROM looks WHERE seconds > 0 GROUP BY process ORDER BY process
"""


def memory_growth(objective: Objective, evidence: Evidence) -> list[Outcome]:
    """How many bytes a process's resident memory grows by with each request; one outcome per process.

    After the warm-up, the least of the last quarter of its looks less the least of the first, over the requests between
    the two: what a rush needs is given back, what leaks is not.
    """
    return list(_growth("memory", "bytes", objective, evidence)) or [_idle()]


def descriptor_growth(objective: Objective, evidence: Evidence) -> list[Outcome]:
    """How many more files and connections a process has open with each request; as ``memory_growth``."""
    return list(_growth("descriptors", "descriptors", objective, evidence)) or [_idle()]


def retry_rate(objective: Objective, evidence: Evidence) -> list[Outcome]:
    """How many requests of other systems per second a process turned away, the most between two looks.

    Who heeds Retry-After comes rarely; where nobody was turned away, nothing was put to the test.
    """
    rows = evidence.database.execute(RETRIES).fetchall()
    pressed = [row for row in rows if row[1]]
    if not pressed:
        return [nothing(None, "no system turned another away, so none was put to the test")]
    return [_pressed(objective, *row) for row in pressed]


def _growth(column: str, unit: str, objective: Objective, evidence: Evidence) -> Iterator[Outcome]:
    query = GROWTH.format(column=column, looks=FEWEST_LOOKS, requests=FEWEST_REQUESTS)
    for process, grown, requests in evidence.database.execute(query).fetchall():
        each = grown / requests
        note = f"process {process}: {number(each)} {unit} more with each request (n={requests:.0f})"
        yield _limited(objective, each, int(requests), note)


def _pressed(objective: Objective, process: str, count: int, rate: float) -> Outcome:
    note = f"process {process}: up to {number(rate)} requests of other systems turned away per second (n={count})"
    return _limited(objective, rate, count, note)


def _limited(objective: Objective, value: float, samples: int, note: str) -> Outcome:
    """Make the outcome of a figure that may be at most the target."""
    if value > objective.target:
        return exact("fail", None, value, samples, f"{note}, {number(objective.target)} allowed")
    return exact("pass", None, value, samples, note)


def _idle() -> Outcome:
    note = f"no process was looked at {FEWEST_LOOKS} times with {FEWEST_REQUESTS} requests between, after its warm-up"
    return nothing(None, note)
