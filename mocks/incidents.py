"""A province's way to the operators: its officers and its monitoring report what is wrong (báo sự cố)."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec

from mocks.hotline import Noted
from mocks.system import System
from mocks.upstream import ask
from mocks.wire import Body, Call, Refusal, Reply, Route
from model.books import request_id
from model.links import Link, province_of


class Incident(Body):
    """What is wrong."""

    severity: Literal["page", "ticket"]
    text: Annotated[str, msgspec.Meta(max_length=2000)]


class Incidents:
    """Hands a province's incidents on to the operators; does nothing where there is no hotline.

    Args:
        system: The province's.
        auth: Makes a session of the bearer token of who asks.
    """

    def __init__(self, system: System, auth: Callable[[str], Any]) -> None:
        self._system = system
        self._auth = auth
        link = Link(system.name, "hotline").name
        self._client = system.client("hotline") if link in system.surroundings.links else None

    def routes(self) -> tuple[Route, ...]:
        """Return the routes that it adds to its system."""
        if self._client is None:
            return ()
        return (
            Route(
                "POST", "/incidents", "incident", self.report, Incident, Noted, status=201, auth=self._auth, keyed=True
            ),
        )

    async def report(self, call: Call[Incident]) -> Reply:
        """Tell the operators at once; the hotline remembers the key, so it may be said again."""
        assert self._client is not None
        alert = {
            "province": province_of(self._system.name),
            "source": self._system.name,
            **msgspec.structs.asdict(call.content),
        }
        headers = {"Idempotency-Key": request_id(self._system.name, call.owner, call.key)}
        received = await ask(self._client, "hotline", "POST", "/alerts", msgspec.json.encode(alert), headers)
        if received.status not in {201, 422}:  # 422: the key came before, with another payload
            raise Refusal(502, "upstream", f"hotline answered {received.status}")
        return Reply(received.status, received.body)
