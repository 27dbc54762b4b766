"""Whatever is written to any system that it shouldn't take: 4xx with a clear body, nothing stored, nothing logged.

The operations come from the route tables: one that is added is tried as well.
"""

import copy
import json
import uuid
from typing import Annotated
from urllib.parse import quote, urlencode

import msgspec
import pytest
from msgspec import inspect

from mocks import hotline
from mocks.messages import ProgressItem, SyncItem
from mocks.portal import AccountQuery, DossierQuery, ProcedureQuery
from mocks.wire import BODY_LIMIT, Nothing
from model.links import PLATFORMS, systems
from model.workflows import Role
from tests.conftest import BEARER, TOKEN
from tests.mocks.edocs import document
from tests.mocks.inside import Inside

INJECTIONS = ("'; DROP TABLE dossiers; --", "<script>alert(1)</script>", "x' OR '1'='1", "\u0000\u202e")
FITTING = (
    "000000000005", "19900101", "01", "00004", "H01.00004-250701-0001", "0" * 64, "H01", "VB-1", "https://x.invalid",
    "2025-07-02", "",
)  # fmt: skip
SERVICES = {
    "DongBoHoSoMC": list[SyncItem],
    "CapNhatTienDoHoSoMC": list[ProgressItem],
    "TraCuuHoSo": DossierQuery,
    "LayThuTuc": ProcedureQuery,
    "TraCuuTechID": AccountQuery,
}
UNREADABLE = {
    "json": (b"{", b"", b"\x00", b'{"a": "\xff\xfe"}', b'{"a": "\\ud800"}', b"[" * 100_000, b'{"a": NaN}'),
    "form": (b"a=%ff", b"\xff=1", b"a=1&a=2", b"&".join(b"a%d=1" % n for n in range(60))),
}
WRONG = (7, 1.5, True, None, [], {}, ["x"], {"x": []}, 10**400)


@pytest.fixture(scope="module")
def inside(tmp_path_factory):
    """Every system, of one province with a stock, its control API open."""
    names = systems(["01"], PLATFORMS)
    hotline.TALK, talk = 0.0, hotline.TALK
    inside = Inside(tmp_path_factory.mktemp("bad"), names, PLATFORMS, control=TOKEN, stock={"01": 5})
    yield inside
    inside.stop()
    hotline.TALK = talk


def writes(inside):
    """Return every write operation: (system, route)."""
    return [
        (name, route)
        for name, system in inside.systems.items()
        for route in system.routes
        if route.method != "GET" and (route.operation != "control_delete")
    ]


def headers(inside, name, route):
    """Return the headers of a caller who may."""
    found = inside.key() if route.keyed else {}
    if route.path.startswith("/control/"):
        return {**found, **BEARER}
    if route.cookie:
        use = "citizen" if name == "national" else "interface"
        token = inside.bearer(name, use, "000000000005")["Authorization"].removeprefix("Bearer ")
        return {**found, "Cookie": f"{route.cookie}={token}"}
    if route.peers and route.auth:
        return {**found, **inside.peer(name)}
    if route.operation == "document":
        return {**found, **inside.officer(role=Role.CLERK)}
    who = {"province:01": inside.officer, "national": inside.citizen, "axis": inside.agency}
    return {**found, **(who[name]() if route.auth else {})}


def path_of(route, value="1"):
    """Return a route's path with every parameter set to a value."""
    parts = [quote(value, safe="") if part.startswith("{") else part for part in route.path.split("/")]
    return "/".join(parts)


def send(inside, name, route, body, extra=None, path=None):
    """Send bytes to an operation as a caller who may."""
    media = {"json": "application/json", "form": "application/x-www-form-urlencoded"}.get(route.source, "text/plain")
    sent = {"Content-Type": media, **headers(inside, name, route), **(extra or {})}
    return inside.ask(name, route.method, path or path_of(route), content=body, headers=sent)


def refused(answer, statuses=(400, 401, 404, 409, 413, 422)):
    """Check that an answer is a clear refusal; return its message."""
    assert answer.status_code in statuses, answer.text
    said = answer.json()
    assert said["error_code"] == -1
    assert said["reason"]
    assert said["message"]
    assert "Traceback" not in answer.text
    return said["message"]


def sample(type_):
    """Return content that fits a type, every field filled in."""
    return SAMPLES.get(type(type_), lambda _: 1)(type_)


def _text(type_):
    return next((text for text in FITTING if type_.pattern and _fits(text, type_)), "x")


SAMPLES = {
    inspect.StructType: lambda type_: {field.encode_name: sample(field.type) for field in type_.fields},
    inspect.Metadata: lambda type_: sample(type_.type),
    inspect.UnionType: lambda type_: sample(type_.types[0]),
    inspect.StrType: _text,
    inspect.ListType: lambda type_: [sample(type_.item_type)],
    inspect.TupleType: lambda type_: [sample(item) for item in type_.item_types],
    inspect.DictType: lambda type_: {"x": sample(type_.value_type)},
    inspect.LiteralType: lambda type_: type_.values[0],
    inspect.DateType: lambda _: "2025-07-02",
    inspect.BytesType: lambda _: "eA==",
}
"""Kind of type -> what makes content of it; of any other kind it is 1."""


def _fits(text, type_):
    known = msgspec.Meta(pattern=type_.pattern, min_length=type_.min_length, max_length=type_.max_length)
    try:
        msgspec.convert(text, Annotated[str, known])
    except msgspec.ValidationError:
        return False
    return True


def leaves(content, path=()):
    """Yield the path of every value."""
    if path:
        yield path
    if isinstance(content, dict | list):
        for key, value in content.items() if isinstance(content, dict) else enumerate(content):
            yield from leaves(value, (*path, key))


def changed(content, path, value):
    """Return content with another value at a path."""
    copied = copy.deepcopy(content)
    place = copied
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return copied


def fits(content, type_, strict):
    """Tell whether content is what an operation takes."""
    try:
        if strict:
            msgspec.json.decode(json.dumps(content), type=type_)
        else:
            msgspec.convert(content, type_, strict=False)
    except msgspec.DecodeError:
        return False
    return True


def encoded(route, content):
    """Write content as an operation reads it."""
    return json.dumps(content).encode() if route.source == "json" else urlencode(content).encode()


def readers(inside, *sources):
    return [
        (name, route)
        for name, route in writes(inside)
        if route.source in sources and (route.source == "xml" or route.takes is not Nothing)
    ]


def test_there_is_something_to_try(inside):
    tried = readers(inside, "json", "form")
    assert len(tried) > 25
    assert {name for name, _ in tried} >= {"national", "province:01", "vneid", "population", "payment", "axis"}
    assert [name for name, _ in readers(inside, "xml")] == ["axis"]


def test_what_is_not_readable_is_refused_and_nothing_is_stored(inside, capfd):
    for name, route in readers(inside, "json", "form"):
        before = inside.stored(name)
        for body in UNREADABLE[route.source]:
            refused(send(inside, name, route, body), (400, 422))
        refused(send(inside, name, route, b"x" * (BODY_LIMIT + 1)), (413,))
        assert inside.stored(name) == before, (name, route.path)
    assert capfd.readouterr() == ("", "")


def test_xml_that_attacks_its_reader_is_refused_and_nothing_is_stored(inside, capfd):
    """Entities that grow or fetch, elements without end, bytes that aren't UTF-8, a body that is too large."""
    good = document("VB-9", ["H01.00004"])
    laughs = b'<!DOCTYPE a [<!ENTITY b "b"><!ENTITY c "&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;">]>'
    foreign = b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>'
    declared = good.index(b"<edXML")
    for name, route in readers(inside, "xml"):
        before = inside.stored(name)
        for doctype in (laughs, foreign, b'<!DOCTYPE a SYSTEM "http://x.invalid/">'):
            attack = (good[:declared] + doctype + good[declared:]).replace(b"V/v", b"&d;&b;")
            assert "document type" in refused(send(inside, name, route, attack), (422,))
        for body in (b"", b"{}", b"\xff\xfe<", good[:-9], b"<a>" * 300_000, b"<a>" + b"<b/>" * 200_000 + b"</a>"):
            refused(send(inside, name, route, body), (422,))
        refused(send(inside, name, route, good + b" " * BODY_LIMIT), (413,))
        assert inside.stored(name) == before, (name, route.path)
        assert send(inside, name, route, good).status_code == 201
    assert capfd.readouterr() == ("", "")


def test_wrong_types_are_refused_and_nothing_is_stored(inside, capfd):
    tried = 0
    for name, route in readers(inside, "json"):
        good = sample(inspect.type_info(route.takes))
        before = inside.stored(name)
        for path in leaves(good):
            for value in WRONG:
                bad = changed(good, path, value)
                if not fits(bad, route.takes, strict=True):
                    refused(send(inside, name, route, encoded(route, bad)), (400, 422))
                    tried += 1
        refused(send(inside, name, route, encoded(route, {**good, "unknown": 1})), (422,))
        assert inside.stored(name) == before, (name, route.path)
    assert tried > 500
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("service", SERVICES)
def test_wrong_data_of_a_service_of_the_portal_are_refused_and_nothing_is_stored(inside, service):
    session = inside.peer("national")["Authorization"].removeprefix("Bearer ")
    good = sample(inspect.type_info(SERVICES[service]))
    before = inside.stored("national")
    tried = 0
    for path in leaves(good):
        for value in (*WRONG, *INJECTIONS):
            data = changed(good, path, value)
            if not fits(data, SERVICES[service], strict=True):
                call = {"session": session, "madonvi": "01", "service": service, "data": data}
                refused(inside.post("national", "/sync", call), (400, 422))
                tried += 1
    assert tried > 5
    assert inside.stored("national") == before


def test_without_a_known_session_nothing_is_stored(inside, capfd):
    """Unknown, forged and foreign sessions are the same: 401, before the content is looked at."""
    tried = 0
    for name, route in writes(inside):
        if route.auth is None:
            continue
        before = inside.stored(name)
        foreign = inside.bearer("vneid", "officer", "00004")["Authorization"].removeprefix("Bearer ")
        for token in ("x", "a.b.c", "khóa", foreign, INJECTIONS[0]):
            field = (
                {"Cookie": f"{route.cookie}={quote(token)}"} if route.cookie else {"Authorization": f"Bearer {token}"}
            )
            answer = send(inside, name, route, b"{}", {key: value.encode() for key, value in field.items()})
            refused(answer, (401,))
            assert foreign not in answer.text
            tried += 1
        assert inside.stored(name) == before, (name, route.path)
    assert tried > 50
    assert capfd.readouterr() == ("", "")


def test_injection_in_every_field_is_refused_or_kept_as_the_text_that_it_is(inside, capfd):
    """A field that says what it takes refuses it; free text is stored as it came. Tables and answers stay whole."""
    tables = {name: sorted(inside.stored(name)) for name in inside.systems}
    tried = 0
    for name, route in readers(inside, "json", "form"):
        good = sample(inspect.type_info(route.takes))
        for path in leaves(good):
            for text in INJECTIONS:
                bad = changed(good, path, text)
                before = inside.stored(name)
                answer = send(inside, name, route, encoded(route, bad))
                tried += 1
                if not fits(bad, route.takes, strict=route.source == "json"):
                    refused(answer, (400, 422))
                if 400 <= answer.status_code < 500:
                    assert inside.stored(name) == before, (name, route.path, path)
                if answer.status_code >= 500:
                    assert answer.json()["reason"] == "upstream", answer.text  # it asked a neighbour that isn't there
    assert tried > 300
    assert {name: sorted(inside.stored(name)) for name in inside.systems} == tables
    assert capfd.readouterr() == ("", "")


def test_injection_in_every_path_is_refused(inside, capfd):
    for name, route in writes(inside):
        if "{" not in route.path:
            continue
        before = inside.stored(name)
        for text in (*INJECTIONS, "../../x"):
            good = sample(inspect.type_info(route.takes))
            body = encoded(route, good) if route.source in {"json", "form"} else b"x"
            answer = send(inside, name, route, body, path=path_of(route, text))
            refused(answer)
        for raw in ("%FF", "%C0%80", "%ED%A0%80"):
            answer = inside.ask(name, route.method, path_of(route).replace("/1", f"/{raw}"), content=b"{}")
            assert answer.status_code < 500, answer.text
        assert inside.stored(name) == before, (name, route.path)
    assert capfd.readouterr() == ("", "")


def test_what_is_secret_is_neither_answered_nor_counted_nor_logged(inside, capfd):
    secret = f"mk-{uuid.uuid4()}"
    for name, route in readers(inside, "json", "form"):
        good = sample(inspect.type_info(route.takes))
        for field in {"password", "client_secret", "session", "access_token", "token"} & good.keys():
            for value in (secret, [secret]):
                answer = send(inside, name, route, encoded(route, {**good, field: value}))
                assert secret not in answer.text
                assert answer.status_code in {200, 400, 401, 422, 502, 504}
    for name in inside.systems:
        assert secret not in inside.get(name, "/metrics").text
        assert secret not in str(inside.stored(name))
    assert capfd.readouterr() == ("", "")
