"""A process that is started anew."""

from faults.kinds.base import Attribute
from faults.kinds.kill import Kill
from model.plan import Fault


class Restart(Kill):
    """Ends the system's process and starts it again ``pause`` later, well before the fault is over.

    What follows until the fault is over is the time in which the system gets back to its feet.
    """

    name = "restart"
    summary = "the system's process is killed (SIGKILL), and started again after pause"
    proof = "a new connection to the system itself is refused, or unanswered, until it is started again"
    attributes = (Attribute("pause", "ms", 300, 60_000, "from the end to the start", default=1_000),)
    _started = False

    @property
    def beat(self) -> float:
        """Seconds until it is started again."""
        return self.values["pause"] / 1000

    def tick(self) -> None:
        """Start the process again."""
        super().heal()
        self._started = True

    def held(self) -> bool:
        """Ask whether the process was ended, be it running again or not."""
        return self._started or super().held()

    def heal(self) -> None:
        """Start the process where it doesn't run yet."""
        super().heal()
        self._started = False

    @classmethod
    def problems(cls, fault: Fault) -> list[str]:
        """Demand a duration that the pause fits into."""
        length = cls.resolve(fault.attributes)["pause"]
        if length >= fault.duration * 1000:
            return [f"pause = {length} ms doesn't fit into a duration of {fault.duration:g} s: hold it longer"]
        return []
