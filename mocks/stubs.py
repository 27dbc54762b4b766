"""Receipt stubs (giấy tiếp nhận): a reception team gives one out on the spot, before its line to the system is there.

Its number is the idempotency key under which the dossier is sent; whoever has the stub finds the dossier with it.
"""

import msgspec

from mocks import register
from mocks.defects import Defects
from mocks.store import Store
from mocks.wire import Call, Nothing, Refusal, Route


class Stub(msgspec.Struct):
    """What became of a stub: the dossier, and where it stands."""

    number: str
    code: str
    state: int


class _Made(msgspec.Struct):
    code: str = ""  # of a dossier, where the answer is one's


class Stubs:
    """The receipt stubs of one province.

    Args:
        store: Of its dossiers.
        defects: Seeded defects that are on.
    """

    def __init__(self, store: Store, defects: Defects) -> None:
        self._store = store
        self._defects = defects

    def routes(self) -> tuple[Route, ...]:
        """Return its route."""
        return (Route("GET", "/stubs/{number}", "stub", self.find, gives=Stub, refuses=(404,)),)

    async def find(self, call: Call[Nothing]) -> Stub:
        """Return the dossier of a stub; raises Refusal 404 where none was sent under its number."""
        number, reader = call.path["number"], self._store.reader
        row = reader.execute("SELECT body FROM answers WHERE key = ? AND status = 201", (number,)).fetchone()
        if row is None or self._defects.on("stub-void"):
            raise Refusal(404, "unknown", "nothing was sent under this number yet")
        dossier = register.find(reader, msgspec.json.decode(row[0], type=_Made).code)
        if dossier is None:
            raise Refusal(404, "unknown", "nothing was sent under this number yet")
        return Stub(number, dossier.code, dossier.state)
