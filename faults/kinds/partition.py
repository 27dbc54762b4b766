"""Systems that are cut off from each other."""

from faults.kinds.down import Down
from model.plan import Fault


class Partition(Down):
    """Cuts a set of links at once: the systems at their ends can't reach each other any more."""

    name = "partition"
    summary = "a set of links is cut at once: connections are closed, new ones refused"
    proof = "a new connection over each of the links is refused"

    @classmethod
    def problems(cls, fault: Fault) -> list[str]:
        """Demand a set."""
        if len(fault.targets) < 2:
            return ["partition cuts a set of links and this is one: name more links, or take kind down"]
        return []
