"""What a province says of its migration, and what it is asked."""

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Literal, Protocol, TypeVar

import msgspec

from mocks.wire import Body

Line = tuple[str, str, str, list[tuple[int, int, float]], bool, list[str]]
"""What a holding counts of a dossier: its code and province of before, payload hash, history, archive flag,
attachments' hashes."""

JobState = Literal["none", "waiting", "running", "done"]
MOST = 1000  # items of a page


class Order(Body):
    """How fast a migration runs: dossiers per second, dossiers of one transaction."""

    rate: Annotated[float, msgspec.Meta(gt=0, le=100_000)] = 50.0
    batch: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 10


class Progress(msgspec.Struct):
    """How far the migration is, in dossiers.

    ``held`` are those, and ``held_accounts`` the officers' accounts, of which a person must say where they belong.
    """

    state: JobState
    total: int
    moved: int
    held: int
    held_accounts: int


class Holding(msgspec.Struct):
    """Counts, and one SHA-256 over what a ``Line`` has of every dossier.

    ``accounts`` are officers', ``accounts_digest`` a SHA-256 over their names, roles and hashes.
    """

    dossiers: int
    archived: int
    attachments: int
    digest: str
    accounts: int
    accounts_digest: str


class Holdings(msgspec.Struct):
    """What the migration started from, and what it has moved so far or holds: equal when it is done.

    What officers did since with a dossier that has moved isn't counted.
    """

    before: Holding
    after: Holding


class Attached(msgspec.Struct):
    """A file of a legacy dossier; ``hash`` is the SHA-256 of its bytes."""

    name: str
    hash: str


class StagedItem(msgspec.Struct):
    """A legacy dossier as it was before the migration; ``history`` is (sequence, state, occurred).

    ``old_province`` issued the code. ``legacy_commune`` and ``hamlet`` are the applicant's; ``district`` is where it
    was filed, empty: at the commune.
    """

    code: str
    key: str
    province: str
    old_province: str
    legacy_commune: str
    hamlet: str
    district: str
    procedure: str
    hash: str
    history: list[tuple[int, int, float]]
    archived: bool
    attachments: list[Attached]
    moved: bool

    @property
    def line(self) -> Line:
        """What of it counts."""
        files = [file.hash for file in self.attachments]
        return self.code, self.old_province, self.hash, self.history, self.archived, sorted(files)


class StagedPage(msgspec.Struct):
    """Legacy dossiers in the order of their numbers; ``next`` is null at the end."""

    items: list[StagedItem]
    next: str | None


class MovedItem(msgspec.Struct):
    """A legacy dossier as the live register has it.

    ``commune`` is the province's centre (``H31``) where that decides. ``history`` is as in ``StagedItem``, its first
    ``steps`` those that it came with; ``attachments`` the SHA-256 of the bytes that are there. ``old_code`` is another
    code where another dossier has that one.
    """

    code: str
    key: str
    province: str
    commune: str
    hash: str
    history: list[tuple[int, int, float]]
    steps: int
    archived: bool
    attachments: list[str]
    old_code: str
    old_province: str

    @property
    def line(self) -> Line:
        """What of it counts."""
        came_with = self.history[: self.steps]
        return self.old_code, self.old_province, self.hash, came_with, self.archived, sorted(self.attachments)


class MovedPage(msgspec.Struct):
    """Migrated dossiers in the order of moving; ``next`` is null at the end."""

    items: list[MovedItem]
    next: str | None


class StagedAccountItem(msgspec.Struct):
    """An officer's account as it was before the migration.

    ``legacy_commune`` and ``hamlet`` say where the building of their desk is; ``district`` is whose desk it was, empty:
    the commune's.
    """

    name: str
    role: str
    province: str
    legacy_commune: str
    hamlet: str
    district: str
    hash: str
    moved: bool


class StagedAccountPage(msgspec.Struct):
    """Accounts in the order of their numbers; ``next`` is null at the end."""

    items: list[StagedAccountItem]
    next: str | None


class AccountItem(msgspec.Struct):
    """An officer's account as the province has it now."""

    name: str
    role: str
    province: str
    commune: str
    hash: str


class AccountPage(msgspec.Struct):
    """Migrated accounts in the order of moving; ``next`` is null at the end."""

    items: list[AccountItem]
    next: str | None


class PageOf(Body):
    """Query of a listing: where to go on, how many at most."""

    after: Annotated[str, msgspec.Meta(pattern="^[0-9]*$", max_length=18)] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST)] = 100


class OldProvince(Body):
    """Query of the look-up by an old code: the old province that issued it, by name."""

    old_province: Annotated[str, msgspec.Meta(min_length=1, max_length=50)]


T_co = TypeVar("T_co", covariant=True)


class Listed(Protocol[T_co]):
    """A page of a listing."""

    @property
    def items(self) -> Sequence[T_co]:
        """What is on it."""

    @property
    def next(self) -> str | None:
        """Where to go on."""


def every(read: Callable[[PageOf], Listed[T_co]]) -> Iterator[T_co]:
    """Yield the items of all pages of a listing."""
    after: str | None = ""
    while after is not None:
        page = read(PageOf(after=after, limit=MOST))
        yield from page.items
        after = page.next
