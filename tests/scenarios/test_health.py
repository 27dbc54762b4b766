"""How a worker measures how it fares."""

import time

from scenarios.health import Health


def test_a_second_that_is_caught_up_is_not_a_busy_one() -> None:
    """After a stall, seconds are over as soon as they begin, and all of each is work."""
    health = Health()
    begin = time.process_time()
    health.take()
    while time.process_time() < begin + 0.02:
        pass
    share = health.take()[1]
    assert 0 < share < time.process_time() - begin + 0.01
