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
    "draft-lost": Defect("every fifth draft is acknowledged and kept empty", 7),
    "draft-lost-on-redirect": Defect("the portal takes a citizen over from the old interface without the draft", 2),
    "attachment-truncated": Defect("every third upload is declared complete though bytes are missing", 18),
    "orphan-of-missing-account": Defect("dossiers of an officer without an account are nobody's, for good", 19),
    "missing-workflow-refused": Defect("provinces don't receive dossiers of procedures without a workflow", 17),
    "refused-for-reorganisation": Defect("counters refuse every fourth dossier because of the reorganisation", 4),
    "counter-in-memory": Defect("provinces count their codes in memory: a restart begins anew", 23),
    "no-throttle": Defect("the portal lets one account submit as fast as it can", 8),
    "collapse-status": Defect("provinces report states 5, 6 and 8 to the portal as 9", 21),
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
    def forgets_keys(self) -> bool:
        """Whether a repeated idempotency key is taken for a new one."""
        return "duplicate-on-retry" in self._names

    def on(self, name: str) -> bool:
        """Tell whether a defect is on."""
        return name in self._names

    def hits(self, name: str, identity: str) -> bool:
        """Tell whether a defect of ``SHARES`` is on and strikes this identity: always the same ones."""
        if name not in self._names:
            return False
        digest = hashlib.blake2b(f"{self._seed}:{name}:{identity}".encode(), digest_size=8).digest()
        return int.from_bytes(digest) % 100 < SHARES[name]

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
