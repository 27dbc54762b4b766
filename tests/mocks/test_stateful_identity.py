"""VNeID and the databases that confirm agree with small models: who may come in, and what is confirmed to whom."""

import base64
import json
import secrets
from types import SimpleNamespace
from urllib.parse import parse_qs

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from mocks import logins, receipts
from mocks.store import Store
from mocks.tokens import Signer
from model import organisations, people, places
from tests.conftest import TOKEN
from tests.mocks.machines import Machine, answers, finds, refuses, run

CODE_LIFE, TOKEN_LIFE = 60, 3600  # seconds, written down a second time
PEOPLE = [people.person(5), people.person(6), organisations.organisation(7)]
CLIENTS = ["national", "province:01"]
PICK = st.integers(0, 10_000)
DIFFERENT = {
    "name": {"HoVaTen": "Người Khác"},
    "birth": {"NgayThangNamSinh": "19000101"},
    "nobody": {"SoDinhDanh": "900000000000"},
}
"""What an enquiry may have wrong about a citizen."""
MOSTLY = st.sampled_from([True, True, True, False])


class Logins(Machine):
    """People log in, clients redeem their codes, ask whose token it is, and revoke it; the clock goes on."""

    names = ("vneid",)
    timed = ("mocks.tokens",)

    def prepare(self):
        self.codes, self.given = [], []  # what was handed out, and what must come of it
        self.tech_ids = {}

    def redirect(self, client):
        return f"https://{client.replace(':', '-')}.invalid/ve?x=1"

    @rule(number=PICK, client=st.sampled_from(CLIENTS), redeemed=st.booleans())
    def authorise(self, number, client, redeemed):
        person, nonce = PEOPLE[number % len(PEOPLE)], f"n{len(self.codes)}"
        answer = self.login(person.id_number, client, nonce)
        place, _, query = answer.headers["location"].rpartition("&code=")
        assert (answer.status_code, place) == (302, self.redirect(client))
        landed = parse_qs(f"code={query}")
        assert landed["state"] == [f"s-{nonce}"]
        assert landed["code"][0] not in [code.text for code in self.codes]
        made = {"text": landed["code"][0], "client": client, "nonce": nonce, "person": person, "spent": False}
        self.codes.append(SimpleNamespace(**made, until=self.clock.now + CODE_LIFE))
        if redeemed:
            self.redeem_code(self.codes[-1])

    def login(self, number, client, nonce="n"):
        asked = {"client_id": client, "redirect_uri": self.redirect(client), "response_type": "code"}
        asked |= {"scope": "openid", "state": f"s-{nonce}", "nonce": nonce, "login_hint": number}
        return self.inside.get("vneid", "/authorize", params=asked)

    @rule(number=st.sampled_from(["900000000000", "9900000000", "001090000005"]))
    def nobody_logs_in(self, number):
        answer = self.login(number, "national")
        assert (answer.status_code, "location" in answer.headers) == (404, False)

    @precondition(lambda self: self.codes)
    @rule(number=PICK, mine=MOSTLY, known=MOSTLY, there=MOSTLY)
    def redeem(self, number, mine, known, there):
        self.redeem_code(self.codes[number % len(self.codes)], mine, known, there)

    def redeem_code(self, code, mine=True, known=True, there=True):
        client = code.client if mine else CLIENTS[1 - CLIENTS.index(code.client)]
        redirect = self.redirect(code.client) + ("" if there else "&y=2")
        answer = self.ask_token(code.text, client, known, redirect)
        refusals = {400} if code.spent or self.clock.now > code.until or not (mine and there) else set()
        refusals |= set() if known else {401}
        if refusals:
            assert answer.status_code in refusals
            return
        assert answer.status_code == 200, answer.text
        code.spent, tokens = True, answer.json()
        assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", TOKEN_LIFE)
        said = claims(tokens["id_token"])
        assert (said["sub"], said["aud"], said["nonce"]) == (code.person.id_number, client, code.nonce)
        made = {"text": tokens["access_token"], "identity": tokens["id_token"], "person": code.person}
        self.given.append(SimpleNamespace(**made, revoked=False, until=self.clock.now + TOKEN_LIFE))

    def ask_token(self, code, client, known, redirect):
        secret = f"bi-mat-{client}" if known else "bi-mat"
        form = {"grant_type": "authorization_code", "code": code, "client_id": client, "client_secret": secret}
        return self.inside.ask("vneid", "POST", "/token", data={**form, "redirect_uri": redirect})

    @precondition(lambda self: self.given)
    @rule(number=PICK)
    def what_is_no_code_is_worth_nothing(self, number):
        given = self.given[number % len(self.given)]
        for text in (given.text, given.identity, f"{self.codes[0].text}x", "x"):
            answer = self.ask_token(text, "national", True, self.redirect("national"))
            assert answer.status_code == 400

    @precondition(lambda self: self.given)
    @rule(number=PICK)
    def what_is_no_token_tells_nothing(self, number):
        given = self.given[number % len(self.given)]
        for text in (given.identity, self.codes[0].text, f"{given.text}x", "x"):
            assert self.user_info(text).status_code == 401

    @precondition(lambda self: self.given)
    @rule(number=PICK)
    def revoke(self, number):
        given = self.given[number % len(self.given)]
        for text in (given.text, "x"):  # a token that is none already is fine
            assert self.inside.ask("vneid", "POST", "/revoke", data={"token": text}).status_code == 200
        given.revoked = True

    @rule(seconds=st.sampled_from([35, 70, TOKEN_LIFE + 35]))
    def time_goes_by(self, seconds):
        self.clock.now += seconds

    def user_info(self, token):
        return self.inside.get("vneid", "/userinfo", headers={"Authorization": f"Bearer {token}"})

    @invariant()
    def tokens_say_whose_they_are(self):
        for given in self.given:
            answer = self.user_info(given.text)
            if given.revoked or self.clock.now > given.until:
                assert answer.status_code == 401
                continue
            number, name = given.person.id_number, given.person.name
            kind = 1 if len(number) == 12 else 2
            tech_id = self.tech_ids.setdefault(number, answer.json().get("TechID"))
            expected = {"TechID": tech_id, "SoDinhDanh": number, "HoVaTen": name, "LoaiTaiKhoan": kind, "IAL": 2}
            answers(answer, 200, expected)
        assert len(set(self.tech_ids.values())) == len(self.tech_ids)


def claims(token):
    """Return what a JSON Web Token says."""
    text = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


class Specialised(Machine):
    """Portal and provinces have data confirmed; each confirmation leaves one receipt."""

    names = platforms = ("specialised",)
    options = {"control": TOKEN}  # noqa: RUF012
    databases = ("business", "civil-status", "land")

    def prepare(self):
        self.receipts = {}  # (request, database) -> (dossier, number), in the order of storing
        self.wrong = ()  # databases that have other data of everybody

    def restarted(self):
        self.wrong = ()

    def citizen(self, number, differs):
        person = people.person(number)
        data = {"SoDinhDanh": person.id_number, "HoVaTen": person.name, "NgayThangNamSinh": person.birth_date}
        return {**data, **DIFFERENT.get(differs, {})}

    @rule(
        request=st.sampled_from("ABC"), dossier=st.integers(1, 2), database=PICK, exists=MOSTLY,
        differs=st.sampled_from([None, None, None, *DIFFERENT]),
    )  # fmt: skip
    def confirm(self, request, dossier, database, exists, differs):
        name = self.databases[database % len(self.databases)] if exists else "no-such-database"
        code = f"H01.00004-250701-{dossier:04d}"
        said = {"MaYeuCau": request, "MaHoSo": code, "MaTTHC": "1.001193", "MaDonVi": "01", "CoSoDuLieu": name}
        answer = self.inside.post(self.names[0], "/ndxp/confirm", {**said, **self.citizen(5, differs)})
        known = self.receipts.get((request, name))
        if name not in self.databases or name in self.wrong or differs or (known and known[0] != code):
            refuses(answer, 422, "validation")
            return
        number = answer.json().get("MaBienNhan")
        answers(answer, 201, {"error_code": 0, "MaBienNhan": number})
        assert number == known[1] if known else number not in [entry[1] for entry in self.receipts.values()]
        self.receipts.setdefault((request, name), (code, number))

    @rule(database=PICK)
    def a_database_has_other_data_or_the_right_ones_again(self, database):
        if self.wrong:
            self.heal(self.names[0])
            self.wrong = ()
            return
        number = database % (len(self.databases) + 1)
        self.fault(self.names[0], "wrong-data", share=100, database=number)
        self.wrong = self.databases[number - 1 : number] if number else self.databases

    @invariant()
    def the_book_agrees(self):
        listed, after = [], ""
        while after is not None:
            page = self.inside.get(self.names[0], "/entries", params={"after": after, "limit": 2}).json()
            listed, after = listed + page["items"], page["next"]
        expected = [(*key, number) for key, (_, number) in self.receipts.items()]
        assert [(item["key"], item["owner"], item["value"]) for item in listed] == expected
        assert {item["book"] for item in listed} <= {"receipt"}


class Population(Specialised):
    """Beside its receipts, it says of every citizen where they live."""

    names = ("population",)
    platforms = ()
    databases = ("population",)

    def prepare(self):
        super().prepare()
        self.addresses = {}

    @rule(number=st.integers(0, 3), differs=st.sampled_from([None, None, *DIFFERENT]))
    def enquire(self, number, differs):
        told = self.citizen(number, differs)
        by = {"MaYeuCau": "A", "MaDVC": "DVC", "MaTichHop": "TH", "MaDonVi": "01", "MaCanBo": "cb.00004"}
        answer = self.inside.post("population", "/ndxp/population", {**by, **told})
        if differs or self.wrong:
            assert answer.status_code == (404 if differs == "nobody" else 422)
            return
        address = self.addresses.setdefault(number, answer.json().get("DiaChi", ""))
        assert address.rpartition(", ")[2] in {province.name for province in places.provinces().values()}
        answers(answer, 200, {"error_code": 0, **told, "DiaChi": address})


def test_vneid_agrees_with_the_model():
    run(Logins, examples=15, steps=20)


async def redeemed_again(log, code, authorised):
    """Find that a code is redeemed for the first time, however often it is."""
    return True


@pytest.mark.parametrize(
    ("where", "what", "fault"),
    [
        (logins.Logins, "begin", redeemed_again),
        (logins.Logins, "is_revoked", lambda logins, jti: False),
        (Signer, "verify", lambda signer, token, use: signer._genuine(token)),
        (Store, "secret", lambda store: secrets.token_bytes(32)),
    ],
    ids=[
        "codes are good for ever",
        "a revoked token goes on",
        "any token is good for all",
        "a restart ends all sessions",
    ],
)
def test_the_machine_finds_a_fault_of_vneid(monkeypatch, where, what, fault):
    monkeypatch.setattr(where, what, fault)
    finds(Logins)


@pytest.mark.parametrize("machine", [Specialised, Population])
def test_databases_agree_with_the_model(machine):
    run(machine, examples=12, steps=20)


def anybodys(connection, asked):
    """Give the receipt of a request to whatever dossier asks for it."""
    statement = "INSERT INTO receipts(database, request, dossier) VALUES(?, ?, ?) ON CONFLICT DO NOTHING"
    connection.execute(statement, (asked.CoSoDuLieu, asked.MaYeuCau, asked.MaHoSo))
    return connection.execute("SELECT id FROM receipts WHERE request = ?", (asked.MaYeuCau,)).fetchone()[0]


@pytest.mark.parametrize("fault", [anybodys, lambda connection, asked: 1], ids=["anybody's", "never stored"])
@pytest.mark.parametrize("machine", [Specialised, Population])
def test_the_machine_finds_a_fault_of_receipts(monkeypatch, machine, fault):
    monkeypatch.setattr(receipts, "_issue", fault)
    finds(machine)
