"""A conductor for the watchdog's tests: applies latency and down, starts processes, and waits to be ended.

Arguments: the API's URL, the events file, the upstream's host:port, whether the server's proxies are to be deleted, and
the watchdog's lease in seconds.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

from faults import part, watchdog_client
from faults.kinds.base import Site
from faults.life import Life
from faults.toxiproxy import Proxies
from faults.watchdog_client import Watchdog
from model.plan import Fault
from model.record import EventLog
from tests.faults.calm import prepared

NAP = [sys.executable, "-c", "import time; time.sleep(600)"]
DEAF = [
    sys.executable,
    "-c",
    "import signal, subprocess, sys, time; signal.signal(15, signal.SIG_IGN);"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    "print(child.pid, flush=True); time.sleep(600)",
]


def main(api: str, events_path: str, upstream: str, delete: str, lease: str) -> None:
    part.HEAL_PATIENCE = part.GONE_PATIENCE = 20.0  # outlasts a machine that stands still for some seconds
    watchdog_client.ANSWER = 20.0
    watchdog = Watchdog.start(Path(events_path), float(lease))
    deaf = subprocess.Popen(DEAF, stdout=subprocess.PIPE, start_new_session=True)
    assert deaf.stdout
    pids = [subprocess.Popen(NAP, stdout=subprocess.DEVNULL).pid, deaf.pid, int(deaf.stdout.readline())]
    for pid in pids[:2]:
        watchdog.add_process(pid)
    proxies = Proxies(api, timeout=20.0)
    listens = proxies.create_all({"a->b": upstream, "c->d": upstream, "e->f": upstream})
    watchdog.watch_api(api, listens if delete == "delete" else ())
    events = EventLog(Path(events_path), time.monotonic())
    watchdog.set_t0(events.t0 or 0.0)
    slow = Fault(id="slow", kind="latency", link="a->b", start=0, duration=60, attributes={"latency": 200})
    cut = Fault(id="cut", kind="down", link="c->d", start=0, duration=60)
    lives = [Life(fault, site=Site(proxies), watchdog=watchdog, events=events) for fault in (slow, cut)]
    proved = [prepared(life).apply() for life in lives]
    proxies.add_toxic("e->f", "stray", "noop", "downstream", {})
    print(json.dumps({"proved": proved, "pids": pids, "watchdog": watchdog.pid}), flush=True)
    sys.stdin.readline()
    for life in lives:
        life.heal()
    watchdog.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
