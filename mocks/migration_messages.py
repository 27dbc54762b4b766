"""What a province says of its migration, and what it is asked."""

from typing import Annotated, Literal

import msgspec

from mocks.stock import Attachment
from mocks.wire import Body

JobState = Literal["none", "waiting", "running", "done"]


class Order(Body):
    """How fast a migration runs: dossiers per second, dossiers of one transaction."""

    rate: Annotated[float, msgspec.Meta(gt=0, le=100_000)] = 50.0
    batch: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 10


class Progress(msgspec.Struct):
    """How far the migration is, in dossiers."""

    state: JobState
    total: int
    moved: int


class Holding(msgspec.Struct):
    """Counts, and one SHA-256 over codes, payload hashes, states, archive flags and attachments' hashes.

    ``accounts`` are officers', ``accounts_digest`` a SHA-256 over their names, roles and hashes.
    """

    dossiers: int
    archived: int
    attachments: int
    digest: str
    accounts: int
    accounts_digest: str


class Holdings(msgspec.Struct):
    """What the migration started from, and what it has moved so far: equal when it is done."""

    before: Holding
    after: Holding


class StagedItem(msgspec.Struct):
    """A legacy dossier as it was before the migration."""

    code: str
    key: str
    province: str
    legacy_commune: str
    hamlet: str
    hash: str
    state: int
    sequence: int
    archived: bool
    attachments: list[Attachment]
    moved: bool


class StagedPage(msgspec.Struct):
    """Legacy dossiers in the order of their numbers; ``next`` is null at the end."""

    items: list[StagedItem]
    next: str | None


class MovedItem(msgspec.Struct):
    """A legacy dossier as the live register has it."""

    code: str
    key: str
    province: str
    commune: str
    hash: str
    state: int
    sequence: int
    archived: bool
    attachments: list[Attachment]


class MovedPage(msgspec.Struct):
    """Migrated dossiers in the order of moving; ``next`` is null at the end."""

    items: list[MovedItem]
    next: str | None


class StagedAccountItem(msgspec.Struct):
    """An officer's account as it was before the migration."""

    name: str
    role: str
    province: str
    legacy_commune: str
    hamlet: str
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
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
