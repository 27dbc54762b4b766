"""`python -m benchmarks.kills [--victim conductor|watchdog|toxiproxy] [--runs 200] [--seed 1]`, and more: see `--help`.

Runs of a short drill (``kills.toml``), each of which is hit at a random moment between its first event and its end:

- ``conductor``: SIGKILL, SIGSTOP, SIGTERM or SIGINT. Within 6 s no toxic is left, no disabled proxy, no stopped system;
  after SIGKILL, no process of the run either. After SIGTERM and SIGINT the run ends by itself, with what it measured:
  how long that takes is told. A conductor that was stopped for 6 s is killed, or goes on and ends by itself.
- ``watchdog``, ``toxiproxy``: SIGKILL. Within 6 s the conductor has another one, with its proxies; the run ends as any
  other, its faults healed, nothing left behind.

In half of the runs the Toxiproxy server is one of others: it goes on running, and where it is killed it comes again,
empty, at the same place.

The seed decides what hits which run, and at which share of a run's length. Writes DATE-kills-VICTIM.json and .md.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random

from benchmarks.__main__ import RESULTS, machine
from benchmarks.drill import Drill
from faults.server import Server, ToxiproxyMissing, revive, start

KINDS = ("real", "embedded")
WITHIN = 6.0  # seconds
ENDS_WITHIN = 60.0  # seconds that a run may go on after it was hit and mended
SIGNALS = {
    "conductor": (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGINT),
    "watchdog": (signal.SIGKILL,),
    "toxiproxy": (signal.SIGKILL,),
}
REPLACED = {
    "watchdog": {"watchdog_started"},
    "toxiproxy": {"toxiproxy_started", "toxiproxy_restarted"},
}
"""The events that say that a victim is there: one of them follows its loss."""
JUDGED = (0, 1, 3)
BROKEN, INTERRUPTED = 4, 130


@dataclass(frozen=True, slots=True)
class Hit:
    """What happens to a run.

    Attributes:
        number: Of the run, from 0 on.
        server: ``real`` or ``embedded``.
        others: Whether the Toxiproxy server isn't the run's own.
        victim: Which process is hit.
        signal: With what.
        share: When, as a share of a run's length from its first event on.
        afterwards: What ends a conductor's stop: SIGCONT or SIGKILL.
    """

    number: int
    server: str
    others: bool
    victim: str
    signal: str
    share: float
    afterwards: str


@dataclass(slots=True)
class Outcome:
    """What came of it.

    Attributes:
        hit: What happened to the run.
        moment: Seconds after the run's start.
        after: The last event before it.
        healed: Seconds until nothing was broken any more, or until the victim was replaced; None: never, or no need.
        gone: Seconds until no process was left, of a conductor that was hit, or that went on after a stop.
        code: The conductor's exit code.
        problems: What wasn't as it should be.
    """

    hit: Hit
    moment: float = 0.0
    after: str = ""
    healed: float | None = None
    gone: float | None = None
    code: int | None = None
    problems: list[str] = field(default_factory=list)

    def demand(self, seconds: float | None, what: str, found: Sequence[str] = ()) -> None:
        """Note a problem where something wasn't seen in time."""
        if seconds is None:
            self.problems.append(f"not in time: {what} {list(found) or ''}".strip())


def draw(seed: int, number: int, victim: str, servers: Sequence[str]) -> Hit:
    """Draw what happens to a run."""
    chance = Random(f"{seed} {victim} {number}")
    return Hit(
        number=number,
        server=servers[number % len(servers)],
        others=chance.random() < 0.5,
        victim=victim,
        signal=chance.choice(SIGNALS[victim]).name,
        share=chance.random(),
        afterwards=chance.choice((signal.SIGCONT, signal.SIGKILL)).name,
    )


def run(hit: Hit, length: float, folder: Path) -> Outcome:
    """Run a drill and hit it; what is unclean is kept in ``folder``."""
    place = folder / f"{hit.victim}-{hit.number}"
    outcome = Outcome(hit)
    with ExitStack() as cleanup:
        given = [start(hit.server, place.with_suffix(".log"))] if hit.others else []
        cleanup.callback(lambda: [server.stop() for server in given])
        drill = Drill(place, hit.server, given[0].api if given else None)
        cleanup.callback(drill.end)
        drill.wait(lambda: drill.over() or drill.names(), ENDS_WITHIN)
        drill.wait(drill.over, hit.share * length)
        if hit.victim == "conductor":
            _hit_conductor(drill, hit, outcome)
        else:
            _hit_helper(drill, hit, outcome, given)
        outcome.problems += drill.left_behind()
    if not outcome.problems:
        shutil.rmtree(place)
        place.with_suffix(".log").unlink(missing_ok=True)
    return outcome


def _note_moment(drill: Drill, outcome: Outcome) -> None:
    outcome.moment = time.monotonic() - drill.began
    outcome.after = next(reversed(drill.names()), "")


def _hit_conductor(drill: Drill, hit: Hit, outcome: Outcome) -> None:
    _note_moment(drill, outcome)
    last = hit.signal
    drill.process.send_signal(signal.Signals[last])
    begin = time.monotonic()
    if last == "SIGSTOP" and not drill.over():
        _stay_stopped(drill, outcome)
        last = hit.afterwards
        drill.process.send_signal(signal.Signals[last])
        begin = time.monotonic()
    else:
        outcome.healed = drill.wait(lambda: not drill.broken(), WITHIN)
        outcome.demand(outcome.healed, "nothing is broken", drill.broken())
    patience = WITHIN if last == "SIGKILL" else ENDS_WITHIN
    if drill.wait(lambda: drill.over() and not drill.alive(), begin + patience - time.monotonic()) is not None:
        outcome.gone = time.monotonic() - begin
    outcome.demand(outcome.gone, "no process is left")
    outcome.code = drill.process.poll()
    if not _expected(hit, outcome):
        outcome.problems.append(f"exit code {outcome.code}")


def _stay_stopped(drill: Drill, outcome: Outcome) -> None:
    """Watch a stopped conductor's faults for 6 s: at the end there is none, and none has come again."""
    begin = time.monotonic()
    outcome.healed = 0.0
    found: list[str] = []
    while (now := time.monotonic() - begin) < WITHIN:
        found = drill.broken()
        if found:
            outcome.healed = now
        time.sleep(0.1)
    outcome.demand(None if found else 0.0, "nothing is broken", found)


def _expected(hit: Hit, outcome: Outcome) -> bool:
    """Tell whether a conductor ended as it should; one that was over, or had not begun, as that goes."""
    ended = -signal.Signals[hit.afterwards if hit.signal == "SIGSTOP" else hit.signal]
    codes = {*JUDGED, INTERRUPTED} if hit.signal in ("SIGTERM", "SIGINT") else set(JUDGED)
    if not outcome.after or hit.signal in ("SIGKILL", "SIGSTOP"):
        codes.add(ended)
    return outcome.code in codes


def _hit_helper(drill: Drill, hit: Hit, outcome: Outcome, given: list[Server]) -> None:
    """Kill the watchdog or the Toxiproxy server as soon as it is there, and see the run to its end."""
    if not (hit.victim == "toxiproxy" and given):
        drill.wait(lambda: drill.over() or drill.helper(hit.victim), ENDS_WITHIN)
    _note_moment(drill, outcome)
    before = _times_there(drill, hit)
    if _kill(drill, hit, given):
        seen = drill.wait(lambda: _times_there(drill, hit) > before or _nothing_to_do(drill), WITHIN)
        outcome.healed = seen if _times_there(drill, hit) > before else None
        outcome.demand(seen, f"another {hit.victim}")
    outcome.gone = drill.wait(drill.over, ENDS_WITHIN)
    if outcome.gone is None:
        outcome.problems.append(f"the run went on for {ENDS_WITHIN:g} s")
    outcome.demand(drill.wait(lambda: not drill.alive(), WITHIN), "no process is left")
    outcome.problems += drill.unhealed()
    outcome.code = drill.process.poll()
    began = "t0" in drill.names()
    if outcome.code not in JUDGED and (began or outcome.code != BROKEN):
        outcome.problems.append(f"exit code {outcome.code}")


def _nothing_to_do(drill: Drill) -> bool:
    """Tell whether a run needs no watchdog and no Toxiproxy server any more: all is read back, it is being judged."""
    return drill.over() or "run_finished" in drill.names()


def _times_there(drill: Drill, hit: Hit) -> int:
    return sum(name in REPLACED[hit.victim] for name in drill.names())


def _kill(drill: Drill, hit: Hit, given: list[Server]) -> bool:
    """Hit the victim; a server of others comes again, empty. False where the victim isn't there any more."""
    if hit.victim == "toxiproxy" and given:
        process = given[0].process
        assert process
        process.send_signal(signal.Signals[hit.signal])
        process.wait()
        given[0] = revive(given[0])
        return not drill.over()
    number = drill.helper(hit.victim)
    if number is None:
        return False
    try:
        os.kill(number, signal.Signals[hit.signal])
    except ProcessLookupError:
        return False
    return True


def measured_length(servers: Sequence[str], at_once: int, folder: Path) -> float:
    """Return the seconds from the first event to the end of a run that isn't hit, so many at once; the longest."""

    def undisturbed(number: int) -> float:
        """Return the seconds of one such run; raises SystemExit where it fails."""
        drill = Drill(folder / f"undisturbed-{number}", servers[number % len(servers)], None)
        try:
            drill.wait(lambda: drill.over() or drill.names(), ENDS_WITHIN)
            seconds = drill.wait(drill.over, 2 * ENDS_WITHIN)
            if drill.process.returncode != 0 or seconds is None:
                raise SystemExit(f"a run that wasn't hit ended with {drill.process.returncode}: see {folder}")
            return seconds
        finally:
            drill.end()

    with ThreadPoolExecutor(at_once) as pool:
        return max(pool.map(undisturbed, range(at_once)))


def series(
    hits: Sequence[Hit], length: float, at_once: int, folder: Path, told: Callable[[Outcome], None]
) -> list[Outcome]:
    """Run drills, so many at once, each hit at a share of ``length`` seconds; call it in the main thread."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background jobs: the runs would inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def once(hit: Hit) -> Outcome:
        outcome = run(hit, length, folder)
        told(outcome)
        return outcome

    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(once, hits))


def markdown(outcomes: Sequence[Outcome]) -> str:
    """Return a series as a table: a line for each server and signal."""
    times = "s until healed or replaced: median | most | s until gone: median | most"
    lines = [f"| victim | server | signal | runs | clean | {times} |", "| --- " * 3 + "| ---: " * 6 + "|"]
    groups = sorted({_group(outcome) for outcome in outcomes})
    for group in groups:
        those = [outcome for outcome in outcomes if _group(outcome) == group]
        clean = sum(not outcome.problems for outcome in those)
        healed = [outcome.healed for outcome in those if outcome.healed is not None]
        gone = [outcome.gone for outcome in those if outcome.gone is not None]
        lines.append(f"| {' | '.join(group)} | {len(those)} | {clean} | {_spread(healed)} | {_spread(gone)} |")
    clean = sum(not outcome.problems for outcome in outcomes)
    return "\n".join([*lines, "", f"{clean} of {len(outcomes)} runs were clean."])


def _group(outcome: Outcome) -> tuple[str, str, str]:
    hit = outcome.hit
    signals = f"{hit.signal}, {hit.afterwards}" if hit.victim == "conductor" and hit.signal == "SIGSTOP" else hit.signal
    return hit.victim, f"{hit.server}, of others" if hit.others else hit.server, signals


def _spread(values: Sequence[float]) -> str:
    ordered = sorted(values)
    return f"{ordered[len(ordered) // 2]:.2f} | {ordered[-1]:.2f}" if ordered else "– | –"


def _tell(outcome: Outcome) -> None:
    hit = outcome.hit
    times = [f"{name} {value:.2f} s" for name, value in (("healed", outcome.healed), ("gone", outcome.gone)) if value]
    sys.stderr.write(
        f"{hit.number:4d} {' '.join(_group(outcome))} at {outcome.moment:.2f} s after {outcome.after or 'nothing'}: "
        f"{', '.join(times)}, exit code {outcome.code}{''.join(f'; {problem}' for problem in outcome.problems)}\n"
    )


def main() -> int:
    """Run a series; 1 when a run wasn't clean, 2 when there is no real server."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.kills", description="Runs that are hit at a random moment."
    )
    parser.add_argument("--victim", choices=SIGNALS, default="conductor")
    parser.add_argument("--server", choices=(*KINDS, "both"), default="both")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, nargs="+", metavar="NUMBER", help="these runs of the series alone")
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell's background jobs ignore it, and so would the runs
    servers = KINDS if options.server == "both" else (options.server,)
    folder = Path(tempfile.mkdtemp(prefix="kills-"))
    hits = [draw(options.seed, number, options.victim, servers) for number in options.only or range(options.runs)]
    length = measured_length(servers, options.at_once, folder)
    sys.stderr.write(f"a run takes {length:.1f} s; what isn't clean stays in {folder}\n")
    outcomes = series(hits, length, options.at_once, folder, _tell)
    busy = f"Load average while it ran: {os.getloadavg()[2]:.1f}."
    text = f"Measured {time.strftime('%Y-%m-%d')} on {machine()}. {busy}\n\n{markdown(outcomes)}"
    if not options.only:
        options.out.mkdir(parents=True, exist_ok=True)
        name = options.out / f"{time.strftime('%Y-%m-%d')}-kills-{options.victim}"
        found = {"seed": options.seed, "length": length, "load": os.getloadavg()[2], "runs": [*map(asdict, outcomes)]}
        name.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")
        name.with_suffix(".md").write_text(text + "\n")
    print(text)
    return 1 if any(outcome.problems for outcome in outcomes) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ToxiproxyMissing as error:
        print(error, file=sys.stderr)
        sys.exit(2)
