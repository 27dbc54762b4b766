"""A Toxiproxy server that ends or hangs in the middle of a fault."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import psutil
import pytest

from faults.keeper import Keeper
from faults.kinds.base import Site
from faults.life import Life
from faults.probe import probe
from faults.server import Server, find_real, revive, start
from faults.toxiproxy import Proxies
from faults.watchdog_client import Watchdog
from model.record import EventLog, Record
from tests.faults.calm import prepared
from tests.faults.conftest import KINDS, PATIENT, eventually
from tests.faults.test_life import LINK, Ledger, fault, names

OTHER = "national->vneid"


@pytest.fixture(params=KINDS)
def mortal(request: pytest.FixtureRequest, tmp_path: Path) -> Server:
    """Give a server of one test's own."""
    if request.param == "real" and find_real() is None and os.environ.get("CI") != "true":
        pytest.skip("no toxiproxy-server here: `make toxiproxy` gets it")
    return start(request.param, tmp_path / "toxiproxy.log")


@pytest.fixture
def links(mortal: Server, upstream: str) -> Iterator[Proxies]:
    proxies = Proxies(mortal.api, PATIENT)
    proxies.create_all({LINK: upstream, OTHER: upstream})
    yield proxies
    proxies.close()


@pytest.fixture
def keeper(mortal: Server, links: Proxies, events: EventLog, record: Record) -> Iterator[Keeper]:
    watchdog = Watchdog.start(record.path("events.jsonl"), lease=60.0)
    keeper = Keeper(mortal, links, watchdog, events)
    yield keeper
    keeper.stop()
    watchdog.close()


@pytest.mark.parametrize(("kind", "attributes"), [("latency", {"latency": 200}), ("down", {})])
def test_a_server_that_ends_is_started_again_and_the_fault_is_healed(
    keeper: Keeper, links: Proxies, events: EventLog, record: Record, kind: str, attributes: dict[str, int]
) -> None:
    """Its proxies are where they were, and clean; the record says that the fault was released early."""
    listens = {name: state.listen for name, state in links.all().items()}
    life = Life(fault(kind, attributes, duration=60), site=Site(links), watchdog=Ledger(), events=events)
    assert prepared(life).apply()
    assert not keeper.look()
    assert keeper.server.process
    keeper.server.process.kill()
    keeper.server.process.wait()
    assert keeper.look()
    assert {name: state.listen for name, state in links.all().items()} == listens
    life.heal()
    assert life.gone
    assert all(state.clean for state in links.all().values())
    assert all(probe(address, PATIENT).ok for address in listens.values())
    assert names(record)[3:] == [
        *("toxiproxy_lost", "toxiproxy_restarted", "fault_released_early", "fault_healed", "fault_gone")
    ]


def test_proxies_that_a_restarted_server_has_lost_are_made_again_by_healing(
    keeper: Keeper, links: Proxies, events: EventLog
) -> None:
    """A server that isn't ours may come back empty: healing doesn't leave a link without its proxy."""
    life = Life(fault("latency", {"latency": 200}, duration=60), site=Site(links), watchdog=Ledger(), events=events)
    assert prepared(life).apply()
    other = Proxies(links.api)
    other.delete_all([LINK, OTHER])
    life.heal()
    assert all(state.clean for state in links.all().values())
    assert len(links.all()) == 2
    assert life.gone


def test_healing_outlives_a_server_that_hangs(
    keeper: Keeper, links: Proxies, events: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried until the server answers again, though a call is given up earlier."""
    life = Life(fault("down", duration=60), site=Site(links), watchdog=Ledger(), events=events)
    assert prepared(life).apply()
    process = keeper.server.process
    assert process
    process.send_signal(signal.SIGSTOP)
    eventually(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
    began = time.monotonic()
    Timer(4.0, process.send_signal, [signal.SIGCONT]).start()
    with monkeypatch.context() as hasty:
        hasty.setattr(links, "_timeout", 1.0)
        life.heal()
    assert 3.5 < time.monotonic() - began < 30
    assert life.gone
    eventually(lambda: links.get(LINK).clean)


def test_proxies_that_a_server_of_others_has_lost_are_made_again(
    mortal: Server, links: Proxies, events: EventLog, record: Record
) -> None:
    """It ends, and comes again empty: its end and its return are in the record, once each."""
    watchdog = Watchdog.start(record.path("events.jsonl"), lease=60.0)
    keeper = Keeper(Server(mortal.api, mortal.kind), links, watchdog, events)
    running = mortal
    try:
        assert not keeper.look()
        assert mortal.process
        mortal.process.kill()
        mortal.process.wait()
        eventually(keeper.look)
        eventually(keeper.look)
        running = revive(mortal)
        eventually(lambda: not keeper.look() and len(links.all()) == 2)
    finally:
        running.stop()
        watchdog.close()
    assert names(record) == ["toxiproxy_lost", "toxiproxy_restarted"]
