"""Data-only services: confirmed by databases, or flagged and confirmed later; never marked without a receipt."""

import pytest

from mocks.defects import Defects
from model import people
from model.procedures import procedures

PERSON = people.person(5)
WHO = {"SoDinhDanh": PERSON.id_number, "HoVaTen": PERSON.name, "NgayThangNamSinh": PERSON.birth_date}
CIVIL = "2.000635"


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


def standing(stack, code):
    return stack.get("national", f"/dossiers/{code}/verification").json()


def test_25_services_are_based_wholly_on_data():
    paperless = [procedure for procedure in procedures().values() if procedure.database]
    assert len(paperless) == 25
    assert {procedure.database for procedure in paperless} == {"land", "civil-status", "business"}
    assert all(procedure.online for procedure in paperless)


def test_both_databases_confirm_and_each_mark_has_its_receipt(pair, submission):
    stack = pair()
    citizen, key = stack.citizen(), stack.key()
    code = submit(stack, submission, citizen)
    first = verify(stack, code, citizen, key=key)
    assert first.json() == {"code": code, "status": "verified", "sequence": 2, "pending": [], "error_code": 0}
    assert verify(stack, code, citizen, key=key).json() == first.json()
    assert standing(stack, code)["status"] == "verified"
    name = key["Idempotency-Key"]
    assert stack.entries("national") == [("mark", name, "population"), ("mark", name, "civil-status")]
    assert stack.entries("population") == [("receipt", name, "population")]
    assert stack.entries("specialised") == [("receipt", name, "civil-status")]


@pytest.mark.parametrize("missing", ["population", "specialised"])
def test_without_a_database_the_dossier_is_flagged_and_verified_when_it_is_back(pair, submission, eventually, missing):
    stack = pair(without=(missing,))
    citizen = stack.citizen()
    code = submit(stack, submission, citizen)
    said = verify(stack, code, citizen).json()
    assert (said["status"], said["pending"]) == (
        "needs_verification",
        ["population" if missing == "population" else "civil-status"],
    )
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


def test_the_counter_verifies_as_the_portal_does(pair, submission):
    stack = pair()
    officer = stack.officer()
    code = stack.intake(officer, submission(procedure=CIVIL))
    answer = stack.post("province:01", f"/dossiers/{code}/verification", WHO, headers={**officer, **stack.key()})
    assert answer.json()["status"] == "verified"
    assert {entry[0] for entry in stack.entries("province:01")} == {"mark"}


def test_what_cannot_be_verified_is_refused(pair, submission):
    stack = pair()
    citizen = stack.citizen()
    on_paper, paperless = (submit(stack, submission, citizen, code) for code in ("2.000815", CIVIL))
    other = {**WHO, "HoVaTen": "Người Khác"}
    unknown = f"{paperless[:-4]}9999"
    answers = [
        verify(stack, on_paper, citizen),
        verify(stack, paperless, citizen, who=other),
        verify(stack, unknown, citizen),
        stack.get("national", f"/dossiers/{paperless}/verification"),
        verify(stack, paperless, {"Authorization": "Bearer no"}),
    ]
    assert [answer.status_code for answer in answers] == [422, 422, 404, 404, 401]
    assert stack.entries("national") == []


def test_a_stack_without_specialised_databases_has_no_such_route(stack):
    assert stack.get("national", "/entries").status_code == 404
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
    assert len(stack.entries("specialised")) == 1
