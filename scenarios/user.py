"""The one Locust user of a worker: it stands for the whole share of the schedule that the worker runs."""

import locust
from gevent.event import Event


class Schedule(locust.User):
    """Waits until the worker's engine is done.

    The engine runs beside it: Locust moves users between workers when one is lost, which must not stop a schedule.
    """

    over = Event()

    @locust.task
    def follow(self) -> None:
        """Wait."""
        Schedule.over.wait()
