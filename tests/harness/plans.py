"""Plans for tests."""

from harness.cli import read_campaign
from model.plan import Plan
from tests.conftest import SHORT


def short_plan(*changes: str) -> Plan:
    """Return the short campaign's plan, changed."""
    return read_campaign(str(SHORT), None, list(changes), None)


def shipped_plan(name: str) -> Plan:
    """Return the plan of a campaign that ships."""
    return read_campaign(name, None, None, None)
