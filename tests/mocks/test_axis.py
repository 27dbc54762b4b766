"""The document axis: once, in order, to whom it concerns; rejections go back."""

import pytest

from model import edxml
from model.books import content_hash, request_id
from tests.mocks.edocs import LETTER, XML, document, envelope
from tests.mocks.inside import Inside

ORGANS = ("H01", "H01.00004", "H79")
DRAFT = {"CodeNumber": "12", "CodeNotation": "UBND-VP", "Subject": "V/v", "Content": "Kính gửi"}
TXT = {"AttachmentName": "cv.txt", "ContentType": "text/plain"}


@pytest.fixture
def axis(stacks):
    """An axis, and the sessions of some agencies."""

    def make(*defects):
        stack = stacks(defects=defects, platforms=("axis",)).start("axis")
        return stack, {organ: register(stack, organ) for organ in ORGANS}

    return make


def register(stack, organ):
    asked = {"OrganId": organ, "OrganName": "UBND", "password": f"mk.{organ}"}
    answer = stack.post("axis", "/axis/registerAgency", asked)
    return {"Authorization": f"Bearer {answer.json()['session']}"}


def send(stack, sessions, raw, organ="H01"):
    return stack.http.post(stack.url("axis") + "/axis/sendEdoc", content=raw, headers={**sessions[organ], **XML})


def fetch(stack, sessions, name, organ):
    return stack.get("axis", f"/axis/getEdoc/{name}", headers=sessions[organ])


def received(stack, sessions, organ, **query):
    answer = stack.get("axis", "/axis/getReceivedEdocList", params=query, headers=sessions[organ])
    return [(item["DocumentId"], item["To"], item["Status"]) for item in answer.json()["items"]]


def update(stack, sessions, organ, to, status, reason=""):
    content = {"DocumentId": "d1", "To": to, "Status": status, "Reason": reason}
    return stack.post("axis", "/axis/updateStatus", content, headers=sessions[organ])


@pytest.mark.parametrize(("defects", "copies"), [((), 1), (("axis-duplicate",), 2)])
def test_what_is_sent_again_is_delivered_once(axis, defects, copies):
    stack, sessions = axis(*defects)
    answers = [send(stack, sessions, document()) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json() == {"code": "d1", "sequence": 2, "error_code": 0}
    assert received(stack, sessions, "H79") == [("d1", "H79", "01")] * copies
    assert len(stack.entries("axis")) == 2 * copies


def test_a_document_id_with_other_content_is_refused(axis):
    stack, sessions = axis()
    send(stack, sessions, document())
    assert send(stack, sessions, document(Content="khác")).status_code == 422
    assert send(stack, sessions, document() + b" ").status_code == 422, "the same meaning, in other bytes"
    assert len(stack.entries("axis")) == 2
    assert fetch(stack, sessions, "d1", "H79").content == document()


def test_a_superior_fetches_for_its_units_and_nobody_else_does(axis):
    stack, sessions = axis()
    send(stack, sessions, document())
    assert received(stack, sessions, "H01.00004") == received(stack, sessions, "H01") == [("d1", "H01.00004", "01")]
    assert received(stack, sessions, "H79", Status="03") == []
    send(stack, sessions, document("d2", to=("H01.00004",)))
    assert fetch(stack, sessions, "d2", "H01").status_code == 200
    assert fetch(stack, sessions, "d2", "H79").status_code == 404


def test_a_document_comes_as_it_was_sent_byte_for_byte(axis):
    """Written by other software: other prefixes, elements that we pass over, files in lines of base64."""
    stack, sessions = axis()
    raw = document().replace(b"edXML:", b"e:").replace(b"xmlns:edXML", b"xmlns:e").replace(b"?>", b"?>\r\n<!-- x -->")
    raw = raw.replace(b"</e:Content>", b"</e:Content>\n\t<e:SignerInfo><e:FullName>A</e:FullName></e:SignerInfo>")
    assert send(stack, sessions, raw).status_code == 201
    for organ in ORGANS:
        found = fetch(stack, sessions, "d1", organ)
        assert (found.content, found.headers["content-type"]) == (raw, "application/xml")
    values = {item["value"] for item in stack.get("axis", "/entries").json()["items"]}
    assert values == {content_hash(envelope().meaning())}


def test_a_life_from_arrival_to_done_and_what_may_not_follow(axis):
    stack, sessions = axis()
    send(stack, sessions, document())
    path = ("03", "04", "05", "06")
    assert [update(stack, sessions, "H79", "H79", status).status_code for status in path] == [200] * 4
    assert update(stack, sessions, "H79", "H79", "06").status_code == 200
    assert update(stack, sessions, "H79", "H79", "03").status_code == 409
    assert update(stack, sessions, "H79", "H01.00004", "03").status_code == 404


def test_only_the_sender_withdraws_and_the_recipient_agrees_or_not(axis):
    stack, sessions = axis()
    send(stack, sessions, document())
    assert update(stack, sessions, "H79", "H79", "13").status_code == 404
    assert update(stack, sessions, "H01", "H79", "13").status_code == 200
    assert update(stack, sessions, "H79", "H79", "15").status_code == 200
    assert update(stack, sessions, "H79", "H79", "16").status_code == 409


@pytest.mark.parametrize("defects", [(), ("axis-drops-rejects",)])
def test_a_rejection_goes_back_with_its_reason(axis, defects):
    stack, sessions = axis(*defects)
    send(stack, sessions, document())
    assert update(stack, sessions, "H79", "H79", "02").status_code == 422
    assert update(stack, sessions, "H79", "H79", "02", "Gửi sai đơn vị").json()["code"] == "d1:H79"
    sent = stack.get("axis", "/axis/getSentEdocList", params={"Status": "02"}, headers=sessions["H01"]).json()["items"]
    assert [(item["To"], item["Reason"]) for item in sent] == ([] if defects else [("H79", "Gửi sai đơn vị")])
    assert (("reject", "d1:H79", "H01") in stack.entries("axis")) == (not defects)
    values = [item["value"] for item in stack.get("axis", "/entries").json()["items"] if item["book"] == "reject"]
    assert values == ([] if defects else [content_hash({"Reason": "Gửi sai đơn vị"})])


def test_axis_misdelivers_every_twentieth_document(axis):
    stack, sessions = axis("axis-misdelivers")
    for number in range(60):
        send(stack, sessions, document(f"d{number}"))
    astray = [(key, owner) for _, key, owner in stack.entries("axis") if owner not in ("H01.00004", "H79")]
    assert 0 < len(astray) < 12
    assert {owner for _, owner in astray} == {"H79.25747"}
    assert all(("document", key, "H01.00004") not in stack.entries("axis") for key, _ in astray)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"To": ["H79.99999"]}, 422),
        ({"To": []}, 422),
        ({"From": "H79"}, 401),
        ({"DocumentId": "'; DROP TABLE documents; --"}, 422),
        ({"Timestamp": "hôm nay"}, 422),
        ({"Subject": ""}, 422),
        ({"Content": "x" * 100_001}, 422),
        ({"Attachments": [LETTER] * 21}, 422),
    ],
)
def test_wrong_documents_are_refused(axis, change, status):
    stack, sessions = axis()
    assert send(stack, sessions, document(**change)).status_code == status
    assert stack.entries("axis") == []


def test_agencies_are_all_units_and_those_that_register(axis):
    stack, _ = axis()
    assert register(stack, "BNV").keys() == {"Authorization"}
    listed = stack.get("axis", "/axis/getAgenciesList", params={"limit": 1000}).json()
    assert len(listed["items"]) == 1000
    assert listed["items"][0] == {"OrganId": "BNV", "OrganName": "UBND"}
    wrong = {"OrganId": "H01", "OrganName": "UBND", "password": "x"}
    assert stack.post("axis", "/axis/registerAgency", wrong).status_code == 401
    assert stack.get("axis", "/axis/getReceivedEdocList").status_code == 401


def test_a_province_keeps_its_documents_until_the_axis_has_them(stacks, eventually):
    stack = stacks(platforms=("axis",)).start("province:01")
    clerk, key = stack.officer(role="vt"), stack.key()
    letter = {"AttachmentName": "cv.txt", "ContentType": "text/plain", "Content": "S8OtbmggZ+G7rWk="}
    draft = {**DRAFT, "To": ["H01.00004", "H01.00004", "H79"], "Content": "<x> &", "Attachments": [letter]}
    answers = [stack.post("province:01", "/documents", draft, headers={**clerk, **key}) for _ in range(2)]
    assert [(answer.status_code, answer.json()["sequence"]) for answer in answers] == [(201, 2)] * 2
    assert stack.pending("province:01") == 1
    stack.start("axis")
    eventually(lambda: stack.pending("province:01") == 0)
    name = answers[0].json()["code"]
    assert name == request_id("province:01", "00004", key["Idempotency-Key"])
    assert stack.entries("axis") == [("document", name, "H01.00004"), ("document", name, "H79")]
    found = edxml.read(fetch(stack, {"H79": register(stack, "H79")}, name, "H79").content)
    assert found.meaning() == envelope(name, Content="<x> &").meaning()
    assert (found.Place, found.TypeName) == ("Hà Nội", "Công văn")
    values = {item["value"] for item in stack.get("axis", "/entries").json()["items"]}
    assert values == {content_hash({"DocumentId": name, "From": "H01", **draft, "To": ["H01.00004", "H79"]})}


def test_what_cannot_stand_in_edxml_is_refused_at_the_province(tmp_path):
    """At once, and not by the axis when the clerk has gone."""
    large = {"Content": "&" * 100_000, "Attachments": [{**TXT, "Content": "QUFB" * 140_000}]}
    inside = Inside(tmp_path, ["province:01"], ("axis",))
    for change, word in (
        ({"Subject": "a\u0000b"}, "U+0000"),
        ({"Content": "\uffff"}, "U+FFFF"),
        (large, "larger than"),
        ({"Attachments": [{**TXT, "Content": "%"}]}, "$.Attachments[0].Content"),
        ({"Attachments": [{**TXT, "Path": "/"}]}, "$.Attachments[0]"),
    ):
        headers = {**inside.officer(role="vt"), **inside.key()}
        answer = inside.post("province:01", "/documents", {**DRAFT, "To": ["H79"], **change}, headers=headers)
        assert (answer.status_code, answer.json()["reason"]) == (422, "validation")
        assert word in answer.json()["message"]
    assert inside.get("province:01", "/outbox").json()["stored"] == 0
    inside.stop()


def test_clerks_of_two_provinces_and_two_communes_may_use_one_key(stacks, eventually):
    stack = stacks(platforms=("axis",), provinces=("01", "79")).start("province:01", "province:79", "axis")
    clerks = [("01", "00004"), ("01", "00008"), ("79", "25747")]
    for province, commune in clerks:
        draft = {**DRAFT, "To": ["H48"], "Content": f"Của {commune}"}
        headers = {**stack.officer(province, commune, role="vt"), "Idempotency-Key": "doc1"}
        assert stack.post(f"province:{province}", "/documents", draft, headers=headers).status_code == 201
    eventually(lambda: stack.pending("province:01", "province:79") == 0)
    names = {("document", request_id(f"province:{province}", commune, "doc1"), "H48") for province, commune in clerks}
    assert set(stack.entries("axis")) == names
    assert len(names) == 3


def test_documents_survive_a_kill(axis):
    stack, sessions = axis()
    send(stack, sessions, document())
    stack.kill("axis")
    stack.start("axis")
    assert received(stack, sessions, "H79") == [("d1", "H79", "01")]
