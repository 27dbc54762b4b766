"""The audit's look-ups in external systems: `python -m scenarios.look_up RECORD PLAN CHOSEN`, with the guard in front.

It takes the dossiers that the conductor has chosen (CSV: code, key, province, commune), asks for each once, and writes
the record's ``lookups``. It prints one JSON object a line: ``guarded`` with a reason, and ``finished`` at the end.
"""

import csv
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import gevent
from gevent.pool import Pool as Greenlets

from model.links import province_system
from model.plan import Plan
from model.record import Record
from model.targets import Audit, SecretError, Targets
from scenarios.adapter import Words, address, at, filled, original
from scenarios.briefing import Refused, checked
from scenarios.guard import Forbidden, Guard
from scenarios.guarded import GuardedNetwork
from scenarios.http import Reply
from scenarios.lines import listen, say

AT_ONCE = 8
"""Look-ups in flight."""


class Reader:
    """Looks dossiers up.

    Attributes:
        counts: Result -> dossiers.
    """

    def __init__(self, plan: Plan, targets: Targets, network: GuardedNetwork) -> None:
        self.counts: Counter[str] = Counter()
        self._audit: Audit = targets.audit
        self._targets = targets
        self._network = network

    def read(self, dossiers: Iterator[list[str]], path: Path) -> None:
        """Look dossiers up and write what was found, a row each."""
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")

            def one(dossier: list[str]) -> None:
                result, detail = self._look_up(dossier)
                self.counts[result] += 1
                rows.writerow([*dossier, result, detail])

            group = Greenlets(AT_ONCE)
            for dossier in dossiers:
                if self._network.guard.reason:
                    break
                group.spawn(one, dossier)
            group.join()

    def _look_up(self, dossier: list[str]) -> tuple[str, str]:
        code, key, province, commune = dossier
        words: Words = {"code": original(code), "key": key, "province": province, "commune": commune}
        system = province_system(province) if self._audit.system == "province" else self._audit.system
        where = address(self._targets.target(system).url_for(system), self._audit.path, words)
        headers = {name: filled(text, words) for name, text in self._audit.headers.items()}
        try:
            reply = self._network.send(system, "GET", where, headers, b"")
        except Forbidden:
            return "unread", "the guard ended it"
        return self._result(reply, words)

    def _result(self, reply: Reply, words: Words) -> tuple[str, str]:
        if reply.status in self._audit.absent:
            return "absent", f"status {reply.status}"
        if reply.status not in self._audit.ok:
            return "unread", f"status {reply.status}" if reply.status else reply.outcome
        content = reply.json()
        for place, text in self._audit.match.items():
            try:
                found = str(at(place, content, reply.headers))
            except LookupError:
                return "differs", f"nothing at {place}"
            if found != filled(text, words):
                return "differs", f"at {place} stands something else"
        return "found", ""


def main() -> int:
    """Look up what was chosen; returns the exit status."""
    gevent.spawn(_end_with_the_conductor)
    record, allowed, chosen = Record(Path(sys.argv[1])), sys.argv[2], Path(sys.argv[3])
    try:
        plan = checked(record.path("plan.json").read_bytes(), allowed)
        assert plan.targets is not None
        credentials = plan.targets.credentials(os.environ)
    except (Refused, SecretError) as error:
        say(guarded=f"guard: {error}")
        return 2
    guard = Guard(plan.targets, plan.targets.rate, lambda reason: say(guarded=reason))
    network = GuardedNetwork(plan, plan.targets, guard, credentials, {})
    watch = gevent.spawn(guard.watch)
    reader = Reader(plan, plan.targets, network)
    with chosen.open(encoding="utf-8", newline="") as file:
        reader.read(csv.reader(file), record.spool("lookups", "external"))
    watch.kill()
    network.close()
    say(finished=dict(reader.counts))
    return 0


def _end_with_the_conductor() -> None:
    listen(lambda _: None)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
