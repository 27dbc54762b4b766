"""Real systems as processes of their own, on free ports of the loopback."""

import json
import subprocess
import sys
import time
import uuid
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from harness.ports import free_ports
from mocks.timestamps import CLOCK
from model import people
from model.links import links, systems
from model.procedures import procedures
from model.workflows import Role
from tests.conftest import NO_TLS, wait_for

PERSON = people.person(5)
DEADLINE = 30.0  # seconds
ONE_DAY = timedelta(seconds=60)  # more than a test takes that needs one day


def eventually(question, deadline=DEADLINE):
    """Ask until the answer is true, and return it; fail when it wasn't in time, nor at a last look after it."""
    return wait_for(question, deadline)


class Stack:
    """The systems of some provinces; each name runs in the process that it was started in."""

    def __init__(
        self,
        folder,
        provinces=("01",),
        defects=(),
        seed=1,
        token="",
        platforms=(),
        stock=None,
        capacity=None,
        paths=None,
        unconnected=(),
    ):
        self.folder = folder
        self.provinces = list(provinces)
        self.platforms = tuple(platforms)
        self.stock = stock or {}
        self.capacity = capacity or {}
        self.paths = paths or {}
        self.unconnected = list(unconnected)
        self.names = systems(provinces, self.platforms)
        self.ports = dict(zip(self.names, free_ports(), strict=False))
        self.defects = list(defects)
        self.seed = seed
        self.token = token
        self.processes = {}
        self.http = httpx.Client(trust_env=False, verify=NO_TLS, timeout=DEADLINE)

    def config(self, names):
        return {
            "systems": [{"name": name, "port": self.ports[name]} for name in names],
            "provinces": self.provinces,
            "state": str(self.folder / "state"),
            "links": {
                link.name: f"127.0.0.1:{self.ports[link.target]}" for link in links(self.provinces, self.platforms)
            },
            "defects": self.defects,
            "seed": self.seed,
            "control": self.token,
            "stock": self.stock,
            "capacity": self.capacity,
            "paths": self.paths,
            "unconnected": self.unconnected,
            "timeout": DEADLINE,
        }

    def spawn(self, *names):
        path = self.folder / f"{uuid.uuid4().hex}.json"
        path.write_text(json.dumps(self.config(names)), encoding="utf-8")
        return subprocess.Popen(
            [sys.executable, "-m", "mocks.serve", str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def start(self, *names):
        names = names or self.names
        process = self.spawn(*names)
        line = process.stdout.readline()
        if not line:
            process.wait()
            raise AssertionError(process.stderr.read().decode())
        assert json.loads(line) == {"ready": list(names)}
        self.processes |= dict.fromkeys(names, process)
        return self

    def kill(self, name):
        """Kill -9 the process of a system."""
        process = self.processes.pop(name)
        process.kill()
        _reap(process)

    def stop(self):
        self.http.close()
        for process in set(self.processes.values()):
            process.terminate()
        for process in set(self.processes.values()):
            errors = _reap(process)
            assert errors == b"", errors.decode()

    def url(self, name):
        return f"http://127.0.0.1:{self.ports[name]}"

    def get(self, name, path, **options):
        return self.http.get(self.url(name) + path, **options)

    def post(self, name, path, content=None, **options):
        return self.http.post(self.url(name) + path, json={} if content is None else content, **options)

    def key(self):
        return {"Idempotency-Key": f"k-{uuid.uuid4().hex}"}

    def access_token(self, person=PERSON):
        client = {"client_id": "national", "redirect_uri": "https://portal.invalid/callback"}
        asked = {**client, "response_type": "code", "scope": "openid", "state": "s", "nonce": "n"}
        landing = self.get("vneid", "/authorize", params={**asked, "login_hint": person.id_number})
        code = parse_qs(urlsplit(landing.headers["location"]).query)["code"][0]
        form = {
            **client,
            "grant_type": "authorization_code",
            "code": code,
            "client_secret": "bi-mat-national",
        }
        return self.http.post(self.url("vneid") + "/token", data=form).json()["access_token"]

    def citizen(self, person=PERSON, **mode):
        """Headers of a citizen's session at the portal."""
        opened = self.post("national", "/session", {"access_token": self.access_token(person), **mode})
        return {"Authorization": f"Bearer {opened.json()['session']}"}

    def officer(self, province="01", commune="00004", role="cb", **mode):
        """Headers of an officer's session."""
        account = f"{role}.{commune}"
        asked = {"account": account, "password": f"mk.{account}", **mode}
        opened = self.post(f"province:{province}", "/officer/session", asked)
        return {"Authorization": f"Bearer {opened.json()['session']}"}

    def staff(self, procedure="2.000815"):
        """Headers of sessions by action: of the role whose it is."""
        sessions = {role: self.officer(role=role) for role in Role}
        return {action: sessions[role] for action, role in procedures()[procedure].workflow.items()}

    def peer(self, name="national", at="province:01"):
        """Headers of a system's session at another one."""
        opened = self.post(at, "/login", {"username": name, "password": f"mk.{name}"})
        return {"Authorization": f"Bearer {opened.json()['session']}"}

    def sync(self, province, service, data):
        """Tell the portal as a province's system does; returns what came of each item."""
        name = f"province:{province}"
        session = self.post("national", "/login", {"username": name, "password": f"mk.{name}"}).json()["session"]
        call = {"session": session, "madonvi": province, "service": service, "data": data}
        return [item["error_code"] for item in self.post("national", "/sync", call).json()["data"]]

    def intake(self, officer, content=None, key=None):
        """Take a dossier in at the counter; returns its code."""
        headers = {**officer, **(key or self.key())}
        answer = self.post("province:01", "/counter/dossiers", content or submission(), headers=headers)
        assert answer.status_code == 201, answer.text
        return answer.json()["code"]

    def step(self, officer, code, action, key=None):
        headers = {**officer, **(key or self.key())}
        return self.post("province:01", f"/dossiers/{code}/steps", {"action": action}, headers=headers)

    def states(self, name, code):
        """Return the states of a dossier's history, in order; None where it isn't known."""
        answer = self.get(name, f"/dossiers/{code}")
        return [step[1] for step in answer.json()["history"]] if answer.status_code == 200 else None

    def pending(self, *names):
        return sum(self.get(name, "/outbox").json()["pending"] for name in names)

    def listing(self, name, limit=100):
        items, after = [], ""
        while after is not None:
            page = self.get(name, "/dossiers", params={"after": after, "limit": limit}).json()
            items += page["items"]
            after = page["next"]
        return items

    def entries(self, name):
        """Return what a system's books hold: (book, key, owner)."""
        items, after = [], ""
        while after is not None:
            page = self.get(name, "/entries", params={"after": after, "limit": 2}).json()
            items += [(item["book"], item["key"], item["owner"]) for item in page["items"]]
            after = page["next"]
        return items

    def metric(self, name, series):
        """Add up the samples whose line begins so."""
        lines = self.get(name, "/metrics").text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(series))


def submission(**changes):
    return {
        "procedure": "2.000815",
        "province": "01",
        "commune": "00004",
        "applicant": {"SoDinhDanh": PERSON.id_number, "HoVaTen": PERSON.name},
        "form": {"SoBan": 1, "GhiChu": "Nộp tại quầy"},
        **changes,
    }


def _reap(process):
    process.stdin.close()
    try:
        errors = process.stderr.read()
        process.wait(timeout=DEADLINE)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
    return errors


@pytest.fixture
def stacks(tmp_path):
    """Make stacks; all their processes end with the test."""
    made = []

    def make(**options):
        made.append(Stack(tmp_path, **options))
        return made[-1]

    yield make
    for stack in made:
        stack.stop()


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """One stack of province 01, for the tests of a module that leave it whole."""
    stack = Stack(tmp_path_factory.mktemp("stack")).start()
    yield stack
    stack.stop()


@pytest.fixture
def one_day():
    """Let the test begin when the day of Việt Nam, which codes are of, doesn't end soon."""
    while ((now := datetime.now(CLOCK)) + ONE_DAY).date() > now.date():
        time.sleep(0.1)


@pytest.fixture(scope="session", name="eventually")
def eventually_():
    return eventually


@pytest.fixture(scope="session", name="submission")
def submission_():
    return submission


@pytest.fixture(scope="session")
def stack_class():
    return Stack
