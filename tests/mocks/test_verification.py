"""Data-only services: confirmed by databases, or flagged and confirmed later; never marked without a receipt."""

import time

import pytest

from mocks.defects import Defects
from mocks.verification import WITHIN
from model import people
from model.books import request_id
from model.procedures import procedures
from tests.conftest import BEARER, TOKEN

PERSON = people.person(5)
WHO = {"SoDinhDanh": PERSON.id_number, "HoVaTen": PERSON.name, "NgayThangNamSinh": PERSON.birth_date}
CIVIL = "2.000635"
IN_TIME = WITHIN - 0.01  # seconds: an event loop's timer may end a millisecond early
WRONG = [("population", 0, "population"), ("specialised", 2, "civil-status")]


@pytest.fixture
def pair(stacks):
    """Portal and databases, each of the latter a process that can be killed."""

    def make(*defects, without=()):
        stack = stacks(defects=defects, platforms=("specialised",)).start("national", "vneid", "province:01")
        for name in {"population", "specialised"} - set(without):
            stack.start(name)
        return stack

    return make


def submit(stack, submission, citizen, procedure=CIVIL):
    answer = stack.post("national", "/dossiers", submission(procedure=procedure), headers={**citizen, **stack.key()})
    assert answer.status_code == 201, answer.text
    return answer.json()["code"]


def verify(stack, code, headers, who=WHO, key=None):
    return stack.post("national", f"/dossiers/{code}/verification", who, headers={**headers, **(key or stack.key())})


def verify_in_time(stack, code, headers, who=WHO, name="national"):
    """Verify under a new key until the machine was fast enough for the databases to answer in time.

    Returns the answer, and who has marked something for that request.
    """
    while True:
        key, began = stack.key(), time.monotonic()
        answer = stack.post(name, f"/dossiers/{code}/verification", who, headers={**headers, **key})
        if time.monotonic() - began < IN_TIME:
            request = request_id("national", PERSON.id_number, key["Idempotency-Key"])
            return answer, [owner for _, name, owner in stack.entries("national") if name == request]


def standing(stack, code, name="national"):
    return stack.get(name, f"/dossiers/{code}/verification").json()


def test_25_services_are_based_wholly_on_data():
    paperless = [procedure for procedure in procedures().values() if procedure.database]
    assert len(paperless) == 25
    assert {procedure.database for procedure in paperless} == {"land", "civil-status", "business"}
    assert all(procedure.online for procedure in paperless)


def test_both_databases_confirm_and_each_mark_has_its_receipt(pair, submission, eventually):
    stack = pair()
    citizen, key = stack.citizen(), stack.key()
    code = submit(stack, submission, citizen)
    began = time.monotonic()
    first = verify(stack, code, citizen, key=key)
    slow = time.monotonic() - began >= IN_TIME
    receipts = {"population": "BN-population-00000001", "civil-status": "BN-civil-status-00000001"}
    said = {"code": code, "status": "verified", "sequence": 2, "receipts": receipts, "pending": [], "error_code": 0}
    assert first.json() == said or slow
    assert verify(stack, code, citizen, key=key).json() == first.json()
    eventually(lambda: standing(stack, code) == said)
    name = request_id("national", PERSON.id_number, key["Idempotency-Key"])
    assert stack.entries("national") == [("mark", name, "population"), ("mark", name, "civil-status")]
    assert stack.entries("population") == [("receipt", name, "population")]
    assert stack.entries("specialised") == [("receipt", name, "civil-status")]


@pytest.mark.parametrize("missing", ["population", "specialised"])
def test_without_a_database_the_dossier_is_flagged_and_verified_when_it_is_back(pair, submission, eventually, missing):
    stack = pair(without=(missing,))
    citizen = stack.citizen()
    code = submit(stack, submission, citizen)
    began, flagged = time.monotonic(), ["population" if missing == "population" else "civil-status"]
    said = verify(stack, code, citizen).json()
    slow = time.monotonic() - began >= IN_TIME
    assert (said["status"], said["pending"]) == ("needs_verification", flagged) or slow
    eventually(lambda: standing(stack, code)["pending"] == flagged)
    assert standing(stack, code)["status"] == "needs_verification"
    assert len(stack.entries("national")) == 1
    stack.start(missing)
    eventually(lambda: standing(stack, code)["status"] == "verified")
    eventually(lambda: stack.pending("national") == 0)
    assert len(stack.entries("national")) == 2
    assert len(stack.entries(missing)) == 1


def test_fake_success_marks_what_no_database_confirmed(pair, submission):
    stack = pair("fake-success", without=("specialised",))
    citizen = stack.citizen()
    code = submit(stack, submission, citizen)
    assert verify(stack, code, citizen).json()["status"] == "verified"
    assert len(stack.entries("national")) == 2
    assert Defects().invented_receipt("k") is None


def wrong(stack, system, database):
    order = {"kind": "wrong-data", "attributes": {"share": 100, "database": database}, "lease": 60}
    url = f"{stack.url(system)}/control/faults/wrong"
    assert stack.http.put(url, json=order, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


@pytest.mark.parametrize("defects", [(), ("believes-anything",)])
@pytest.mark.parametrize(("system", "number", "named"), WRONG)
def test_nothing_is_verified_on_wrong_data_and_the_database_is_named(
    stacks, submission, defects, system, number, named
):
    """Of the specialised databases, only the one that is wrong refuses."""
    stack = stacks(defects=defects, platforms=("specialised",), token=TOKEN).start()
    citizen = stack.citizen()
    civil, business = (submit(stack, submission, citizen, code) for code in (CIVIL, "1.001612"))
    wrong(stack, system, number)
    answer, marks = verify_in_time(stack, civil, citizen)
    if defects:
        assert answer.json()["status"] == "verified"
        assert len(stack.entries("national")) > len(stack.entries(system))
        return
    assert (answer.status_code, answer.json()["message"]) == (422, f"{named}: the data differ from the database's")
    assert marks == []
    assert verify_in_time(stack, business, citizen)[0].status_code == (422 if system == "population" else 200)
    url = f"{stack.url(system)}/control/faults/wrong"
    assert stack.http.delete(url, headers=BEARER).status_code == 200
    assert verify_in_time(stack, civil, citizen)[0].json()["status"] == "verified"


def test_verified_too_soon_is_said_without_a_receipt(pair, submission):
    stack = pair("verified-too-soon", without=("specialised",))
    citizen = stack.citizen()
    code = submit(stack, submission, citizen)
    said = verify_in_time(stack, code, citizen)[0].json()
    assert (said["status"], said["pending"], list(said["receipts"])) == ("verified", [], ["population"])
    assert standing(stack, code)["pending"] == ["civil-status"]


def test_the_counter_verifies_as_the_portal_does(pair, submission):
    stack = pair()
    officer = stack.officer()
    code = stack.intake(officer, submission(procedure=CIVIL))
    answer, _ = verify_in_time(stack, code, officer, name="province:01")
    assert answer.json()["status"] == "verified"
    assert {entry[0] for entry in stack.entries("province:01")} == {"mark"}


def test_one_key_at_portal_and_counter_makes_two_requests_and_two_receipts(pair, submission, eventually):
    stack = pair()
    citizen, officer, key = stack.citizen(), stack.officer(), stack.key()
    online, counter = submit(stack, submission, citizen), stack.intake(officer, submission(procedure=CIVIL))
    assert verify(stack, online, citizen, key=key).status_code == 200
    answer = stack.post("province:01", f"/dossiers/{counter}/verification", WHO, headers={**officer, **key})
    assert answer.status_code == 200
    for name, code in (("national", online), ("province:01", counter)):
        eventually(lambda name=name, code=code: standing(stack, code, name)["status"] == "verified")
    assert len({request for _, request, _ in stack.entries("specialised")}) == 2


def test_only_the_applicants_own_data_verify_a_dossier_wherever_it_has_come(pair, submission, eventually):
    stack = pair()
    citizen, officer = stack.citizen(), stack.officer()
    person = people.person(6)
    stranger = {"SoDinhDanh": person.id_number, "HoVaTen": person.name, "NgayThangNamSinh": person.birth_date}
    online, counter = submit(stack, submission, citizen), stack.intake(officer, submission(procedure=CIVIL))
    eventually(lambda: stack.pending("national", "province:01") == 0)
    places = [(name, code) for name in ("national", "province:01") for code in (online, counter)]
    for who, expected in ((stranger, 422), (WHO, 200)):
        for name, code in places:
            headers = {**(stack.citizen(person) if name == "national" else officer), **stack.key()}
            answer = stack.post(name, f"/dossiers/{code}/verification", who, headers=headers)
            assert answer.status_code == expected, (name, code)
    for name, code in places:
        eventually(lambda name=name, code=code: standing(stack, code, name)["status"] == "verified")
    assert len(stack.entries("national")) == len(stack.entries("province:01")) == 4


def test_nobodys_data_verify_a_dossier_whose_applicant_is_not_known(pair):
    stack = pair()
    item = {
        **{"MaHoSo": "H01.00004-250701-0001", "MaThamChieu": "k", "MaTinh": "01", "MaXa": "00004", "MaTTHC": CIVIL},
        **{"KenhThucHien": 1, "MaBam": "0" * 64, "isUpdating": "False", "TienTrinh": [[1, 2, "20250701080000"]]},
    }
    assert stack.sync("01", "DongBoHoSoMC", [item]) == [0]
    assert verify(stack, item["MaHoSo"], stack.citizen()).status_code == 422
    assert stack.entries("national") == []


def test_what_cannot_be_verified_is_refused(pair, submission):
    stack = pair()
    citizen = stack.citizen()
    on_paper, paperless, misnamed = (submit(stack, submission, citizen, code) for code in ("2.000815", CIVIL, CIVIL))
    other = {**WHO, "HoVaTen": "Người Khác"}
    unknown = f"{paperless[:-4]}9999"
    answers = [
        verify(stack, on_paper, citizen),
        verify_in_time(stack, misnamed, citizen, who=other)[0],
        verify(stack, unknown, citizen),
        stack.get("national", f"/dossiers/{paperless}/verification"),
        verify(stack, paperless, {"Authorization": "Bearer no"}),
    ]
    assert [answer.status_code for answer in answers] == [422, 422, 404, 404, 401]
    assert stack.entries("national") == []


def test_a_stack_without_specialised_databases_has_no_such_route(stack):
    assert stack.entries("national") == []
    assert "/dossiers/{code}/verification" not in stack.get("national", "/openapi.json").json()["paths"]


def test_a_database_only_confirms_what_it_holds(pair):
    stack = pair()
    question = {
        **WHO,
        "MaYeuCau": "k",
        "MaHoSo": "G01.00004-250701-0001",
        "MaTTHC": CIVIL,
        "MaDonVi": "national",
        "CoSoDuLieu": "land",
    }
    assert stack.post("specialised", "/ndxp/confirm", question).status_code == 201
    assert stack.post("population", "/ndxp/confirm", question).status_code == 422
    again = [stack.post("specialised", "/ndxp/confirm", question).json()["MaBienNhan"] for _ in range(2)]
    assert again[0] == again[1]
    other = {**question, "MaHoSo": "G01.00004-250701-0002"}
    assert stack.post("specialised", "/ndxp/confirm", other).status_code == 422
    assert len(stack.entries("specialised")) == 1
