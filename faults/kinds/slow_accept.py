"""Connections that are taken at once, and heard late."""

from faults.kinds.base import TOXICITY, Attribute
from faults.kinds.latency import Latency


class SlowAccept(Latency):
    """Whoever dials is connected at once, and waits ``latency`` before the system hears the request.

    That is the nearest that Toxiproxy comes to a full accept queue, since its own listener always accepts. It delays
    every request of a connection, not only the first: for clients that keep none alive that is the same.
    """

    name = "slow-accept"
    type = "latency"
    always = "upstream"
    summary = "connections are taken at once and heard late: requests wait latency before the system gets them"
    proof = "a whole reply on a new connection takes at least 80 % of latency − jitter"
    attributes = (
        Attribute("latency", "ms", 10, 60_000, "from the connection to the system's hearing the request"),
        Attribute("jitter", "ms", 0, 30_000, "most that the delay may vary by", default=0),
        TOXICITY,
    )
