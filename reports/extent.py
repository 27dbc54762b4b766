"""How long a run is, and into how many slices its figures are cut."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from model.plan import Plan

if TYPE_CHECKING:
    import duckdb

POINTS = 600
"""Slices, at most."""


def length(db: duckdb.DuckDBPyConnection, plan: Plan) -> int:
    """Return the whole seconds of a run: of its schedule, or until its last request was due."""
    ((last,),) = db.execute("SELECT coalesce(max(second) + 1, 0) FROM samples").fetchall()
    return max(math.ceil(plan.duration), int(last), 1)


def extent(db: duckdb.DuckDBPyConnection, plan: Plan) -> tuple[int, int]:
    """Return how many seconds a slice takes, and how many slices there are."""
    end = length(db, plan)
    width = math.ceil(end / POINTS)
    return width, math.ceil(end / width)
