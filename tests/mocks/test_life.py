"""The life of a dossier, across all systems."""

import hashlib

import pytest

from model import people
from model.dossier import parse_code, payload_hash


def submitted(stack, submission, citizen):
    answer = stack.post("national", "/dossiers", submission(), headers={**citizen, **stack.key()})
    assert answer.status_code == 201
    return answer.json()


def test_a_dossier_submitted_online_reaches_its_province_and_its_steps_reach_the_portal(stack, submission, eventually):
    code = submitted(stack, submission, stack.citizen())["code"]
    eventually(lambda: stack.states("province:01", code) == [1])
    staff = stack.staff()
    actions = ("accept", "process", "request_papers", "resume", "request_fee", "resume", "finish", "return_result")
    for action in actions:
        assert stack.step(staff[action], code, action).status_code == 200
    expected = [1, 2, 4, 5, 4, 6, 4, 9, 10]
    assert stack.states("province:01", code) == expected
    eventually(lambda: stack.states("national", code) == expected)


def test_both_registers_say_the_same_of_a_dossier(stack, submission, eventually):
    """Everything but when a system stored it is the same on both sides."""
    code = stack.intake(stack.officer())
    eventually(lambda: stack.states("national", code))
    views = []
    for name in ("national", "province:01"):
        view = stack.get(name, f"/dossiers/{code}").json()
        view["history"] = [step[:3] for step in view["history"]]
        views.append(view)
    assert views[0] == views[1]
    content = submission()
    assert views[0]["hash"] == payload_hash(**content)
    assert views[0]["channel"] == 1


def test_codes_name_their_issuer_and_unit(stack, submission):
    online, counter = submitted(stack, submission, stack.citizen())["code"], stack.intake(stack.officer())
    assert [parse_code(code).issuer for code in (online, counter)] == ["G", "H"]
    assert {parse_code(code).commune for code in (online, counter)} == {"00004"}


def test_a_fee_is_paid_at_the_platform_and_the_portal_hears_of_it(stack, submission, eventually):
    citizen = stack.citizen()
    made = submitted(stack, submission, citizen)
    headers = {**citizen, **stack.key()}
    first, again = (
        stack.post("national", f"/dossiers/{made['code']}/payment", headers=headers).json() for _ in range(2)
    )
    assert first == again
    assert first["SoTien"] == made["fee"] == 2000
    path = f"/payments/{first['MaGiaoDich']}"
    assert stack.get("payment", f"{path}/receipt").status_code == 409
    assert stack.post("payment", f"{path}/pay").json()["TrangThai"] == "paid"
    assert stack.get("payment", f"{path}/receipt").json()["SoTien"] == 2000
    eventually(lambda: stack.get("national", f"/dossiers/{made['code']}").json()["paid"])
    eventually(lambda: stack.pending("payment") == 0)


def test_a_payment_order_is_idempotent_on_its_reference(stack):
    def order(amount, key="bi-mat-national"):
        fields = f"national|R-1|{amount}|{key}"
        digest = hashlib.sha256(fields.encode()).hexdigest()
        content = {"MaDoiTac": "national", "MaThamChieu": "R-1", "SoTien": amount, "MaXacThuc": digest}
        return stack.post("payment", "/payments", content)

    assert order(5000).json() == order(5000).json()
    assert order(6000).status_code == 422
    assert order(5000, "guessed").status_code == 401


def test_the_population_database_confirms_only_what_is_so(stack):
    person = people.person(7)
    content = {
        "SoDinhDanh": person.id_number,
        "HoVaTen": person.name,
        "NgayThangNamSinh": person.birth_date,
    }
    for name, path, session in (
        ("national", "/population", stack.citizen()),
        ("province:01", "/counter/population", stack.officer()),
    ):
        answer = stack.post(name, path, content, headers=session)
        assert answer.json()["HoVaTen"] == person.name
        wrong = stack.post(name, path, {**content, "HoVaTen": "Ai Đó"}, headers=session)
        assert (wrong.status_code, wrong.json()["reason"]) == (422, "validation")
        nobody = stack.post(name, path, {**content, "SoDinhDanh": "0" * 12}, headers=session)
        assert (nobody.status_code, nobody.json()["reason"]) == (404, "unknown")


def test_a_code_of_vneid_is_good_once_and_a_revoked_token_for_nothing(stack):
    token = stack.access_token()
    bearer = {"Authorization": f"Bearer {token}"}
    assert stack.get("vneid", "/userinfo", headers=bearer).json()["SoDinhDanh"] == people.person(5).id_number
    assert stack.http.post(stack.url("vneid") + "/revoke", data={"token": token}).status_code == 200
    assert stack.get("vneid", "/userinfo", headers=bearer).status_code == 401
    assert stack.post("national", "/session", {"access_token": token}).status_code == 401


@pytest.mark.parametrize(
    ("before", "action"),
    [
        ((), "finish_unknown"),
        (("process",), "accept"),
        (("finish", "return_result"), "process"),
        (("withdraw",), "process"),
        ((), "return_result"),
        ((), "resume"),
    ],
)
def test_what_the_life_cycle_forbids_is_refused(stack, before, action):
    officer, staff = stack.officer(), stack.staff()
    code = stack.intake(officer)
    for step in before:
        assert stack.step(staff[step], code, step).status_code == 200
    history = stack.states("province:01", code)
    refused = stack.step(officer, code, action)
    expected = (422, "validation") if action == "finish_unknown" else (409, "transition")
    assert (refused.status_code, refused.json()["reason"]) == expected
    assert stack.states("province:01", code) == history


def test_officers_claim_the_oldest_open_dossiers_once(stack):
    officer = stack.officer(commune="00008")
    codes = [stack.intake(officer, key=stack.key()) for _ in range(3)]
    mine = stack.officer()
    claimed = []
    while items := stack.post("province:01", "/officer/claim", {"limit": 2}, headers=mine).json()["items"]:
        claimed += [item["code"] for item in items]
    assert len(claimed) == len(set(claimed))
    assert [code for code in claimed if code in codes] == codes


def test_the_portal_answers_502_where_population_cannot_be_reached(stacks):
    stack = stacks()
    stack.start("national", "vneid")
    person = people.person(7)
    content = {"SoDinhDanh": person.id_number, "HoVaTen": person.name, "NgayThangNamSinh": person.birth_date}
    answer = stack.post("national", "/population", content, headers=stack.citizen())
    assert (answer.status_code, answer.json()["reason"]) == (502, "upstream")


def test_sessions_survive_a_restart(stacks):
    stack = stacks().start()
    officer, citizen = stack.officer(), stack.citizen()
    stack.kill("national")
    stack.processes.clear()
    stack.start()
    stack.intake(officer)
    assert stack.post("national", "/population", {}, headers=citizen).status_code == 422


def test_the_portal_knows_the_techid_of_whoever_has_logged_in(stacks):
    """TraCuuTechID answers -1 before the citizen's first session, VNeID's TechID from then on, also after a restart."""
    stack = stacks().start()

    def call():
        name = "province:01"
        session = stack.post("national", "/login", {"username": name, "password": f"mk.{name}"}).json()["session"]
        asked = {"session": session, "madonvi": "01", "service": "TraCuuTechID"}
        return stack.post("national", "/sync", {**asked, "data": {"SoDinhDanh": people.person(5).id_number}}).json()[
            "data"
        ]

    unknown = call()
    assert (unknown["error_code"], unknown["TechID"]) == (-1, "")
    token = stack.access_token()
    user = stack.get("vneid", "/userinfo", headers={"Authorization": f"Bearer {token}"}).json()
    for _ in range(2):
        assert stack.post("national", "/session", {"access_token": token}).status_code == 200
    assert (call()["error_code"], call()["TechID"]) == (0, user["TechID"])
    stack.kill("national")
    stack.processes.clear()
    stack.start()
    assert call()["TechID"] == user["TechID"]


def test_statistics_count_by_state(stack, eventually):
    eventually(lambda: stack.pending("national") == 0)
    stack.intake(stack.officer())
    counted = stack.get("province:01", "/statistics").json()
    assert counted["total"] == sum(counted["states"].values()) == len(stack.listing("province:01"))


def test_the_portal_tells_a_province_of_procedures_and_dossiers(stack, eventually):
    asked = {"username": "province:01", "password": "mk.province:01"}
    session = stack.post("national", "/login", asked).json()["session"]

    def call(service, data, session=session, unit="01"):
        content = {"session": session, "madonvi": unit, "service": service, "data": data}
        return stack.post("national", "/sync", content)

    assert call("LayThuTuc", {"MaTTHC": "2.000815"}).json()["data"]["fee"] == 2000
    assert len(call("LayDanhSachTTHC", {}).json()["data"]) > 20
    assert "land" in call("LayDanhMucLinhVuc", {}).json()["data"]
    code = stack.intake(stack.officer())
    eventually(lambda: stack.states("national", code))
    assert call("TraCuuHoSo", {"MaHoSo": code}).json()["data"]["code"] == code
    assert call("LayDanhSachTTHC", {}, session="x").json()["error_code"] == 401
    assert call("LayDanhSachTTHC", {}, unit="79").json()["error_code"] == 401
    agencies = call("LayDanhMucCoQuan", {}).json()["data"]
    assert {"MaCoQuan": "H01", "TenCoQuan": "thành phố Hà Nội", "MaCoQuanCha": ""} in agencies
    assert {"MaCoQuan": "H01.00004", "TenCoQuan": "phường Ba Đình", "MaCoQuanCha": "H01"} in agencies
    assert {agency["MaCoQuan"][:3] for agency in agencies} == {"H01"}
    assert call("KhongCo", {}).status_code == 422
    assert call("LayThuTuc", {}).status_code == 422
    unknown = [{"MaHoSo": "H01.00004-250701-9999", "ThuTu": 2, "TrangThai": 4, "ThoiDiem": "20250701080000"}]
    assert call("CapNhatTienDoHoSoMC", unknown).json()["data"][0]["error_code"] == 2
    assert call("CapNhatTienDoHoSoMC", unknown * 11).status_code == 422
