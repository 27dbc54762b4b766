"""Whatever comes in, nothing wrong is stored and nothing breaks."""

import json
import socket

import pytest

INJECTION = "'; DROP TABLE dossiers; --"


@pytest.fixture
def counter(stack):
    """Send bytes to the counter; returns the answer, having checked that nothing was stored."""
    officer = stack.officer()

    def send(body, **headers):
        before = len(stack.listing("province:01", limit=1000))
        sent = {"Content-Type": "application/json", **officer, **stack.key(), **headers}
        answer = stack.http.post(stack.url("province:01") + "/counter/dossiers", content=body, headers=sent)
        assert len(stack.listing("province:01", limit=1000)) == before
        assert answer.json()["error_code"] == -1
        return answer

    return send


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\x00",
        b'{"procedure": "2.000815",}',
        b'{"procedure": "\xff\xfe"}',
        b'{"procedure": "\\ud800"}',
        b"NaN",
        b'{"form": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b'{"form": {"a": 1e999}}',
    ],
)
def test_what_is_not_json_is_refused(counter, body):
    answer = counter(body)
    assert answer.status_code in {400, 422}
    assert answer.json()["reason"] == "validation"


@pytest.mark.parametrize(
    "change",
    [
        {"procedure": 7},
        {"procedure": INJECTION},
        {"procedure": "9.999999"},
        {"province": INJECTION},
        {"province": "79"},
        {"province": "99"},
        {"province": "01\n"},
        {"commune": INJECTION},
        {"commune": "25747"},
        {"commune": None},
        {"legacy_commune": INJECTION},
        {"legacy_commune": "000131"},
        {"legacy_commune": 13},
        {"legacy_commune": "00013", "hamlet": ""},
        {"legacy_commune": "00013", "hamlet": ["Thôn 1"]},
        {"applicant": {"SoDinhDanh": INJECTION, "HoVaTen": "A"}},
        {"applicant": {"SoDinhDanh": "9" * 12}},
        {"applicant": {"SoDinhDanh": "٣" * 12, "HoVaTen": "A"}},
        {"form": []},
        {"form": "x"},
        {"code": "H01.00004-250701-0001"},
    ],
    ids=str,
)
def test_wrong_fields_are_refused(counter, submission, change):
    answer = counter(json.dumps(submission(**change)).encode())
    assert (answer.status_code, answer.json()["reason"]) == (422, "validation")


def test_a_missing_field_is_refused(counter, submission):
    for field in submission():
        content = submission()
        del content[field]
        assert counter(json.dumps(content).encode()).status_code == 422


def test_a_body_too_large_is_refused(counter, submission):
    content = submission(form={"x": "a" * (1 << 20)})
    assert counter(json.dumps(content).encode()).status_code == 413


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer x", "Bearer a.b.c", "Basic eDp5", "Bearer khóa"])
def test_without_a_session_nothing_is_stored(counter, submission, token):
    answer = counter(json.dumps(submission()).encode(), Authorization=token.encode())
    assert (answer.status_code, answer.json()["reason"]) == (401, "unauthorised")


def test_a_session_of_one_system_is_none_of_another(stack, counter, submission):
    answer = counter(json.dumps(submission()).encode(), **stack.citizen())
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("account", "password"),
    [("cb.00004", "guess"), ("cb.25747", "mk.cb.25747"), ("00004", "mk.00004"), (INJECTION, f"mk.{INJECTION}")],
)
def test_only_officers_of_the_province_log_in(stack, account, password):
    asked = {"account": account, "password": password}
    assert stack.post("province:01", "/officer/session", asked).status_code == 401


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("national", "/sync"),
        ("national", "/login"),
        ("province:01", "/HoSo/NopTrucTuyen"),
        ("province:01", "/login"),
        ("population", "/ndxp/population"),
        ("payment", "/payments"),
    ],
)
@pytest.mark.parametrize("content", [[], {}, "x", {"session": 1}])
def test_systems_refuse_what_they_do_not_understand(stack, name, path, content):
    headers = stack.peer() if path == "/HoSo/NopTrucTuyen" else {}
    answer = stack.post(name, path, content, headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (422, "validation")


def handed_over(**changes):
    return {
        "MaHoSo": "G01.00004-250701-0001",
        "MaThamChieu": "k",
        "MaTinh": "01",
        "MaXa": "00004",
        "MaTTHC": "2.000815",
        "KenhThucHien": 2,
        "MaBam": "0" * 64,
        "isUpdating": "False",
        "TienTrinh": [[1, 1, "20250701080000"]],
        **changes,
    }


@pytest.mark.parametrize("name", ["nobody", "province:79", "province:01", "payment", INJECTION])
def test_only_the_portal_logs_in_at_a_province(stack, name):
    asked = {"username": name, "password": f"mk.{name}"}
    assert stack.post("province:01", "/login", asked).status_code == 401
    assert stack.post("province:01", "/login", {"username": "national", "password": name}).status_code == 401


@pytest.mark.parametrize(("who", "at"), [("nobody", ""), ("officer", ""), ("province:01", "national")])
def test_nobody_but_the_portal_hands_a_dossier_over(stack, who, at):
    """Neither without a session, nor with an officer's, nor with one of the portal."""
    headers = {"nobody": dict, "officer": stack.officer}.get(who, lambda: stack.peer(who, at))()
    item = handed_over(MaHoSo="G01.00004-250701-0666")
    answer = stack.post("province:01", "/HoSo/NopTrucTuyen", item, headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (401, "unauthorised")
    assert stack.states("province:01", item["MaHoSo"]) is None


def test_a_dossier_of_another_province_is_refused(stack):
    item = handed_over(MaHoSo="G79.25747-250701-0001", MaTinh="79", MaXa="25747")
    assert stack.post("province:01", "/HoSo/NopTrucTuyen", item, headers=stack.peer()).json()["error_code"] == -1
    assert stack.states("province:01", item["MaHoSo"]) is None


def test_broken_http_ends_the_connection_and_nothing_else(stack):
    for noise in (
        b"\x16\x03\x01\x02\x00\x01",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", stack.ports["national"]), timeout=30) as line:
            line.sendall(noise)
            line.shutdown(socket.SHUT_WR)
            while line.recv(4096):
                pass
    assert stack.get("national", "/healthz").status_code == 200


def test_form_fields_given_twice_or_unreadable_are_refused(stack):
    for body in (b"token=a&token=b", b"token=%ff", b"\xff=1"):
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = stack.http.post(stack.url("vneid") + "/revoke", content=body, headers=headers)
        assert answer.status_code in {400, 422}, body


def test_paths_that_are_no_text_are_refused(stack):
    for name in ("national", "province:01"):
        for part in ("%FF", "%ED%A0%80", "%00", "%C0%AF", "..%2F..%2Fetc%2Fpasswd"):
            for path in (f"/dossiers/{part}", f"/{part}", f"/pages/dossiers/{part}"):
                answer = stack.get(name, path)
                assert (answer.status_code, answer.json()["error_code"]) == (404, -1), (name, path)


def test_what_is_not_allowed_on_a_path_is_answered_with_what_is(stack):
    answer = stack.http.delete(stack.url("national") + "/healthz")
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]
