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
    """

    summary: str
    row: int | None


DEFECTS: dict[str, Defect] = {
    "drop-sync": Defect("receivers acknowledge and discard 1 % of the sync messages", 3),
    "ack-before-commit": Defect("provinces answer writes at once and commit about 3 s later", 18),
    "duplicate-on-retry": Defect("a repeated idempotency key creates a second dossier", 23),
    "collapse-status": Defect("provinces report states 5, 6 and 8 to the portal as 9", 21),
    "sync-gives-up": Defect("a message that failed three times is given up", 3),
    "silence-is-consent": Defect("provinces take a synchronisation call that timed out for delivered", 21),
    "outbox-in-memory": Defect("a system that starts again has forgotten what it had to tell others", 3),
    "status-regress": Defect("provinces set a dossier that is handed over again back to its first state", 21),
    "stale-read": Defect("every other look-up of a dossier is answered from a copy whose steps lag 5 s behind", 21),
    "reorder": Defect(
        "provinces send the steps that wait newest first, and the portal takes what came last for how a dossier stands",
        3,
    ),
    "intake-needs-portal": Defect("counters are closed while the portal doesn't take the province's messages", 16),
    "sync-inline": Defect("counters wait, up to 60 s, until the portal has taken the dossier", 21),
    "old-code-accepted": Defect("a unit code of before 1 July 2025 is stored as it is, any code at all", 9),
    "misroute-split": Defect("a dossier of a split commune always goes to the default successor", 16),
    "trusts-code-table": Defect("the unit table is used without checking that it is the registered one", 9),
    "refuses-unverified": Defect(
        "a dossier whose unit code can't be verified is refused, 'because of the reorganisation', and not held", 4
    ),
    "needs-code-register": Defect("no dossier is taken in while the register of unit codes can't be asked", 9),
    "migration-blocks": Defect("a province takes nothing in while it migrates", 24),
    "migration-twice": Defect("a migration that is resumed begins again, and moves dossiers a second time", 24),
    "migration-skips": Defect("a migration leaves archived dossiers behind, and attachments of others", 18),
    "migration-forgets-accounts": Defect(
        "a migration leaves every fifth officer's account of the old provinces behind", 19
    ),
    "migration-splits": Defect("a migration sends what is of a split commune to its default successor", 24),
    "migration-overwrites-same-code": Defect(
        "a dossier that moves takes the place of another old province's that has the same code", 24
    ),
    "district-dossier-to-old-seat": Defect(
        "a migration leaves what was filed with a district at the commune of the district's seat, whoever decides now",
        17,
    ),
    "fake-success": Defect("portal and provinces mark data as verified though the database didn't answer", 14),
    "believes-anything": Defect("portal and provinces mark data as verified that a database says are different", 22),
    "verified-too-soon": Defect(
        "portal and provinces say «verified» at once, and ask the databases that didn't answer later", 14
    ),
    "axis-misdelivers": Defect("every twentieth document goes to another agency in a recipient's place", 10),
    "axis-duplicate": Defect("the axis delivers a document that is sent again a second time", 10),
    "axis-drops-rejects": Defect("a rejected document vanishes from the axis instead of going back to its sender", 10),
    "hotline-shares-queue": Defect(
        "alerts wait behind the hotline's callers, and are dropped when its queue is full", 5
    ),
    "draft-lost": Defect("every fifth draft is acknowledged and kept empty", 7),
    "draft-lost-on-redirect": Defect("the portal takes a citizen over from the old interface without the draft", 2),
    "never-closes": Defect("provinces go on with their old interfaces after T_cutover, as if it never came", 2),
    "attachment-truncated": Defect("every third upload is declared complete though bytes are missing", 18),
    "orphan-of-missing-account": Defect("dossiers of an officer without an account are nobody's, for good", 19),
    "missing-workflow-refused": Defect("provinces don't receive dossiers of procedures without a workflow", 17),
    "refused-for-reorganisation": Defect("counters refuse every fourth dossier because of the reorganisation", 4),
    "counter-in-memory": Defect("provinces count their codes in memory: a restart begins anew", 23),
    "stale-units": Defect("systems keep the unit table that they took over first, whatever is registered later", 9),
    "one-topology": Defect(
        "a one-level centre is run as if it had two levels: its branches can't open each other's dossiers", 20
    ),
    "correction-lost": Defect("what a colleague mends in a trainee's draft is acknowledged and not kept", 6),
    "assisted-as-own": Defect(
        "a dossier that a helper sends for a citizen is the helper's: the citizen doesn't find it", 6
    ),
    "stub-void": Defect("the number on the stub that a mobile team gives out leads to no dossier", 28),
    "back-pressure-ignored": Defect(
        "who is told to come again later, with Retry-After, sends again at once, without end", 21
    ),
    "test-mode-leaks": Defect(
        "the mark of a rehearsal isn't carried to the other system: its dossiers count as official there", 1
    ),
    "soak-leak": Defect("systems keep something of every request in memory, for ever", 23),
    "connections-left-open": Defect(
        "systems open a connection for each request to another one, and never close it", 23
    ),
    "starves-province": Defect(
        "all who ask a shared system wait in one queue: the burst of one province takes every place in it", 22
    ),
    "paid-but-waiting": Defect(
        "the portal waits for the payment platform's call-back, and asks about no payment itself", 31
    ),
    "callback-applied-twice": Defect("the portal credits a fee each time that it hears that it was paid", 31),
    "reports-lost": Defect("every fifth report of a unit is acknowledged and not kept", 11),
    "tasks-lost-progress": Defect("every fifth report of progress on a task is acknowledged and not kept", 12),
    "seats-never-freed": Defect("a meeting's seat isn't given back when somebody leaves: soon nobody gets in", 13),
    "ioc-uncached": Defect("each poll of a dashboard asks every province afresh: reading starves intake", 15),
    "asks-vneid-each-call": Defect(
        "the portal asks VNeID about the citizen's token with every request, not only when a session is opened", 30
    ),
    "held-for-good": Defect("what a commune that wasn't connected had to tell stays held when it is connected", 27),
    "no-throttle": Defect("the portal lets one account submit as fast as it can", 8),
}
SHARES = {
    "draft-lost": 20,
    "draft-lost-on-redirect": 100,
    "attachment-truncated": 33,
    "reports-lost": 20,
    "tasks-lost-progress": 20,
    "refused-for-reorganisation": 25,
    "axis-misdelivers": 5,
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
