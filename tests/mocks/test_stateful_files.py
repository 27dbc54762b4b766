"""Drafts and attachments agree with small models: nothing is lost, nothing half of it is taken for whole."""

import hashlib
from itertools import count

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from mocks import attachments, keys
from mocks.draw import percentile
from model import people
from tests.mocks.machines import Machine, answers, finds, refuses, run

FILES = [b"0123456789", b"abc"]
HASHES = [hashlib.sha256(data).hexdigest() for data in FILES]
FORM = {
    "procedure": "2.000815", "province": "01", "commune": "00004", "form": {"SoBan": 1},
    "applicant": {"SoDinhDanh": "001090000005", "HoVaTen": "Nguyễn Văn A"},
}  # fmt: skip
CONTENTS = [{}, {"procedure": "2.000815"}, FORM, {**FORM, "form": {}}, {**FORM, "attachments": HASHES[:1]}]
OWNER, NAME, FILE = st.integers(0, 1), st.sampled_from(["d-1", "d-2"]), st.integers(0, 1)
PLACE, LENGTH, RARELY = st.sampled_from(["next", "next", "again", "gap"]), st.integers(1, 12), st.integers(0, 7)
PICK = st.integers(0, 10_000)


def piece(file, have, place, length, spoilt):
    """Return where a piece begins, and its bytes."""
    start = {"next": have, "again": 0, "gap": have + 1}[place]
    return start, b"\0" * length if spoilt else FILES[file][start : start + length]


class Papers(Machine):
    """Officers of two communes save drafts, upload attachments, and make dossiers of them."""

    names = ("province:01",)
    path, use, role, owners = "/counter/dossiers", "officer", "cb", ("00004", "00008")

    def prepare(self):
        self.drafts = {}  # (owner, name) -> what the system should say of it
        self.uploads = {}  # (owner, file) -> [announced size, bytes, complete]
        self.dossiers = {}  # code -> SHA-256 of its attachments
        self.calls = []  # (owner, path, headers, content, status, body) of what was answered for good

    def ask(self, owner, method, path, headers=(), **options):
        who = self.inside.bearer(self.names[0], self.use, self.owners[owner], role=self.role)
        return self.inside.ask(self.names[0], method, path, headers={**who, **dict(headers)}, **options)

    @rule(owner=OWNER, name=NAME, content=st.sampled_from(CONTENTS), windows=st.integers(0, 2))
    def save(self, owner, name, content, windows):
        self.save_draft(owner, name, content)
        self.submit_a_draft(owner, name, windows)

    def save_draft(self, owner, name, content):
        answer = self.ask(owner, "PUT", f"/drafts/{name}", json={"content": content})
        known = self.drafts.setdefault((owner, name), {"name": name, "version": 0, "content": None, "went": ""})
        if known["went"]:
            refuses(answer, 409, "submitted")
            return
        known["version"] += content != known["content"]
        known["content"] = content
        answers(answer, 200, known)

    @rule(owner=OWNER, name=NAME, windows=st.integers(1, 2))
    def submit_a_draft(self, owner, name, windows):
        for _ in range(windows):
            self.submit_draft(owner, name)

    def submit_draft(self, owner, name):
        path, headers = f"/drafts/{name}/dossier", self.key()
        answer, draft = self.ask(owner, "POST", path, headers, json={}), self.drafts.get((owner, name))
        if draft is None:
            refuses(answer, 404, "unknown")
        elif draft["went"]:
            refuses(answer, 409, "submitted")
            self.calls.append((owner, path, headers, {}, 409, answer.json()))
        elif self.judge(owner, path, headers, draft["content"], {}, answer):
            draft["went"] = answer.json()["code"]

    @rule(owner=OWNER, chosen=st.sets(FILE), twice=st.booleans())
    def submit(self, owner, chosen, twice):
        content = {**FORM, "attachments": [HASHES[file] for file in chosen]}
        headers = self.key()
        answer = self.ask(owner, "POST", self.path, headers, json=content)
        if self.judge(owner, self.path, headers, content, content, answer) and twice:
            self.repeat(*self.calls[-1])

    def judge(self, owner, path, headers, wanted, content, answer):
        """Compare the answer to a submission with the model; tell whether it became a dossier."""
        hashes = wanted.get("attachments", [])
        whole = all(self.uploads.get((owner, HASHES.index(digest)), [0, b"", False])[2] for digest in hashes)
        if not (whole and FORM.keys() <= wanted.keys()):
            refuses(answer, 422, "validation")
            return False
        assert answer.status_code == 201, answer.text
        assert answer.json()["code"] not in self.dossiers
        self.dossiers[answer.json()["code"]] = set(hashes)
        self.calls.append((owner, path, headers, content, 201, answer.json()))
        return True

    @precondition(lambda self: self.calls)
    @rule(number=PICK)
    def say_it_again(self, number):
        self.repeat(*self.calls[number % len(self.calls)])

    def repeat(self, owner, path, headers, content, status, body):
        answers(self.ask(owner, "POST", path, headers, json=content), status, body)
        if content:
            other = self.ask(owner, "POST", path, headers, json={**content, "form": {"SoBan": 9}})
            refuses(other, 422, "validation")

    @precondition(lambda self: self.calls)
    @rule(number=PICK)
    def another_account_has_the_same_key(self, number):
        owner, _, headers, *_ = self.calls[number % len(self.calls)]
        if (1 - owner, headers) not in [(call[0], call[2]) for call in self.calls]:
            answer = self.ask(1 - owner, "POST", self.path, headers, json=FORM)
            self.judge(1 - owner, self.path, headers, FORM, FORM, answer)

    @rule(owner=OWNER, file=FILE, more=RARELY)
    def announce(self, owner, file, more):
        size = len(FILES[file]) + (more == 0)
        answer = self.ask(owner, "POST", "/attachments", json={"hash": HASHES[file], "size": size})
        known = self.uploads.setdefault((owner, file), [size, b"", False])
        if known[0] != size and known[2]:
            refuses(answer, 422, "validation")
            return
        if known[0] != size:
            known[:2] = size, b""
        answers(answer, 200, self.progress(owner, file))

    def progress(self, owner, file):
        size, data, complete = self.uploads[owner, file]
        return {"hash": HASHES[file], "size": size, "offset": len(data), "complete": complete}

    @rule(owner=OWNER, file=FILE, place=PLACE, length=LENGTH, spoilt=RARELY)
    def upload_piece(self, owner, file, place, length, spoilt):
        known = self.uploads.get((owner, file), [0, b"", False])
        start, data = piece(file, len(known[1]), place, length, spoilt == 0)
        answer = self.ask(owner, "PUT", f"/attachments/{HASHES[file]}/pieces/{start}", content=data)
        if (owner, file) not in self.uploads:
            refuses(answer, 404, "unknown")
        elif start > len(known[1]):
            refuses(answer, 409, "offset")
        elif start == len(known[1]) and not known[2] and not 0 < len(data) <= known[0] - start:
            refuses(answer, 422, "validation")
        else:
            known[1] += data if start == len(known[1]) and not known[2] else b""
            answers(answer, 200, self.progress(owner, file))

    @rule(owner=OWNER, file=FILE)
    def complete(self, owner, file):
        answer, known = (
            self.ask(owner, "POST", f"/attachments/{HASHES[file]}/complete"),
            self.uploads.get((owner, file)),
        )
        if known is None:
            refuses(answer, 404, "unknown")
        elif len(known[1]) < known[0]:
            refuses(answer, 409, "offset")
        elif known[1] != FILES[file]:
            refuses(answer, 422, "validation")
            known[1] = b""
        else:
            known[2] = True
            answers(answer, 200, self.progress(owner, file))

    @rule(owner=OWNER, file=FILE, length=LENGTH, submits=st.booleans())
    def upload(self, owner, file, length, submits):
        self.announce(owner, file, more=1)
        for _ in range(0, len(FILES[file]), length):
            self.upload_piece(owner, file, "next", length, spoilt=1)
        self.complete(owner, file)
        if submits:
            self.submit(owner, {file}, twice=False)

    @invariant()
    def everything_is_there(self):
        for (owner, name), draft in self.drafts.items():
            answers(self.ask(owner, "GET", f"/drafts/{name}"), 200, draft)
        for owner, file in self.uploads:
            answers(self.ask(owner, "GET", f"/attachments/{HASHES[file]}"), 200, self.progress(owner, file))
        listed = self.inside.get(self.names[0], "/dossiers").json()["items"]
        assert {item["code"]: set(item["attachments"]) for item in listed} == self.dossiers
        to_tell = sum(1 + len(hashes) for hashes in self.dossiers.values())
        assert self.inside.get(self.names[0], "/outbox").json()["pending"] == to_tell


class CitizensPapers(Papers):
    """As officers do, but two citizens at the portal."""

    names = ("national",)
    path, use, role = "/dossiers", "citizen", None
    owners = (people.person(5).id_number, people.person(6).id_number)


class HandOver(Machine):
    """A province hands attachments over to the portal, piece by piece, also of dossiers that aren't its own."""

    names = ("national",)
    options = {"provinces": ("01", "79")}  # noqa: RUF012
    codes = {"01": ("H01.00004-250701-0001", "H01.00004-250701-0002"), "79": ("H79.26740-250701-0001",)}  # noqa: RUF012
    unknown = "H01.00004-250701-0003"

    @initialize()
    def register(self):
        self.uploads = {}  # (code, file) -> [size, bytes]
        for province, codes in self.codes.items():
            account = {"username": f"province:{province}", "password": f"mk.province:{province}"}
            session = self.inside.post("national", "/login", account).json()["session"]
            call = {"session": session, "madonvi": province, "service": "DongBoHoSoMC"}
            told = self.inside.post("national", "/sync", {**call, "data": [item(province, code) for code in codes]})
            assert {result["error_code"] for result in told.json()["data"]} == {0}

    def send(self, code, digest, size, start, data):
        path = f"/api/attachments/{code}/{digest}/{size}/pieces/{start}"
        return self.inside.ask("national", "PUT", path, content=data, headers=self.inside.peer("national"))

    @rule(
        code=st.sampled_from([*codes["01"], *codes["01"], *codes["79"], unknown]), file=FILE, more=RARELY,
        place=PLACE, length=LENGTH, spoilt=RARELY,
    )  # fmt: skip
    def hand_over(self, code, file, more, place, length, spoilt):
        size = len(FILES[file]) + (more == 0)
        known = self.uploads.get((code, file))
        start, data = piece(file, len(known[1]) if known else 0, place, length, spoilt == 0)
        answer = self.send(code, HASHES[file], size, start, data)
        error = self.error(code, known, size, start, data)
        if error == 0:
            known = self.uploads.setdefault((code, file), [size, b""])
            if known[0] != size:
                known[:] = size, b""
            known[1] += data if start == len(known[1]) else b""
            if len(known[1]) == size and known[1] != FILES[file]:
                del self.uploads[code, file]
                error = -1
        offset = len(self.uploads[code, file][1]) if error == 0 else 0
        assert (answer.status_code, answer.json()["error_code"], answer.json()["offset"]) == (200, error, offset)

    def error(self, code, known, size, start, data):
        if code == self.unknown:
            return 2
        another = known is not None and known[0] != size and len(known[1]) == known[0]
        return -1 if code in self.codes["79"] or not data or start + len(data) > size or another else 0

    @rule(change=st.sampled_from([{"digest": "x"}, {"size": "x"}, {"start": "-1"}, {"size": 10**9}]))
    def what_makes_no_sense(self, change):
        said = {"digest": HASHES[0], "size": 10, "start": 0, **change}
        refuses(self.send(self.codes["01"][0], **said, data=b"0"), 422, "validation")

    @invariant()
    def what_came_whole_is_attached(self):
        listed = self.inside.get("national", "/dossiers").json()["items"]
        assert {item["code"] for item in listed} == {*self.codes["01"], *self.codes["79"]}
        for dossier in listed:
            whole = {HASHES[file] for (code, file), (size, data) in self.uploads.items()
                     if code == dossier["code"] and len(data) == size}  # fmt: skip
            assert set(dossier["attachments"]) == whole


def item(province, code):
    return {
        "MaHoSo": code, "MaThamChieu": f"k-{code}", "MaTinh": province, "MaXa": code[4:9], "MaTTHC": "2.000815",
        "KenhThucHien": 1, "MaBam": "a" * 64, "isUpdating": "False", "TienTrinh": [[1, 2, "20250701080000"]],
    }  # fmt: skip


@pytest.mark.parametrize("machine", [Papers, CitizensPapers])
def test_drafts_and_attachments_agree_with_the_model(machine):
    run(machine, examples=10, steps=20)


def test_hand_overs_agree_with_the_model():
    run(HandOver, examples=12, steps=20)


@pytest.mark.parametrize("machine", [Papers, CitizensPapers])
@pytest.mark.parametrize("defect", ["draft-lost", "attachment-truncated", "duplicate-on-retry"])
def test_the_machine_finds_a_defect_of_drafts_and_attachments(machine, defect):
    identity, share = {
        "draft-lost": (f"{machine.owners[0]}:d-1", 20),
        "attachment-truncated": (HASHES[0], 33),
        "duplicate-on-retry": ("", 100),
    }[defect]
    seed = next(number for number in count() if percentile(f"{number}:{defect}:{identity}") < share)
    finds(machine, defects=[defect], seed=seed)


def test_the_machine_finds_that_a_refused_draft_is_a_dossier_all_the_same(monkeypatch):
    monkeypatch.setattr(keys, "undo", lambda connection: None)
    finds(Papers)


def test_the_machine_finds_that_what_came_is_not_compared_with_its_hash(monkeypatch):
    monkeypatch.setattr(attachments, "_digest", lambda connection, file: HASHES[0])
    finds(HandOver)
