"""Old unit codes: mapped, split, refused or held, and never sent elsewhere."""

import asyncio

import msgspec
import pytest

from mocks import unit_table
from mocks.client import LinkError, Received
from mocks.control import Control
from mocks.defects import Defects
from mocks.messages import Applicant, Submission
from mocks.unit_table import Seal, Versions
from mocks.units import FAULT, Held, Units, draft
from mocks.wire import Refusal
from model import hamlets, places
from model.dossier import payload_hash
from tests.conftest import BEARER, TOKEN

WHOLE, HEIR = "00013", "00004"
SPLIT = "00007"
FOREIGN = "25747"
BEFORE = {"valid_on": "2025-06-30"}


def asked(**changes):
    form = {"procedure": "2.000815", "province": "01", "applicant": Applicant("912345678901", "A"), "form": {}}
    return Submission(**(form | changes))


def units(*defects, share=0, register=None):
    control = Control(TOKEN, {FAULT})
    if share:
        order = msgspec.convert({"kind": FAULT, "attributes": {"share": share}, "lease": 60}, type=dict)
        asyncio.run(control.put(_call(order)))
    return Units(control, Defects(defects), register)


def _call(order):
    from mocks.control import Order
    from mocks.wire import Call

    return Call(msgspec.convert(order, Order), {"id": "f"}, None, "", b"")


def test_the_example_units_are_what_the_tests_take_them_for():
    assert places.legacy()[WHOLE].successors == (HEIR,)
    assert places.legacy()[SPLIT].successors == ("00008", "00025")
    assert places.communes()[places.legacy()[FOREIGN].default].province != "01"


def test_every_old_code_reaches_a_successor_by_every_hamlet_and_by_every_choice():
    """All 10,040: 9,569 whole, 471 split."""
    copy, known, split = units(), places.communes(), 0
    for unit in places.legacy().values():
        province = known[unit.default].province
        if len(unit.successors) == 1:
            assert copy.resolve(asked(province=province, legacy_commune=unit.code)) == unit.default
            continue
        split += 1
        for hamlet, right in hamlets.hamlets(unit).items():
            assert copy.resolve(asked(province=province, legacy_commune=unit.code, hamlet=hamlet)) == right
        for chosen in unit.successors:
            assert copy.resolve(asked(province=province, legacy_commune=unit.code, commune=chosen)) == chosen
    assert split == 471


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"legacy_commune": "99999"}, "nobody had this code"),
        ({"legacy_commune": FOREIGN}, "not one of this province"),
        ({"legacy_commune": SPLIT}, "was split"),
        ({"legacy_commune": SPLIT, "hamlet": "Thôn 99"}, "was split"),
        ({"legacy_commune": SPLIT, "commune": HEIR}, "none of the successors"),
        ({"legacy_commune": WHOLE, "commune": "00008"}, "none of the successors"),
        ({"commune": WHOLE}, "not one of this province"),
        ({}, "not one of this province"),
    ],
    ids=str,
)
def test_what_can_not_be_told_is_refused(changes, says):
    with pytest.raises(Refusal, match=says) as caught:
        units().resolve(asked(**changes))
    assert (caught.value.status, caught.value.reason) == (422, "validation")


@pytest.mark.parametrize(
    ("system", "path", "state"), [("province:01", "/counter/dossiers", 2), ("national", "/dossiers", 1)]
)
def test_who_does_not_say_where_in_a_split_unit_chooses_and_submits_again(stack, submission, system, path, state):
    """Both at the counter and at the portal; the hash is that of what was sent."""
    session = stack.citizen() if system == "national" else stack.officer()
    content = {**submission(), "legacy_commune": SPLIT}
    del content["commune"]
    headers = {**session, **stack.key()}
    refused = stack.post(system, path, content, headers=headers)
    assert (refused.status_code, refused.json()["reason"]) == (422, "validation")
    offered = {item["code"]: item["hamlets"] for item in refused.json()["candidates"]}
    assert set(offered) == {"00008", "00025"}
    chosen = stack.post(system, path, {**content, "commune": "00025"}, headers=headers).json()
    named = stack.post(
        system, path, {**content, "hamlet": offered["00025"][0]}, headers={**session, **stack.key()}
    ).json()
    assert (chosen["state"], named["state"]) == (state, state)
    stored = [stack.get(system, f"/dossiers/{item['code']}").json() for item in (chosen, named)]
    assert [item["commune"] for item in stored] == ["00025", "00025"]
    address = {"legacy_commune": SPLIT, "hamlet": offered["00025"][0]}
    parts = (content["procedure"], "01", "", content["applicant"], content["form"])
    assert stored[1]["hash"] == payload_hash(*parts, address)


def test_a_wrong_row_holds_and_the_others_pass():
    """Of 40 % of the codes; a held submission is told when to come again."""
    copy, whole = units(share=40), [unit for unit in places.legacy().values() if len(unit.successors) == 1]
    held = {unit.code for unit in whole if not copy.look_up(unit.code, BEFORE["valid_on"]).verified}
    assert 0.35 < len(held) / len(whole) < 0.45
    for unit in whole:
        content = asked(province=places.communes()[unit.default].province, legacy_commune=unit.code)
        if unit.code in held:
            with pytest.raises(Held) as caught:
                copy.resolve(content)
        else:
            assert copy.resolve(content) == unit.default
    assert (caught.value.status, caught.value.reply().headers) == (503, {"retry-after": "1"})


def test_a_held_submission_goes_through_under_its_key_when_the_table_is_right_again(stacks, submission):
    stack = stacks(token=TOKEN, platforms=("codes",)).start("national", "vneid", "province:01", "codes")
    fault = f"{stack.url('national')}/control/faults/f"
    order = {"kind": FAULT, "attributes": {"share": 100}, "lease": 60}
    assert stack.http.put(fault, json=order, headers=BEARER).status_code == 200
    view = stack.get("national", f"/units/{WHOLE}", params=BEFORE).json()
    assert (view["verified"], view["successors"]) == (False, list(draft((HEIR,))))
    headers = {**stack.citizen(), **stack.key()}
    held = stack.post("national", "/dossiers", submission(), headers=headers)
    assert (held.status_code, held.json()["reason"], held.headers["retry-after"]) == (503, "code-table", "1")
    stack.http.delete(fault, headers=BEARER)
    assert stack.post("national", "/dossiers", submission(), headers=headers).status_code == 201
    assert [item["commune"] for item in stack.listing("national")] == [HEIR]


def test_a_draft_never_has_the_right_code():
    known = places.communes()
    drafted = [(code, draft((code,))[0]) for code in known]
    assert all(code != wrong for code, wrong in drafted)
    official = sum(wrong in known for _, wrong in drafted)
    assert 0.4 < official / len(drafted) < 0.6


@pytest.mark.parametrize(
    ("defect", "content", "stored"),
    [
        ("old-code-accepted", {"legacy_commune": WHOLE}, WHOLE),
        ("old-code-accepted", {"legacy_commune": "99999"}, "99999"),
        ("misroute-split", {"legacy_commune": SPLIT}, "00008"),
        ("misroute-split", {"legacy_commune": SPLIT, "hamlet": "Tổ dân phố 2"}, "00008"),
    ],
)
def test_a_defect_stores_what_is_wrong(defect, content, stored):
    assert units(defect).resolve(asked(**content)) == stored


def test_a_table_that_is_trusted_sends_dossiers_astray():
    wrong = units("trusts-code-table", share=100).resolve(asked(commune=HEIR))
    assert wrong == draft((HEIR,))[0] != HEIR


def test_a_defect_refuses_because_of_the_reorganisation():
    with pytest.raises(Refusal) as caught:
        units("refuses-unverified", share=100).resolve(asked(legacy_commune=WHOLE))
    assert caught.value.reason == "reorganisation"


def test_the_register_says_what_a_code_stands_for(stacks):
    """A code of before may be another commune's of today: the day decides."""
    stack = stacks(platforms=("codes",)).start("codes")
    (seal,) = stack.get("codes", "/versions").json()["items"]
    assert unit_table.opened(stack.get("codes", "/table").content, msgspec.convert(seal, Seal)) == unit_table.official()

    def status(code, **query):
        found = stack.get("codes", f"/units/{code}", params=query).json()
        return found["status"], found["successors"]

    assert status("00004") == ("current", ["00004"])
    assert status(WHOLE) == ("mapped", [HEIR])
    assert status(SPLIT) == ("split", ["00008", "00025"])
    assert status("00025") == ("current", ["00025"])
    assert status("00025", **BEFORE) == ("split", ["00025", "00008", "00199"])
    assert status("99999") == ("unknown", [])
    assert stack.get("codes", "/units/1", params={"valid_on": "yesterday"}).status_code == 422


def test_a_copy_is_listed_in_the_order_of_codes_right_or_wrong():
    listed, after = [], ""
    copy = units(share=30)
    while after is not None:
        page = copy.mappings(after, 1000)
        listed += page.items
        after = page.next
    assert [item.code for item in listed] == sorted(places.legacy())
    wrong = sum(tuple(item.successors) != places.legacy()[item.code].successors for item in listed)
    assert 0.27 < wrong / len(listed) < 0.33


class Register:
    """A register of one's own: answers of each path."""

    def __init__(self, table, signed=True):
        body = msgspec.json.encode(table)
        checksum = unit_table.hashlib.sha256(body).hexdigest()
        seal = Seal(table.version, table.valid_from, checksum, unit_table.sign(checksum) if signed else "0" * 64)
        self.answers = {"/versions": msgspec.json.encode(Versions([seal])), "/table": body}

    async def request(self, method, path):
        if path not in self.answers:
            raise LinkError("no line", False)
        return Received(200, self.answers[path])


NEWER = msgspec.structs.replace(
    unit_table.official(), version="2025-08-01", legacy={**unit_table.official().legacy, WHOLE: ("00008",)}
)


def looked(copy, register):
    return asyncio.run(copy._look(register))


def test_a_copy_takes_a_newer_version_over():
    copy = units()
    assert looked(copy, Register(NEWER))
    assert copy.seal().version == "2025-08-01"
    assert copy.resolve(asked(legacy_commune=WHOLE)) == "00008"


def test_a_copy_takes_nothing_over_that_is_not_sealed():
    """A forged signature, a table that isn't the sealed one, no answer, no JSON."""
    copy, tampered, dumb = units(), Register(NEWER), Register(NEWER)
    tampered.answers["/table"] += b" "
    dumb.answers["/versions"] = b"{"
    silent = Register(NEWER)
    silent.answers = {}
    for register in (Register(NEWER, signed=False), tampered, dumb, silent):
        assert not looked(copy, register)
        assert copy.resolve(asked(legacy_commune=WHOLE)) == HEIR
    assert copy.seal() == unit_table.official_seal()


@pytest.mark.parametrize("defects", [(), ("needs-code-register",)])
def test_intake_goes_on_without_the_register(stacks, submission, defects):
    stack = stacks(defects=defects, platforms=("codes",)).start("province:01")
    answer = stack.post("province:01", "/counter/dossiers", submission(), headers={**stack.officer(), **stack.key()})
    assert answer.status_code == (502 if defects else 201)
