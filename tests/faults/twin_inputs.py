"""What both servers are asked by the random sequences: names, addresses, attributes, bodies, paths."""

from random import Random
from typing import Any

from hypothesis import strategies as st

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


def stalls(attributes: dict[str, Any]) -> bool:
    return attributes.get("rate", 0) in (0, 2**62)
