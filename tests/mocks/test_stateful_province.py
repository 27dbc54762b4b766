"""The province agrees, reply by reply, with a small model of the domain's life cycle."""

import time

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from mocks import worklist
from tests.mocks.machines import LEADS_TO, Machine, after, run

NAME = "province:01"
OPEN = {1, 2, 4}
ACTIONS = st.sampled_from([*LEADS_TO, "resume"])
PLACES = st.sampled_from(["00004", "00008"])
PICK = st.integers(0, 10_000)


class Dossiers(Machine):
    """Officers take dossiers in, claim them and take them on; the portal hands others over."""

    names = (NAME,)

    def prepare(self):
        self.history = {}  # code -> states
        self.place = {}  # code -> commune, in the order of storing
        self.calls = []  # (path, headers, content, status, body) of what was answered for good
        self.claimed = set()
        self.messages = 0

    def officer(self, commune="00004"):
        return {**self.inside.officer(commune), **self.key()}

    def content(self, commune):
        applicant = {"SoDinhDanh": "001090000005", "HoVaTen": "Nguyễn Văn A"}
        return {
            "procedure": "2.000815",
            "province": "01",
            "commune": commune,
            "applicant": applicant,
            "form": {"SoBan": 1},
        }

    def picked(self, number):
        return list(self.history)[number % len(self.history)]

    @rule(commune=PLACES)
    def take_in(self, commune):
        headers, content = self.officer(commune), self.content(commune)
        answer = self.inside.post(NAME, "/counter/dossiers", content, headers=headers)
        said = answer.json()
        assert (answer.status_code, said["error_code"], said["state"], said["sequence"]) == (201, 0, 2, 1)
        number = sum(1 for code in self.place if code.startswith(f"H01.{commune}-")) + 1
        assert said["code"].startswith(f"H01.{commune}-")
        assert said["code"].endswith(f"-{number:04d}")
        assert said["code"] not in self.history
        self.history[said["code"]], self.place[said["code"]] = [2], commune
        self.messages += 1
        self.calls.append(("/counter/dossiers", headers, content, answer.status_code, said))

    @precondition(lambda self: self.calls)
    @rule(number=PICK)
    def say_it_again(self, number):
        path, headers, content, status, body = self.calls[number % len(self.calls)]
        again = self.inside.post(NAME, path, content, headers=headers)
        assert (again.status_code, again.json()) == (status, body)

    @precondition(lambda self: self.calls)
    @rule(number=PICK)
    def use_the_key_for_something_else(self, number):
        path, headers, content, *_ = self.calls[number % len(self.calls)]
        other = {"action": "withdraw" if content.get("action") != "withdraw" else "stop"}
        if "form" in content:
            other = {**content, "form": {"SoBan": 2}}
        assert self.inside.post(NAME, path, other, headers=headers).status_code == 422

    @rule(number=st.integers(1, 4), home=st.booleans())
    def hand_over(self, number, home):
        code = f"G01.00004-250701-{number:04d}"
        item = {
            "MaHoSo": code, "MaThamChieu": "k", "MaTinh": "01" if home else "79", "MaXa": "00004", "MaTTHC": "2.000815",
            "KenhThucHien": 2, "MaBam": "0" * 64, "isUpdating": "False", "TienTrinh": [[1, 1, time.time()]],
        }  # fmt: skip
        answer = self.inside.post(NAME, "/api/dossiers", item)
        expected = -1 if not home else 1 if code in self.history else 0
        assert (answer.status_code, answer.json()["error_code"]) == (200, expected)
        assert (answer.json()["message"] == "đã tồn tại") == (expected == 1)
        if expected == 0:
            self.history[code], self.place[code] = [1], "00004"

    @precondition(lambda self: self.history)
    @rule(number=PICK, action=ACTIONS)
    def step(self, number, action):
        code, headers = self.picked(number), self.officer()
        path, content = f"/dossiers/{code}/steps", {"action": action}
        answer = self.inside.post(NAME, path, content, headers=headers)
        target = after(action, self.history[code])
        if target is None:
            assert (answer.status_code, answer.json()["reason"]) == (409, "transition")
        else:
            self.history[code].append(target)
            self.messages += 1
            expected = {"error_code": 0, "code": code, "state": target, "sequence": len(self.history[code])}
            assert (answer.status_code, answer.json()) == (200, expected)
        self.calls.append((path, headers, content, answer.status_code, answer.json()))

    @rule(action=ACTIONS)
    def step_of_an_unknown_dossier(self, action):
        path = "/dossiers/H01.00004-250701-9999/steps"
        answer = self.inside.post(NAME, path, {"action": action}, headers=self.officer())
        assert (answer.status_code, answer.json()["reason"]) == (404, "unknown")

    @rule(commune=PLACES, limit=st.integers(1, 3))
    def claim(self, commune, limit):
        answer = self.inside.post(NAME, "/officer/claim", {"limit": limit}, headers=self.officer(commune))
        free = [code for code, states in self.history.items() if states[-1] in OPEN and code not in self.claimed]
        own = [code for code in free if self.place[code] == commune]
        expected = (own or free)[:limit]
        assert [item["code"] for item in answer.json()["items"]] == expected
        self.claimed |= set(expected)

    @precondition(lambda self: self.history)
    @rule(number=PICK)
    def look_up(self, number):
        code = self.picked(number)
        found = self.inside.get(NAME, f"/dossiers/{code}").json()
        assert [step[:2] for step in found["history"]] == [list(pair) for pair in enumerate(self.history[code], 1)]
        assert (found["state"], found["sequence"]) == (self.history[code][-1], len(self.history[code]))

    @invariant()
    def counts_agree(self):
        states = [states[-1] for states in self.history.values()]
        expected = {str(state): states.count(state) for state in set(states)}
        assert self.inside.get(NAME, "/statistics").json() == {"states": expected, "total": len(states)}
        assert self.inside.get(NAME, "/outbox").json()["pending"] == self.messages


@pytest.fixture(autouse=True)
def claims_hold(monkeypatch):
    """A claim outlasts the test, however slow the machine is."""
    monkeypatch.setattr(worklist, "CLAIM", 1e6)


def test_the_province_agrees_with_the_model():
    run(Dossiers, examples=12, steps=30)


@pytest.mark.parametrize("defect", ["duplicate-on-retry", "status-regress", "refused-for-reorganisation"])
def test_the_machine_finds_a_seeded_defect(defect):
    with pytest.raises((AssertionError, KeyError)):
        run(Dossiers, examples=40, steps=30, defects=[defect])
