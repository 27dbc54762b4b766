"""Systems inside this process: the same code without sockets, so that a test can put thousands of questions to them."""

import asyncio
import uuid
from pathlib import Path

import httpx
import msgspec

from mocks.serve import Config, build
from mocks.tokens import Claims
from model import people
from model.links import links

PERSON = people.person(5)
NOWHERE = "127.0.0.1:1"  # neighbours that nobody serves: what goes to them waits in the outbox


class Inside:
    """Some systems in one event loop, asked over ASGI.

    Attributes:
        systems: Name -> system.
    """

    def __init__(self, folder, names, platforms=(), provinces=("01",), **options):
        addresses = {link.name: NOWHERE for link in links(provinces, platforms)}
        config = msgspec.convert(
            {"systems": [{"name": name, "port": 1} for name in names], "state": str(folder), "links": addresses,
             "provinces": list(provinces), **options}, Config,
        )  # fmt: skip
        self.folder = Path(folder)
        self._loop = asyncio.new_event_loop()
        self.systems = {name: build(name, config) for name in names}
        self._clients = {name: self._client(system) for name, system in self.systems.items()}
        for system in self.systems.values():
            self._loop.run_until_complete(system.start())

    def _client(self, system):
        transport = httpx.ASGITransport(system.application(), raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://mock", timeout=60)

    def stop(self):
        for system in self.systems.values():
            self._loop.run_until_complete(system.stop())
        self._loop.close()

    def ask(self, name, method, path, **options):
        return self._loop.run_until_complete(self._clients[name].request(method, path, **options))

    def get(self, name, path, **options):
        return self.ask(name, "GET", path, **options)

    def post(self, name, path, content=None, **options):
        return self.ask(name, "POST", path, json={} if content is None else content, **options)

    def key(self):
        return {"Idempotency-Key": f"k-{uuid.uuid4().hex}"}

    def bearer(self, name, use, who):
        """Headers of a session that a system itself has signed."""
        signer = self.systems[name]._signer
        return {"Authorization": f"Bearer {signer.sign(Claims(use, who, PERSON.name), 3600)}"}

    def officer(self, commune="00004"):
        return self.bearer("province:01", "officer", commune)

    def citizen(self):
        return self.bearer("national", "citizen", PERSON.id_number)

    def agency(self, organ="H01"):
        return self.bearer("axis", "agency", organ)

    def stored(self, name):
        """Return everything that a system's database holds, table by table; what doesn't change is equal."""
        store = getattr(self.systems[name], "store", None)
        if store is None:
            return {}
        tables = store.reader.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {table: store.reader.execute(f'SELECT * FROM "{table}"').fetchall() for (table,) in tables}
