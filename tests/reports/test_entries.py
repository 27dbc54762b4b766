"""Literal histories of the books besides dossiers, each beside one that is whole."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from model.books import BOOKS, keepers
from model.plan import Stack
from reports import tables
from reports.entries import CATEGORIES, Entries, audit_entries
from reports.judge import judge, write

Scene = Any  # tests/reports/conftest.py
SENT = "c" * 64
PLATFORMS = ("specialised", "axis", "hotline", "reporting", "tasks")
STACK = Stack(provinces=("01", "79"), platforms=PLATFORMS)


class Books:
    """A record whose ledger and books are written row by row."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        scene.rows["entries"] = []
        self._op = 1000

    def wrote(self, operation: str, key: str, event: str | None = "ok", entries: int = 1, sent: str = SENT) -> None:
        """Invoke a write, and end it; ``entries``: how many it acknowledges."""
        self._op += 1
        unit = [key, "01", "00004"]
        ledger = self.scene.rows["ledger"]
        ledger.append([0, self._op, "invoke", 1.0, operation, *unit, "", 0, 0, sent, ""])
        if event:
            ledger.append([0, self._op, event, 1.1, operation, *unit, "", entries * (event == "ok"), 0, "", ""])

    def holds(self, system: str, book: str, key: str, owner: str, value: str = SENT) -> None:
        """Enter it in a system's book, in both readings."""
        self.scene.rows["entries"] += [[number, system, book, key, owner, value] for number in (1, 2)]

    def readings(self, without: tuple[str, ...] = (), incomplete: tuple[str, ...] = ()) -> None:
        for number in (1, 2):
            for system in keepers(STACK.provinces, STACK.platforms):
                if system not in without:
                    count = sum(row[:2] == [number, system] for row in self.scene.rows["entries"])
                    self.scene.event(
                        "entries_read",
                        **{"pass": number},
                        system=system,
                        entries=count,
                        complete=system not in incomplete,
                    )

    def audited(self, **readings: Any) -> Entries:
        self.readings(**readings)
        record = self.scene.write()
        with tables.opened(record) as database:
            return audit_entries(database, STACK, record.events())


@pytest.fixture
def books(scene: Scene) -> Books:
    return Books(scene)


def found(result: Entries) -> dict[tuple[str, str], str]:
    return {(finding.category, finding.key): finding.detail for finding in result.findings}


def test_whole_books_have_no_finding(books: Books) -> None:
    books.wrote("send_document", "d", entries=2)
    for organ in ("H01", "H79"):
        books.holds("axis", "document", "d", organ)
    books.wrote("verify", "v", entries=2, sent="")
    for database, system in (("population", "population"), ("land", "specialised")):
        books.holds("national", "mark", "v", database, f"BN-{database}")
        books.holds(system, "receipt", "v", database, f"BN-{database}")
    books.wrote("alert", "a", sent="")
    books.holds("hotline", "alert", "a", "01", "")
    result = books.audited()
    assert result.findings == ()
    assert result.unread_systems == ()
    assert result.acknowledged == {"document": 1, "mark": 1, "alert": 1}


@pytest.mark.parametrize(("held", "said"), [(0, "0 of 2 are there"), (1, "1 of 2 are there")])
def test_lost(books: Books, held: int, said: str) -> None:
    books.wrote("send_document", "d", entries=2)
    for organ in ("H01", "H79")[:held]:
        books.holds("axis", "document", "d", organ)
    assert found(books.audited()) == {("lost", "d"): said}


def test_what_was_not_acknowledged_is_not_lost(books: Books) -> None:
    for event in ("info", "fail", None):
        books.wrote("send_document", f"d-{event}", event)
    assert found(books.audited()) == {}


def test_a_retry_that_is_acknowledged_later_is_one_document(books: Books) -> None:
    books.wrote("send_document", "d", "info")
    books.wrote("send_document", "d", entries=1)
    books.holds("axis", "document", "d", "H01")
    assert found(books.audited()) == {}


def test_duplicated(books: Books) -> None:
    books.wrote("send_document", "d")
    for _ in range(3):
        books.holds("axis", "document", "d", "H01")
    assert found(books.audited()) == {("duplicated", "d"): "H01 has it 3 times"}


def test_duplicated_though_never_acknowledged(books: Books) -> None:
    books.wrote("send_document", "d", "info")
    for _ in range(2):
        books.holds("axis", "document", "d", "H01")
    assert found(books.audited()) == {("duplicated", "d"): "H01 has it 2 times"}


def test_divergent(books: Books) -> None:
    books.wrote("report", "r")
    books.holds("reporting", "report", "r", "H01", "d" * 64)
    assert found(books.audited()) == {("divergent", "r"): "H01 has other content than was sent"}


def test_phantom(books: Books) -> None:
    books.holds("hotline", "alert", "a", "01")
    assert found(books.audited()) == {("phantom", "a"): "01 has it; nobody attempted it"}


@pytest.mark.parametrize("receipt", [None, "BN-other"])
def test_a_verification_without_the_receipt_that_it_names_is_unfounded(books: Books, receipt: str | None) -> None:
    books.wrote("verify", "v", entries=1, sent="")
    books.holds("province:01", "mark", "v", "population", "BN-1")
    if receipt:
        books.holds("population", "receipt", "v", "population", receipt)
    assert found(books.audited()) == {("unfounded", "v"): "population gave no receipt; the number in the books is BN-1"}


def test_a_receipt_without_a_verification_is_no_harm(books: Books) -> None:
    """The database answered too late: it confirmed, and the portal asks again."""
    books.wrote("verify", "v", "info")
    books.holds("specialised", "receipt", "v", "land", "BN-1")
    assert found(books.audited()) == {}


@pytest.mark.parametrize("how", ["without", "incomplete"])
def test_what_could_not_be_read_is_unread_and_not_lost(books: Books, how: str) -> None:
    books.wrote("send_document", "d")
    result = books.audited(**{how: ("axis",)})
    assert found(result) == {}
    assert (result.unread, result.unread_systems) == ({"document": 1}, ("axis",))


def test_marks_are_not_unfounded_while_the_databases_are_unread(books: Books) -> None:
    books.wrote("verify", "v", sent="")
    books.holds("national", "mark", "v", "population", "BN-1")
    result = books.audited(incomplete=("population",))
    assert found(result) == {}
    assert result.unread_systems == ("population",)


def test_rows_that_the_record_has_lost_make_a_reading_incomplete(books: Books) -> None:
    books.holds("axis", "document", "d", "H01")
    books.readings()
    books.scene.rows["entries"].pop()
    record = books.scene.write()
    with tables.opened(record) as database:
        assert audit_entries(database, STACK, record.events()).unread_systems == ("axis",)


def test_only_platforms_that_are_there_keep_books() -> None:
    assert keepers(("01",), ()) == {}
    assert keepers(("01", "79"), ("specialised",)) == {
        "national": ("mark",),
        "province:01": ("mark",),
        "province:79": ("mark",),
        "population": ("receipt",),
        "specialised": ("receipt",),
    }
    assert keepers(("01", "79"), (), ("79",)) == {"province:79": ("stub",)}
    assert {book.backing for book in BOOKS.values()} <= {None, *BOOKS}


def test_the_verdict_names_what_is_wrong_with_which_book(run: Callable[..., Scene]) -> None:
    scene = run(stack=Stack(provinces=("01", "14", "79"), platforms=("axis",)))
    books = Books(scene)
    books.wrote("send_document", "d")
    for number in (1, 2):
        scene.event("entries_read", **{"pass": number}, system="axis", entries=0, complete=True)
    record = scene.write()
    judgement = judge(record)
    assert judgement.verdict == "fail"
    assert judgement.reasons[0] == "integrity: documents: 1 lost: d (0 of 1 are there)"
    write(record, judgement)
    verdict = json.loads(record.path("verdict.json").read_text())
    assert verdict["books"] == {category: ["d"] if category == "lost" else [] for category in CATEGORIES}
    audit = json.loads(record.path("audit.json").read_text())
    assert audit["entries"]["findings"] == [
        {"category": "lost", "book": "document", "key": "d", "detail": "0 of 1 are there"}
    ]


def test_an_unread_book_is_inconclusive(run: Callable[..., Scene]) -> None:
    judgement = judge(run(stack=Stack(provinces=("01", "14", "79"), platforms=("hotline",))).write())
    assert judgement.verdict == "inconclusive"
    assert "audit: books not read completely, twice: hotline" in judgement.reasons
