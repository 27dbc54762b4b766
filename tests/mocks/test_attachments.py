"""Attachments arrive whole, at portal and province, or are not accepted."""

import hashlib
import random

import pytest

DATA = random.Random(7).randbytes(100_000)
HASH = hashlib.sha256(DATA).hexdigest()


def announce(stack, name, who, data=DATA):
    content = {"hash": hashlib.sha256(data).hexdigest(), "size": len(data)}
    return stack.post(name, "/attachments", content, headers=who)


def piece(stack, name, who, offset, data, digest=HASH):
    url = f"{stack.url(name)}/attachments/{digest}/pieces/{offset}"
    return stack.http.put(url, content=data, headers=who)


def complete(stack, name, who, digest=HASH):
    return stack.post(name, f"/attachments/{digest}/complete", headers=who)


def upload(stack, name, who, data=DATA):
    digest = hashlib.sha256(data).hexdigest()
    assert announce(stack, name, who, data).status_code == 200
    for offset in range(0, len(data), 32_768):
        assert piece(stack, name, who, offset, data[offset : offset + 32_768], digest).status_code == 200
    return complete(stack, name, who, digest)


def held(stack, name, code):
    answer = stack.get(name, f"/dossiers/{code}")
    return answer.json()["attachments"] if answer.status_code == 200 else None


def test_an_upload_goes_on_where_it_stopped_even_after_kill_9(stacks):
    stack = stacks().start("province:01")
    officer = stack.officer()
    announce(stack, "province:01", officer)
    assert piece(stack, "province:01", officer, 0, DATA[:40_000]).json()["offset"] == 40_000
    stack.kill("province:01")
    stack.start("province:01")
    found = stack.get("province:01", f"/attachments/{HASH}", headers=officer).json()
    assert (found["offset"], found["complete"]) == (40_000, False)
    assert announce(stack, "province:01", officer).json()["offset"] == 40_000
    assert piece(stack, "province:01", officer, 0, DATA[:40_000]).json()["offset"] == 40_000
    assert piece(stack, "province:01", officer, 40_000, DATA[40_000:]).json()["offset"] == len(DATA)
    assert complete(stack, "province:01", officer).json()["complete"]


@pytest.mark.parametrize(("name", "path"), [("national", "/dossiers"), ("province:01", "/counter/dossiers")])
def test_an_attachment_is_at_both_sides_in_the_end(stack, submission, eventually, name, path):
    who = stack.citizen() if name == "national" else stack.officer()
    assert upload(stack, name, who).json()["complete"]
    answer = stack.post(name, path, submission(attachments=[HASH]), headers={**who, **stack.key()})
    assert answer.status_code == 201, answer.text
    code = answer.json()["code"]
    assert held(stack, name, code) == [HASH]
    other = "province:01" if name == "national" else "national"
    eventually(lambda: held(stack, other, code) == [HASH])
    assert next(item for item in stack.listing(other) if item["code"] == code)["attachments"] == [HASH]


def test_what_is_not_whole_is_not_accepted(stack, submission):
    officer, data = stack.officer(commune="00008"), b"another" * 999
    digest = hashlib.sha256(data).hexdigest()
    announce(stack, "province:01", officer, data)
    piece(stack, "province:01", officer, 0, data[:100], digest)
    assert complete(stack, "province:01", officer, digest).status_code == 409
    headers = {**officer, **stack.key()}
    content = submission(attachments=[digest])
    answer = stack.post("province:01", "/counter/dossiers", content, headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (422, "validation")
    piece(stack, "province:01", officer, 100, b"\0" * (len(data) - 100), digest)
    assert complete(stack, "province:01", officer, digest).status_code == 422


@pytest.mark.parametrize(
    ("offset", "data", "status"),
    [("5", b"x", 409), ("-1", b"x", 422), ("1e3", b"x", 422), ("0", b"", 422), ("0", b"x" * 200_000, 422)],
)
def test_a_piece_that_does_not_fit_is_refused(stack, offset, data, status):
    officer = stack.officer(commune="00091")
    announce(stack, "province:01", officer)
    assert piece(stack, "province:01", officer, offset, data).status_code == status
    assert stack.get("province:01", f"/attachments/{HASH}", headers=officer).json()["offset"] == 0


@pytest.mark.parametrize("change", [{"size": 0}, {"size": 10**9}, {"hash": "x"}, {"size": "1"}, {"more": 1}])
def test_an_announcement_that_makes_no_sense_is_refused(stack, change):
    content = {"hash": HASH, "size": 10, **change}
    assert stack.post("national", "/attachments", content, headers=stack.citizen()).status_code == 422


def test_an_attachment_is_its_owners_alone(stack, submission):
    upload(stack, "province:01", stack.officer(commune="00070"))
    other = stack.officer(commune="00082")
    assert stack.get("province:01", f"/attachments/{HASH}", headers=other).status_code == 404
    content = submission(attachments=[HASH])
    answer = stack.post("province:01", "/counter/dossiers", content, headers={**other, **stack.key()})
    assert answer.status_code == 422


def test_an_attachment_of_an_unknown_dossier_is_refused(stack):
    url = f"{stack.url('province:01')}/api/attachments/G01.00004-250701-9999/{HASH}"
    assert stack.http.put(url, content=DATA).json()["error_code"] == 2


@pytest.mark.parametrize("defects", [(), ("attachment-truncated",)])
def test_attachment_truncated_accepts_what_is_not_whole(stacks, submission, eventually, defects):
    stack = stacks(defects=defects).start("national").start("province:01")
    officer, hashes = stack.officer(), set()
    for number in range(12):
        data = b"%d" % number * 50_000
        assert upload(stack, "province:01", officer, data).json()["complete"]
        hashes.add(hashlib.sha256(data).hexdigest())
    code = stack.intake(officer, submission(attachments=sorted(hashes)))
    eventually(lambda: stack.pending("province:01") == 0)
    for name in ("province:01", "national"):
        assert (set(held(stack, name, code)) == hashes) == (not defects)
