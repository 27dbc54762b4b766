"""A browser without script: it follows links and redirects, keeps cookies, fills forms in and presses their buttons."""

from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx

from tests.conftest import NO_TLS

ACCEPT = "text/html,application/xhtml+xml,*/*;q=0.8"


class Parsed(HTMLParser):
    """What a page shows: title, links by their text, fields with their values, buttons by their text."""

    def __init__(self, text):
        super().__init__()
        self.title, self.links, self.fields, self.choices, self.buttons = "", {}, {}, {}, {}
        self.method, self._open, self._select = "get", None, ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self._open = (tag, found) if tag in {"a", "button", "title"} else self._open
        if tag == "form":
            self.method = found["method"]
        if tag == "input":
            self.fields[found["name"]] = found["value"] or ""
        if tag == "select":
            self._select = found["name"]
            self.fields[self._select], self.choices[self._select] = "", []
        if tag == "option":
            self.choices[self._select].append(found["value"])
            if "selected" in found:
                self.fields[self._select] = found["value"]

    def handle_data(self, data):
        tag, found = self._open or ("", {})
        if tag == "title":
            self.title += data
        if tag == "a":
            self.links[data] = found["href"]
        if tag == "button":
            self.buttons[data] = found["formaction"]

    def handle_endtag(self, tag):
        self._open = None


class Browser:
    """One person's.

    Attributes:
        page: The page that is open.
        answer: As it came.
    """

    def __init__(self):
        self.answer, self.page = None, None
        self._http = httpx.Client(
            trust_env=False, verify=NO_TLS, follow_redirects=True, timeout=30, headers={"Accept": ACCEPT}
        )

    def close(self):
        self._http.close()

    def open(self, url):
        return self._show(self._http.get(url))

    def back(self):
        """Show the page before again, as it was."""
        self.answer, self.page = self._before

    def follow(self, text):
        return self.open(self._at(self.page.links[text]))

    def press(self, text, **filled):
        """Fill fields in and press a button."""
        assert filled.keys() <= self.page.fields.keys()
        for name, value in filled.items():
            assert value in self.page.choices.get(name, [value]), name
        where, content = self._at(self.page.buttons[text]), {**self.page.fields, **filled}
        if self.page.method == "get":
            return self._show(self._http.get(where, params=content))
        return self._show(self._http.post(where, data=content))

    def _at(self, href):
        return urljoin(str(self.answer.url), href)

    def _show(self, answer):
        assert answer.headers["content-type"].startswith("text/html"), answer.text
        self._before = (self.answer, self.page)
        self.answer, self.page = answer, Parsed(answer.text)
        assert self.page.title
        return answer
