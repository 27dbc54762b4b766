"""The province agrees, reply by reply, with a small model of the domain's life cycle."""

from unittest.mock import patch

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from mocks import store, worklist
from tests.mocks.machines import LEADS_TO, NEXT, ROLE_OF, Machine, after, finds, role_of, run

NAME = "province:01"
PROCEDURES = st.sampled_from([*ROLE_OF])
ROLES = st.sampled_from(["cb", "cv", "ld", "vt"])
ACTIONS = st.sampled_from([*LEADS_TO, "resume"])
PLACES = st.sampled_from(["00004", "00008"])
PICK = st.integers(0, 10_000)


class Dossiers(Machine):
    """Officers take dossiers in, claim them and take them on; the portal hands others over."""

    names = (NAME,)

    def prepare(self):
        self.undo.enter_context(patch("mocks.register.datetime", self.clock.dated()))  # codes are of one day
        self.history = {}  # code -> states
        self.place = {}  # code -> commune, in the order of storing
        self.procedure = {}  # code -> procedure
        self.calls = []  # (path, headers, content, status, body) of what was answered for good
        self.handed = []  # what the portal handed over
        self.claimed = set()
        self.tests = set()
        self.messages = 0

    def officer(self, commune="00004", test=False, role="cb"):
        return {**self.inside.officer(commune, test, role), **self.key()}

    def content(self, commune, procedure):
        applicant = {"SoDinhDanh": "001090000005", "HoVaTen": "Nguyễn Văn A"}
        return {
            "procedure": procedure,
            "province": "01",
            "commune": commune,
            "applicant": applicant,
            "form": {"SoBan": 1},
        }

    def picked(self, number):
        return list(self.history)[number % len(self.history)]

    @rule(commune=PLACES, procedure=PROCEDURES, test=st.booleans())
    def take_in(self, commune, procedure, test):
        headers, content = self.officer(commune, test), self.content(commune, procedure)
        answer = self.inside.post(NAME, "/counter/dossiers", content, headers=headers)
        assert answer.status_code == 201, answer.text
        said = answer.json()
        assert (said["error_code"], said["state"], said["sequence"]) == (0, 2, 1)
        number = sum(1 for code in self.place if code.startswith(f"H01.{commune}-")) + 1
        assert said["code"].startswith(f"H01.{commune}-")
        assert said["code"].endswith(f"-{number:04d}")
        assert said["code"] not in self.history
        self.history[said["code"]], self.place[said["code"]], self.procedure[said["code"]] = [2], commune, procedure
        self.tests |= {said["code"]} if test else set()
        self.messages += 1
        self.calls.append(("/counter/dossiers", headers, content, answer.status_code, said))

    @rule(commune=PLACES, role=st.sampled_from(["cv", "ld", "vt"]))
    def take_in_as_somebody_else(self, commune, role):
        headers = self.officer(commune, role=role)
        answer = self.inside.post(NAME, "/counter/dossiers", self.content(commune, "2.000815"), headers=headers)
        assert (answer.status_code, answer.json()["reason"]) == (403, "role")

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

    @rule(number=st.integers(1, 4), home=st.booleans(), procedure=PROCEDURES, test=st.booleans())
    def hand_over(self, number, home, procedure, test):
        code = f"G01.00004-250701-{number:04d}"
        item = {
            "MaHoSo": code, "MaThamChieu": "k", "MaTinh": "01" if home else "79", "MaXa": "00004", "MaTTHC": procedure,
            "KenhThucHien": 2, "MaBam": "0" * 64, "isUpdating": "False", "TienTrinh": [[1, 1, "20250701080000"]],
            "ThuNghiem": test,
        }  # fmt: skip
        answer = self.inside.post(NAME, "/HoSo/NopTrucTuyen", item, headers=self.inside.peer(NAME))
        expected = -1 if not home else 1 if code in self.history else 0
        assert (answer.status_code, answer.json()["error_code"]) == (200, expected)
        assert (answer.json()["message"] == "đã tồn tại") == (expected == 1)
        if expected == 0:
            self.history[code], self.place[code], self.procedure[code] = [1], "00004", procedure
            self.tests |= {code} if test else set()
            self.handed.append(item)

    @initialize(procedure=PROCEDURES)
    def begin_with_one(self, procedure):
        self.hand_over(1, True, procedure, False)

    @precondition(lambda self: self.handed)
    @rule(number=PICK)
    def hand_over_again(self, number):
        item = self.handed[number % len(self.handed)]
        answer = self.inside.post(NAME, "/HoSo/NopTrucTuyen", item, headers=self.inside.peer(NAME))
        assert (answer.status_code, answer.json()["error_code"]) == (200, 1)

    @precondition(lambda self: self.history)
    @rule(number=PICK, action=ACTIONS, role=ROLES, stray=st.integers(0, 9))
    def step(self, number, action, role, stray):
        code = self.picked(number)
        action = NEXT.get(self.history[code][-1], action) if stray > 4 else action  # every other one is due
        test, right = (code in self.tests) != (stray == 0), role_of(self.procedure[code], action)
        role = role if stray < 3 else right
        headers = self.officer(test=test, role=role)
        path, content = f"/dossiers/{code}/steps", {"action": action}
        answer = self.inside.post(NAME, path, content, headers=headers)
        if test != (code in self.tests):
            assert (answer.status_code, answer.json()["reason"]) == (403, "test-mode")
            return
        if role != right:
            assert (answer.status_code, answer.json()["reason"]) == (403, "role")
            return
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

    def waits_for(self, code):
        """Return whose turn it is; None: the citizen's, nobody's, or a desk has claimed it."""
        action = NEXT.get(self.history[code][-1])
        return None if action is None or code in self.claimed else role_of(self.procedure[code], action)

    @rule(commune=PLACES, limit=st.integers(1, 3), test=st.booleans(), role=ROLES)
    def claim(self, commune, limit, test, role):
        headers = self.officer(commune, test, role)
        free = [code for code in self.history if self.waits_for(code) == role and (code in self.tests) == test]
        own = [code for code in free if self.place[code] == commune]
        assert self.inside.get(NAME, "/officer/queue", headers=headers).json()["own"] == len(own)
        answer = self.inside.post(NAME, "/officer/claim", {"limit": limit}, headers=headers)
        expected = (own or free)[:limit]
        assert [item["code"] for item in answer.json()["items"]] == expected
        self.claimed |= set(expected)

    @precondition(lambda self: self.history)
    @rule(number=PICK)
    def look_up(self, number):
        code = self.picked(number)
        answer = self.inside.get(NAME, f"/dossiers/{code}")
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert [step[:2] for step in found["history"]] == [list(pair) for pair in enumerate(self.history[code], 1)]
        expected = (self.history[code][-1], len(self.history[code]), code in self.tests)
        assert (found["state"], found["sequence"], found["test"]) == expected

    @invariant()
    def counts_agree(self):
        states = [states[-1] for code, states in self.history.items() if code not in self.tests]
        expected = {str(state): states.count(state) for state in set(states)}
        counted = {"states": expected, "total": len(states), "test": len(self.tests)}
        assert self.inside.get(NAME, "/statistics").json() == counted
        assert self.inside.get(NAME, "/outbox").json()["pending"] == self.messages


@pytest.fixture(autouse=True)
def clocks_wait(monkeypatch):
    """A claim outlasts the test, and so does what isn't committed yet, however slow the machine is."""
    monkeypatch.setattr(worklist, "CLAIM", 1e6)
    monkeypatch.setattr(store, "LATE", 1e6)


def test_the_province_agrees_with_the_model():
    run(Dossiers, examples=12, steps=30)


DEFECTS = ["duplicate-on-retry", "status-regress", "refused-for-reorganisation"]
AT_A_RESTART = ["ack-before-commit", "counter-in-memory", "outbox-in-memory"]


@pytest.mark.parametrize("defect", DEFECTS + AT_A_RESTART)
def test_the_machine_finds_a_seeded_defect(defect):
    finds(Dossiers, steps=30, defects=[defect])
