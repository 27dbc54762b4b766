"""What the portal counts of synchronisation, and what promtool thinks of every system's metrics."""

from mocks.serve import SYSTEMS
from model.links import PLATFORMS
from tests.conftest import NEEDS_PROMTOOL, promtool


def test_a_step_that_reaches_the_portal_counts_in_its_provinces_lag(stacks, eventually):
    """The series is there at 0 before the first step; one intake makes it 1, and it came within 60 s."""
    stack = stacks().start()
    counted = 'thongsuot_sync_lag_seconds_count{province="01"'
    assert counted in stack.get("national", "/metrics").text
    assert stack.metric("national", counted) == 0
    stack.intake(stack.officer())
    eventually(lambda: stack.metric("national", counted) == 1)
    assert stack.metric("national", 'thongsuot_sync_lag_seconds_bucket{le="60.0",province="01"') == 1


@NEEDS_PROMTOOL
def test_promtool_has_no_complaint_about_any_systems_metrics(stacks):
    """Names, units, help texts and labels, of every kind of system."""
    stack = stacks(platforms=[name for name in PLATFORMS if name in SYSTEMS]).start()
    for name in stack.names:
        done = promtool("check", "metrics", given=stack.get(name, "/metrics").text)
        assert (done.returncode, done.stdout + done.stderr) == (0, ""), name
