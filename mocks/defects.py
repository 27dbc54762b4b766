"""Seeded defects: bugs that the audit must find. None is on unless a campaign asks for it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mocks.draw import percentile
from mocks.store import LateStore, Store
from model.dossier import State

DROP_SHARE = 1  # % of the sync messages


@dataclass(frozen=True, slots=True)
class Defect:
    """A seeded defect.

    Attributes:
        summary: What the system does wrong.
        row: Row of the mission's table that it stands for, None where it stands for none.
        seen_by: Checks that must see it, one of them at least: categories of the audit, indicators, ``alerts``.
    """

    summary: str
    row: int | None
    seen_by: tuple[str, ...] = ()


DEFECTS: dict[str, Defect] = {
    "drop-sync": Defect(
        "receivers acknowledge and discard 1 % of the sync messages", 3, ("lost", "divergent", "regressed")
    ),
    "ack-before-commit": Defect(
        "provinces answer writes at once and commit about 3 s later", 18, ("lost", "regressed")
    ),
    "duplicate-on-retry": Defect("a repeated idempotency key creates a second dossier", 23, ("duplicated",)),
    "collapse-status": Defect("provinces report states 5, 6 and 8 to the portal as 9", 21, ("divergent",)),
    "sync-gives-up": Defect("a message that failed three times is discarded", 3, ("lost", "divergent", "regressed")),
    "silence-is-consent": Defect(
        "provinces take a synchronisation call that timed out for delivered", 21, ("lost", "divergent", "regressed")
    ),
    "outbox-in-memory": Defect(
        "a system that starts again has forgotten what it had to tell others", 3, ("lost", "divergent")
    ),
    "status-regress": Defect(
        "provinces set a dossier that is handed over again back to its first state", 21, ("divergent", "regressed")
    ),
    "intake-needs-portal": Defect(
        "counters are closed while the portal doesn't take the province's messages", 16, ("availability",)
    ),
    "sync-inline": Defect("counters wait, up to 60 s, until the portal has taken the dossier", 21, ("response_time",)),
    "old-code-accepted": Defect(
        "a unit code of before 1 July 2025 is stored as it is, any code at all", 9, ("misrouted", "lost")
    ),
    "misroute-split": Defect("a dossier of a split commune always goes to the default successor", 16, ("misrouted",)),
    "trusts-code-table": Defect(
        "the unit table is used without checking that it is the registered one", 9, ("misrouted", "lost")
    ),
    "refuses-unverified": Defect(
        "a dossier whose unit code can't be verified is refused, 'because of the reorganisation', and not held",
        4,
        ("refusals", "availability"),
    ),
    "needs-code-register": Defect(
        "no dossier is taken in while the register of unit codes can't be asked", 9, ("availability",)
    ),
    "migration-blocks": Defect("a province takes nothing in while it migrates", 24, ("availability",)),
    "migration-twice": Defect(
        "a migration that is resumed begins again, and moves dossiers a second time", 24, ("duplicated",)
    ),
    "migration-skips": Defect(
        "a migration leaves archived dossiers behind, and attachments of others", 18, ("lost", "divergent")
    ),
    "migration-forgets-accounts": Defect(
        "a migration leaves every fifth officer's account of the old provinces behind", 19, ("lost",)
    ),
    "migration-splits": Defect(
        "a migration sends every dossier of a split commune to the default successor", 24, ("misrouted",)
    ),
    "fake-success": Defect(
        "portal and provinces mark data as verified though the database didn't answer", 14, ("unfounded",)
    ),
    "axis-duplicate": Defect("the axis delivers a document that is sent again a second time", 10, ("duplicated",)),
    "axis-drops-rejects": Defect(
        "a rejected document vanishes from the axis instead of going back to its sender", 10, ("lost",)
    ),
    "hotline-shares-queue": Defect(
        "alerts wait behind the hotline's callers, and are dropped when its queue is full",
        5,
        ("availability", "response_time"),
    ),
    "draft-lost": Defect("every fifth draft is acknowledged and kept empty", 7, ("availability",)),
    "draft-lost-on-redirect": Defect(
        "the portal takes a citizen over from the old interface without the draft", 2, ("availability",)
    ),
    "attachment-truncated": Defect(
        "every third upload is declared complete though bytes are missing", 18, ("divergent",)
    ),
    "orphan-of-missing-account": Defect(
        "dossiers of an officer without an account are nobody's, for good", 19, ("availability",)
    ),
    "missing-workflow-refused": Defect(
        "provinces don't receive dossiers of procedures without a workflow", 17, ("availability",)
    ),
    "refused-for-reorganisation": Defect(
        "counters refuse every fourth dossier because of the reorganisation", 4, ("refusals",)
    ),
    "counter-in-memory": Defect(
        "provinces count their codes in memory: a restart begins anew", 23, ("duplicated", "lost")
    ),
    "stale-units": Defect(
        "systems keep the unit table that they took over first, whatever is registered later", 9, ("availability",)
    ),
    "one-topology": Defect(
        "a one-level centre is run as if it had two levels: its branches can't open each other's dossiers",
        20,
        ("availability",),
    ),
    "correction-lost": Defect(
        "what a colleague mends in a trainee's draft is acknowledged and not kept", 6, ("availability", "divergent")
    ),
    "assisted-as-own": Defect(
        "a dossier that a helper sends for a citizen is the helper's: the citizen doesn't find it", 6, ("availability",)
    ),
    "stub-void": Defect(
        "the number on the stub that a mobile team gives out leads to no dossier", 28, ("availability", "lost")
    ),
    "back-pressure-ignored": Defect(
        "who is told to come again later, with Retry-After, sends again at once, without end", 21, ("retry_rate",)
    ),
    "soak-leak": Defect("systems keep something of every request in memory, for ever", 23, ("memory_growth",)),
    "connections-left-open": Defect(
        "systems open a connection for each request to another one, and never close it", 23, ("descriptor_growth",)
    ),
    "starves-province": Defect(
        "all who ask a shared system wait in one queue: the burst of one province takes every place in it",
        22,
        ("availability", "response_time"),
    ),
    "no-throttle": Defect("the portal lets one account submit as fast as it can", 8, ("availability",)),
}
SHARES = {
    "draft-lost": 20,
    "draft-lost-on-redirect": 100,
    "attachment-truncated": 33,
    "refused-for-reorganisation": 25,
}
"""Of defects that strike some of many: percent of them."""
_COLLAPSED = frozenset({State.MORE_PAPERS, State.FEE_DUE, State.STOPPED})


class Defects:
    """The defects that are on, as the questions that systems ask.

    Raises ValueError for a name that isn't in ``DEFECTS``.
    """

    def __init__(self, names: Iterable[str] = (), seed: int = 0) -> None:
        self._names = frozenset(names)
        self._seed = seed
        unknown = self._names - DEFECTS.keys()
        if unknown:
            raise ValueError(f"no defect {min(unknown)!r}; there are {', '.join(DEFECTS)}")

    @property
    def tries(self) -> int | None:
        """How often a message is tried before it is discarded; None: until it is acknowledged."""
        return 3 if "sync-gives-up" in self._names else None

    def on(self, name: str) -> bool:
        """Tell whether a defect is on."""
        return name in self._names

    def hits(self, name: str, identity: str) -> bool:
        """Tell whether a defect of ``SHARES`` is on and strikes this identity: always the same ones."""
        return name in self._names and percentile(f"{self._seed}:{name}:{identity}") < SHARES[name]

    def drops(self, identity: str) -> bool:
        """Tell whether the receiver discards a sync message: always the same ones."""
        return "drop-sync" in self._names and percentile(f"{self._seed}:{identity}") < DROP_SHARE

    def invented_receipt(self, request: str) -> str | None:
        """Return the receipt number that is made up for a database that kept silent; None: none is."""
        return f"BN-{request}" if "fake-success" in self._names else None

    def reported(self, state: State) -> State:
        """Return the state that a province reports to the portal."""
        return State.DONE if "collapse-status" in self._names and state in _COLLAPSED else state

    def province_store(self, path: Path, schema: str) -> Store:
        """Open a province's store."""
        return (LateStore if "ack-before-commit" in self._names else Store)(path, schema)
