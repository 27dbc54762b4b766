"""Payment platform and axis agree with small models of their life cycles."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from mocks.messages import proof, shared_secret
from tests.conftest import TOKEN
from tests.mocks.edocs import XML, document
from tests.mocks.machines import Machine, finds, run

MAY_FOLLOW = {
    "01": {"02", "03", "13"},
    "02": set(),
    "03": {"02", "04", "05", "06", "13"},
    "04": {"05", "06", "13"},
    "05": {"06", "13"},
    "06": set(),
    "13": {"15", "16"},
    "15": set(),
    "16": set(),
}
"""Status of a delivery -> what may follow it, written down a second time."""


class Payments(Machine):
    """A partner opens payments, citizens pay or cancel, the partner is told once."""

    names = ("payment",)
    strikes = False

    def prepare(self):
        self.opened = {}  # reference -> [transaction, amount, state]

    @initialize()
    def spoil(self):
        if self.strikes:
            self.fault("payment", "lost-callback", share=100)

    def order(self, reference, amount, partner="national"):
        fields = {"MaDoiTac": "national", "MaThamChieu": reference, "SoTien": amount}
        return self.inside.post(
            "payment", "/payments", {**fields, "MaXacThuc": proof(*fields.values(), shared_secret(partner))}
        )

    @rule(reference=st.sampled_from("ABC"), amount=st.sampled_from([2000, 5000]))
    def open(self, reference, amount):
        answer = self.order(reference, amount)
        known = self.opened.get(reference)
        if known is not None and known[1] != amount:
            assert answer.status_code == 422
            return
        code = answer.json()["MaGiaoDich"]
        assert (answer.status_code, answer.json()["error_code"]) == (201, 0)
        assert answer.json()["UrlThanhToan"] == f"/payments/{code}/pay"
        assert code == known[0] if known else code not in [entry[0] for entry in self.opened.values()]
        if self.opened.setdefault(reference, [code, amount, "opened"])[2] == "cancelled":
            self.opened[reference][2] = "opened"

    @rule(reference=st.sampled_from("ABC"))
    def open_with_a_guessed_secret(self, reference):
        assert self.order(reference, 2000, "somebody-else").status_code == 401

    @precondition(lambda self: self.opened)
    @rule(data=st.data(), action=st.sampled_from(["pay", "cancel"]))
    def press(self, data, action):
        reference = data.draw(st.sampled_from(sorted(self.opened)))
        entry = self.opened[reference]
        answer = self.inside.post("payment", f"/payments/{entry[0]}/{action}")
        if {entry[2], action} in ({"paid", "cancel"}, {"cancelled", "pay"}):
            assert (answer.status_code, answer.json()["reason"]) == (409, "transition")
            return
        entry[2] = "paid" if action == "pay" else "cancelled"
        assert (answer.status_code, answer.json()) == (200, self.state(reference))

    def state(self, reference):
        code, amount, state = self.opened[reference]
        said = {"MaGiaoDich": code, "MaThamChieu": reference, "SoTien": amount, "error_code": 0}
        return {**said, "TrangThai": state}

    @rule()
    def unknown(self):
        for path in ("", "/receipt"):
            assert self.inside.get("payment", f"/payments/GD9999999999{path}").status_code == 404

    @invariant()
    def everything_agrees(self):
        for reference, (code, _, state) in self.opened.items():
            assert self.inside.get("payment", f"/payments/{code}").json() == self.state(reference)
            receipt = self.inside.get("payment", f"/payments/{code}/receipt")
            assert receipt.status_code == (200 if state == "paid" else 409)
        paid = {reference: str(amount) for reference, (_, amount, state) in self.opened.items() if state == "paid"}
        listed = self.inside.get("payment", "/entries").json()["items"]
        assert sorted((item["key"], item["value"]) for item in listed) == sorted(paid.items())
        told = len(paid)
        assert self.inside.get("payment", "/outbox").json()["pending"] == told


class LostNotices(Payments):
    strikes = True

    def restarted(self):
        self.spoil()


class Documents(Machine):
    """Agencies send documents and say what became of them."""

    names = ("axis",)
    platforms = ("axis",)

    def prepare(self):
        self.sent = {}  # document -> subject
        self.status = {}  # (document, recipient) -> [status, reason], in the order of delivery

    def document(self, name, subject):
        return document(name, ("H79", "H48"), Subject=subject)

    @rule(name=st.sampled_from(["VB-1", "VB-2"]), subject=st.sampled_from(["giao ban", "báo cáo"]))
    def send(self, name, subject):
        headers = {**self.inside.agency(), **XML}
        answer = self.inside.ask(
            "axis", "POST", "/axis/sendEdoc", content=self.document(name, subject), headers=headers
        )
        if self.sent.get(name, subject) != subject:
            assert answer.status_code == 422
            return
        assert (answer.status_code, answer.json()) == (201, {"code": name, "sequence": 2, "error_code": 0})
        self.sent[name] = subject
        for recipient in ("H79", "H48"):
            self.status.setdefault((name, recipient), ["01", ""])

    @rule(name=st.sampled_from(["VB-1", "VB-2"]), who=st.sampled_from(["H01", "H79", "H48", "H92"]))
    def fetch(self, name, who):
        answer = self.inside.get("axis", f"/axis/getEdoc/{name}", headers=self.inside.agency(who))
        if name not in self.sent or who == "H92":
            assert answer.status_code == 404
        else:
            assert answer.content == self.document(name, self.sent[name])

    @rule(
        name=st.sampled_from(["VB-1", "VB-2"]),
        to=st.sampled_from(["H79", "H48"]),
        status=st.sampled_from(["02", "03", "04", "05", "06", "13", "15", "16"]),
        proper=st.booleans(),
    )
    def update(self, name, to, status, proper):
        self.say(name, to, status, proper)

    @precondition(lambda self: "01" in {status for status, _ in self.status.values()})
    @rule(status=st.sampled_from(["02", "03"]))
    def answer_the_first_that_has_arrived(self, status):
        name, to = next(key for key, value in self.status.items() if value[0] == "01")
        self.say(name, to, status)

    def say(self, name, to, status, proper=True):
        speaker = "H01" if (status == "13") == proper else to
        order = {"DocumentId": name, "To": to, "Status": status, "Reason": "lý do"}
        answer = self.inside.post("axis", "/axis/updateStatus", order, headers=self.inside.agency(speaker))
        known = self.status.get((name, to))
        if known is None or not proper:
            assert answer.status_code == 404
        elif status == known[0] or status in MAY_FOLLOW[known[0]]:
            expected = {"code": f"{name}:{to}", "Status": status, "sequence": 1, "error_code": 0}
            assert (answer.status_code, answer.json()) == (200, expected)
            self.status[name, to] = [status, "lý do"]
        else:
            assert (answer.status_code, answer.json()["reason"]) == (409, "transition")

    @rule()
    def a_rejection_needs_a_reason(self):
        order = {"DocumentId": "VB-1", "To": "H79", "Status": "02", "Reason": ""}
        answer = self.inside.post("axis", "/axis/updateStatus", order, headers=self.inside.agency("H79"))
        assert answer.status_code == 422

    @invariant()
    def lists_agree(self):
        everything = [(*key, *value) for key, value in self.status.items()]
        assert self.listed("getSentEdocList", "H01") == everything
        for organ in ("H79", "H48"):
            assert self.listed("getReceivedEdocList", organ) == [row for row in everything if row[1] == organ]

    def listed(self, operation, organ):
        answer = self.inside.get("axis", f"/axis/{operation}", headers=self.inside.agency(organ))
        return [(item["DocumentId"], item["To"], item["Status"], item["Reason"]) for item in answer.json()["items"]]


def test_the_payment_platform_agrees_with_the_model():
    run(Payments, examples=10, control=TOKEN)


def test_the_machine_finds_that_no_notice_is_sent():
    finds(LostNotices, control=TOKEN)


def test_the_axis_agrees_with_the_model():
    run(Documents, examples=10)


@pytest.mark.parametrize("defect", ["axis-duplicate", "axis-drops-rejects"])
def test_the_machine_finds_a_defect_of_the_axis(defect):
    finds(Documents, defects=[defect])
