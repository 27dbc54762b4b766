"""The portal agrees with a small model of the provinces' interface: what exists, what is known, what stands last."""

from itertools import count

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from mocks.draw import percentile
from model import places
from tests.mocks.machines import FOLLOWS, Machine, finds, run

AT = "20250701080000"
NAME = "national"
CODES = [f"H01.00004-250701-{number:04d}" for number in range(1, 6)]
CODE = st.sampled_from(CODES)
BEFORE = next(code for code in places.legacy() if len(code) == 5 and code not in places.communes())
ACCOUNT = {"username": "province:01", "password": "mk.province:01"}


class Interface(Machine):
    """A province tells of dossiers and of steps, in order and out of order, once and again."""

    names = (NAME,)

    def prepare(self):
        self.history = {}  # code -> {sequence: state}: the first word about a step is the last one

    @initialize()
    def log_in(self):
        self.session = self.inside.post(NAME, "/login", ACCOUNT).json()["session"]

    def call(self, service, data, session=None, unit="01"):
        content = {"session": session or self.session, "madonvi": unit, "service": service, "data": data}
        answer = self.inside.post(NAME, "/sync", content)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def item(self, code, states, updating=False, home=True, commune="00004"):
        return {
            "MaHoSo": code, "MaThamChieu": f"k-{code}", "MaTinh": "01" if home else "79", "MaXa": commune,
            "MaTTHC": "2.000815", "KenhThucHien": 1, "MaBam": "a" * 64, "isUpdating": str(updating),
            "TienTrinh": [[number, state, f"2025070108000{number}"] for number, state in enumerate(states, 1)],
        }  # fmt: skip

    def known(self, code):
        return [self.history[code][number] for number in sorted(self.history[code])]

    @rule(codes=st.lists(CODE, min_size=1, max_size=3), length=st.integers(1, 3))
    def create(self, codes, length):
        states = [2, 4, 9][:length]
        answer = self.call("DongBoHoSoMC", [self.item(code, states) for code in codes])
        assert answer["error_code"] == 0
        for code, result in zip(codes, answer["data"], strict=True):
            exists = code in self.history
            expected = {"MaHoSo": code, "error_code": int(exists), "message": "đã tồn tại" if exists else ""}
            assert result == expected
            self.history.setdefault(code, dict(enumerate(states, 1)))

    @rule(code=CODE, states=st.lists(st.integers(1, 10), min_size=1, max_size=5))
    def update(self, code, states):
        result = self.call("DongBoHoSoMC", [self.item(code, states, updating=True)])["data"][0]
        self.judge(code, result, enumerate(states, 1))

    @rule(items=st.lists(st.tuples(CODE, st.integers(1, 6)), min_size=1, max_size=10), data=st.data())
    def progress(self, items, data):
        steps = []
        for code, number in items:
            before = self.history.get(code, {}).get(number - 1, 2)
            steps.append((code, number, data.draw(st.sampled_from(sorted(FOLLOWS[before]) or [before]))))
        sent = [{"MaHoSo": code, "ThuTu": n, "TrangThai": state, "ThoiDiem": AT} for code, n, state in steps]
        results = self.call("CapNhatTienDoHoSoMC", sent)["data"]
        for (code, number, state), result in zip(steps, results, strict=True):
            self.judge(code, result, [(number, state)])

    def judge(self, code, result, steps):
        if code not in self.history:
            assert result == {"MaHoSo": code, "error_code": 2, "message": "không tồn tại"}
            return
        assert result == {"MaHoSo": code, "error_code": 0, "message": ""}
        for number, state in steps:
            self.history[code].setdefault(number, state)

    @rule(code=CODE)
    def look_up(self, code):
        found = self.call("TraCuuHoSo", {"MaHoSo": code})["data"]
        if code not in self.history:
            assert (found["error_code"], found["message"]) == (2, "không tồn tại")
            return
        assert {number: state for number, state, *_ in found["history"]} == self.history[code]
        assert (found["state"], found["sequence"]) == (self.known(code)[-1], max(self.history[code]))

    @rule(code=CODE)
    def another_units_dossier(self, code):
        for item in (self.item(code, [2], home=False), self.item(code, [2], commune="25747")):
            result = self.call("DongBoHoSoMC", [item])["data"][0]
            assert result == {"MaHoSo": code, "error_code": -1, "message": "sai đơn vị"}

    @rule(code=CODE)
    def a_unit_code_of_before(self, code):
        result = self.call("DongBoHoSoMC", [self.item(code, [2], commune=BEFORE)])["data"][0]
        assert result["error_code"] == -1

    @rule(code=CODE)
    def without_a_session(self, code):
        for session, unit in (("x", "01"), (None, "79")):
            answer = self.call("TraCuuHoSo", {"MaHoSo": code}, session, unit)
            assert (answer["error_code"], answer["data"]) == (401, None)

    @precondition(lambda self: self.history)
    @rule()
    def the_listing(self):
        listed = self.inside.get(NAME, "/dossiers").json()["items"]
        assert [item["code"] for item in listed] == list(self.history)
        assert [item["state"] for item in listed] == [self.known(code)[-1] for code in self.history]


def test_the_portal_agrees_with_the_model():
    run(Interface, examples=15, steps=25)


def test_the_machine_finds_an_old_unit_code_that_is_accepted():
    finds(Interface, defects=["old-code-accepted"])


def test_the_machine_finds_a_dossier_that_is_acknowledged_and_discarded():
    seed = next(number for number in count() if percentile(f"{number}:{CODES[0]}") < 1)
    finds(Interface, defects=["drop-sync"], seed=seed)
