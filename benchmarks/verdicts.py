"""How often the verdict is right: a starved generator must be inconclusive, a total outage must fail.

    python -m benchmarks.verdicts --tries 20

Each try is a run of `verdicts.toml` on this machine; it has no fault of its own, because a drill on systems that aren't
healthy to begin with is inconclusive by rule. A generator is starved as cpulimit does it: stopped and continued, so
that it runs for a tenth of the time. In an outage every mock system stands still from its first second on.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import psutil

COMMAND = Path(sys.executable).parent / "thongsuot"
CAMPAIGN = Path(__file__).resolve().with_name("verdicts.toml")
STARVED = {"limits.late_p99": "0.1"}
OUTAGE = {"load.request_timeout": "1.5", "load.grace": "2", "drain.timeout": "1", "limits.late_p99": "0.5"}
SHARE, PERIOD = 0.1, 0.4  # of the time that a starved process runs; seconds


def main() -> None:
    """Run the tries and print how many ended as they must."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=20)
    tries = parser.parse_args().tries
    outage = [attempt(number, OUTAGE, "mocks.serve", stand_still, failed) for number in range(tries)]
    starved = [attempt(number, STARVED, "scenarios.load", starve, late) for number in range(tries)]
    print(f"starved generator: inconclusive for the right reason in {sum(starved)} of {tries}")
    print(f"total outage: fail in {sum(outage)} of {tries}")


def late(verdict: dict[str, object], code: int) -> bool:
    """Tell whether a run is inconclusive because its generator was late."""
    return code == 3 and any("add a worker" in str(reason) for reason in verdict["reasons"])  # type: ignore[attr-defined]


def failed(verdict: dict[str, object], code: int) -> bool:
    """Tell whether a run failed."""
    return code == 1 and verdict["verdict"] == "fail"


def attempt(
    seed: int,
    changes: dict[str, str],
    victim: str,
    hurt: Callable[[list[psutil.Process], Event], None],
    right: Callable[[dict[str, object], int], bool],
) -> bool:
    """Run once while some of its processes are hurt; returns whether the verdict is right."""
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record"
        settings = [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]
        command = [COMMAND, "run", CAMPAIGN, "--out", record, "--seed", str(seed), *settings]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
            wait_for_load(record, running)
            with hurting(processes(running.pid, victim), hurt):
                output, _ = running.communicate(timeout=180)
        verdict = json.loads((record / "verdict.json").read_text(encoding="utf-8"))
        good = right(verdict, running.returncode)
        print(
            f"seed {seed} {victim}: exit {running.returncode} {verdict['reasons'][:1]}{'' if good else output}",
            flush=True,
        )
        return good


def wait_for_load(record: Path, running: "subprocess.Popen[str]") -> None:
    """Wait until the first phase has begun."""
    while running.poll() is None:
        with suppress(FileNotFoundError):
            if '"phase_started"' in (record / "events.jsonl").read_text(encoding="utf-8"):
                return
        time.sleep(0.02)


def processes(conductor: int, module: str) -> list[psutil.Process]:
    """Return the conductor's children that run a module: of the load, the workers alone."""
    children = psutil.Process(conductor).children(recursive=True)
    return [child for child in children if module in child.cmdline() and "master" not in child.cmdline()]


@contextmanager
def hurting(victims: list[psutil.Process], hurt: Callable[[list[psutil.Process], Event], None]) -> Iterator[None]:
    """Hurt processes within the block."""
    over = Event()
    thread = Thread(target=hurt, args=(victims, over))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def starve(victims: list[psutil.Process], over: Event) -> None:
    """Let processes run for a tenth of the time only."""
    with suppress(psutil.NoSuchProcess):
        while not over.is_set():
            for victim in victims:
                victim.suspend()
            time.sleep(PERIOD * (1 - SHARE))
            for victim in victims:
                victim.resume()
            time.sleep(PERIOD * SHARE)


def stand_still(victims: list[psutil.Process], over: Event) -> None:
    """Stop processes; the run ends them."""
    for victim in victims:
        with suppress(psutil.NoSuchProcess):
            victim.suspend()


if __name__ == "__main__":
    main()
