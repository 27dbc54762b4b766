"""Asking another system while a request waits."""

import uuid
from collections.abc import Mapping
from datetime import datetime

import msgspec

from mocks.client import Client, LinkError, Received
from mocks.messages import Citizen
from mocks.register import CLOCK
from mocks.wire import Refusal, Reply


async def ask(
    client: Client, who: str, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> Received:
    """Ask, and return an answer that isn't a failure of the other system's own.

    Raises Refusal 504 where it kept silent, 502 where it couldn't be reached or failed.
    """
    try:
        received = await client.request(method, path, body, headers)
    except LinkError as error:
        raise Refusal(504 if error.timed_out else 502, "upstream", f"{who}: {error}") from None
    if received.status >= 500:
        raise Refusal(502, "upstream", f"{who} answered {received.status}")
    return received


async def ask_population(client: Client, asker: str, citizen: Citizen) -> Reply:
    """Ask the population database about a citizen and hand its answer on; raises Refusal as ``ask`` does."""
    enquiry = {
        "MaYeuCau": f"{datetime.now(CLOCK):%Y%m%d%H%M%S}-{uuid.uuid4()}",
        "MaDVC": "DVC",
        "MaTichHop": "TH.DanCu",
        "MaDonVi": asker,
        "MaCanBo": asker,
        **msgspec.structs.asdict(citizen),
    }
    received = await ask(client, "population", "POST", "/ndxp/population", msgspec.json.encode(enquiry))
    return Reply(received.status, received.body)
