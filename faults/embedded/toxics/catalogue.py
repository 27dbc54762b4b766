"""Every type of toxic, in one table."""

from faults.embedded.toxics.bandwidth import Bandwidth
from faults.embedded.toxics.base import Toxic
from faults.embedded.toxics.latency import Latency
from faults.embedded.toxics.limit_data import LimitData
from faults.embedded.toxics.noop import Noop
from faults.embedded.toxics.reset_peer import ResetPeer
from faults.embedded.toxics.slicer import Slicer
from faults.embedded.toxics.slow_close import SlowClose
from faults.embedded.toxics.timeout import Timeout

TOXICS: dict[str, type[Toxic]] = {
    "bandwidth": Bandwidth,
    "latency": Latency,
    "limit_data": LimitData,
    "noop": Noop,
    "reset_peer": ResetPeer,
    "slicer": Slicer,
    "slow_close": SlowClose,
    "timeout": Timeout,
}
