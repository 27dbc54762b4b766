"""Of each system, for each operation that asks for something: a request that is answered with a success.

What the requests name is brought about at the stack's interfaces: dossiers, drafts, uploads, payments, documents.
"""

import hashlib
import re
import time
from urllib.parse import parse_qs, unquote, urlsplit

from mocks.messages import proof, shared_secret
from tests.mocks.conftest import PERSON, eventually, submission
from tests.mocks.edocs import XML, document

CIVIL = "2.000635"  # based wholly on data
WHO = {"SoDinhDanh": PERSON.id_number, "HoVaTen": PERSON.name, "NgayThangNamSinh": PERSON.birth_date}
FAR = 4_000_000_000.0  # Unix seconds
SYNCED = "H01.00004-250701-9001"
FORM_PAGE = {"draft": "tay-luu", "procedure": CIVIL, "commune": "00004", "SoBan": "1"}
DRAFT = {"CodeNumber": "12", "CodeNotation": "UBND-VP", "Subject": "V/v", "Content": "Kính gửi"}
ITEM = {
    "MaHoSo": SYNCED, "MaThamChieu": "k", "MaTinh": "01", "MaXa": "00004", "MaTTHC": CIVIL, "KenhThucHien": 1,
    "MaBam": "0" * 64, "isUpdating": "False", "TienTrinh": [[1, 2, "20250701080000"]],
}  # fmt: skip


def known(stack, name):
    """Bring a system's share about.

    Returns (operation -> its parameters by name, ``body``: one content or several; security scheme -> session).
    """
    if "confirm" in STANDING.get(name, {}):
        stack.post(name, "/ndxp/confirm", STANDING[name]["confirm"]["body"])
    requests, sessions = MADE[name](stack) if name in MADE else (STANDING[name], {})
    shelf = re.search(r'href="/pages/([^/?"]+)/([^?"]+)"', stack.get(name, "/").text)
    entry = dict(zip(("shelf", "key"), map(unquote, shelf.groups()), strict=True)) if shelf else {}
    pages = {"page_list": entry, "page_one": entry}
    return {**ANYWHERE, **requests, **pages}, {"operator": stack.token, **sessions}


FAULT = {"kind": "lost-callback", "attributes": {"share": 0}, "lease": 60.0}
ANYWHERE = {
    "unit": {"code": "00004", "valid_on": "2025-06-30"},
    "control_put": {"id": "khac", "body": FAULT},
    "control_get": {"id": "dang-bat"},
    "control_renew": {"id": "dang-bat", "body": {"lease": 60.0}},
    "set_cutover": {"body": {"at": FAR, "redirect": 10.0}},
    "set_connection": {"body": {"at": FAR}},
}
CONFIRMATION = {"MaYeuCau": "yc-1", "MaHoSo": SYNCED, "MaTTHC": CIVIL, "MaDonVi": "H01", **WHO}
ENQUIRY = {"MaYeuCau": "yc-1", "MaDVC": "DVC", "MaTichHop": "TH.DanCu", "MaDonVi": "H01", "MaCanBo": "cb.H01", **WHO}
STANDING = {
    "population": {
        "population": {"body": ENQUIRY},
        "confirm": {"body": {**CONFIRMATION, "CoSoDuLieu": "population"}},
        "page_list": {"shelf": "entries"},
    },
    "specialised": {
        "confirm": {"body": {**CONFIRMATION, "CoSoDuLieu": "civil-status"}},
        "page_list": {"shelf": "entries"},
    },
    "codes": {"page_list": {"shelf": "communes"}, "page_one": {"shelf": "communes", "key": "00004"}},
    "tasks": {
        "tasks": {"unit": "H01"},
        "progress": {"code": "NV0001", "body": {"status": "doing", "text": "Đang làm"}},
        "page_list": {"shelf": "tasks"},
        "page_one": {"shelf": "tasks", "key": "NV0001"},
    },
    "meetings": {
        "join": {"code": "giao-ban", "body": {"unit": "H01.00004"}},
        "leave": {"code": "giao-ban", "body": {"unit": "H01.00004"}},
        "page_list": {"shelf": "meetings"},
        "page_one": {"shelf": "meetings", "key": "giao-ban"},
    },
    "ioc": {},
}  # fmt: skip
"""Systems that need no preparation."""


def _national(stack):
    citizen, peer = stack.citizen(), stack.peer("province:01", "national")
    code, helped, civil = (
        _filed(stack, citizen, **changes) for changes in ({}, {"helper": "TN-01"}, {"procedure": CIVIL})
    )
    _verified(stack, "national", civil, citizen)
    ordered = stack.post("national", f"/dossiers/{code}/payment", headers={**citizen, **stack.key()}).json()
    paid = (ordered["MaGiaoDich"], code, ordered["SoTien"], "paid")
    names = ("MaGiaoDich", "MaThamChieu", "SoTien", "TrangThai", "MaXacThuc")
    login = {"username": "province:01", "password": "mk.province:01"}
    requests = {
        "sync": {"body": _calls(stack, _bearer(peer), code)},
        "login": {"body": login},
        "session": {"body": {"access_token": stack.access_token()}},
        "procedures": {"q": "chung thuc"},
        "population": {"body": WHO},
        "submit": {"body": submission()},
        "payment": {"code": code, "body": {}},
        "callback": {"body": dict(zip(names, (*paid, proof(*paid, shared_secret("national"))), strict=True))},
        "online_draft": {"body": FORM_PAGE},
        "online_submission": {"body": {**FORM_PAGE, "draft": "tay-nop"}},
        "handover": {"province": "01", "token": _token(stack, "den-cong")},
        "mine": {"code": helped},
        **_of_dossiers(stack, "national", citizen, code, civil),
    }
    cookies = {"phien-quoc-gia": _bearer(citizen), "dang-nhap": "mot-lan"}
    return requests, {"people": _bearer(citizen), "system": _bearer(peer), **cookies}


def _calls(stack, session, code):
    """Return a call of each service of ``/sync``, made once."""
    step = {"MaHoSo": SYNCED, "ThuTu": 2, "TrangThai": 4, "ThoiDiem": "20250701080001.5"}
    services = {
        "DongBoHoSoMC": [ITEM], "CapNhatTienDoHoSoMC": [step], "TraCuuHoSo": {"MaHoSo": code},
        "LayThuTuc": {"MaTTHC": CIVIL}, "LayDanhSachTTHC": {}, "LayDanhMucLinhVuc": {}, "LayDanhMucCoQuan": {},
        "TraCuuTechID": {"SoDinhDanh": PERSON.id_number},
    }  # fmt: skip
    call = {"session": session, "madonvi": "01"}
    calls = [{**call, "service": service, "data": data} for service, data in services.items()]
    assert [stack.post("national", "/sync", call).json()["error_code"] for call in calls] == [0] * len(calls)
    return calls


def _province(stack):
    officer, peer, stub = stack.officer(), stack.peer(), stack.key()
    cookie, clerk = _at_the_old_interface(stack), stack.officer(role="vt")
    _page(stack, cookie, "cu-nop")
    code = stack.intake(officer, key=stub)
    civil = stack.intake(officer, submission(procedure=CIVIL))
    _verified(stack, "province:01", civil, officer)
    _save(stack, "province:01", officer, "hoi")
    asked = {"draft": "hoi", "question": "Thiếu giấy tờ gì?"}
    stack.post("province:01", "/officer/questions", asked, headers={**officer, **stack.key()})
    requests = {
        "document": {"body": {"To": ["H01.00004"], **DRAFT}},
        "incident": {"body": {"severity": "page", "text": "Mất kết nối"}},
        "forward": {"body": submission(province="04", commune="01273")},
        "login": {"body": {"username": "national", "password": "mk.national"}},
        "receive": {"body": {**ITEM, "MaHoSo": "G01.00004-250701-9001"}},
        "credit": {"body": {"MaHoSo": code, "SoTien": 2000}},
        "session": {"body": {"account": "cb.00004", "password": "mk.cb.00004"}},
        "population": {"body": WHO},
        "intake": {"body": submission()},
        "step": {"code": stack.intake(officer), "body": {"action": "process"}},
        "ask_help": {"body": asked},
        "answer": {"draft": "hoi", "body": {"answer": "Đủ", "content": submission()}},
        "open_dossier": {"code": code},
        "stub": {"number": stub["Idempotency-Key"]},
        "hand_out": {"body": {"number": "GTN-1", "code": code}},
        "migration_order": {"body": {"rate": 50.0, "batch": 10}},
        "migration_find": _moved(stack),
        "ui_session": {"body": {"access_token": stack.access_token()}},
        "ui_draft": {"body": {"draft": "cu-luu", "procedure": CIVIL, "commune": "00004"}},
        "ui_submission": {"body": {**FORM_PAGE, "draft": "tay-nop"}},
        "ui_submit": {"draft": "cu-nop", "body": {}},
        "redeem_draft": {"body": {"token": _token(stack, "den-tinh")}},
        **_of_dossiers(stack, "province:01", officer, code, civil),
    }
    return requests, {
        "people": _bearer(officer),
        "system": _bearer(peer),
        "phien": cookie,
        "dang-nhap": "mot-lan",
        "clerk": _bearer(clerk),
    }


def _moved(stack):
    """Let the stock be moved; returns how one of its dossiers is looked up."""
    order = {"rate": 1000.0, "batch": 10}
    stack.post("province:01", "/control/migration", order, headers=_control(stack))
    eventually(lambda: stack.get("province:01", "/migration").json()["state"] == "done")
    moved = stack.get("province:01", "/migration/moved").json()["items"][0]
    return {"code": moved["old_code"], "old_province": moved["old_province"]}


def _of_dossiers(stack, name, owner, code, civil):
    """Return what portal and provinces have both."""
    whole, begun = (_uploaded(stack, name, owner, *file) for file in ((b"%PDF-1.4", 8), (b"%PDF-1.7", 4)))
    for draft in ("giu", "nop"):
        _save(stack, name, owner, draft)
    handed = {"code": code, "hash": hashlib.sha256(b"%PDF").hexdigest(), "size": "4", "offset": "0", "body": "%PDF"}
    return {
        "verify": {"code": civil, "body": WHO},
        "verification": {"code": civil},
        "save_draft": {"draft": "luu", "body": {"content": submission()}},
        "resume_draft": {"draft": "giu"},
        "submit_draft": {"draft": "nop", "body": {}},
        "announce_attachment": {"body": {"hash": "0" * 64, "size": 8}},
        "attachment": {"hash": begun},
        "upload_piece": {"hash": begun, "offset": "4", "body": "-1.7"},
        "complete_attachment": {"hash": whole, "body": {}},
        "receive_attachment": handed,
        "look_up": {"code": code},
        "page_list": {"shelf": "dossiers"},
        "page_one": {"shelf": "dossiers", "key": code},
    }


def _vneid(stack):
    client = {"client_id": "national", "redirect_uri": "https://portal.invalid/callback"}
    asked = {**client, "response_type": "code", "scope": "openid", "state": "s", "login_hint": PERSON.id_number}
    landing = urlsplit(stack.get("vneid", "/authorize", params=asked).headers["location"])
    code = parse_qs(landing.query)["code"][0]
    form = {**client, "grant_type": "authorization_code", "code": code, "client_secret": "bi-mat-national"}
    requests = {
        "authorize": asked, "token": {"body": form}, "revoke": {"body": {"token": stack.access_token()}},
    }  # fmt: skip
    return requests, {"people": stack.access_token()}


def _payment(stack):
    fields = ("national", SYNCED, 2000)
    order = dict(zip(("MaDoiTac", "MaThamChieu", "SoTien"), fields, strict=True))
    order["MaXacThuc"] = proof(*fields, shared_secret("national"))
    paid = stack.post("payment", "/payments", order).json()["MaGiaoDich"]
    stack.post("payment", f"/payments/{paid}/pay")
    fault = stack.url("payment") + "/control/faults/dang-bat"
    stack.http.put(fault, json=FAULT, headers=_control(stack))
    one = {"transaction": paid}
    other = dict(zip(("MaDoiTac", "MaThamChieu", "SoTien"), ("national", "khac", 2000), strict=True))
    other["MaXacThuc"] = proof("national", "khac", 2000, shared_secret("national"))
    open_one = {"transaction": stack.post("payment", "/payments", other).json()["MaGiaoDich"]}
    requests = {
        "open": {"body": order}, "pay": {**one, "body": {}}, "state": one, "receipt": one,
        "pay_page": open_one, "cancel": {**open_one, "body": {}},
        "page_list": {"shelf": "payments"}, "page_one": {"shelf": "payments", "key": paid},
    }  # fmt: skip
    return requests, {}


def _axis(stack):
    organ = {"OrganId": "H01", "OrganName": "UBND", "password": "mk.H01"}
    session = stack.post("axis", "/axis/registerAgency", organ).json()["session"]
    headers = {"Authorization": f"Bearer {session}", **XML}
    stack.http.post(stack.url("axis") + "/axis/sendEdoc", content=document("vb-1"), headers=headers)
    requests = {
        "registerAgency": {"body": organ},
        "getAgenciesList": {"after": "H01"},
        "getReceivedEdocList": {"Status": "01"},
        "getEdoc": {"document": "vb-1"},
        "updateStatus": {"body": {"DocumentId": "vb-1", "To": "H01.00004", "Status": "03"}},
        "page_list": {"shelf": "documents"},
        "page_one": {"shelf": "documents", "key": "vb-1"},
    }
    return requests, {"people": session}


def _hotline(stack):
    alert = {"province": "01", "source": "province:01", "severity": "page", "text": "Mất kết nối"}
    stack.post("hotline", "/alerts", alert, headers=stack.key())
    requests = {
        "call": {"body": {"province": "01", "subject": "Chờ lâu", "text": ""}},
        "alert": {"body": alert},
        "page_list": {"shelf": "notes"},
        "page_one": {"shelf": "notes", "key": "1"},
    }
    return requests, {}


def _reporting(stack):
    report = {"unit": "H01", "form": "BC-01", "period": "2025-07-01", "figures": {"Tiếp nhận": 3}}
    code = stack.post("reporting", "/reports", report).json()["code"]
    requests = {
        "report": {"body": report}, "page_list": {"shelf": "reports"}, "page_one": {"shelf": "reports", "key": code},
    }  # fmt: skip
    return requests, {}


def _filed(stack, citizen, **changes):
    answer = stack.post("national", "/dossiers", submission(**changes), headers={**citizen, **stack.key()})
    return answer.json()["code"]


def _verified(stack, name, code, owner):
    answer = stack.post(name, f"/dossiers/{code}/verification", WHO, headers={**owner, **stack.key()})
    assert answer.status_code == 200, answer.text


def _save(stack, name, owner, draft):
    answer = stack.http.put(f"{stack.url(name)}/drafts/{draft}", json={"content": submission()}, headers=owner)
    assert answer.status_code == 200, answer.text


def _uploaded(stack, name, owner, data, until):
    """Upload the first bytes of a file; returns its SHA-256."""
    digest = hashlib.sha256(data).hexdigest()
    stack.post(name, "/attachments", {"hash": digest, "size": len(data)}, headers=owner)
    piece = f"{stack.url(name)}/attachments/{digest}/pieces/0"
    answer = stack.http.put(piece, content=data[:until], headers=owner)
    assert answer.status_code == 200, answer.text
    return digest


def _at_the_old_interface(stack):
    """Log in at the old interface while it is open; returns the session."""
    _cut_over(stack, FAR)
    form = {"access_token": stack.access_token()}
    opened = stack.http.post(f"{stack.url('province:01')}/portal/session", data=form)
    stack.http.cookies.clear()
    return opened.cookies["phien"]


def _page(stack, session, draft):
    """Save a page of a draft there; returns the answer."""
    page = {"draft": draft, "procedure": CIVIL, "commune": "00004"}
    headers = {"Cookie": f"phien={session}"}
    return stack.http.post(f"{stack.url('province:01')}/portal/draft", data=page, headers=headers)


def _token(stack, draft):
    """Return the token with which the old interface leads on; afterwards it is open again."""
    session = _at_the_old_interface(stack)
    _cut_over(stack, time.time() - 1)
    way = _page(stack, session, draft).headers["location"]
    _cut_over(stack, FAR)
    return parse_qs(urlsplit(way).query)["token"][0]


def _cut_over(stack, at):
    order = f"{stack.url('province:01')}/control/cutover"
    answer = stack.http.put(order, json={"at": at, "redirect": 600}, headers=_control(stack))
    assert answer.status_code == 200, answer.text


def _control(stack):
    return {"Authorization": f"Bearer {stack.token}"}


def _bearer(headers):
    return headers["Authorization"].removeprefix("Bearer ")


MADE = {
    "national": _national, "province:01": _province, "vneid": _vneid, "payment": _payment, "axis": _axis,
    "hotline": _hotline, "reporting": _reporting,
}  # fmt: skip
"""What brings a system's share about, where something must be."""
