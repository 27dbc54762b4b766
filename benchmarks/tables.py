"""Results as Markdown and as a picture: pure functions of what a run found."""

from collections.abc import Mapping
from html import escape
from typing import Any

from benchmarks.tools import FAST, K6, OWN, TLS, UNRECORDED, VEGETA, WRK

Found = Mapping[str, Any]
TITLES = {
    "get": "200-byte GET",
    "post": "JSON submission, reply checked",
    "journey": "whole submit journey",
    TLS: "200-byte GET over TLS",
}
TARGETS = {
    "get": ((FAST, 3.0), (K6, 2.0), (WRK, 0.5)),
    "post": ((FAST, 3.0), (K6, 2.0), (WRK, 0.5)),
    "journey": ((FAST, 2.5), (K6, 1.5)),
    TLS: ((FAST, 3.0), (K6, 2.0)),
}
"""How many times as many requests per core as a peer we mean to reach."""
QUIET = 0.5
"""Load average up to which a machine counts as having nothing else to do."""
RECORDING = 0.15
"""Largest share of a request's CPU that recorder and ledger may cost."""


def markdown(found: Found) -> str:
    """Return the tables of a run."""
    parts = [f"Measured {found['date']} on {found['machine']}. {_company(found)}", _versions(found)]
    writers = {
        "capacity": _capacity,
        "ladder": _ladder,
        "lateness": _lateness,
        "stall": _stall,
        "memory": _memory,
        "master": _master,
    }
    parts += [write(found[part]) for part, write in writers.items() if part in found]
    return "\n\n".join(parts) + "\n"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _company(found: Found) -> str:
    """Say whether the machine had other work, which spoils lateness first."""
    load = found.get("load_before", 0.0)
    busy = " The machine had other work: repeat on a quiet one." if load > QUIET else ""
    return f"Load average before: {load:.1f}.{busy}"


def _versions(found: Found) -> str:
    told = found["versions"].items()
    return "Versions: " + ", ".join(f"{name} {version}" for name, version in told if name != UNRECORDED) + "."


def _capacity(found: Found) -> str:
    rows = []
    for case, tools in found.items():
        for name, seen in tools.items():
            if seen is None:
                rows.append([f"{TITLES[case]}: {name}", "failed", "", "", ""])
                continue
            ours = tools[OWN]["per_core"] / seen["per_core"] if tools.get(OWN) else 0.0
            figures = [f"{seen['achieved']:,.0f}", f"{seen['cpu']:.1f}", f"{seen['per_core']:,.0f}", f"{ours:.2f}"]
            rows.append([f"{TITLES[case]}: {name}", *figures])
    head = ["one core for the tool, one for the server", "requests/s", "CPU µs per request", "requests per CPU second"]
    return "\n\n".join([_table([*head, "thongsuot has × as many"], rows), _targets(found)])


def _targets(found: Found) -> str:
    lines = []
    for case, targets in TARGETS.items():
        tools = found.get(case, {})
        ours = tools.get(OWN)
        for peer, wanted in targets:
            theirs = tools.get(peer)
            if ours and theirs:
                core, rate = ours["per_core"] / theirs["per_core"], ours["achieved"] / theirs["achieved"]
                met = "reached" if core >= wanted else "reached by requests/s only" if rate >= wanted else "missed"
                told = f"{core:.2f} × per CPU second, {rate:.2f} × requests/s"
                lines.append([f"{TITLES[case]}: {wanted:g} × {peer}", told, met])
        bare = tools.get(UNRECORDED)
        if ours and bare:
            share = 1 - bare["cpu"] / ours["cpu"]
            met = "reached" if share <= RECORDING else "missed"
            lines.append([f"{TITLES[case]}: recording ≤ {RECORDING:.0%} of the CPU", f"{share:.1%}", met])
    return _table(["target", "measured", ""], lines)


def _ladder(found: Found) -> str:
    rows, below = [], 0.0
    for name, cpu in found.items():
        rows.append([name, f"{cpu:.1f}", f"{cpu - below:+.1f}"])
        below = cpu
    return _table(["where a GET's time goes", "CPU µs per request", "of which this part"], rows)


def _lateness(found: Found) -> str:
    rows = [
        [
            f"{name} at {seen['level']:.0%}",
            f"{seen['rate']:,.0f}",
            *(f"{seen[key]:.2f}" for key in ("p50", "p99", "max")),
            f"{seen['missing']:.2%}",
        ]
        for name, levels in found.items()
        for seen in levels
    ]
    return _table(["lateness at the server, ms", "requests/s", "p50", "p99", "max", "never sent"], rows)


def _stall(found: Found) -> str:
    rows = []
    for name, seen in found.items():
        told = [f"{seen['told'][key] * 1000:,.1f}" for key in ("p50", "p95", "p99")]
        truth = [f"{seen['truth'][key] * 1000:,.1f}" for key in ("p50", "p95", "p99")]
        off = max(abs(seen["told"][key] / seen["truth"][key] - 1) for key in ("p50", "p95", "p99"))
        rows.append([name, *told, *truth, f"{off:.1%}"])
    head = ["5 s stall at 20/s, ms", "p50 told", "p95", "p99", "p50 true", "p95", "p99", "off by up to"]
    return _table(head, rows)


def _memory(found: Found) -> str:
    seen = zip(found["minutes"], found["requests"], found["megabytes"], strict=True)
    rows = [[f"{minutes:g} min", f"{requests:,}", f"{size:.1f}"] for minutes, requests, size in seen]
    head = ["thongsuot at 100/s, after", "requests (sent faster)", "RSS MB"]
    growth = found["megabytes"][-1] / found["megabytes"][0] - 1
    return _table(head, rows) + f"\n\nGrowth from the first to the last: {growth:+.1%}."


def _master(found: list[Mapping[str, Any] | None]) -> str:
    rows = [
        [f"{seen['workers']}", f"{seen['cpu']:.3f}", f"{seen['rss']:.0f}", f"{seen['kilobytes']:,.0f}"]
        for seen in found
        if seen is not None
    ]
    return _table(["workers of the master", "CPU seconds per second", "RSS MB", "rows taken, KB/s"], rows)


WIDTH, LEFT, BAR, GAP = 760, 220, 16, 6
COLOURS = {OWN: "#0b6e4f", UNRECORDED: "#7fbf9f", FAST: "#c0504d", K6: "#7d64b5", WRK: "#777777", VEGETA: "#3f7fbf"}


def picture(found: Found) -> str:
    """Return requests per CPU second of each tool and case as bars, in SVG."""
    parts: list[str] = []
    top = 24
    for case, tools in found["capacity"].items():
        parts.append(f'<text x="8" y="{top}" font-weight="bold">{TITLES[case]}</text>')
        top += 10
        there = {name: seen["per_core"] for name, seen in tools.items() if seen}
        largest = max(there.values(), default=1.0)
        for name, value in there.items():
            parts.append(_bar(name, value, largest, top))
            top += BAR + GAP
        top += 24
    note = f"Requests per CPU second of the tool, {found['date']}, {found['machine']}"
    parts.append(f'<text x="8" y="{top}" fill="#555">{escape(note)}</text>')
    style = 'font-family="sans-serif" font-size="12"'
    size = f'viewBox="0 0 {WIDTH} {top + 12}" width="{WIDTH}" height="{top + 12}"'
    back = f'<rect width="{WIDTH}" height="{top + 12}" fill="#fff"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{back}{"".join(parts)}</svg>\n'


def _bar(name: str, value: float, largest: float, top: int) -> str:
    width = value / largest * (WIDTH - LEFT - 90)
    colour = COLOURS.get(name, "#d99694")
    return (
        f'<text x="{LEFT - 8}" y="{top + 13}" text-anchor="end">{escape(name)}</text>'
        f'<rect x="{LEFT}" y="{top}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>'
        f'<text x="{LEFT + width + 6:.1f}" y="{top + 13}">{value:,.0f}</text>'
    )
