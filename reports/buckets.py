"""The edges of histogram buckets in SQL: the same as ``model.histogram``, for columns named ``bucket``."""

_MICROS = "((bucket & 63) + {first})::BIGINT << ((bucket >> 6) - 1)::BIGINT"

LOWER = f"(CASE WHEN bucket < 128 THEN bucket ELSE {_MICROS.format(first=64)} END / 1e6)"
"""Seconds; no duration in the bucket is shorter."""

UPPER = f"(CASE WHEN bucket < 128 THEN bucket + 1 ELSE {_MICROS.format(first=65)} END / 1e6)"
"""Seconds; no duration in the bucket is longer."""
