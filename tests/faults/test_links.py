"""Faults of links that are more than a toxic: many links at once, what comes and goes, what shows at the end only."""

import time
from threading import Thread
from typing import Any

import pytest

from faults import life as lives
from faults.kinds.base import Site
from faults.life import Life
from faults.probe import probe
from faults.server import Server
from faults.toxiproxy import Proxies, ToxicState
from model.record import EventLog, Record
from tests.faults.calm import prepared
from tests.faults.conftest import PATIENT, eventually
from tests.faults.test_life import LINK, Harmless, Ledger, fault, names

LINKS = tuple(f"province:{code}->national" for code in ("01", "48", "79"))
WHOLE_LIFE = ["fault_applied", "fault_read_back", "fault_proved", "fault_healed", "fault_gone"]


@pytest.fixture
def links(proxies: Proxies, upstream: str) -> dict[str, str]:
    return proxies.create_all(dict.fromkeys(LINKS, upstream))


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def whole_lives(record: Record) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for event in record.events():
        found.setdefault(event["link"], []).append(event["event"])
    return found


@pytest.mark.parametrize("kind", ["partition", "latency", "flap"])
def test_one_fault_breaks_many_links_and_each_is_proved(
    proxies: Proxies, links: dict[str, str], events: EventLog, record: Record, ledger: Ledger, kind: str
) -> None:
    """One id, one life; a lease, a proof and five events per link."""
    attributes = {"latency": {"latency": 200}, "flap": {"period": 400}}.get(kind, {})
    life = Life(fault(kind, attributes, links=LINKS), site=Site(proxies), watchdog=ledger, events=events)
    assert prepared(life).apply()
    assert set(ledger.leases) == {f"{kind}/1 on {link}" for link in LINKS}
    life.heal()
    assert (life.proved, life.healed, life.gone, ledger.leases) == (True, True, True, {})
    assert whole_lives(record) == dict.fromkeys(LINKS, WHOLE_LIFE)
    assert {event["fault"] for event in record.events()} == {f"{kind}/1"}
    assert all(probe(address, PATIENT).ok for address in links.values())


def test_a_fault_that_misses_one_of_its_links_is_unproved(
    proxies: Proxies, links: dict[str, str], events: EventLog, record: Record, ledger: Ledger
) -> None:
    class Leaky(Proxies):
        def set_enabled(self, proxy: str, enabled: bool) -> None:
            if proxy != LINKS[1]:
                super().set_enabled(proxy, enabled)

    site = Site(Leaky(proxies.api, PATIENT))
    life = Life(fault("partition", links=LINKS), site=site, watchdog=ledger, events=events)
    assert not prepared(life).apply()
    life.heal()
    assert [event["link"] for event in record.events() if event["event"] == "fault_unproved"] == [LINKS[1]]


def test_of_many_links_a_sample_is_proved_and_all_are_healed(
    proxies: Proxies,
    links: dict[str, str],
    events: EventLog,
    record: Record,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The record says on how many of how many."""
    monkeypatch.setattr(lives, "PROVED_ON", 2)
    life = Life(fault("partition", links=LINKS), site=Site(proxies), watchdog=ledger, events=events)
    assert prepared(life).apply()
    assert not any(state.enabled for state in proxies.all().values())
    life.heal()
    assert life.healed
    assert all(state.clean for state in proxies.all().values())
    assert names(record).count("fault_proved") == names(record).count("fault_gone") == 2
    assert names(record).count("fault_applied") == names(record).count("fault_healed") == 3
    sampled = next(event for event in record.events() if event["event"] == "fault_sampled")
    assert (sampled["targets"], sampled["proved_on"]) == (3, 2)


def test_a_slow_close_is_seen_at_the_end_of_a_connection(
    proxies: Proxies, upstream: str, events: EventLog, record: Record, ledger: Ledger
) -> None:
    proxies.create(LINK, upstream)
    life = Life(fault("slow_close", {"delay": 400}), site=Site(proxies), watchdog=ledger, events=events)
    assert prepared(life).apply()
    life.heal()
    assert names(record) == WHOLE_LIFE
    assert record.events()[2]["measured"]["seconds"] >= 0.399  # the embedded server counts milliseconds


@pytest.mark.usefixtures("calm")
@pytest.mark.parametrize("server", ["embedded"], indirect=True)
@pytest.mark.parametrize(("kind", "attributes"), [("slow_close", {"delay": 400}), ("partition", {})])
def test_what_does_not_bite_is_unproved(
    server: Server,
    proxies: Proxies,
    links: dict[str, str],
    events: EventLog,
    record: Record,
    ledger: Ledger,
    kind: str,
    attributes: dict[str, int],
) -> None:
    made = fault(kind, attributes, links=LINKS, duration=1.0)
    life = Life(made, site=Site(Harmless(server.api, PATIENT)), watchdog=ledger, events=events)
    assert not life.apply()
    assert names(record).count("fault_unproved") == 3
    life.heal()


@pytest.mark.parametrize("moment", [0.05, 0.28], ids=["while it is cut", "while it is whole"])
def test_the_lease_of_a_flapping_link_heals_it_in_either_state(
    proxies: Proxies, upstream: str, events: EventLog, record: Record, ledger: Ledger, moment: float
) -> None:
    """Whoever releases it, in the cut or between two cuts, leaves a link that works once the flapping ends."""
    proxies.create(LINK, upstream)
    made = fault("flap", {"period": 400}, duration=30.0)
    life = Life(made, site=Site(proxies), watchdog=ledger, events=events)
    applying = Thread(target=life.apply)
    applying.start()
    eventually(lambda: "fault_proved" in names(record))
    applying.join()
    time.sleep(moment)
    ledger.leases[f"flap/1 on {LINK}"].release()
    life.heal()
    assert proxies.get(LINK).clean
    time.sleep(0.5)
    assert proxies.get(LINK).clean
    assert life.gone


def test_a_flapping_link_that_somebody_mended_stays_mended(
    proxies: Proxies, upstream: str, events: EventLog, record: Record, ledger: Ledger
) -> None:
    """It isn't cut again; the record says that it was released early."""
    proxies.create(LINK, upstream)
    made = fault("flap", {"period": 2000, "duty": 90}, duration=30.0)
    life = Life(made, site=Site(proxies), watchdog=ledger, events=events)

    def mended_while_it_was_cut() -> bool:
        with life._parts[0]._lock:  # it isn't switched in between
            was_cut = not proxies.get(LINK).enabled
            proxies.set_enabled(LINK, True)
        return was_cut

    life.apply()
    eventually(lambda: proxies.get(LINK).enabled)
    eventually(mended_while_it_was_cut)
    time.sleep(2.5)
    assert proxies.get(LINK).clean
    life.heal()
    assert "fault_released_early" in names(record)


def test_a_brownout_grows_and_stays(
    proxies: Proxies, upstream: str, events: EventLog, record: Record, ledger: Ledger
) -> None:
    """The toxic's latency climbs its stairs; the proof compares two of them."""
    proxies.create(LINK, upstream)
    delays: list[int] = []

    class Noting(Proxies):
        """Notes how long the toxic delays, as the server has it after each change."""

        def add_toxic(self, *given: Any, **more: Any) -> ToxicState:
            return noted(super().add_toxic(*given, **more))

        def update_toxic(self, *given: Any, **more: Any) -> ToxicState:
            return noted(super().update_toxic(*given, **more))

    def noted(toxic: ToxicState) -> ToxicState:
        delays.append(toxic.attributes["latency"])
        return toxic

    site = Site(Noting(proxies.api, PATIENT))

    def climbed() -> list[float]:
        """Let a fault live once; return the two delays that prove it, none where the machine stood still meanwhile."""
        delays.clear()
        made = fault("brownout", {"latency": 300, "growth": 3000, "steps": 3}, duration=8.0)
        life = Life(made, site=site, watchdog=ledger, events=events)
        prepared(life).apply()
        eventually(lambda: proxies.get(LINK).toxics[0].attributes["latency"] == 300)
        life.heal()
        assert life.gone
        assert (delays[0], delays[-1], delays) == (100, 300, sorted(delays))
        seen: dict[str, Any] = next(e for e in record.events()[::-1] if e["event"].endswith("proved"))["measured"]
        return [seen["delay_before"], seen["delay"]] if life.proved and 200 in delays else []

    assert any(climbed() == [0.1, 0.2] for _ in range(6))
