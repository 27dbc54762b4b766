"""The same requests for stock Locust; the class of users, Fast or Plain, is named on the command line.

CASE (get, post, journey) and PACE (requests/s of each user, empty: as fast as it can) come from the environment.
"""

import itertools
import json
import os
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from locust import FastHttpUser, HttpUser, constant_throughput

CASE = os.environ["CASE"]
PACE = float(os.environ.get("PACE") or 0)
CLIENT = {"client_id": "national", "redirect_uri": "https://portal.invalid/callback"}
SUBMISSION = {
    "procedure": "2.000815",
    "province": "01",
    "commune": "00004",
    "applicant": {"SoDinhDanh": "001085012345", "HoVaTen": "Nguyễn Văn A"},
    "form": {"SoBan": 1, "GhiChu": "Nộp trực tuyến"},
}
NUMBERS = itertools.count()


class Requests:
    """What both kinds of users do."""

    if PACE:
        wait_time = constant_throughput(PACE)
    client: Any
    tasks = (lambda user: getattr(user, CASE)(),)

    def get(self) -> None:
        """GET 200 bytes and check them."""
        self.asked("GET", "/small", lambda content: content["error_code"] == 0)

    def post(self) -> dict[str, Any]:
        """Submit, and check the acknowledgement."""
        key = {"Idempotency-Key": f"b-{next(NUMBERS)}-submit"}
        good = lambda content: content["code"] and content["state"] == 1  # noqa: E731  a check, as in the journeys
        return self.asked("POST", "/dossiers", good, json=SUBMISSION, headers=key)

    def asked(self, method: str, path: str, good: Any, **more: Any) -> dict[str, Any]:
        """Send one request, decode and check its reply."""
        name = more.pop("name", path)
        with self.client.request(method, path, catch_response=True, name=name, **more) as reply:
            content = json.loads(reply.content)
            if not good(content):
                reply.failure("content")
            return content

    def journey(self) -> None:
        """Submit online, as scenarios/journeys/citizen.py does."""
        number = next(NUMBERS)
        state = f"s{number}"
        query = urlencode(
            {**CLIENT, "response_type": "code", "scope": "openid", "state": state, "nonce": state, "login_hint": "001"}
        )
        landing = self.client.get(f"/authorize?{query}", name="/authorize", allow_redirects=False).headers["Location"]
        code = parse_qs(urlsplit(landing).query)["code"][0]
        form = {**CLIENT, "grant_type": "authorization_code", "code": code, "client_secret": "bi-mat-national"}
        token = self.asked("POST", "/token", lambda c: c["access_token"], data=form)["access_token"]
        opened = self.asked("POST", "/session", lambda c: c["session"], json={"access_token": token})["session"]
        bearer = {"Authorization": f"Bearer {opened}"}
        found = lambda content: any(item["code"] == "2.000815" for item in content["items"])  # noqa: E731  as above
        self.asked("GET", "/procedures?q=2.000815&limit=5", found, headers=bearer, name="/procedures")
        identity = {"SoDinhDanh": "001085012345", "HoVaTen": "Nguyễn Văn A", "NgayThangNamSinh": "1985-01-01"}
        self.asked("POST", "/population", lambda c: c["error_code"] == 0, json=identity, headers=bearer)
        keyed = {**bearer, "Idempotency-Key": f"b-{number}-submit"}
        times = 2 if number % 33 == 0 else 1
        for _ in range(times):
            dossier = self.asked("POST", "/dossiers", lambda c: c["state"] == 1, json=SUBMISSION, headers=keyed)["code"]
        if number % 10 < 6:
            self.pay(dossier, bearer, number)
        self.asked("GET", f"/dossiers/{dossier}", lambda c: c["code"] == dossier, headers=bearer, name="/dossiers/")

    def pay(self, dossier: str, bearer: dict[str, str], number: int) -> None:
        """Ask for a payment and pay it."""
        keyed = {**bearer, "Idempotency-Key": f"b-{number}-pay"}
        path = f"/dossiers/{dossier}/payment"
        asked = self.asked("POST", path, lambda c: c["MaGiaoDich"], json={}, headers=keyed, name="/payment")
        paid = f"/payments/{asked['MaGiaoDich']}/pay"
        self.asked("POST", paid, lambda c: c["error_code"] == 0, json={}, name="/pay")


class Fast(Requests, FastHttpUser):
    """Locust on geventhttpclient, which verifies certificates only when it is told to."""

    insecure = False


class Plain(Requests, HttpUser):
    """Locust on requests."""
