"""The register of unit codes, and a province's copy of it, agree with a small model of the units before and after."""

import csv
import hashlib
import hmac
import json
from importlib.resources import files

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from mocks.codes import Codes
from model import announced
from tests.conftest import BEARER, TOKEN
from tests.mocks.inside import Line
from tests.mocks.machines import Machine, answers, finds, refuses, run

EARLY, IN_FORCE = "2025-06-25", "2025-07-01"  # versions: as announced, and from T_cutover on


def rows(name):
    with (files("model") / "data" / name).open(encoding="utf-8", newline="") as file:
        return {row["code"]: row for row in csv.DictReader(file)}


COMMUNES = rows("communes.csv")
LEGACY = {code: row["successors"].split() for code, row in rows("legacy.csv").items()}
SHOWN = next(code for code in list(COMMUNES)[:50] if code in announced.corrected())  # on the first page
HERE = [code for code, row in COMMUNES.items() if row["province"] == "01"]
SPLIT = [code for code, row in LEGACY.items() if len(row) > 1 and set(row) <= set(HERE)][:3]
CODES = st.sampled_from([*SPLIT, "00013", "00004", "00025", SHOWN, "25747", "318", "99999"])
LOOKS = st.sampled_from([True, True, False])
PICK = st.integers(0, 10_000)


class Register(Machine):
    """T_cutover comes, a province looks at the register and takes dossiers in by old codes and new ones."""

    names = ("codes", "province:01")
    platforms = ("codes",)
    options = {"control": TOKEN}  # noqa: RUF012
    timed = ("mocks.codes",)

    def prepare(self):
        self.cutover = None
        self.dossiers = {}  # code -> commune, in the order of storing
        self.held = []  # (headers, content, commune) of what waits for the right table
        self.hamlets = {code: self.offered(code) for code in SPLIT}
        self.restarted()

    def restarted(self):
        self.copy, self.wrong = IN_FORCE, False  # the built-in table

    def offered(self, code):
        """Return the hamlets of a split unit, as the register has them: name -> commune."""
        unit = self.inside.get("codes", f"/units/{code}", params={"valid_on": "2025-06-30"}).json()
        pairs = [(hamlet, item["code"]) for item in unit["candidates"] for hamlet in item["hamlets"]]
        assert len({hamlet for hamlet, _ in pairs}) == len(pairs)
        assert [item["code"] for item in unit["candidates"]] == LEGACY[code]
        return dict(pairs)

    def registered(self):
        if self.cutover is None:
            return [IN_FORCE]
        return [EARLY] if self.clock.now < self.cutover else [EARLY, IN_FORCE]

    @initialize(after=st.sampled_from([None, 100.0, 3600.0]))
    def announce(self, after):
        if after is not None:
            self.set_cutover(after, looks=True)

    @rule(after=st.sampled_from([3600.0, 100.0, -10.0]), looks=LOOKS)
    def set_cutover(self, after, looks):
        content = {"at": self.clock.now + after, "redirect": 1.0}
        refuses(self.inside.ask("codes", "PUT", "/control/cutover", json=content, headers={}), 401, "unauthorised")
        answers(self.inside.ask("codes", "PUT", "/control/cutover", json=content, headers=BEARER), 200, content)
        self.cutover = content["at"]
        self.look(looks)

    @rule(seconds=st.sampled_from([50.0, 1500.0]), looks=LOOKS)
    def time_goes_by(self, seconds, looks):
        self.clock.now += seconds
        self.look(looks)

    def look(self, looks):
        """Let the province look at the register, if its line isn't cut."""
        line = Line(self.inside, "codes")
        line.cut = not looks
        self.inside.loop.run_until_complete(self.inside.systems["province:01"].units._look(line))
        if not line.cut:
            self.copy = self.registered()[-1]

    @rule()
    def its_copy_is_spoilt_or_mended(self):
        if self.wrong:
            self.heal("province:01")
        else:
            self.fault("province:01", "wrong-code-table", share=100)
        self.wrong = not self.wrong

    @rule(code=CODES, day=st.sampled_from([None, "2025-06-30", "2025-07-01"]))
    def look_up(self, code, day):
        query = {"valid_on": day} if day else {}
        old = code not in COMMUNES or day == "2025-06-30"
        for system, version in (("codes", self.registered()[-1]), ("province:01", self.copy)):
            said = self.inside.get(system, f"/units/{code}", params=query).json()
            right = (LEGACY.get(code, []) if old else [code]) == said["successors"]
            spoilt = self.wrong and system != "codes"
            assert right is (not spoilt or code == "99999")
            assert (said["version"], said["verified"]) == (version, right)
            assert said["name"] == ("" if old else name_of(code, version))
            if right:
                assert said["status"] == status_of(code, said["successors"])

    @rule()
    def people_see_the_version_that_is_registered(self):
        version = self.registered()[-1]
        assert (EARLY in self.inside.get("codes", "/").text) is (version == EARLY)
        for page in ("/pages/communes", f"/pages/communes/{SHOWN}"):
            assert name_of(SHOWN, version) in self.inside.get("codes", page).text

    @rule()
    def the_whole_table(self):
        newest = self.inside.get("codes", "/versions").json()["items"][-1]
        body = self.inside.get("codes", "/table").content
        assert newest["checksum"] == hashlib.sha256(body).hexdigest()
        assert newest["signature"] == hmac.digest(b"bi-mat-codes", newest["checksum"].encode(), "sha256").hex()
        table = json.loads(body)
        assert table["version"] == self.registered()[-1]
        assert table["current"] == {code: row["province"] for code, row in COMMUNES.items()}
        assert table["legacy"] == LEGACY
        assert table["names"] == {code: name_of(code, table["version"]) for code in COMMUNES}

    @rule(code=CODES, number=PICK, way=st.sampled_from(["code", "hamlet", "choice", "nothing", "new"]))
    def take_in(self, code, number, way):
        """By the old code and what tells where in a split unit, or by the code of today."""
        said, place = {"legacy_commune": code}, None
        row, hamlets = LEGACY.get(code, []), self.hamlets.get(code, {"Thôn 1": None})
        if way == "new":
            said, row, place = {"commune": code}, [code] if code in COMMUNES else [], code
        elif way == "choice":
            said["commune"] = place = (row or HERE)[number % len(row or HERE)]
        elif way == "hamlet":
            said["hamlet"] = sorted(hamlets)[number % len(hamlets)]
            place = hamlets[said["hamlet"]]
        place = row[0] if len(row) == 1 else place
        self.file({**self.inside.officer(), **self.key()}, said, row, place)

    def file(self, headers, said, row, place):
        applicant = {"SoDinhDanh": "001090000005", "HoVaTen": "Nguyễn Văn A"}
        content = {"procedure": "2.000815", "province": "01", "applicant": applicant, "form": {}, **said}
        answer = self.inside.post("province:01", "/counter/dossiers", content, headers=headers)
        if row and self.wrong:
            refuses(answer, 503, "code-table")
            assert int(answer.headers["retry-after"]) > 0
            self.held.append((headers, said, row, place))
        elif place not in HERE or place not in row:
            refuses(answer, 422, "validation")
            split = len(row) > 1 and place is None
            assert [item["code"] for item in answer.json().get("candidates", [])] == (row if split else [])
        else:
            assert answer.status_code == 201, answer.text
            self.dossiers[answer.json()["code"]] = place

    @precondition(lambda self: self.held)
    @rule()
    def come_again(self):
        self.file(*self.held.pop())

    @invariant()
    def everything_agrees(self):
        listed = self.inside.get("codes", "/versions").json()["items"]
        assert [(item["version"], item["valid_from"]) for item in listed] == [
            (version, IN_FORCE) for version in self.registered()
        ]
        assert self.inside.get("province:01", "/units").json()["version"] == self.copy
        stored = self.inside.get("province:01", "/dossiers").json()["items"]
        assert {item["code"]: item["commune"] for item in stored} == self.dossiers


def name_of(code, version):
    name = f"{COMMUNES[code]['kind']} {COMMUNES[code]['name']}"
    return announced.corrected().get(code, name) if version == EARLY else name


def status_of(code, row):
    return "unknown" if not row else "split" if len(row) > 1 else "current" if row == [code] else "mapped"


def test_register_and_copy_agree_with_the_model():
    run(Register, examples=12, steps=20)


DEFECTS = ["stale-units", "misroute-split", "old-code-accepted", "trusts-code-table", "refuses-unverified"]


def test_the_machine_finds_a_register_that_forgets_when_its_table_is_in_force(monkeypatch):
    start = Codes.start

    async def forgetful(codes):
        await start(codes)
        await codes.store.write(lambda connection: connection.execute("DELETE FROM cutover") and None)

    monkeypatch.setattr(Codes, "start", forgetful)
    finds(Register)


@pytest.mark.parametrize("defect", DEFECTS)
def test_the_machine_finds_a_defect_of_a_copy(defect):
    finds(Register, defects=[defect])
