"""The guard's test bench: whatever isn't declared, nothing leaves, and one line says why."""

import socket
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent.hub import get_hub
from hypothesis import given
from hypothesis import strategies as st

from model.plan import encode, fingerprint
from model.rate import Rate
from model.targets import Step, Window
from scenarios.adapter import Adapter
from scenarios.briefing import Refused, checked
from scenarios.catalogue import Memory
from scenarios.guard import Forbidden, Guard
from scenarios.personas import Crowd
from scenarios.session import Session
from tests.scenarios.outside import DAY, NOW, Outside, counting, plan, targets
from tests.scenarios.servers import server, serving


class Unseen:
    """Observes nothing."""

    def request(self, *_: object) -> None:
        pass

    def invoke(self, *_: object) -> int:
        return 1

    def complete(self, *_: object) -> None:
        pass


def ask(outside: Outside, url: str) -> None:
    outside.network.send("national", "GET", f"{url}/a", {}, b"")


def refused(outside: Outside, url: str) -> str:
    """Ask twice: both are forbidden, and one reason is told."""
    for _ in range(2):
        with pytest.raises(Forbidden):
            ask(outside, url)
    assert len(outside.told) == 1
    assert "\n" not in outside.told[0]
    return outside.told[0]


def test_what_is_declared_is_asked(tmp_path: Path) -> None:
    """Inside the window, below the rate, at a declared address a request leaves."""
    with counting() as (where, heads):
        outside = Outside(targets(f"http://{where}", tmp_path))
        ask(outside, f"http://{where}")
    assert heads[0].startswith(b"GET /a HTTP/1.1\r\n")
    assert outside.told == []


@pytest.mark.parametrize(
    ("start", "end", "why"),
    [(NOW + DAY, NOW + 2 * DAY, "the window hasn't begun"), (NOW - 2 * DAY, NOW - DAY, "the window is over")],
)
def test_nothing_leaves_outside_the_window(tmp_path: Path, start: Any, end: Any, why: str) -> None:
    """Neither before nor after it."""
    with counting() as (where, heads):
        url = f"http://{where}"
        outside = Outside(targets(url, tmp_path, window=Window(start=start, end=end)))
        assert refused(outside, url) == f"guard: {why}"
    assert heads == []


def test_the_window_ends_while_requests_are_sent(tmp_path: Path) -> None:
    """From its end on nothing leaves, although the connection stands."""
    moment = [time.time()]
    with counting() as (where, heads):
        url = f"http://{where}"
        outside = Outside(targets(url, tmp_path), clock=lambda: moment[0])
        ask(outside, url)
        moment[0] += 86_401
        refused(outside, url)
    assert len(heads) == 1


def test_the_kill_switch_ends_it_at_once(tmp_path: Path) -> None:
    """A file, and nothing leaves any more; also when it is removed again."""
    with counting() as (where, heads):
        url = f"http://{where}"
        outside = Outside(targets(url, tmp_path))
        ask(outside, url)
        (tmp_path / "STOP").touch()
        assert "kill switch" in refused(outside, url)
        (tmp_path / "STOP").unlink()
        with pytest.raises(Forbidden):
            ask(outside, url)
    assert len(heads) == 1


def test_a_watching_guard_sees_the_kill_switch_without_a_request(tmp_path: Path) -> None:
    """So that a run that waits is aborted, too."""
    outside = Outside(targets("http://127.0.0.1:9", tmp_path))
    (tmp_path / "STOP").touch()
    watcher = gevent.spawn(outside.network.guard.watch)
    watcher.join(timeout=30)
    assert watcher.ready()
    assert "kill switch" in outside.told[0]


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
    """Let every name lead to one address after another; the last one stays."""
    left = list(answers)

    def getaddrinfo(host: str, port: int, **_: object) -> list[Any]:
        address = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(get_hub().resolver, "getaddrinfo", getaddrinfo)


def test_a_name_that_leads_elsewhere_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is refused after the name was resolved, before anything is dialled."""
    with counting("127.0.0.2") as (where, heads):
        url = f"http://staging.example.vn:{where.rpartition(':')[2]}"
        resolving(monkeypatch, "127.0.0.2")
        outside = Outside(targets(url, tmp_path))
        why = "staging.example.vn leads to 127.0.0.2, which the targets file doesn't declare"
        assert refused(outside, url) == f"guard: {why}"
    assert heads == []


def test_a_name_that_changes_its_address_ends_the_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looked up again while the connection stands: neither the new address nor the old one is asked any more."""
    monkeypatch.setattr("scenarios.guard.LOOK_UP", 0.0)
    with counting("127.0.0.1") as (first, before), counting("127.0.0.2", int(first.rpartition(":")[2])) as (_, after):
        url = f"http://staging.example.vn:{first.rpartition(':')[2]}"
        resolving(monkeypatch, "127.0.0.1", "127.0.0.2")
        outside = Outside(targets(url, tmp_path))
        ask(outside, url)
        gevent.spawn(outside.network.guard.watch).join(timeout=30)
        assert "leads to 127.0.0.2" in refused(outside, url)
    assert (len(before), after) == (1, [])


def test_a_redirect_to_a_foreign_host_is_not_followed(tmp_path: Path) -> None:
    """The foreign host hears nothing, and the load is over."""
    with counting() as (foreign, heads):
        moved = f"HTTP/1.1 302 X\r\nLocation: http://{foreign}/b\r\nContent-Length: 0\r\n\r\n".encode()
        with server(serving(lambda _: moved)) as where:
            url = f"http://{where}"
            outside = Outside(targets(url, tmp_path))
            with pytest.raises(Forbidden):
                outside.network.follow("national", "GET", f"{url}/a", {}, b"")
            outside.network.close()
    assert heads == []
    assert outside.told == [f"guard: a redirect leads outside the declared hosts: 'http://{foreign}/b'"]


@pytest.mark.parametrize("link", ["http://{}/b", "//{}/b", "HTTP://{}/b"])
def test_an_absolute_address_in_a_reply_is_not_followed(tmp_path: Path, link: str) -> None:
    """A step that goes where a reply points goes to declared hosts only."""
    with counting() as (foreign, heads):
        body = b'{"next": "' + link.format(foreign).encode() + b'"}'
        reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        with server(serving(lambda _: reply)) as where:
            steps = (
                Step(operation="national.submit", system="national", path="/a", save={"next": "/next"}),
                Step(operation="national.track", system="national", path="{next}"),
            )
            allowed = targets(f"http://{where}", tmp_path, journeys={"track": steps})
            outside = Outside(allowed)
            arrival = Crowd(plan(allowed)).arrival(0, 0.0)
            session = Session(arrival, outside.network, Unseen(), time.monotonic(), "r")
            with pytest.raises(Forbidden):
                Adapter(allowed, outside.network).journeys["track"](session, Memory())
            outside.network.close()
    assert heads == []
    assert "named an address outside the declared hosts" in outside.told[0]


def test_a_rate_above_the_cap_is_held_back_and_then_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """60 requests at once, 10/s allowed: no second sees more than 10, and the load ends instead of queueing."""
    monkeypatch.setattr("scenarios.guard.time", SimpleNamespace(monotonic=lambda: 100.0))  # at once on any machine
    with counting() as (where, heads):
        url = f"http://{where}"
        outside = Outside(targets(url, tmp_path, rate=10.0))
        gevent.joinall([gevent.spawn(ask, outside, url) for _ in range(60)], timeout=30)
    assert outside.told == ["guard: more than this worker's share of the rate was due, 10 requests/s"]
    assert len(heads) <= 20


@given(st.floats(0.1, 500), st.lists(st.floats(0, 5), min_size=1, max_size=300))
def test_no_period_sees_more_than_the_rate_allows(rate: float, gaps: list[float]) -> None:
    """Of all moments that are handed out, at most rate × period + 1 lie within any period of the bucket."""
    bucket, now, moments = Rate(rate), 0.0, []
    for gap in gaps:
        now += gap / rate
        moments.append(now + bucket.reserve(now))
    count = max(1, int(rate))
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(moments))
    assert all(
        later - earlier >= count / rate * (1 - 1e-9) for earlier, later in zip(moments, moments[count:], strict=False)
    )


@pytest.mark.parametrize(("true", "false"), [(b'"rate": 1000', b'"rate": 9000'), (b"}", b"?")])
def test_a_worker_refuses_an_altered_plan(tmp_path: Path, true: bytes, false: bytes) -> None:
    """One byte of the plan, and nothing is sent: not even the way into the systems is made, be it a plan or not."""
    data = encode(plan(targets("http://127.0.0.1:9", tmp_path)))
    allowed = fingerprint(data)
    assert checked(data, allowed).name == "outside"
    assert true in data
    with pytest.raises(Refused, match=r"^the plan was altered: .*; nothing was sent$"):
        checked(data.replace(true, false), allowed)


def test_a_worker_of_another_host_must_know_the_plan(tmp_path: Path) -> None:
    """A plan that leads outside is only run by who was told its fingerprint."""
    data = encode(plan(targets("http://127.0.0.1:9", tmp_path)))
    with pytest.raises(Refused, match="start the worker with --plan"):
        checked(data, "")


def test_a_guard_tells_one_reason(tmp_path: Path) -> None:
    """What follows the first is its consequence."""
    told: list[str] = []
    guard = Guard(targets("http://127.0.0.1:9", tmp_path), 1.0, told.append)
    for reason in ("a", "b"):
        with pytest.raises(Forbidden):
            guard.forbid(reason)
    assert (told, guard.reason) == (["guard: a"], "guard: a")
