"""What every platform offers, as every other system does."""

import json

import pytest

from faults.control import ask, of_ours
from faults.kinds.application import WAYS
from mocks.serve import SYSTEMS
from model.books import keepers
from model.links import PLATFORMS
from tests.conftest import TOKEN
from tests.mocks.conftest import DEADLINE

SERVED = tuple(name for name in PLATFORMS if name in SYSTEMS)


@pytest.fixture(scope="module")
def platforms(tmp_path_factory):
    from tests.mocks.conftest import Stack

    stack = Stack(tmp_path_factory.mktemp("platforms"), platforms=SERVED, token=TOKEN).start()
    yield stack
    stack.stop()


@pytest.mark.parametrize("name", SERVED)
def test_a_platform_is_whole(platforms, name):
    assert platforms.get(name, "/healthz").json() == platforms.get(name, "/readyz").json()
    assert f'system="{name}"' in platforms.get(name, "/metrics").text
    document = platforms.get(name, "/openapi.json").json()
    references = [part.partition('"')[0] for part in json.dumps(document).split("#/components/schemas/")[1:]]
    assert set(references) <= set(document["components"]["schemas"])


@pytest.mark.parametrize("name", SERVED)
def test_faults_inside_a_platform_can_be_seen_on_its_harmless_request(platforms, name, monkeypatch):
    """However slow the machine is: neither the answer's time nor the fault's lease runs out."""
    monkeypatch.setattr("faults.control.CALL", DEADLINE)
    method, path, body = WAYS[name]
    address = f"127.0.0.1:{platforms.ports[name]}"
    control = of_ours(address, TOKEN, lease=60.0)
    assert ask(address, method, path, body).status < 500
    control.put("f", "error-rate", {"status": 503, "share": 100, "retry_after": 1})
    assert ask(address, method, path, body).status == 503
    control.delete("f")
    assert ask(address, method, path, body).status < 500


def test_who_keeps_books_lists_them_and_nobody_else(platforms):
    found = {name for name in platforms.names if platforms.get(name, "/entries").status_code == 200}
    assert found - {"population"} == keepers(("01",), SERVED).keys() - {"population"}
