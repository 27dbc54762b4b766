"""The embedded server does what the real one does, whatever it is asked, in whatever order.

Random sequences of API calls and traffic go to both servers at once; every reply, every byte and every connection's
end is compared. What isn't asked of the real one, because it would crash or hang, or because chance decides:

- attributes that make it panic: bandwidth's rate below zero, slicer's sizes that can't be cut, latency's jitter of
  2**62 and more: those go to the embedded server alone, which must answer 400 and change nothing;
- a reset_peer with a long time-out, the removal of which hangs its API; a bandwidth of 0 beside other toxics of the
  same stream, which hangs it as well when these are changed;
- /reset of several proxies of which one can't listen: it stops at the first failure, and its order is random;
- the change of a toxic that others follow, beside one of a type that ends streams: where one has ended a stream and
  another holds it, it hangs, takes toxics for other ones from then on, or crashes;
- traffic under a toxicity between 0 and 1, or cut into slices of random size.

THONGSUOT_SEQUENCES of them are run (40), drawn with THONGSUOT_SEED (1). The same seed gives the same sequences: what
depends on what is there is drawn with a ``Random`` that hypothesis seeds.
"""

import json
import os
from collections.abc import Iterator
from random import Random
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from faults.server import find_real
from tests.faults import twin_inputs as inputs
from tests.faults.twins import Diverged, End, Line, Reply, Twin, World, dial, settle

SEQUENCES = int(os.environ.get("THONGSUOT_SEQUENCES", "40"))
SEED = int(os.environ.get("THONGSUOT_SEED", "1"))
CHOSEN = settings(
    max_examples=SEQUENCES,
    database=None,
    stateful_step_count=12,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
)


class Twins(RuleBasedStateMachine):
    """Both servers, the same to whoever can't see how fast they are."""

    real: Twin
    embedded: Twin
    world: World
    sequences = 0

    def __init__(self) -> None:
        super().__init__()
        Twins.sequences += 1
        self.lines: list[Line] = []
        self.sent = 0
        self.history: list[str] = []
        self.settled = 0
        for twin in (self.real, self.embedded):
            twin.start()

    def teardown(self) -> None:
        """Close and delete everything; a name that no path leads to goes with its server."""
        for line in self.lines:
            line.close()
        for twin in (self.real, self.embedded):
            if any(name in twin.proxies for name in inputs.NOT_IN_PATHS):
                twin.stop()
            else:
                for name in list(twin.proxies):
                    twin.call("DELETE", _route(name))

    # The API

    @initialize()
    def begin(self) -> None:
        """A proxy, and a connection through it."""
        self.both("GET", "/proxies")
        self.both("POST", "/proxies", json.dumps({"name": "a", "listen": "@0@", "upstream": "@upstream@"}))
        self.both("GET", "/proxies")
        self.dial(Random(0))

    @rule(
        name=inputs.NAMES,
        listen=inputs.LISTENS,
        upstream=inputs.UPSTREAMS,
        enabled=inputs.ENABLED,
        odd=st.integers(0, 30),
    )
    def create(self, name: str, listen: str, upstream: str, enabled: bool | None, odd: int) -> None:
        name = inputs.NOT_IN_PATHS[odd - 29] if odd >= 29 else name
        body = {"name": name, "listen": listen, "upstream": upstream, "enabled": enabled}
        self.both("POST", "/proxies", json.dumps(body, ensure_ascii=False))

    @rule(
        chance=inputs.CHANCE,
        method=st.sampled_from(["POST", "PATCH", "DELETE"]),
        changes=st.one_of(
            st.fixed_dictionaries({"enabled": st.booleans()}),
            st.fixed_dictionaries({}, optional={"listen": inputs.LISTENS, "upstream": inputs.UPSTREAMS}),
        ),
    )
    def change_or_delete(self, chance: Random, method: str, changes: dict[str, Any]) -> None:
        self.both(method, _route(self.some_name(chance)), json.dumps(changes))

    @rule(others=st.lists(inputs.PROXIES, max_size=2), what_is_there=st.booleans(), enabled=inputs.ENABLED)
    def populate(self, others: list[dict[str, Any]], what_is_there: bool, enabled: bool | None) -> None:
        """An identical proxy keeps its toxics, whatever ``enabled`` says; one with another address loses them."""
        self.history.append(f"POST /populate, what is there: {what_is_there}, enabled: {enabled}, {others}")
        replies = []
        for twin in (self.real, self.embedded):
            same = [_as_given(proxy, enabled) for proxy in twin.proxies.values()] if what_is_there else []
            replies.append(twin.call("POST", "/populate", json.dumps([*same, *others], ensure_ascii=False)))
        self.compare("POST /populate", *replies)

    @rule(body=st.sampled_from(["", "{}"]), certain=st.integers(0, 2), unused=st.none())
    def reset(self, body: str, certain: int, unused: None) -> None:
        """More arguments than it needs: hypothesis prefers rules with few of them."""
        if certain == 2 and self.can_reset():
            self.both("POST", "/reset", body)

    @rule(
        kind=inputs.KINDS,
        stream=st.sampled_from([*inputs.STREAMS, *inputs.STREAMS, None, "Upstream", "sideways"]),
        chance=inputs.CHANCE,
    )
    def add_toxic(self, kind: str, stream: str | None, chance: Random) -> None:
        name = self.some_name(chance)
        body = {
            "type": kind,
            "stream": stream,
            "toxicity": chance.choice(inputs.TOXICITIES),
            "name": chance.choice(inputs.TOXIC_NAMES),
        }
        path = f"{_route(name)}/toxics"
        self.change_toxic(
            "POST", path, name, (stream or "downstream").lower(), kind, body, inputs.some_attributes(kind, chance)
        )

    @rule(
        kinds=st.lists(inputs.KINDS, min_size=2, max_size=4),
        stream=st.sampled_from(inputs.STREAMS),
        chance=inputs.CHANCE,
    )
    def carry_under_more_toxics(self, kinds: list[str], stream: str, chance: Random) -> None:
        """One toxic after the other on one stream, with traffic after each: what one holds, the next one releases."""
        name = self.dial(chance)
        for kind in kinds if name else []:
            attributes = {key: chance.choice(values[:3]) for key, values in inputs.ATTRIBUTES[kind].items()}
            body = {"name": f"{kind} {stream} {len(self.history)}", "type": kind, "stream": stream, "toxicity": 1}
            self.change_toxic("POST", f"{_route(name)}/toxics", name, stream, kind, body, attributes)
            self.carry("client" if stream == "upstream" else "server", 1100)
        for _ in kinds:
            self.change_some_toxic(chance, "PATCH", chance.choice(["client", "server"]))

    @rule(chance=inputs.CHANCE, method=st.sampled_from(["POST", "PATCH", "DELETE"]), side=inputs.SIDES)
    def change_some_toxic(self, chance: Random, method: str, side: str) -> None:
        """Change or remove a toxic that is there, with traffic after it."""
        found = [(name, toxic) for name, toxic in self.toxics() if not self.confuses(name, toxic)]
        if not found:
            return
        name, toxic = chance.choice(found)
        path = f"{_route(name)}/toxics/{quote(toxic['name'], safe='')}"
        if method == "DELETE" or chance.random() < 0.3:
            self.both("DELETE", path)
        else:
            attributes = inputs.some_attributes(toxic["type"], chance)
            body = {"toxicity": chance.choice(inputs.TOXICITIES), "stream": "upstream", "name": "other"}
            self.change_toxic(method, path, name, toxic["stream"].lower(), toxic["type"], body, attributes, toxic)
        self.carry(side, 400)

    @rule(chance=inputs.CHANCE, toxic=st.sampled_from(inputs.TOXIC_NAMES), method=st.sampled_from(["GET", "DELETE"]))
    def show(self, chance: Random, toxic: str, method: str) -> None:
        name = self.some_name(chance)
        self.both("GET", _route(name))
        self.both("GET", f"{_route(name)}/toxics")
        there = [(proxy, found["name"]) for proxy, found in self.toxics() if self.confuses(proxy, found)]
        if method == "GET" or (name, toxic) not in there:
            self.both(method, f"{_route(name)}/toxics/{quote(toxic, safe='')}")

    @rule(body=inputs.BODIES, method=st.sampled_from(["POST", "PATCH"]), path=inputs.TARGETS)
    def ask_badly(self, body: str, method: str, path: str) -> None:
        self.both(method, path, body)

    @rule(
        path=inputs.PATHS,
        method=st.sampled_from(["GET", "PUT", "HEAD", "OPTIONS", "DELETE"]),
        agent=st.sampled_from(["curl/8", "Mozilla/5.0"]),
    )
    def ask_oddly(self, path: str, method: str, agent: str) -> None:
        self.both(method, path, None, {"User-Agent": agent})

    # Traffic

    @rule(chance=inputs.CHANCE, size=st.sampled_from([0, 300]))
    def connect(self, chance: Random, size: int) -> None:
        self.dial(chance, another=True)
        if size:
            self.carry("client", size)
            self.carry("server", 4 * size)

    @rule(chance=inputs.CHANCE, side=inputs.SIDES, size=st.sampled_from([1, 500, 4000]))
    def send(self, chance: Random, side: str, size: int) -> None:
        self.dial(chance)
        if self.usable():
            self.feed(chance.choice(self.usable()), side, size)

    @rule(chance=inputs.CHANCE, size=st.sampled_from([200, 1600]))
    def exchange(self, chance: Random, size: int) -> None:
        """Every line carries a question, then an answer."""
        self.dial(chance)
        self.carry("client", size)
        self.carry("server", size)

    @rule(chance=inputs.CHANCE, side=inputs.SIDES, half=st.booleans())
    def hang_up(self, chance: Random, side: str, half: bool) -> None:
        if not self.usable():
            return
        line = chance.choice(self.usable())
        self.history.append(f"{side} of line {self.lines.index(line)} hangs up, half: {half}")
        line.whole = False
        for end in line.ends(side).values():
            if half:
                end.sock.shutdown(1)
            else:
                end.sock.close()
                end.state = "ended here"
        if not half:
            line.closed.add(side)

    @invariant()
    def nothing_differs(self) -> None:
        self.both("GET", "/proxies")
        self.settle()
        for line in [line for line in self.lines if not line.open and _over(line)]:
            line.close()
            self.history.append(f"line {self.lines.index(line)} is over")
            self.lines.remove(line)

    # What is there, and what may be done

    def both(self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None) -> None:
        if (method, path) != ("GET", "/proxies"):
            self.history.append(f"{method} {path} {body or ''}")
        replies = [twin.call(method, path, body, headers) for twin in (self.real, self.embedded)]
        self.compare(f"{method} {path} {body}", *replies)

    def dial(self, chance: Random, another: bool = False) -> str:
        """Open a connection through a proxy of both servers, unless one is open; return the proxy's name, if any."""
        if not self.enabled() or len(self.lines) > 3:
            return ""
        name = chance.choice(self.enabled())
        if another or not any(line.proxy == name for line in self.usable()):
            self.history.append(f"connection {len(self.lines)} to {name!r}")
            ends = {twin.kind: dial(twin, name, self.world) for twin in (self.real, self.embedded)}
            line = Line(name, _there(ends, 0), _there(ends, 1))
            self.lines.append(line)
            reached = [(kind in line.client, kind in line.server) for kind in ("real", "embedded")]
            self.compare(f"connection to {name!r}: client, server", *reached)
            self.settle()
        return name

    def feed(self, line: Line, side: str, size: int) -> None:
        """Send the same at one end of both connections of a line, other bytes each time."""
        self.history.append(f"{side} of line {self.lines.index(line)} sends {size} bytes")
        for end in line.ends(side).values():
            end.send(bytes((index + self.sent) % 251 for index in range(size)))
        self.sent += size

    def carry(self, side: str, size: int) -> None:
        """Send on every line, when nothing else is going on any more, and wait for what comes of it."""
        self.settle()
        for line in self.usable():
            self.feed(line, side, size)
        self.settle()

    def compare(self, what: str, real: Reply, embedded: Reply) -> None:
        if real != embedded:
            raise Diverged("\n  ".join([what, f"real:     {real}", f"embedded: {embedded}", "after:", *self.history]))

    def ping(self) -> None:
        """Wait until both servers have done what was due."""
        for twin in (self.real, self.embedded):
            twin.call("GET", "/version")

    def settle(self) -> None:
        """Compare what came of everything so far on the lines, unless that is done."""
        if self.settled == len(self.history):
            return
        self.settled = len(self.history)
        try:
            settle(self.lines, self.ping)
        except Diverged as problem:
            raise Diverged("\n  ".join([str(problem), "after:", *self.history])) from None

    def change_toxic(
        self,
        method: str,
        path: str,
        name: str,
        stream: str,
        kind: str,
        body: dict[str, Any],
        attributes: dict[str, Any],
        old: dict[str, Any] | None = None,
    ) -> None:
        """Ask both servers; only the embedded one for what would crash the real one, neither for what would hang it."""
        good = {key: value for key, value in attributes.items() if type(value) is int and value < 2**63}
        merged = (old["attributes"] if old else {}) | good
        text = json.dumps(body | {"attributes": attributes})
        if inputs.would_crash(kind, merged):
            status = self.embedded.call(method, path, text)[0]
            assert status in (400, 404, 409), (kind, merged, status)
        elif not self.hangs_or_varies(name, stream, kind, merged, body["toxicity"], old):
            self.both(method, path, text)
            self.both("GET", "/proxies")

    def hangs_or_varies(
        self,
        name: str,
        stream: str,
        kind: str,
        merged: dict[str, Any],
        toxicity: float | None,
        old: dict[str, Any] | None,
    ) -> bool:
        """Tell whether the real server would hang, or chance decide what is relayed."""
        others = [toxic for toxic in self.chain(name, stream) if toxic is not old and toxic != old]
        stalls = kind == "bandwidth" and inputs.stalls(merged)
        beside_a_stall = any(toxic["type"] == "bandwidth" and inputs.stalls(toxic["attributes"]) for toxic in others)
        by_chance = toxicity is not None and 0 < toxicity < 1 and kind != "noop"
        in_random_slices = (
            kind == "slicer" and merged.get("size_variation", 0) > 0 and merged.get("average_size", 0) < 10**6
        )
        return (stalls and bool(others)) or beside_a_stall or by_chance or in_random_slices

    def some_name(self, chance: Random) -> str:
        """Return a proxy's name, mostly one that is there."""
        there = [name for name in self.real.proxies if name not in inputs.NOT_IN_PATHS]
        return chance.choice(there if there and chance.random() < 0.8 else inputs.ROUTABLE)

    def chain(self, name: str, stream: str) -> list[dict[str, Any]]:
        toxics = self.real.proxies.get(name, {}).get("toxics", [])
        return [toxic for toxic in toxics if toxic["stream"].lower() == stream]

    def toxics(self) -> list[tuple[str, dict[str, Any]]]:
        return [(name, toxic) for name, proxy in self.real.proxies.items() for toxic in proxy["toxics"]]

    def enabled(self) -> list[str]:
        there = self.real.proxies.items()
        return [name for name, proxy in there if proxy["enabled"] and name not in inputs.NOT_IN_PATHS]

    def usable(self) -> list[Line]:
        return [line for line in self.lines if line.open]

    def can_reset(self) -> bool:
        """With several proxies, one that can't listen makes the outcome random."""
        down = [proxy for proxy in self.real.proxies.values() if not proxy["enabled"]]
        confusing = any(self.confuses(name, toxic) for name, toxic in self.toxics())
        return not confusing and (len(self.real.proxies) < 2 or not down)

    def confuses(self, name: str, toxic: dict[str, Any]) -> bool:
        """Tell whether the real server may hang, or take toxics for other ones, once this one is changed or removed.

        It may on open connections, where a stream has ended in one toxic and is held by another.
        """
        chain = self.chain(name, toxic["stream"].lower())
        ends = any(there["type"] in inputs.ENDING for there in chain) or any(
            not (line.whole and line.open) for line in self.lines
        )
        return bool(self.lines) and chain[-1] != toxic and ends


def _over(line: Line) -> bool:
    """Tell whether nothing can happen any more at an end that is left."""
    left = [end for side in ("client", "server") if side not in line.closed for end in line.ends(side).values()]
    return all(end.state != "open" for end in left)


def _there(ends: dict[str, tuple[End | None, End | None]], place: int) -> dict[str, End]:
    return {kind: end for kind, pair in ends.items() if (end := pair[place])}


def _as_given(proxy: dict[str, Any], enabled: bool | None) -> dict[str, Any]:
    return {key: proxy[key] for key in ("name", "listen", "upstream")} | {"enabled": enabled}


def _route(name: str) -> str:
    return "/proxies/" + quote(name, safe="")


@pytest.fixture
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[type[Twins]]:
    """Give the machine, its two servers there; the real one must be there in CI."""
    if find_real() is None and os.environ.get("CI") != "true":
        pytest.skip("no toxiproxy-server here: `make toxiproxy` gets it")
    folder = tmp_path_factory.mktemp("twins")
    Twins.world = World()
    Twins.real, Twins.embedded = (Twin(kind, folder / f"{kind}.log", Twins.world) for kind in ("real", "embedded"))
    yield Twins
    Twins.real.stop()
    Twins.embedded.stop()
    Twins.world.close()


@pytest.mark.real_toxiproxy
@pytest.mark.timeout(max(120, SEQUENCES * 3))
def test_random_sequences_do_the_same_on_both_servers(twins: type[Twins]) -> None:
    """No sequence of calls and traffic tells the embedded server from the real one."""
    run_state_machine_as_test(seed(SEED)(twins), settings=CHOSEN)
    assert twins.sequences >= SEQUENCES
