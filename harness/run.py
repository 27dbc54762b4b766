"""The conductor: one run, from the plan to the report. The main path is `run`, top to bottom."""

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from faults.keeper import Keeper
from faults.kinds.base import Site
from faults.life import Life
from faults.server import start
from faults.toxiproxy import Proxies
from faults.watchdog_client import Watchdog
from harness import metrics
from harness.audit_read import Reader
from harness.drill import Drill
from harness.environment import describe
from harness.errors import HarnessError, UsageError
from harness.exits import BROKEN, INTERRUPTED
from harness.gate import Gate
from harness.generator import PORT, Crew, Generator, Outcome, worker_count
from harness.interrupt import Interrupt
from harness.live import Live
from harness.migration import Migration
from harness.plan_view import expected_requests
from harness.ports import LOOPBACK, free_ports
from harness.progress import Progress
from harness.prometheus import LocalMonitor, Monitor, NoMonitor
from harness.stack import LocalStack, Stack, remove_state
from harness.timeline import Timeline
from harness.vitals import Vitals
from model import blast
from model.books import keepers
from model.plan import PROCESS_KINDS, Plan
from model.record import EventLog, Record
from scenarios.catalogue import COMPLAINT

OVERTIME = 10.0
"""Seconds after schedule and grace at which a load that is not over is given up."""
EVERYWHERE = "0.0.0.0"
"""Where the load's master listens in its container, which nothing is published of."""
INTERRUPTED_DRAIN = 5.0
"""Seconds that an interrupted run waits for synchronisation."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a run ended.

    Attributes:
        code: Exit code.
        verdict: pass, fail or inconclusive.
        reasons: Why, a sentence each.
        report: The report's path.
        failures: What could not be healed, and the command that does it by hand.
    """

    code: int
    verdict: str
    reasons: Sequence[str]
    report: Path
    failures: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Parts:
    """What a run has started.

    Attributes:
        record: Where it is written down.
        events: Its events.
        watchdog: Who heals when the conductor can't.
        proxies: The links' proxies.
        stack: The systems.
        keeper: Who looks after the Toxiproxy server.
    """

    record: Record
    events: EventLog
    watchdog: Watchdog
    proxies: Proxies
    stack: Stack
    keeper: Keeper


def run(
    plan: Plan,
    out: Path,
    toxiproxy: str,
    progress: Progress,
    crew: Crew | None = None,
    *,
    unattended: bool = False,
    monitored: Literal["no", "yes", "keep"] = "no",
) -> Finished:
    """Rehearse a campaign.

    1. Open the record; start the watchdog.
    2. Bring up Toxiproxy and the systems behind it; let the load's workers join.
    3. Send the arrivals; break, heal and migrate on the same clock, as long as the drill's conditions allow it.
    4. Heal everything, whatever happened.
    5. Drain; read every dossier twice.
    6. Judge, report.

    Raises:
        HarnessError: The harness itself broke; everything it had started is stopped.
        UsageError: The record's folder can't be used; nothing was started.
    """
    with Interrupt() as interrupt, ExitStack() as cleanup:
        cleanup.callback(progress.close)
        record, events = open_record(plan, out)
        cleanup.callback(events.close)
        watchdog = start_watchdog(record, events, cleanup)

        crew = crew or Crew(local=worker_count(plan, os.cpu_count() or 1))
        if plan.stack.kind == "compose":
            crew, toxiproxy = into_containers(plan, record, watchdog, crew, cleanup, progress)
        generator = Generator(plan, record, events, watchdog, crew)
        cleanup.callback(generator.end)
        parts = bring_up(plan, record, events, watchdog, toxiproxy, cleanup, progress, crew)
        generator.join(progress.step, lambda: wait_on(parts, interrupt))

        live = Live(plan, record)
        address = serve_metrics(live, events, cleanup, progress, metrics_host(crew, monitored))
        monitor = start_monitor(plan, parts, crew, address, cleanup, progress, monitored)
        migration = Migration(plan, parts.stack.addresses, parts.stack.token, record, events)
        cleanup.callback(migration.stop)
        vitals = Vitals(plan, parts.stack.addresses, record, events)
        cleanup.callback(vitals.stop)
        vitals.start()
        failures = send_load(plan, parts, generator, live, interrupt, progress, migration, unattended)

        vitals.stop()
        migration.end(plan.drain.timeout, lambda: interrupt.requested)
        if plan.targets is None:
            read_back(plan, parts, live, interrupt, progress)
        else:
            look_back(plan, parts, generator, interrupt, progress)
        generator.end()
        live.look()
        monitor.last_scrape()
        events.write("run_finished", interrupted=interrupt.requested)
        monitor.ask()
        return conclude(record, interrupt.requested, failures, progress)


def open_record(plan: Plan, out: Path) -> tuple[Record, EventLog]:
    """Make the record's folder; raises UsageError where it is taken."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out}: is there already and not empty; name another folder with --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{out}: can't be made ({error.strerror}); name another folder with --out") from None
    record = Record(out.resolve())
    record.write_plan(plan)
    record.write_json("environment.json", describe())
    events = EventLog(record.path("events.jsonl"))
    events.write("run_started", campaign=plan.name, seed=plan.seed, defects=list(plan.defects))
    return record, events


def start_watchdog(record: Record, events: EventLog, cleanup: ExitStack) -> Watchdog:
    """Start the process that heals when this one can't."""
    record.path("logs").mkdir(exist_ok=True)
    watchdog = Watchdog.start(record.path("events.jsonl"), log=record.path("logs/watchdog.log"))
    cleanup.callback(watchdog.close)
    events.write("watchdog_started", pid=watchdog.pid)
    return watchdog


def bring_up(
    plan: Plan,
    record: Record,
    events: EventLog,
    watchdog: Watchdog,
    toxiproxy: str,
    cleanup: ExitStack,
    progress: Progress,
    crew: Crew,
) -> Parts:
    """Start Toxiproxy and the systems; whatever fails, all that was started is stopped by ``cleanup``."""
    if plan.targets is None:
        progress.step(f"bringing up {len(plan.systems)} systems and {len(plan.links)} links")
    else:
        progress.step("looking where the external systems are")
    server = start(toxiproxy, record.path("logs/toxiproxy.log"))
    proxies = Proxies(server.api)
    keeper = Keeper(server, proxies, watchdog, events)
    cleanup.callback(keeper.stop)
    events.write("toxiproxy_started", api=server.api, kind=server.kind)
    names = [link.name for link in plan.links]
    if server.process is None:
        cleanup.callback(proxies.delete_all, names)
        watchdog.watch_api(server.api, delete=names)
    else:
        watchdog.watch_api(server.api)
        watchdog.add_process(server.process.pid)
    stack = stack_of(plan, record, events, watchdog, crew)
    cleanup.callback(stack.stop)
    stack.start(server, proxies)
    return Parts(record, events, watchdog, proxies, stack, keeper)


def into_containers(
    plan: Plan, record: Record, watchdog: Watchdog, crew: Crew, cleanup: ExitStack, progress: Progress
) -> tuple[Crew, str]:
    """Bring a compose project up; returns who sends the load in it, and its Toxiproxy's API."""
    from harness.compose_stack import bring_up_project

    compose, api = bring_up_project(plan, record, watchdog, cleanup, progress)
    return Crew(remote=crew.local, bind=EVERYWHERE, port=PORT, compose=compose), api


def stack_of(plan: Plan, record: Record, events: EventLog, watchdog: Watchdog, crew: Crew) -> Stack:
    """Return the systems, not started yet."""
    if plan.targets is not None:
        from harness.external import ExternalStack

        return ExternalStack(plan, record, events, crew.bind)
    if crew.compose is None:
        return LocalStack(plan, record, events, watchdog, crew.bind)
    from harness.compose_stack import ComposeStack

    return ComposeStack(plan, record, events, crew.compose)


def wait_on(parts: Parts, interrupt: Interrupt) -> None:
    """Look after Toxiproxy before the load begins; raises Interrupted where the run is asked to end."""
    interrupt.check("before the load began")
    parts.keeper.look()


def metrics_host(crew: Crew, monitored: str) -> str:
    """Return the address to serve metrics at: loopback, or where a Prometheus in a container can reach it."""
    if crew.compose is None or monitored == "no":
        return LOOPBACK
    return crew.compose.gateway("toxiproxy")


def serve_metrics(live: Live, events: EventLog, cleanup: ExitStack, progress: Progress, host: str) -> str:
    """Serve live metrics while the run goes on; returns ``host:port``."""
    port = next(free_ports())
    operations = {*expected_requests(live.plan, live.plan.phases), *([COMPLAINT] if live.plan.load.complaints else [])}
    server, thread = metrics.serve(live, operations, port, host)
    cleanup.callback(thread.join)
    cleanup.callback(server.shutdown)
    events.write("metrics_started", url=f"http://{host}:{port}/metrics")
    progress.step(f"live metrics at http://{host}:{port}/metrics")
    return f"{host}:{port}"


def start_monitor(
    plan: Plan, parts: Parts, crew: Crew, conductor: str, cleanup: ExitStack, progress: Progress, monitored: str
) -> Monitor | NoMonitor:
    """Start a Prometheus that scrapes the systems and the conductor, where one is wanted."""
    if monitored == "no":
        return NoMonitor()
    monitor = monitor_of(parts, crew, conductor, keep=monitored == "keep")
    cleanup.callback(monitor.stop)
    monitor.start(plan, parts.watchdog, parts.stack.scraped)
    progress.step(f"prometheus at {monitor.url}")
    return monitor


def monitor_of(parts: Parts, crew: Crew, conductor: str, *, keep: bool) -> Monitor:
    """Return the Prometheus of a run, not started yet: of the stack in containers it is the stack's own."""
    if crew.compose is None:
        return LocalMonitor(parts.record, parts.events, conductor, keep=keep)
    from harness.compose_monitor import ContainerMonitor

    return ContainerMonitor(parts.record, parts.events, conductor, crew.compose, keep=keep)


def send_load(
    plan: Plan,
    parts: Parts,
    generator: Generator,
    live: Live,
    interrupt: Interrupt,
    progress: Progress,
    migration: Migration,
    unattended: bool,
) -> Sequence[str]:
    """Send the arrivals, break and heal on the same clock; everything is healed when this returns or raises.

    Returns:
        What could not be healed.
    """
    migration.read_before()
    t0 = time.monotonic() + generator.lead
    parts.events.t0 = t0
    parts.watchdog.set_t0(t0)
    timeline, drill = schedule(plan, parts, progress, unattended, generator)
    parts.stack.announce_cutover(t0)
    parts.stack.announce_connection(t0)
    generator.begin(t0)
    parts.events.write("t0", monotonic=t0)
    timeline.start()
    migration.begin(t0)
    try:
        drill.start()
        outcome = watch(plan, parts, generator, timeline, drill, live, interrupt, progress)
    finally:
        drill.close()
        timeline.heal()
    live.faults, live.open_steps = set(), {}
    parts.events.write(
        "load_stopped",
        planned=outcome.planned,
        started=outcome.started,
        dropped=outcome.dropped,
        unfinished=outcome.unfinished,
        broken=outcome.broken,
        errors=outcome.errors,
    )
    return timeline.failures


def schedule(
    plan: Plan, parts: Parts, progress: Progress, unattended: bool, generator: Generator
) -> tuple[Timeline, Drill]:
    """Put the faults on the run's clock, and what decides about them beside it."""
    stack = parts.stack
    site = Site(parts.proxies, stack, stack.addresses, stack.token, paths=plan.stack.paths)
    if plan.targets is not None:
        gate = Gate(plan, generator)
        site = replace(site, questions=stack.questions(), strangers=stack.strangers(), admit=gate.admit)
    lives = [Life(fault, site=site, watchdog=parts.watchdog, events=parts.events) for fault in plan.faults]
    timeline = Timeline(lives, parts.events.t0 or 0.0, partial(blast.excess, plan), parts.events)
    drill = Drill(
        plan, parts.record, parts.events, timeline, parts.stack.addresses, progress.step, unattended=unattended
    )
    return timeline, drill


def watch(
    plan: Plan,
    parts: Parts,
    generator: Generator,
    timeline: Timeline,
    drill: Drill,
    live: Live,
    interrupt: Interrupt,
    progress: Progress,
) -> Outcome:
    """Follow the load to its end; note phases, systems that end, and a request to stop."""
    t0 = parts.events.t0 or 0.0
    deadline = t0 + plan.duration + plan.load.grace + OVERTIME
    phases, gone, stopped = [*plan.spans()], set[str](), False
    while True:
        outcome = generator.poll(0.2)
        t = time.monotonic() - t0
        while phases and t >= phases[0][0]:
            parts.events.write("phase_started", phase=phases.pop(0)[2].name)
        gone |= note_exits(parts, timeline, gone)
        parts.keeper.look()
        live.faults = set(timeline.active)
        live.look()
        if not stopped:
            drill.look(t, live)
        progress.show(live, t)
        if outcome is not None:
            drill.close(finished=not stopped)
            return outcome
        if (interrupt.requested or generator.forbidden) and not stopped:
            stopped = True
            if interrupt.requested:
                parts.events.write("interrupted")
            generator.stop()
            timeline.heal()
        if time.monotonic() > deadline:
            raise HarnessError(f"the load did not end {OVERTIME:.0f} s after its schedule; see logs/master.log")


def note_exits(parts: Parts, timeline: Timeline, known: set[str]) -> set[str]:
    """Note systems whose process has ended without a fault that ends it."""
    faults = (life.fault for life in timeline.lives)
    killed = {system for fault in faults if fault.kind in PROCESS_KINDS for system in fault.targets}
    found = {system: status for system, status in parts.stack.exited() if system not in known | killed}
    for system, status in found.items():
        parts.events.write("system_exited", system=system, status=status)
    return set(found)


def read_back(plan: Plan, parts: Parts, live: Live, interrupt: Interrupt, progress: Progress) -> None:
    """Wait until synchronisation has drained, then read every dossier twice."""

    def told(backlog: int) -> None:
        live.backlog = backlog
        parts.keeper.look()

    interrupted = interrupt.requested
    reader = Reader(parts.stack.addresses, parts.record, parts.events)
    try:
        progress.close()
        progress.step("draining")
        timeout = min(plan.drain.timeout, INTERRUPTED_DRAIN) if interrupted else plan.drain.timeout
        reader.drain(timeout, lambda: interrupt.requested and not interrupted, told)
        if interrupt.requested and not interrupted:
            parts.events.write("interrupted")
        progress.step("reading every dossier, twice")
        reader.read()
        reader.read_entries(keepers(plan.stack.provinces, plan.stack.platforms, plan.stack.mobile))
    finally:
        reader.close()


def look_back(plan: Plan, parts: Parts, generator: Generator, interrupt: Interrupt, progress: Progress) -> None:
    """Look acknowledged dossiers up in external systems, unless a guard ended the load."""
    from harness.look_up import look_up

    progress.close()
    if generator.forbidden:
        progress.step(f"aborted, nothing leaves any more: {generator.forbidden}")
        return
    progress.step("looking acknowledged dossiers up")
    look_up(plan, parts.record, parts.events, parts.watchdog, lambda: interrupt.requested)


def conclude(record: Record, interrupted: bool, failures: Sequence[str], progress: Progress) -> Finished:
    """Judge the record and write the reports; the exit code is worst news first."""
    from reports import judge, render, tables

    progress.step("judging")
    tables.seal(record)
    remove_state(record)
    judgement = judge.judge(record)
    judge.write(record, judgement)
    report = render.write(record)
    code = judge.exit_code(judgement.verdict)
    if interrupted:
        code = INTERRUPTED
    if failures:
        code = BROKEN
    return Finished(code, judgement.verdict, judgement.reasons, report, failures)
