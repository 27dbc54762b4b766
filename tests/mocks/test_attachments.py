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


@pytest.mark.parametrize(("name", "path"), [("national", "/dossiers"), ("province:01", "/counter/dossiers")])
def test_a_large_attachment_arrives_and_holds_nobody_up(stack, submission, eventually, name, path):
    """1.5 MB are more than one request may carry; what was submitted after them arrives as well."""
    who, data = stack.citizen() if name == "national" else stack.officer(), random.Random(name).randbytes(1_500_000)
    digest = hashlib.sha256(data).hexdigest()
    assert announce(stack, name, who, data).status_code == 200
    for offset in range(0, len(data), 1_000_000):
        assert piece(stack, name, who, offset, data[offset : offset + 1_000_000], digest).status_code == 200
    assert complete(stack, name, who, digest).json()["complete"]
    codes = []
    for hashes in ([digest], [], []):
        content = submission(attachments=hashes)
        codes.append(stack.post(name, path, content, headers={**who, **stack.key()}).json()["code"])
    other = "province:01" if name == "national" else "national"
    eventually(lambda: [held(stack, other, code) for code in codes] == [[digest], [], []])
    eventually(lambda: stack.pending(name) == 0)


def handed_over(stack, at, who, code, data, offset=0, whole=DATA, **changes):
    """Hand a piece over as the other system does; returns status, error code and where to go on."""
    said = {"hash": hashlib.sha256(whole).hexdigest(), "size": len(whole), **changes}
    url = f"{stack.url(at)}/api/attachments/{code}/{said['hash']}/{said['size']}/pieces/{offset}"
    answer = stack.http.put(url, content=data, headers=who)
    return answer.status_code, answer.json()["error_code"], answer.json().get("offset")


def test_a_hand_over_goes_on_where_the_receiver_is(stack):
    code, portal = stack.intake(stack.officer()), stack.peer()

    def hand(offset, data):
        return handed_over(stack, "province:01", portal, code, data, offset)

    assert hand(0, DATA[:40_000]) == (200, 0, 40_000)
    assert hand(0, DATA[:40_000]) == (200, 0, 40_000)
    assert hand(60_000, DATA[60_000:]) == (200, 0, 40_000)
    assert held(stack, "province:01", code) == []
    assert hand(40_000, DATA[40_000:]) == (200, 0, len(DATA))
    assert held(stack, "province:01", code) == [HASH]
    assert hand(0, DATA[:40_000]) == (200, 0, len(DATA))
    assert held(stack, "province:01", code) == [HASH]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"hash": "not-a-hash<script>"}, 422), ({"hash": "0" * 63}, 422), ({"hash": "A" * 64}, 422),
        ({"size": "x"}, 422), ({"size": 10_000_001}, 422), ({"offset": "-1"}, 422), ({"data": b"x" * 1_100_000}, 413),
        ({"hash": "0" * 64}, 200), ({"data": b"junk" * 25_000}, 200), ({"data": b""}, 200), ({"size": 5}, 200),
        ({"offset": 1}, 200),
    ],
)  # fmt: skip
def test_a_forged_attachment_is_not_stored(stack, changes, status):
    """Its path must make sense, its bytes must be what the SHA-256 says; the right one arrives all the same."""
    code, portal = stack.intake(stack.officer()), stack.peer()
    found = handed_over(stack, "province:01", portal, code, **{"data": DATA, **changes})
    assert found[:2] == (status, -1)
    assert held(stack, "province:01", code) == []
    assert handed_over(stack, "province:01", portal, code, DATA) == (200, 0, len(DATA))
    assert held(stack, "province:01", code) == [HASH]


def test_only_the_other_system_hands_attachments_over(stacks, submission, eventually):
    """Neither nobody nor an officer or citizen; to the portal each province those of its own dossiers."""
    stack = stacks(provinces=("01", "79")).start()
    citizen, officer = stack.citizen(), stack.officer()
    code = stack.post("national", "/dossiers", submission(), headers={**citizen, **stack.key()}).json()["code"]
    eventually(lambda: held(stack, "province:01", code) == [])
    tries = [("province:01", who) for who in ({}, officer, stack.peer("province:01", "national"))]
    tries += [("national", who) for who in ({}, citizen, stack.peer())]
    assert {handed_over(stack, at, who, code, DATA)[0] for at, who in tries} == {401}
    assert handed_over(stack, "national", stack.peer("province:79", "national"), code, DATA)[1] == -1
    assert held(stack, "national", code) == held(stack, "province:01", code) == []


def test_an_attachment_of_an_unknown_dossier_is_refused(stack):
    found = handed_over(stack, "province:01", stack.peer(), "G01.00004-250701-9999", DATA)
    assert found[:2] == (200, 2)


def test_a_wrong_upload_is_mended_by_uploading_again(stack):
    officer, data = stack.officer(commune="00097"), b"right" * 200
    digest = hashlib.sha256(data).hexdigest()
    announce(stack, "province:01", officer, data)
    assert piece(stack, "province:01", officer, 0, b"wrong" * 200, digest).json()["offset"] == len(data)
    assert complete(stack, "province:01", officer, digest).status_code == 422
    found = announce(stack, "province:01", officer, data).json()
    assert (found["offset"], found["complete"]) == (0, False)
    assert piece(stack, "province:01", officer, 0, data, digest).json()["offset"] == len(data)
    assert complete(stack, "province:01", officer, digest).json()["complete"]


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
