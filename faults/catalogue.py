"""Every kind of fault there is, in one table, and the check of a campaign's faults against it."""

from faults.kinds.bandwidth import Bandwidth
from faults.kinds.base import Kind
from faults.kinds.brownout import Brownout
from faults.kinds.cpu_limit import CpuLimit
from faults.kinds.disconnect import Disconnect
from faults.kinds.down import Down
from faults.kinds.early_closure import EarlyClosure
from faults.kinds.error_rate import ErrorRate
from faults.kinds.flap import Flap
from faults.kinds.kill import Kill
from faults.kinds.latency import Latency
from faults.kinds.limit_data import LimitData
from faults.kinds.lost_callback import LostCallback
from faults.kinds.maintenance_page import MaintenancePage
from faults.kinds.memory_limit import MemoryLimit
from faults.kinds.missing_accounts import MissingAccounts
from faults.kinds.missing_workflow import MissingWorkflow
from faults.kinds.noop import Noop
from faults.kinds.partition import Partition
from faults.kinds.pause import Pause
from faults.kinds.reset_peer import ResetPeer
from faults.kinds.restart import Restart
from faults.kinds.slicer import Slicer
from faults.kinds.slow_accept import SlowAccept
from faults.kinds.slow_close import SlowClose
from faults.kinds.slow_database import SlowDatabase
from faults.kinds.stale_reads import StaleReads
from faults.kinds.timeout import Timeout
from faults.kinds.wrong_code_table import WrongCodeTable
from faults.kinds.wrong_data import WrongData
from model.plan import Fault

KINDS: dict[str, type[Kind]] = {
    "latency": Latency,
    "timeout": Timeout,
    "reset_peer": ResetPeer,
    "bandwidth": Bandwidth,
    "slow_close": SlowClose,
    "slicer": Slicer,
    "limit_data": LimitData,
    "noop": Noop,
    "down": Down,
    "partition": Partition,
    "flap": Flap,
    "brownout": Brownout,
    "slow-accept": SlowAccept,
    "kill": Kill,
    "restart": Restart,
    "pause": Pause,
    "cpu-limit": CpuLimit,
    "memory-limit": MemoryLimit,
    "disconnect": Disconnect,
    "error-rate": ErrorRate,
    "maintenance-page": MaintenancePage,
    "stale-reads": StaleReads,
    "slow-database": SlowDatabase,
    "missing-workflow": MissingWorkflow,
    "missing-accounts": MissingAccounts,
    "lost-callback": LostCallback,
    "wrong-code-table": WrongCodeTable,
    "wrong-data": WrongData,
    "early-closure": EarlyClosure,
}


def validate(fault: Fault) -> list[str]:
    """Say in one sentence each what is wrong with a fault's kind, target and attributes; empty: nothing is."""
    kind = KINDS.get(fault.kind)
    if kind is None:
        return [f"there is no fault kind {fault.kind!r}; there are {', '.join(KINDS)}"]
    found = _target_problems(fault, kind) + _attribute_problems(fault, kind)
    return found or kind.problems(fault)


def _target_problems(fault: Fault, kind: type[Kind]) -> list[str]:
    other = "system" if kind.breaks == "link" else "link"
    given = {noun: getattr(fault, noun) or getattr(fault, f"{noun}s") for noun in (kind.breaks, other)}
    found = []
    if not given[kind.breaks]:
        found.append(f"{fault.kind} breaks a {kind.breaks}: give {kind.breaks} = …")
    if given[other]:
        found.append(f"{fault.kind} breaks a {kind.breaks}, not a {other}: remove {other} = {given[other]!r}")
    return found


def _attribute_problems(fault: Fault, kind: type[Kind]) -> list[str]:
    known = {attribute.name: attribute for attribute in kind.attributes}
    names = ", ".join(known) or "none"
    found = [
        f"{fault.kind} has no attribute {name!r}; it has {names}" for name in fault.attributes if name not in known
    ]
    for name, attribute in known.items():
        value = fault.attributes.get(name, attribute.default)
        bounds = f"{attribute.low} to {attribute.high} {attribute.unit}"
        if value is None:
            found.append(f"{fault.kind} needs {name} = … ({bounds}: {attribute.meaning})")
        elif not attribute.low <= value <= attribute.high:
            found.append(f"{name} = {value} of {fault.kind} is out of range: {bounds}")
    return found
