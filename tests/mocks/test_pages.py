"""Every system has pages that a person can open and click through; whatever is stored is shown escaped."""

from html.parser import HTMLParser

import pytest

from mocks.messages import proof, shared_secret
from model.links import PLATFORMS, systems
from tests.mocks.inside import Inside

SCRIPT = "<script>alert('x')</script>\"'&"


class Links(HTMLParser):
    """Collects what a page leads to, and which elements it has."""

    def __init__(self, text):
        super().__init__()
        self.hrefs, self.elements = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.add(tag)
        self.hrefs += [value for name, value in attributes if name == "href"]


@pytest.fixture(scope="module")
def filled(tmp_path_factory, submission):
    """Every system; every field that takes free text holds a script."""
    inside = Inside(tmp_path_factory.mktemp("pages"), systems(["01"], PLATFORMS), PLATFORMS)
    for _ in range(60):
        headers = {**inside.officer(), **inside.key()}
        content = submission(form={"GhiChu": SCRIPT})
        assert inside.post("province:01", "/counter/dossiers", content, headers=headers).status_code == 201
    edoc = {"DocumentId": "VB-1", "From": "H01", "To": ["H01.00004"], "Subject": SCRIPT, "Content": SCRIPT}
    call = {"province": "01", "subject": SCRIPT, "text": SCRIPT}
    alert = {"province": "01", "source": SCRIPT, "severity": "page", "text": SCRIPT}
    report = {"unit": "H01", "form": "BC-01", "period": "2025-07-02", "figures": {SCRIPT: 1}}
    for name, path, content, headers in (
        ("axis", "/axis/sendEdoc", edoc, inside.agency()),
        ("hotline", "/calls", call, inside.key()),
        ("hotline", "/alerts", alert, inside.key()),
        ("reporting", "/reports", report, {}),
        ("tasks", "/tasks/NV0001/progress", {"status": "doing", "text": SCRIPT}, inside.key()),
        ("meetings", "/meetings/giao-ban/join", {"unit": "H01.00004"}, {}),
        ("payment", "/payments", order(), {}),
    ):
        assert inside.post(name, path, content, headers=headers).status_code in {200, 201}
    yield inside
    inside.stop()


def order():
    fields = {"MaDoiTac": "national", "MaThamChieu": SCRIPT, "SoTien": 5000}
    return {**fields, "MaXacThuc": proof(*fields.values(), shared_secret("national"))}


def visited(stack, name, most=60):
    """Follow every link of a system from its first page; returns the text of each page by its path."""
    pages, waiting = {}, ["/"]
    while waiting and len(pages) < most:
        path = waiting.pop(0)
        answer = stack.get(name, path)
        assert answer.status_code == 200, path
        pages[path] = answer.text
        if answer.headers["content-type"].startswith("text/html"):
            found = Links(answer.text)
            assert "script" not in found.elements, path
            waiting += [href for href in found.hrefs if href not in pages and href not in waiting]
    return pages


@pytest.mark.parametrize("name", systems(["01"], PLATFORMS))
def test_every_link_of_every_page_leads_somewhere(filled, name):
    pages = visited(filled, name)
    assert {"/", "/openapi.json", "/metrics", "/healthz"} <= pages.keys()
    assert f"<h1>{name}</h1>" in pages["/"]


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
