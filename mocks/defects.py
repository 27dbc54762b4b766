"""Seeded defects: bugs that the audit must find. None is on unless a campaign asks for it."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mocks.store import LateStore, Store
from model.dossier import State

DROP_SHARE = 100  # one sync message in so many


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
    "old-code-accepted": Defect("a unit code of before 1 July 2025 is stored as it is, any code at all", 9),
    "misroute-split": Defect("a dossier of a split commune always goes to the default successor", 16),
    "trusts-code-table": Defect("the unit table is used without checking that it is the registered one", 9),
    "refuses-old-code": Defect("a form with an old unit code is refused, 'because of the reorganisation'", 4),
    "needs-code-register": Defect("no dossier is taken in while the register of unit codes can't be asked", 9),
    "migration-blocks": Defect("a province takes nothing in while it migrates", 24),
    "migration-twice": Defect("a migration that is resumed begins again, and moves dossiers a second time", 24),
    "migration-skips": Defect("a migration leaves archived dossiers behind, and attachments of others", 18),
    "migration-splits": Defect("a migration sends every dossier of a split commune to the default successor", 24),
}
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

    def has(self, name: str) -> bool:
        """Tell whether a defect is on."""
        return name in self._names

    @property
    def forgets_keys(self) -> bool:
        """Whether a repeated idempotency key is taken for a new one."""
        return "duplicate-on-retry" in self._names

    def drops(self, identity: str) -> bool:
        """Tell whether the receiver discards a sync message: always the same ones."""
        if "drop-sync" not in self._names:
            return False
        digest = hashlib.blake2b(f"{self._seed}:{identity}".encode(), digest_size=8).digest()
        return int.from_bytes(digest) % DROP_SHARE == 0

    def reported(self, state: State) -> State:
        """Return the state that a province reports to the portal."""
        return State.DONE if "collapse-status" in self._names and state in _COLLAPSED else state

    def province_store(self, path: Path, schema: str) -> Store:
        """Open a province's store."""
        return (LateStore if "ack-before-commit" in self._names else Store)(path, schema)
