"""What faults inside a system share: switched on through its control API, under a lease that it keeps itself."""

import math
import time
from collections.abc import Iterator
from threading import Event
from typing import ClassVar

from faults.control import LEASE, Answer, Control, Stranger, of_ours
from faults.kinds.base import Attribute, FaultError, SystemKind
from faults.leases import ControlLease
from faults.probe import Measurement
from model.plan import Fault

CHANCE = 0.001  # chance that none of the requests of a proof meets a fault of a share of them
MOST = 200  # requests of a proof

WAYS: dict[str, tuple[str, str, object]] = {
    "national": ("GET", "/procedures?limit=1", None),
    "province": ("GET", "/statistics", None),
    "vneid": ("GET", "/userinfo", None),
    "population": ("POST", "/ndxp/population", {}),
    "payment": ("GET", "/payments/GD0000000000", None),
    "codes": ("GET", "/versions", None),
    "specialised": ("POST", "/ndxp/confirm", {}),
    "axis": ("GET", "/axis/getAgenciesList?limit=1", None),
    "hotline": ("GET", "/alerts?limit=1", None),
    "reporting": ("GET", "/reports?limit=1", None),
    "tasks": ("GET", "/tasks?limit=1", None),
    "meetings": ("GET", "/meetings", None),
    "ioc": ("GET", "/dashboard", None),
}
"""A request of each kind of system's own interface that changes nothing: method, path, body."""

RETRY_AFTER = Attribute("retry_after", "s", 0, 86_400, "what Retry-After says; 0: there is none", default=0)


class ApplicationKind(SystemKind):
    """A fault inside one system.

    Attributes:
        inside: Kinds of systems that can carry it.
    """

    inside: ClassVar[tuple[str, ...]] = tuple(WAYS)
    _applied = False

    @property
    def stranger(self) -> Stranger | None:
        """The system where it isn't ours."""
        return self.site.strangers.get(self.fault.target)

    @property
    def control(self) -> Control:
        """The system's control API; raises FaultError where it isn't ours to use."""
        if self.stranger is not None:
            return self.stranger.control
        if not self.site.token:
            raise FaultError(f"{self.name} {self.fault.target}: its control API isn't ours to use")
        return of_ours(self.address, self.site.token)

    @property
    def lease(self) -> ControlLease:
        """The fault, as the system has it."""
        return ControlLease(self.fault.id, self.fault.target, self.control)

    def apply(self) -> None:
        """Switch it on."""
        control = self._admitted()
        self._applied = True
        control.put(self.fault.id, self.name, self.values)

    @property
    def beat(self) -> float:
        """Seconds between two renewals."""
        return LEASE / 4

    def tick(self) -> float | None:
        """Renew the lease; one that somebody has ended is left alone."""
        return self.beat if self._admitted().renew(self.fault.id) else None

    def _admitted(self) -> Control:
        """Return the control API; raises FaultError where nothing may be sent to a system that isn't ours."""
        if self.stranger is not None:
            self.site.admit(self.fault.target)
        return self.control

    def held(self) -> bool:
        """Ask the system."""
        return self.control.has(self.fault.id)

    def heal(self) -> None:
        """Switch it off."""
        self.control.delete(self.fault.id)
        self._applied = False

    @classmethod
    def problems(cls, fault: Fault) -> list[str]:
        """Demand systems that can carry it."""
        wrong = [target for target in fault.targets if target.partition(":")[0] not in cls.inside]
        return [f"{cls.name} can't be inside {wrong[0]}: only inside {', '.join(cls.inside)}"] if wrong else []

    @property
    def kind_of_system(self) -> str:
        """``province`` for ``province:01``."""
        return self.fault.target.partition(":")[0]

    def answers(self, times: int, seconds: float, stop: Event | None) -> Iterator[Answer]:
        """Send the system its harmless request so many times, for so long."""
        end = time.monotonic() + seconds
        for _ in range(times):
            if time.monotonic() < end and not (stop and stop.is_set()):
                yield self.answer(*WAYS[self.kind_of_system])

    def answer(self, method: str, path: str, body: object = None) -> Answer:
        """Send a system of ours this request, another one what is declared harmless; raises FaultError or OSError."""
        if self.stranger is None:
            return self.ask(method, path, body)
        self.site.admit(self.fault.target)
        return self.stranger.itself.ask("GET", self.stranger.path)


class Counted(ApplicationKind):
    """A fault that strikes some of many: it is proved where some are struck that weren't before."""

    def bites(self, seen: Measurement, healthy: Measurement | None) -> bool:
        """Tell some that are struck, where none was before."""
        return healthy is not None and healthy.ok and struck(healthy) == 0 and seen.ok and struck(seen) > 0

    def gone(self, seen: Measurement, healthy: Measurement | None) -> bool:
        """Tell that none is struck."""
        return seen.ok and struck(seen) == 0


def counted(number: int, of: int, began: float) -> Measurement:
    """Return what a count measured; nothing to count is no measurement."""
    return Measurement("ok" if of else "silent", time.monotonic() - began, 0, {"struck": number, "of": of})


def struck(seen: Measurement) -> int:
    """Return how many were struck."""
    return int(seen.detail.get("struck", 0))


def enough(share: int) -> int:
    """Return how many requests meet a fault of a share (%) of them, but for a small chance."""
    return 1 if share >= 100 else min(MOST, math.ceil(math.log(CHANCE) / math.log(1 - share / 100)))
