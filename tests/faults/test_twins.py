"""The embedded server does what the real one does, whatever it is asked, in whatever order.

Random sequences of API calls and traffic go to both servers at once; every reply, every byte and every connection's
end is compared. What isn't asked of the real one, because it would crash or hang, or because chance decides:

- attributes that make it panic: bandwidth's rate below zero, slicer's sizes that can't be cut, latency's jitter of
  2**62 and more: those go to the embedded server alone, which must answer 400 and change nothing;
- a reset_peer with a long time-out, the removal of which hangs its API; a bandwidth of 0 beside other toxics of the
  same stream, which hangs it as well when these are changed;
- /reset of several proxies of which one can't listen: it stops at the first failure, and its order is random;
- the removal of a toxic in which a connection's stream has ended, while a later one holds it: it takes later ones for
  others from then on, or crashes;
- traffic under a toxicity between 0 and 1, or cut into slices of random size.

THONGSUOT_SEQUENCES of them are run (100), drawn with THONGSUOT_SEED (1). The same seed gives the same sequences: what
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
from tests.faults.twins import Diverged, End, Line, Reply, Twin, World, dial, settle

SEQUENCES = int(os.environ.get("THONGSUOT_SEQUENCES", "100"))
SEED = int(os.environ.get("THONGSUOT_SEED", "1"))
CHOSEN = settings(
    max_examples=SEQUENCES,
    database=None,
    stateful_step_count=12,
    deadline=None,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
)
HOUR = 3_600_000  # milliseconds
STREAMS = ("upstream", "downstream")
SIDES = st.sampled_from(["client", "server"])

# Names, addresses and attributes: the usual ones first, which are the ones that sequences shrink to.
ROUTABLE = ["a", "b", "citizen->province:01", "tỉnh xã", "toxics", "100%", 'q"<&>\u2028\\']
NAMES = st.sampled_from(ROUTABLE)
NOT_IN_PATHS = ("tỉnh/xã", "..")
TOXIC_NAMES = ["", "one", "two", "ba la", "noop_upstream", "a/b", "%41"]
GOOD_LISTENS = ["@0@", "@1@", "@2@", "@3@", "127.0.0.1:0"]
ODD_LISTENS = ["localhost:0", "", ":0", "0.0.0.0:0", "[::1]:0", "[::ffff:127.0.0.1]:0", "127.0.0.1:"]
BAD_LISTENS = ["@taken@", "abc", "127.0.0.1:99999", "[::1", "::1:0", "127.0.0.1:nothing", "256.0.0.1:0", "192.0.2.1:0"]
LISTENS = st.one_of(st.sampled_from(GOOD_LISTENS), st.sampled_from(GOOD_LISTENS + ODD_LISTENS + BAD_LISTENS))
UPSTREAMS = st.sampled_from(["@upstream@", "@upstream@", "@upstream@", "@dead@", "nowhere", ""])
ATTRIBUTES: dict[str, dict[str, list[int]]] = {
    "latency": {"latency": [HOUR, 3, 0, -5, 2**63 - 1], "jitter": [0, 2, -2, 2**62]},
    "limit_data": {"bytes": [1500, 100, 0, 10**9, -1]},
    "slow_close": {"delay": [HOUR, 1, 0, -5, 2**63 - 1, -(2**63)]},
    "timeout": {"timeout": [0, HOUR, 1, -5, 2**63 - 1, -(2**63)]},
    "bandwidth": {"rate": [1000, 0, 10**6, 2**62, -1, 2**63 - 1]},
    "slicer": {"average_size": [100, 9, 10**6, 0, -1], "size_variation": [0, 5, -1, 10**6], "delay": [0, 50, -1]},
    "reset_peer": {"timeout": [1, 0, -5]},
    "noop": {"nothing": [0, 1]},
}
ENDING = ("timeout", "limit_data", "reset_peer")  # types that end a stream
ENABLED = st.sampled_from([None, None, True, False])
PROXIES = st.fixed_dictionaries({"name": NAMES, "listen": LISTENS, "upstream": UPSTREAMS, "enabled": ENABLED})
CHANCE = st.binary(min_size=4, max_size=4).map(Random)  # for what depends on what there is
KINDS = st.sampled_from(list(ATTRIBUTES))
TOXICITIES = [1, 1, 1, 0, None, 1.0, 2, -1, 0.5, 0.1, 1e-7, 1e21, 0.123456789]
WRONG = ["5", 5.0, 1e3, True, [], {}, 2**63, None]
TEXTS = r"""
{
[]
null
nullx
5
"a"
NaN
{"name":1}
{"name":"a","enabled":1}
{"listen":[]}
{"upstream":{}}
{"Logger":5}
-
{"Logger":{}}
{"attributes":5}
{"attributes":"a"}
{"attributes":null}
{"toxicity":"1"}
{"toxicity":1e39}
{"toxicity":1e999}
{} trailing
{"a":01}
{"a":1.}
{'a':1}
{"a":1,}
{"type":5}
[{"name":"a"}]
[{"upstream":"x"}]
[null]
[5]
{"a":"\x"}
{"name":"\ud8"}
{"name":"n\ud800","UPSTREAM":"@upstream@","liſTen":"127.0.0.1:0","enabled":false,"more":[1e400]}
{"a":--1}
{"NAME":"a","name":null,"Upstream":"x","upstream":"@upstream@","listen":"@3@"}
{"type":"noop","type":"none"}
{"Type":"noop","STREAM":""}
{"toxicity":null}
{"type":"noop","name":"\b\f\u0007é\u007f"}
{"enabled":"true"}
[{"name":"c","upstream":"x"},{}]
{"type":"latency","attributes":{"LATENCY":1,"jitter":null,"jitter":-3}}
{"attributes":{"latency":7,"jitter":"x"}}
"""
BODIES = st.sampled_from(
    [*TEXTS.splitlines(), " ", "\u00a0{}", '{"a":"\t"}', '{"type":"noop","name":"\udcff\udce1\udc80"}']
)
TARGETS = st.sampled_from(["/proxies", "/populate", "/proxies/a", "/proxies/a/toxics", "/proxies/a/toxics/one"])
PATHS = st.sampled_from(
    [
        *("/", "/nothing", "/version", "/version/", "//version", "/x/../version", "/metrics", "/reset", "/populate"),
        *("/proxies", "/proxies/", "/proxies//toxics", "/proxies/a/", "/proxies/a/nothing", "/proxies/a%2Ftoxics"),
        *("/proxies/%2e%2e/version?x=1", "/proxies/%61", "/proxies/a/toxics/", "/proxies/a/toxics/one/x"),
        *(
            "/proxies/a",
            "/proxies/a/toxics",
            "/proxies/a/toxics/one",
            "/proxies/%ff",
            "/proxies/%2e/%3Cx%3E/..//%C3%A9%20y",
        ),
    ]
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
            if any(name in twin.proxies for name in NOT_IN_PATHS):
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

    @rule(name=NAMES, listen=LISTENS, upstream=UPSTREAMS, enabled=ENABLED, odd=st.integers(0, 30))
    def create(self, name: str, listen: str, upstream: str, enabled: bool | None, odd: int) -> None:
        name = NOT_IN_PATHS[odd - 29] if odd >= 29 else name
        body = {"name": name, "listen": listen, "upstream": upstream, "enabled": enabled}
        self.both("POST", "/proxies", json.dumps(body, ensure_ascii=False))

    @rule(
        chance=CHANCE,
        method=st.sampled_from(["POST", "PATCH", "DELETE"]),
        changes=st.one_of(
            st.fixed_dictionaries({"enabled": st.booleans()}),
            st.fixed_dictionaries({}, optional={"listen": LISTENS, "upstream": UPSTREAMS}),
        ),
    )
    def change_or_delete(self, chance: Random, method: str, changes: dict[str, Any]) -> None:
        self.both(method, _route(self.some_name(chance)), json.dumps(changes))

    @rule(others=st.lists(PROXIES, max_size=2), what_is_there=st.booleans(), enabled=ENABLED)
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

    @rule(kind=KINDS, stream=st.sampled_from([*STREAMS, *STREAMS, None, "Upstream", "sideways"]), chance=CHANCE)
    def add_toxic(self, kind: str, stream: str | None, chance: Random) -> None:
        name = self.some_name(chance)
        body = {
            "type": kind,
            "stream": stream,
            "toxicity": chance.choice(TOXICITIES),
            "name": chance.choice(TOXIC_NAMES),
        }
        path = f"{_route(name)}/toxics"
        self.change_toxic(
            "POST", path, name, (stream or "downstream").lower(), kind, body, some_attributes(kind, chance)
        )

    @rule(kinds=st.lists(KINDS, min_size=2, max_size=4), stream=st.sampled_from(STREAMS), chance=CHANCE)
    def carry_under_more_toxics(self, kinds: list[str], stream: str, chance: Random) -> None:
        """One toxic after the other on one stream, with traffic after each: what one holds, the next one releases."""
        name = self.dial(chance)
        for kind in kinds if name else []:
            attributes = {key: chance.choice(values[:3]) for key, values in ATTRIBUTES[kind].items()}
            body = {"name": f"{kind} {stream} {len(self.history)}", "type": kind, "stream": stream, "toxicity": 1}
            self.change_toxic("POST", f"{_route(name)}/toxics", name, stream, kind, body, attributes)
            self.carry("client" if stream == "upstream" else "server", 1100)
        for _ in kinds:
            self.change_some_toxic(chance, "PATCH", chance.choice(["client", "server"]))

    @rule(chance=CHANCE, method=st.sampled_from(["POST", "PATCH", "DELETE"]), side=SIDES)
    def change_some_toxic(self, chance: Random, method: str, side: str) -> None:
        """Change or remove a toxic that is there, with traffic after it."""
        if not self.toxics():
            return
        name, toxic = chance.choice(self.toxics())
        path = f"{_route(name)}/toxics/{quote(toxic['name'], safe='')}"
        if method == "DELETE" or chance.random() < 0.3:
            if not self.leaves_a_gap(name, toxic):
                self.both("DELETE", path)
        else:
            attributes = some_attributes(toxic["type"], chance)
            body = {"toxicity": chance.choice(TOXICITIES), "stream": "upstream", "name": "other"}
            self.change_toxic(method, path, name, toxic["stream"].lower(), toxic["type"], body, attributes, toxic)
        self.carry(side, 400)

    @rule(chance=CHANCE, toxic=st.sampled_from(TOXIC_NAMES), method=st.sampled_from(["GET", "DELETE"]))
    def show(self, chance: Random, toxic: str, method: str) -> None:
        name = self.some_name(chance)
        self.both("GET", _route(name))
        self.both("GET", f"{_route(name)}/toxics")
        there = [(proxy, found["name"]) for proxy, found in self.toxics() if self.leaves_a_gap(proxy, found)]
        if method == "GET" or (name, toxic) not in there:
            self.both(method, f"{_route(name)}/toxics/{quote(toxic, safe='')}")

    @rule(body=BODIES, method=st.sampled_from(["POST", "PATCH"]), path=TARGETS)
    def ask_badly(self, body: str, method: str, path: str) -> None:
        self.both(method, path, body)

    @rule(
        path=PATHS,
        method=st.sampled_from(["GET", "PUT", "HEAD", "OPTIONS", "DELETE"]),
        agent=st.sampled_from(["curl/8", "Mozilla/5.0"]),
    )
    def ask_oddly(self, path: str, method: str, agent: str) -> None:
        self.both(method, path, None, {"User-Agent": agent})

    # Traffic

    @rule(chance=CHANCE, size=st.sampled_from([0, 300]))
    def connect(self, chance: Random, size: int) -> None:
        self.dial(chance, another=True)
        if size:
            self.carry("client", size)
            self.carry("server", 4 * size)

    @rule(chance=CHANCE, side=SIDES, size=st.sampled_from([1, 500, 4000]))
    def send(self, chance: Random, side: str, size: int) -> None:
        self.dial(chance)
        if self.usable():
            self.feed(chance.choice(self.usable()), side, size)

    @rule(chance=CHANCE, size=st.sampled_from([200, 1600]))
    def exchange(self, chance: Random, size: int) -> None:
        """Every line carries a question, then an answer."""
        self.dial(chance)
        self.carry("client", size)
        self.carry("server", size)

    @rule(chance=CHANCE, side=SIDES, half=st.booleans())
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
        if would_crash(kind, merged):
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
        stalls = kind == "bandwidth" and _stalls(merged)
        beside_a_stall = any(toxic["type"] == "bandwidth" and _stalls(toxic["attributes"]) for toxic in others)
        by_chance = toxicity is not None and 0 < toxicity < 1 and kind != "noop"
        in_random_slices = (
            kind == "slicer" and merged.get("size_variation", 0) > 0 and merged.get("average_size", 0) < 10**6
        )
        return (stalls and bool(others)) or beside_a_stall or by_chance or in_random_slices

    def some_name(self, chance: Random) -> str:
        """Return a proxy's name, mostly one that is there."""
        there = [name for name in self.real.proxies if name not in NOT_IN_PATHS]
        return chance.choice(there if there and chance.random() < 0.8 else ROUTABLE)

    def chain(self, name: str, stream: str) -> list[dict[str, Any]]:
        toxics = self.real.proxies.get(name, {}).get("toxics", [])
        return [toxic for toxic in toxics if toxic["stream"].lower() == stream]

    def toxics(self) -> list[tuple[str, dict[str, Any]]]:
        return [(name, toxic) for name, proxy in self.real.proxies.items() for toxic in proxy["toxics"]]

    def enabled(self) -> list[str]:
        there = self.real.proxies.items()
        return [name for name, proxy in there if proxy["enabled"] and name not in NOT_IN_PATHS]

    def usable(self) -> list[Line]:
        return [line for line in self.lines if line.open]

    def can_reset(self) -> bool:
        """With several proxies, one that can't listen makes the outcome random."""
        down = [proxy for proxy in self.real.proxies.values() if not proxy["enabled"]]
        gap = any(self.leaves_a_gap(name, toxic) for name, toxic in self.toxics())
        return not gap and (len(self.real.proxies) < 2 or not down)

    def leaves_a_gap(self, name: str, toxic: dict[str, Any]) -> bool:
        """Tell whether the real server may take later toxics for other ones on open connections, once this is removed.

        It does where a stream has ended in this toxic but not in a later one.
        """
        chain = self.chain(name, toxic["stream"].lower())
        before = chain[: chain.index(toxic) + 1]
        ends = any(there["type"] in ENDING for there in before) or any(not line.whole for line in self.lines)
        return bool(self.lines) and before != chain and ends


def some_attributes(kind: str, chance: Random) -> dict[str, Any]:
    """Return some attributes; one of them of the wrong type, sometimes."""
    choices = ATTRIBUTES[kind]
    wrong = chance.choice([None, None, *choices])
    attributes: dict[str, Any] = {
        key: chance.choice(values) for key, values in choices.items() if wrong or chance.random() < 0.6
    }
    return attributes | {wrong: chance.choice(WRONG)} if wrong else attributes


def would_crash(kind: str, attributes: dict[str, Any]) -> bool:
    """Tell whether the real server would panic when data comes."""
    value = attributes.get
    if kind == "bandwidth":
        return value("rate", 0) < 0 or value("rate", 0) == 2**63 - 1
    if kind == "slicer":
        average, variation = value("average_size", 0), value("size_variation", 0)
        return bool(average + variation < 1 or variation > average + 1)
    return kind == "latency" and bool(value("jitter", 0) >= 2**62)


def _stalls(attributes: dict[str, Any]) -> bool:
    return attributes.get("rate", 0) in (0, 2**62)


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
