"""SQL made of our own constants and of values of a record."""

from collections.abc import Iterable


def text(value: object) -> str:
    """Write a value as a SQL string literal."""
    return "'" + str(value).replace("'", "''") + "'"


def texts(values: Iterable[str]) -> str:
    """Write values as the SQL list of an ``IN``; without any, one that nothing is in."""
    return "(" + (", ".join(text(value) for value in sorted(values)) or "NULL") + ")"
