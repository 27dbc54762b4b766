"""Data in small pieces."""

from faults.kinds.base import TOXICITY, Attribute, Site, TimedToxic
from model.plan import Fault

WORTH = 0.5  # seconds that a probe's pieces shall take
HEAD = 150  # bytes that a reply has at least beside its padding
LARGEST = 500_000  # bytes that a probe asks for


class Slicer(TimedToxic):
    """Cuts what flows on a stream into pieces of ``average_size`` ± ``size_variation``, ``delay`` after each."""

    name = "slicer"
    summary = "data come in pieces of average_size ± size_variation, delay after each"
    proof = "a reply of many pieces takes at least 70 % of their delays"
    attributes = (
        Attribute("average_size", "B", 1, 100_000, "size of a piece"),
        Attribute("size_variation", "B", 0, 50_000, "most that the size may vary by", default=0),
        Attribute("delay", "µs", 100, 1_000_000, "after each piece", default=10_000),
        TOXICITY,
    )
    share = 0.7

    def __init__(self, fault: Fault, site: Site) -> None:
        super().__init__(fault, site)
        size = _size(self.values)
        self.expected = _expected(self.values, size)
        self.patience = 2 * self.expected + 3
        if fault.stream == "upstream":
            self.up = size
        else:
            self.down = size

    @classmethod
    def problems(cls, fault: Fault) -> list[str]:
        """Demand pieces of a positive size, delays that stand out from chance, and a duration that they fit into."""
        values = cls.resolve(fault.attributes)
        if values["size_variation"] * 2 > values["average_size"]:
            return [f"size_variation = {values['size_variation']} B is more than half of average_size"]
        expected = _expected(values, _size(values))
        if expected < 0.05:
            return [f"delay = {values['delay']} µs is too short for pieces of this size: its effect couldn't be proved"]
        if 2 * expected >= fault.duration:
            return [f"duration = {fault.duration:g} s is too short: a reply in such pieces takes {expected:.1f} s"]
        return []


def _size(values: dict[str, int]) -> int:
    """Bytes of padding that a probe transfers."""
    pieces = WORTH * 1_000_000 / values["delay"]
    return min(LARGEST, max(1, int(pieces * values["average_size"])))


def _expected(values: dict[str, int], size: int) -> float:
    """Seconds of delay that a probe meets at least."""
    pieces = (size + HEAD) / (values["average_size"] + values["size_variation"] / 2)
    return pieces * values["delay"] / 1_000_000
