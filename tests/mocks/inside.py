"""Systems inside this process: the same code without sockets, so that a test can put thousands of questions to them."""

import asyncio
import shutil
import tempfile
import uuid
from pathlib import Path

import httpx
import msgspec

from mocks.client import LinkError, Received
from mocks.serve import Config, build
from mocks.tokens import Claims
from model import people
from model.links import links
from model.workflows import Role

PERSON = people.person(5)
NOWHERE = "127.0.0.1:1"  # neighbours that nobody serves: what goes to them waits in the outbox


class Inside:
    """Some systems in one event loop, asked over ASGI.

    Attributes:
        systems: Name -> system.
    """

    def __init__(self, folder, names, platforms=(), provinces=("01",), **options):
        addresses = {link.name: NOWHERE for link in links(provinces, platforms)}
        self._config = msgspec.convert(
            {"systems": [{"name": name, "port": 1} for name in names], "state": str(folder), "links": addresses,
             "provinces": list(provinces), **options}, Config,
        )  # fmt: skip
        self.folder = Path(folder)
        self.loop = asyncio.new_event_loop()
        self.systems, self._clients = {}, {}
        self._states = dict.fromkeys(names, self.folder)
        for name in names:
            self._start(name)

    def _start(self, name):
        config = msgspec.structs.replace(self._config, state=str(self._states[name]))
        self.systems[name] = build(name, config)
        self._clients[name] = self._client(self.systems[name])
        self.loop.run_until_complete(self.systems[name].start())

    def restart(self, name):
        """Start a system anew with what its files hold at this moment, as after kill -9."""
        state = Path(tempfile.mkdtemp(dir=self.folder))
        for file in self._states[name].glob(f"{name.replace(':', '-')}.sqlite*"):
            shutil.copy(file, state)
        self.loop.run_until_complete(self.systems[name].stop())
        self._states[name] = state
        self._start(name)

    def _client(self, system):
        transport = httpx.ASGITransport(system.application(), raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://mock", timeout=60)

    def stop(self):
        for system in self.systems.values():
            self.loop.run_until_complete(system.stop())
        self.loop.close()

    def ask(self, name, method, path, **options):
        return self.loop.run_until_complete(self.answer(name, method, path, **options))

    async def answer(self, name, method, path, **options):
        """Return the answer to a question, which may wait for others to be answered."""
        return await self._clients[name].request(method, path, **options)

    def get(self, name, path, **options):
        return self.ask(name, "GET", path, **options)

    def post(self, name, path, content=None, **options):
        return self.ask(name, "POST", path, json={} if content is None else content, **options)

    def key(self):
        return {"Idempotency-Key": f"k-{uuid.uuid4().hex}"}

    def bearer(self, name, use, who, **mode):
        """Headers of a session that a system itself has signed."""
        signer = self.systems[name]._signer
        return {"Authorization": f"Bearer {signer.sign(Claims(use, who, PERSON.name, **mode), 3600)}"}

    def officer(self, commune="00004", test=False, role=Role.ONE_STOP):
        return self.bearer("province:01", "officer", commune, test=test, role=role)

    def citizen(self):
        return self.bearer("national", "citizen", PERSON.id_number)

    def peer(self, name):
        """Headers of the session that a system's counterpart has there: a province's at the portal, and the reverse."""
        return self.bearer(name, "system", "province:01" if name == "national" else "national")

    def agency(self, organ="H01"):
        return self.bearer("axis", "agency", organ)

    def stored(self, name):
        """Return everything that a system's database holds, table by table; what doesn't change is equal."""
        store = getattr(self.systems[name], "store", None)
        if store is None:
            return {}
        tables = store.reader.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {table: store.reader.execute(f'SELECT * FROM "{table}"').fetchall() for (table,) in tables}


class Line:
    """A link to another system of this process, in the place of a client.

    Attributes:
        cut: Whether nobody answers.
        asked: How often it was asked.
    """

    def __init__(self, inside, target):
        self._inside, self._target = inside, target
        self.cut = False
        self.asked = 0

    async def request(self, method, path, body=b"", headers=None):
        self.asked += 1
        if self.cut:
            raise LinkError("the line is cut", timed_out=False)
        answer = await self._inside.answer(self._target, method, path, content=body, headers=headers)
        return Received(answer.status_code, answer.content)
