"""Literal histories of the books besides dossiers, each beside one that is whole."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from model.books import BOOKS, PROBE, keepers
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

    def wrote(
        self,
        operation: str,
        key: str,
        event: str | None = "ok",
        entries: int = 1,
        sent: str = SENT,
        owners: str = "",
        told: str = "",
        of: str = "",
    ) -> None:
        """Invoke a write, and end it; ``entries``: how many it acknowledges, ``of``: the document concerned."""
        self._op += 1
        unit = [key, "01", "00004"]
        ledger = self.scene.rows["ledger"]
        ledger.append([0, self._op, "invoke", 1.0, operation, *unit, of, 0, 0, sent, "", owners, False])
        if event:
            count = entries * (event == "ok")
            ledger.append([0, self._op, event, 1.1, operation, *unit, of, count, 0, "", "", told, False])

    def pays(self, code: str, event: str | None = "ok", province: str = "01") -> None:
        """Pay a dossier's fee, under a key of its own."""
        self._op += 1
        unit = [f"k-{code}", province, "00004"]
        ledger = self.scene.rows["ledger"]
        ledger.append([0, self._op, "invoke", 1.0, "pay", *unit, code, 0, 0, "", "", "", False])
        if event:
            ledger.append([0, self._op, event, 1.1, "pay", *unit, code, 0, 0, "", "", "", False])

    def credits(self, code: str, *systems: str, amount: int = 2000) -> None:
        """Hold a dossier's fee as paid."""
        for system in systems:
            self.holds(system, "payment", code, system, str(amount))

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


def test_what_is_with_its_recipients_is_routed(books: Books) -> None:
    books.wrote("send_document", "d", entries=2, owners="H01 H79.26734")
    for organ in ("H01", "H79.26734"):
        books.holds("axis", "document", "d", organ)
    books.wrote("reject_document", "d:H79.26734", of="d")
    books.holds("axis", "reject", "d:H79.26734", "H01")
    books.wrote("report", "H01:BC:1", owners="H01")
    books.holds("reporting", "report", "H01:BC:1", "H01")
    assert found(books.audited()) == {}


@pytest.mark.parametrize("event", ["ok", "info"])
def test_a_document_at_another_agency_is_misrouted(books: Books, event: str) -> None:
    books.wrote("send_document", "d", event, entries=1, owners="H01.00004")
    books.holds("axis", "document", "d", "H79")
    assert found(books.audited()) == {("misrouted", "d"): "H79 has it; it was for H01.00004"}


def test_a_document_at_one_agency_too_many_is_misrouted(books: Books) -> None:
    owners = [f"H01.0000{number}" for number in range(1, 6)]
    books.wrote("send_document", "d", entries=5, owners=" ".join(owners))
    for organ in (*owners, "H79"):
        books.holds("axis", "document", "d", organ)
    detail = "H79 has it; it was for H01.00001, H01.00002, H01.00003 and 2 others"
    assert found(books.audited()) == {("misrouted", "d"): detail}


def test_a_rejection_that_comes_back_to_somebody_else_is_misrouted(books: Books) -> None:
    """Its sender is who sent the document, whatever the axis says of it."""
    books.wrote("send_document", "d", owners="H79.26734")
    books.holds("axis", "document", "d", "H79.26734")
    books.wrote("reject_document", "d:H79.26734", of="d")
    books.holds("axis", "reject", "d:H79.26734", "H96")
    assert found(books.audited()) == {("misrouted", "d:H79.26734"): "H96 has it; it was for H01"}


def test_a_rejection_without_its_reason_is_divergent(books: Books) -> None:
    books.wrote("send_document", "d", owners="H79.26734")
    books.holds("axis", "document", "d", "H79.26734")
    books.wrote("reject_document", "d:H79.26734", of="d")
    books.holds("axis", "reject", "d:H79.26734", "H01", "e" * 64)
    assert found(books.audited()) == {("divergent", "d:H79.26734"): "H01 has other content than was sent"}


def test_a_report_of_another_unit_is_misrouted(books: Books) -> None:
    books.wrote("report", "r", owners="H01.00004")
    books.holds("reporting", "report", "r", "H79")
    assert found(books.audited()) == {("misrouted", "r"): "H79 has it; it was for H01.00004"}


@pytest.mark.parametrize(("kept", "said"), [("BN-2", "the books have BN-2"), (None, "the books have nothing")])
def test_a_receipt_that_was_told_and_is_not_in_the_books_is_unfounded(
    books: Books, kept: str | None, said: str
) -> None:
    books.wrote("verify", "v", entries=0, sent="", owners="population", told="population=BN-1")
    if kept:
        books.holds("national", "mark", "v", "population", kept)
        books.holds("population", "receipt", "v", "population", kept)
    assert found(books.audited()) == {("unfounded", "v"): f"population was told to have given BN-1; {said}"}


def test_a_receipt_that_was_told_and_is_in_the_books_is_founded(books: Books) -> None:
    books.wrote("verify", "v", sent="", owners="population land", told="population=BN-1")
    for system, book in (("national", "mark"), ("population", "receipt")):
        books.holds(system, book, "v", "population", "BN-1")
    assert found(books.audited()) == {}


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


ALL = ("payment", "national", "province:01")


def test_a_fee_that_is_paid_in_all_three_books_has_no_finding(books: Books) -> None:
    books.pays("G1")
    books.credits("G1", *ALL)
    books.pays("G2", "info")
    books.pays("G3", None)
    books.credits("G3", *ALL)
    books.credits(f"{PROBE}1", "payment")
    result = books.audited()
    assert result.findings == ()
    assert result.acknowledged == {"payment": 1}


@pytest.mark.parametrize("event", ["ok", "info", None])
@pytest.mark.parametrize("missing", ["national", "province:01"])
def test_paid_but_waiting(books: Books, missing: str, event: str | None) -> None:
    """Whether the citizen was told so or not: the platform says that it is paid."""
    books.pays("G1", event)
    books.credits("G1", *(system for system in ALL if system != missing))
    assert found(books.audited()) == {("lost", "G1"): f"paid, and still waiting at {missing}"}


def test_a_payment_that_the_citizen_was_told_of_and_nobody_has(books: Books) -> None:
    books.pays("G1")
    assert [finding.detail for finding in books.audited().findings] == [
        "paid, and still waiting at national",
        "paid, and still waiting at province:01",
        "paid, as the citizen was told, and the platform holds it as not paid",
    ]


def test_a_fee_that_is_credited_twice(books: Books) -> None:
    books.pays("G1")
    books.credits("G1", *ALL, "national")
    assert found(books.audited()) == {("duplicated", "G1"): "national has it 2 times"}


def test_a_fee_of_another_amount(books: Books) -> None:
    books.pays("G1")
    books.credits("G1", "payment", "province:01")
    books.credits("G1", "national", amount=4000)
    said = "the amounts differ: national 4000, payment 2000, province:01 2000"
    assert found(books.audited()) == {("divergent", "G1"): said}


def test_a_fee_that_nobody_paid(books: Books) -> None:
    books.pays("G1", "fail")
    books.credits("G1", "national", "province:01")
    result = books.audited()
    assert {(finding.category, finding.key, finding.detail) for finding in result.findings} == {
        ("unfounded", "G1", f"{system} holds it as paid; the platform doesn't")
        for system in ("national", "province:01")
    }


def test_a_payment_that_nobody_attempted(books: Books) -> None:
    books.credits("G1", *ALL)
    assert {finding.category for finding in books.audited().findings} == {"phantom"}


@pytest.mark.parametrize("system", ALL)
def test_payments_that_could_not_be_read_are_unread(books: Books, system: str) -> None:
    books.pays("G1")
    books.credits("G1", *(other for other in ALL if other != system))
    result = books.audited(incomplete=(system,))
    assert (result.unread, result.unread_systems) == ({"payment": 1}, (system,))
    unfounded = [finding.category for finding in result.findings]
    assert unfounded == []


def test_only_platforms_that_are_there_keep_books() -> None:
    assert keepers(("01",), ()) == dict.fromkeys(("payment", "national", "province:01"), ("payment",))
    assert keepers(("01", "79"), ("specialised",)) == {
        "national": ("mark", "payment"),
        "province:01": ("mark", "payment"),
        "province:79": ("mark", "payment"),
        "population": ("receipt",),
        "specialised": ("receipt",),
        "payment": ("payment",),
    }
    assert keepers(("01", "79"), (), ("79",))["province:79"] == ("stub", "payment")
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
