"""Every system has pages that a person can open and click through; whatever is stored is shown escaped."""

import re
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from mocks.messages import proof, shared_secret
from mocks.wire import HTML
from model.edxml import Attachment
from model.links import PLATFORMS, systems
from tests.mocks.edocs import XML, document
from tests.mocks.inside import PERSON, Inside

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SCRIPT = "<script>alert('x')</script>\"'&"


ASKED = {
    "client_id": SCRIPT,
    "redirect_uri": "https://x.invalid/",
    "response_type": "code",
    "scope": "openid",
    "state": SCRIPT,
}
HEAD = {"/openapi.json", "/metrics", "/healthz"}  # of every page, and no pages themselves
ENTRY = re.compile(r"/pages/([a-z]+)/[^/?]+")


class Links(HTMLParser):
    """Collects what a page leads to inside its system, and which elements it has."""

    def __init__(self, text):
        super().__init__()
        self.hrefs, self.elements = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.add(tag)
        self.hrefs += [value for name, value in attributes if name == "href" and value.startswith("/")]


@pytest.fixture(scope="module")
def filled(tmp_path_factory, submission):
    """Every system; every field that takes free text holds a script."""
    inside = Inside(tmp_path_factory.mktemp("pages"), systems(["01"], PLATFORMS), PLATFORMS)
    for _ in range(60):
        headers = {**inside.officer(), **inside.key()}
        content = submission(form={"GhiChu": SCRIPT})
        assert inside.post("province:01", "/counter/dossiers", content, headers=headers).status_code == 201
    letter = Attachment(SCRIPT, "text/html", SCRIPT.encode())
    edoc = document("VB-1", ["H01.00004"], Subject=SCRIPT, Content=SCRIPT, Attachments=[letter])
    sent = inside.ask("axis", "POST", "/axis/sendEdoc", content=edoc, headers={**inside.agency(), **XML})
    assert sent.status_code == 201
    call = {"province": "01", "subject": SCRIPT, "text": SCRIPT}
    alert = {"province": "01", "source": SCRIPT, "severity": "page", "text": SCRIPT}
    report = {"unit": "H01", "form": "BC-01", "period": "2025-07-02", "figures": {SCRIPT: 1}}
    for name, path, content, headers in (
        ("hotline", "/calls", call, inside.key()),
        ("hotline", "/alerts", alert, inside.key()),
        ("reporting", "/reports", report, {}),
        ("tasks", "/tasks/NV0001/progress", {"status": "doing", "text": SCRIPT}, inside.key()),
        ("meetings", "/meetings/giao-ban/join", {"unit": "H01.00004"}, {}),
        ("payment", "/payments", order(), {}),
        ("national", "/dossiers", submission(), {**inside.citizen(), **inside.key()}),
        ("population", "/ndxp/confirm", question("population"), {}),
        ("specialised", "/ndxp/confirm", question("land"), {}),
    ):
        assert inside.post(name, path, content, headers=headers).status_code in {200, 201}
    log_in(inside)
    yield inside
    inside.stop()


def order():
    fields = {"MaDoiTac": "national", "MaThamChieu": SCRIPT, "SoTien": 5000}
    return {**fields, "MaXacThuc": proof(*fields.values(), shared_secret("national"))}


def question(database):
    names = ("MaYeuCau", "MaTTHC", "MaDonVi")
    person = {"SoDinhDanh": PERSON.id_number, "HoVaTen": PERSON.name, "NgayThangNamSinh": PERSON.birth_date}
    return {**dict.fromkeys(names, SCRIPT), "MaHoSo": "H01.00004-250701-0001", "CoSoDuLieu": database, **person}


def log_in(inside):
    """Log in, ask who it is, and revoke the token; returns it."""
    landing = inside.get("vneid", "/authorize", params={**ASKED, "login_hint": PERSON.id_number})
    code = parse_qs(urlsplit(landing.headers["location"]).query)["code"][0]
    client = {name: ASKED[name] for name in ("client_id", "redirect_uri")}
    form = {**client, "grant_type": "authorization_code", "code": code, "client_secret": shared_secret(SCRIPT)}
    token = inside.ask("vneid", "POST", "/token", data=form).json()["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    assert inside.get("vneid", "/userinfo", headers=bearer).status_code == 200
    assert inside.ask("vneid", "POST", "/revoke", data={"token": token}).status_code == 200
    return token


def visited(stack, name, most=60):
    """Follow every link of a system from its first page, as a person's browser does; returns each page by its path."""
    pages, waiting = {}, ["/"]
    while waiting and len(pages) < most:
        path = waiting.pop(0)
        answer = stack.get(name, path, headers=BROWSER)
        assert answer.status_code == 200, path
        assert answer.headers["content-type"] == HTML, path
        pages[path] = answer.text
        found = Links(answer.text)
        assert {"title", "h1"} <= found.elements, path
        assert "script" not in found.elements, path
        assert {"/", *HEAD} <= set(found.hrefs), path
        waiting += [href for href in found.hrefs if href not in {*pages, *waiting, *HEAD}]
    return pages


@pytest.mark.parametrize("name", systems(["01"], PLATFORMS))
def test_every_link_leads_to_a_page_and_every_list_to_pages_of_its_entries(filled, name):
    """Every page has a title and the way back; no system is without a list, no list without entries that open."""
    pages = visited(filled, name)
    assert f"<h1>{name}</h1>" in pages["/"]
    listed = {match[1] for href in Links(pages["/"]).hrefs if (match := ENTRY.fullmatch(href))}
    assert listed == {shelf.name for shelf in filled.systems[name].shelves()} != set()
    entries = [text for path, text in pages.items() if ENTRY.fullmatch(path)]
    assert entries
    assert all(text.count("<td>") > 0 for text in entries)
    for path in HEAD:
        assert filled.get(name, path).status_code == 200


def test_every_entry_of_a_list_has_its_page(filled):
    """The first cell of every row leads on, on whatever page of the list."""
    for name, system in filled.systems.items():
        for shelf in system.shelves():
            text = filled.get(name, f"/pages/{shelf.name}").text
            rows = text.count("<tr>") - 1
            assert rows == sum(1 for href in Links(text).hrefs if ENTRY.fullmatch(href)) > 0, (name, shelf.name)


def test_a_log_in_has_a_page_with_its_history_and_nothing_secret(filled):
    token = log_in(filled)
    row = Links(filled.get("vneid", "/pages/logins").text).hrefs[-1]
    text = filled.get("vneid", row).text
    steps = [text.index(step) for step in ("authorize:", "token:", "userinfo:", "revoke:")]
    assert steps == sorted(steps)
    for page in (text, filled.get("vneid", "/").text):
        assert PERSON.id_number[-4:] in page
        for secret in (PERSON.id_number, PERSON.name, token, token.rpartition(".")[2]):
            assert secret not in page
    assert filled.get("vneid", "/pages/logins/DN000009999").status_code == 404


@pytest.mark.parametrize(("name", "database"), [("population", "population"), ("specialised", "land")])
def test_a_receipt_has_a_page_with_every_time_it_was_given(filled, name, database):
    before = filled.get(name, f"/pages/receipts/BN-{database}-00000001").text
    assert filled.post(name, "/ndxp/confirm", question(database)).status_code == 201
    after = filled.get(name, f"/pages/receipts/BN-{database}-00000001").text
    assert after.count("<tr>") == before.count("<tr>") + 1
    for other in (f"BN-{database}-00000009", "BN-tax-00000001", "1", f"BN-{database}-1"):
        assert filled.get(name, f"/pages/receipts/{other}").status_code == 404


def test_a_browser_gets_an_error_as_a_page_and_a_program_as_json(filled):
    for path, status in (("/pages/dossiers/none", 404), ("/nowhere", 404), ("/pages/dossiers?after=x", 422)):
        page = filled.get("national", path, headers=BROWSER)
        assert (page.status_code, page.headers["content-type"]) == (status, HTML)
        assert 'href="/"' in page.text
        said = filled.get("national", path)
        assert (said.status_code, said.json()["error_code"]) == (status, -1)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("axis", "/pages/documents/VB-1"),
        ("hotline", "/pages/notes/1"),
        ("hotline", "/pages/notes/2"),
        ("hotline", "/"),
        ("reporting", "/pages/reports/H01%3ABC-01%3A2025-07-02"),
        ("tasks", "/pages/tasks/NV0001"),
        ("payment", "/"),
        ("payment", "/payments/GD0000000001/pay"),
        ("vneid", "/pages/logins/DN000000001"),
        ("vneid", f"/authorize?{urlencode(ASKED)}"),
        ("population", "/pages/receipts/BN-population-00000001"),
    ],
)
def test_a_stored_script_is_shown_escaped(filled, name, path):
    text = filled.get(name, path).text
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;" in text
    assert SCRIPT not in text


def test_lists_have_pages_and_a_dossier_shows_its_history_and_attachments(filled, eventually):
    first = filled.get("province:01", "/").text
    onward = [href for href in Links(first).hrefs if "?after=" in href]
    assert len(onward) == 1
    second = filled.get("province:01", onward[0]).text
    listed = [[href for href in Links(text).hrefs if href.startswith("/pages/dossiers/")] for text in (first, second)]
    assert [len(hrefs) for hrefs in listed] == [50, 10]
    assert not set(listed[0]) & set(listed[1])
    page = filled.get("province:01", listed[0][0]).text
    assert "2 Được tiếp nhận" in page
    assert "Tệp đính kèm" in page
    assert filled.get("province:01", "/pages/dossiers/H01.00004-250701-9999").status_code == 404
    assert filled.get("province:01", "/pages/unknown").status_code == 404
