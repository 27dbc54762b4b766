"""A clerk's documents: what the ledger says of them is what the axis has, and who fetches one reads edXML."""

from collections.abc import Iterator
from typing import Any

import pytest

from model import edxml
from scenarios.session import JourneyFailed
from tests.mocks.conftest import Stack, eventually
from tests.scenarios.test_paths import walk


@pytest.fixture
def stack(tmp_path: Any) -> Iterator[Any]:
    stack = Stack(tmp_path, platforms=("axis",)).start()  # type: ignore[no-untyped-call]  # tests of mocks
    yield stack
    stack.stop()


def test_a_document_is_kept_as_the_ledger_has_it_and_fetched(stack: Any) -> None:
    sent = walk(stack, "send-document")
    assert sent.failed() == []
    ((write, result),) = sent.writes
    eventually(lambda: stack.pending("province:01") == 0)
    kept = stack.get("axis", "/entries").json()["items"]
    assert result.sequence == len(kept) == len(write.owners)
    assert {(item["key"], item["value"]) for item in kept} == {(write.key, write.payload_hash)}
    received = walk(stack, "receive-documents")
    assert received.failed() == []
    assert received.outcomes.count(("axis.get", "ok")) == len(kept)


def test_what_is_no_edxml_is_no_document(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """To a clerk whose software wants another namespace, an answer 200 isn't ok."""
    walk(stack, "send-document")
    eventually(lambda: stack.pending("province:01") == 0)
    monkeypatch.setattr(edxml, "_OURS", "urn:other ")
    with pytest.raises(JourneyFailed, match=r"axis\.get: invalid"):
        walk(stack, "receive-documents")
