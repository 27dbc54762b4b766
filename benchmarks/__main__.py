"""`python -m benchmarks [--quick] [--only PART ...] [--out DIR]`: measures, writes DATE.json, DATE.md and DATE.svg.

Everything is loaded on 127.0.0.1, bounded in time: about 10 minutes, 3 with ``--quick``. Run it on a machine that does
nothing else; figures of different runs aren't comparable, the ratios of one run are.
"""

import argparse
import csv
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import masters, measure, tables
from benchmarks.plans import plan_for
from benchmarks.tools import CATALOGUE, FAST, K6, LADDER, OWN, PLAIN, TLS, VEGETA, Load, versions

RESULTS = Path(__file__).parent / "results"
CASES = ("get", "post", "journey", TLS)
LEVELS = (0.25, 0.5, 0.75)
PROBE = 2000.0
"""Requests/s at which the CPU per request of an open model is measured; its inverse is taken for the capacity."""
STALL_RATE, STALL, SERVICE = 20.0, 5.0, 0.05
"""Requests/s, seconds of the stall, and seconds that the server takes for a reply otherwise."""
MEMORY_RATE = 100
"""Requests/s of the load whose 1st, 10th and 60th minute are meant; the same requests are sent faster."""
SWARMS = (2, 20, 200)
"""Workers that are simulated for the master."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How long things are measured, in seconds.

    Attributes:
        capacity: Steady stretch per tool and case.
        lateness: Load per tool and level.
        stall: Load around the stall.
        minutes: After so many minutes' requests memory is looked at.
        master: Load on the master per number of workers.
    """

    capacity: float
    lateness: float
    stall: float
    minutes: tuple[float, ...]
    master: float


FULL = Scale(6.0, 8.0, 30.0, (1, 10, 60), 10.0)
QUICK = Scale(2.0, 4.0, 12.0, (0.5, 1, 2), 4.0)
Result = dict[str, Any]


class Run:
    """One run: what it has found so far.

    Attributes:
        found: As it is written to the results.
    """

    def __init__(self, scale: Scale) -> None:
        self._scale = scale
        self._versions = versions()
        self._there = {name: tool for name, tool in CATALOGUE.items() if self._versions[name] != "missing"}
        self.found: Result = {
            "date": time.strftime("%Y-%m-%d"),
            "machine": machine(),
            "load_before": os.getloadavg()[0],
            "versions": self._versions,
        }

    def capacity(self) -> Result:
        """Measure requests/s and CPU per request of every tool and case."""
        found: Result = {}
        for case in CASES:
            for name, tool in self._there.items():
                if case in tool.cases:
                    found.setdefault(case, {})[name] = self._capacity(name, case)
        return found

    def _capacity(self, name: str, case: str, rate: float = 0.0) -> Result | None:
        def once(port: int) -> Any:
            return self._there[name].command(Load(case, port, self._scale.capacity + 30, rate))

        try:
            seen = measure.capacity(once, self._scale.capacity, tls=case == TLS)
        except measure.Failed as failure:
            progress(f"{name}, {case}: {failure}")
            return None
        progress(f"{case:8s} {name:30s} {seen.achieved:8.0f}/s {seen.cpu:7.1f} µs per request")
        return {**asdict(seen), "per_core": seen.per_core}

    def ladder(self) -> Result:
        """Measure a GET with more and more of our parts."""
        return {name: self._rung(name) for name in LADDER}

    def _rung(self, name: str) -> float:
        seconds = self._scale.capacity
        seen = measure.capacity(lambda port: LADDER[name](Load("get", port, seconds + 30)), seconds)
        progress(f"ladder   {name:50s} {seen.cpu:7.1f} µs per request")
        return seen.cpu

    def lateness(self) -> Result:
        """Measure how late open models send, at shares of what they can."""
        found: Result = {}
        for name, tool in self._there.items():
            probed = self._capacity(name, "get", PROBE) if tool.paced else None
            if probed is not None:
                found[name] = [self._late(name, level, probed["per_core"]) for level in LEVELS]
        return found

    def _late(self, name: str, level: float, per_core: float) -> Result:
        rate, seconds = float(round(level * per_core)), self._scale.lateness
        moments = measure.arrivals(lambda port: self._there[name].command(Load("get", port, seconds, rate)), seconds)
        late = measure.lateness(moments, rate, seconds)
        progress(f"{level:.0%} {name}: p50 {late.p50:.2f} ms, p99 {late.p99:.2f} ms, max {late.max:.1f} ms")
        return {"level": level, **asdict(late)}

    def stall(self) -> Result:
        """Let a server stall for 5 s at 20 requests/s, and ask every tool what it saw; all at once, it is no load."""
        names = [name for name in (OWN, FAST, PLAIN, K6, VEGETA) if name in self._there]
        with ThreadPoolExecutor(len(names)) as pool, tempfile.TemporaryDirectory() as folder:
            jobs = {name: pool.submit(self._stall, name, Path(folder)) for name in names}
            return {name: job.result() for name, job in jobs.items()}

    def _stall(self, name: str, folder: Path) -> Result:
        report = folder / name.replace(" ", "-")
        seconds = self._scale.stall

        def once(port: int) -> Any:
            return self._there[name].command(Load("get", port, seconds, STALL_RATE, report))

        seen = measure.stalled(once, STALL_RATE, seconds, seconds / 3, STALL, SERVICE)
        truth = {f"p{share}": measure.quantile(seen.truth, share / 100) for share in (50, 95, 99)}
        told = _TOLD[name](seen.output, report)
        progress(f"stall {name}: {told} (truth {truth})")
        return {"truth": truth, "told": told}

    def memory(self) -> Result:
        """Look at the engine's memory after as many requests as some minutes of constant load have."""
        marks = [round(minutes * 60 * MEMORY_RATE) for minutes in self._scale.minutes]
        probed = self._capacity(OWN, "get", PROBE)
        rate = float(round((probed or {"per_core": PROBE})["per_core"] * 0.6))
        seconds = marks[-1] / rate + 5
        seen = measure.memory(lambda port: CATALOGUE[OWN].command(Load("get", port, seconds, rate)), marks)
        progress(f"RSS in MB after {marks} requests: {[round(value, 1) for value in seen]}")
        return {"minutes": self._scale.minutes, "requests": marks, "megabytes": seen, "rate": rate}

    def master(self) -> list[Result | None]:
        """Measure the master's CPU with more and more workers."""
        return [self._mastered(count) for count in SWARMS]

    def _mastered(self, count: int) -> Result | None:
        try:
            seen = masters.master(plan_for("submit-online", 3600, 1.0), count, self._scale.master)
        except measure.Failed as failure:
            progress(f"master, {count} workers: {failure}")
            return None
        progress(f"master, {count} workers: {seen.cpu:.3f} CPU s/s, {seen.rss:.0f} MB, {seen.kilobytes:.0f} KB/s")
        return {"workers": count, **asdict(seen)}


def _from_own(output: str, _: Path) -> dict[str, float]:
    quantiles: dict[str, float] = json.loads(output.splitlines()[-1])["quantiles"]
    return quantiles


def _from_locust(_: str, report: Path) -> dict[str, float]:
    with report.with_name(f"{report.name}_stats.csv").open() as file:
        row = next(row for row in csv.DictReader(file) if row["Name"] == "Aggregated")
    return {f"p{share}": float(row[f"{share}%"]) / 1000 for share in (50, 95, 99)}


def _from_k6(_: str, report: Path) -> dict[str, float]:
    found = json.loads(report.read_text())["metrics"]["http_req_duration"]
    return {"p50": found["med"] / 1000, "p95": found["p(95)"] / 1000, "p99": found["p(99)"] / 1000}


def _from_vegeta(_: str, report: Path) -> dict[str, float]:
    found = measure.printed(["vegeta", "report", "-type", "json", str(report)])
    latencies = json.loads(found)["latencies"]
    return {name: latencies[key] / 1e9 for name, key in (("p50", "50th"), ("p95", "95th"), ("p99", "99th"))}


_TOLD: dict[str, Callable[[str, Path], dict[str, float]]] = {
    OWN: _from_own,
    FAST: _from_locust,
    PLAIN: _from_locust,
    K6: _from_k6,
    VEGETA: _from_vegeta,
}


def machine() -> str:
    """Return processor, cores, kernel and Python, without a name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    return (
        f"{model}, {os.cpu_count()} cores, Linux {platform.release().split('-')[0]}, Python {platform.python_version()}"
    )


def progress(text: str) -> None:
    """Say where the run is."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def main() -> None:
    """Measure the parts that are asked for, and write what was found."""
    parts = ("capacity", "ladder", "lateness", "stall", "memory", "master")
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about 2 minutes; noisier")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    if (os.cpu_count() or 1) < 2:
        parser.error("needs two cores: one for the tool, one for the server")
    run = Run(QUICK if arguments.quick else FULL)
    for part in arguments.only:
        run.found[part] = getattr(run, part)()
    arguments.out.mkdir(parents=True, exist_ok=True)
    name = arguments.out / (run.found["date"] + ("-quick" if arguments.quick else ""))
    name.with_suffix(".json").write_text(json.dumps(run.found, indent=1, ensure_ascii=False) + "\n")
    text = tables.markdown(run.found)
    name.with_suffix(".md").write_text(text)
    if "capacity" in run.found:
        name.with_suffix(".svg").write_text(tables.picture(run.found))
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
