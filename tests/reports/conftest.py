"""Tiny records, written row by row: what a test says is all that happened."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from model.books import keepers
from model.histogram import bucket_of
from model.plan import Limits, Load, Phase, Plan, Stack
from model.record import Record
from reports import tables

T0 = 1_750_000_000.0  # Unix seconds
COMMUNES = {"01": "00004", "14": "03646", "79": "26734"}
HASH = "a" * 64


def plan(**changes: object) -> Plan:
    """Return the plan of these records: 60 s at one arrival a second, provinces 01, 14 and 79."""
    fields: dict[str, object] = {
        "name": "tiny",
        "phases": (Phase(name="calm", duration=30, rate=1), Phase(name="surge", duration=30, rate=1)),
        "load": Load(journeys={"submit": 1}),
        "stack": Stack(provinces=tuple(COMMUNES)),
        "limits": Limits(),
    }
    return Plan(**(fields | changes))  # type: ignore[arg-type]


class Scene:
    """A record in the making. Every ``with_…`` adds what a healthy run has; tests leave out or spoil the rest."""

    def __init__(self, directory: Path, campaign: Plan) -> None:
        self.record = Record(directory)
        self.plan = campaign
        self.events: list[dict[str, object]] = []
        self.rows: dict[str, list[list[object]]] = {
            name: []
            for name in ("samples", "arrivals", "health", "ledger", "reads", "stock", "accounts", "attachments")
        }
        self._op = 0

    def event(self, name: str, t: float | None = 0.0, **fields: object) -> None:
        self.events.append({"t": t, "time": T0 + (t or 0.0), "event": name, **fields})

    def attempt(
        self,
        key: str,
        outcome: str | None = "ok",
        code: str = "",
        province: str = "01",
        operation: str = "submit",
        commune: str | None = None,
        reason: str = "",
        t: float = 1.0,
        test: bool = False,
    ) -> None:
        """Invoke a creation, and end it: ``ok`` acknowledges ``code``; None leaves it open."""
        self._op += 1
        unit = [key, province, commune or COMMUNES[province]]
        self.rows["ledger"].append([0, self._op, "invoke", t, operation, *unit, "", 0, 0, HASH, "", "", test])
        if outcome:
            ok = outcome == "ok"
            done = [code if ok else "", int(ok), (1 if operation == "submit" else 2) * ok, HASH, reason, "", test]
            self.rows["ledger"].append([0, self._op, outcome, t + 0.1, operation, *unit, *done])

    def step(
        self, code: str, sequence: int, state: int, province: str = "01", operation: str = "accept", outcome: str = "ok"
    ) -> None:
        """Invoke a step on a dossier, and end it."""
        self._op += 1
        unit = [f"step-{self._op}", province, COMMUNES[province]]
        self.rows["ledger"].append([0, self._op, "invoke", 2.0, operation, *unit, code, 0, 0, "", "", "", False])
        done = [code, sequence, state, "", "", "", False]
        self.rows["ledger"].append([0, self._op, outcome, 2.1, operation, *unit, *done])

    def book(self, system: str, code: str, key: str, states: tuple[int, ...] = (1, 2), **changes: object) -> None:
        """Store a dossier in one system, as its readings have it; ``lag`` delays the portal."""
        passes = changes.pop("passes", (1, 2))
        lag = float(changes.pop("lag", 0.5)) if system == "national" else 0.0  # type: ignore[arg-type]
        province = str(changes.get("province", system[9:] or "01"))
        fields: dict[str, object] = {
            "code": code,
            "key": key,
            "province": province,
            "commune": COMMUNES.get(province, "99999"),
            "hash": HASH,
            "state": states[-1] if states else 0,
            "sequence": len(states),
            "history": [[n, state, T0 + n, T0 + n + lag] for n, state in enumerate(states, 1)],
            "archived": "false",
            "test": False,
        }
        fields |= changes
        if not isinstance(fields["history"], str):
            fields["history"] = json.dumps(fields["history"])
        self.rows["reads"] += [[number, system, *fields.values()] for number in passes]  # type: ignore[attr-defined]

    def attached(self, key: str, code: str, digest: str, *holders: str, province: str = "01") -> None:
        """Acknowledge the upload of an attachment; ``holders`` have it."""
        self._op += 1
        unit = [key, province, COMMUNES[province]]
        self.rows["ledger"].append([0, self._op, "invoke", 0.5, "attach", *unit, "", 0, 0, digest, "", "", False])
        self.rows["ledger"].append([0, self._op, "ok", 0.6, "attach", *unit, "", 0, 0, "", "", "", False])
        self.rows["attachments"] += [[number, system, code, digest] for system in holders for number in (1, 2)]

    def stored(self, code: str, key: str, states: tuple[int, ...] = (1, 2), province: str = "01") -> None:
        """Store a dossier in both of its books."""
        self.book("national", code, key, states, province=province)
        self.book(f"province:{province}", code, key, states)

    def healthy(self, code: str, key: str, states: tuple[int, ...] = (1, 2), province: str = "01") -> None:
        """Acknowledge a dossier and its steps, and store it."""
        self.attempt(key, "ok", code, province, "submit" if states[0] == 1 else "intake")
        for sequence, state in enumerate(states[1:], 2):
            self.step(code, sequence, state, province)
        self.stored(code, key, states, province)

    def with_readings(self, without: tuple[tuple[str, int], ...] = (), incomplete: tuple[str, ...] = ()) -> None:
        """Say that every system was read, twice, and the books that are always there; they are empty."""
        for number in (1, 2):
            for system in ("national", *(f"province:{code}" for code in self.plan.stack.provinces)):
                if (system, number) not in without:
                    count = sum(row[:2] == [number, system] for row in self.rows["reads"])
                    self.event(
                        "audit_read",
                        100.0 + number,
                        **{"pass": number},
                        system=system,
                        dossiers=count,
                        complete=system not in incomplete,
                    )
            for system in keepers(self.plan.stack.provinces, ()):
                self.event("entries_read", 100.0 + number, **{"pass": number}, system=system, entries=0, complete=True)

    def sample(
        self, second: int, province: str = "01", outcome: str = "ok", seconds: float = 0.1, **more: object
    ) -> None:
        """Count requests: ``count``, ``operation`` and ``phase`` have defaults."""
        fields = {"operation": "national.submit", "phase": self.plan.phase_at(second), "count": 1} | more
        for kind in ("response", "service"):
            self.rows["samples"].append(
                [
                    second,
                    fields["phase"],
                    fields["operation"],
                    province,
                    outcome,
                    kind,
                    bucket_of(seconds),
                    fields["count"],
                ]
            )

    def arrival(
        self, t: float, province: str = "01", outcome: str = "ok", lasts: float = 0.2, late: float = 0.001
    ) -> None:
        started = "" if outcome == "dropped" else t + late
        finished = "" if outcome in ("dropped", "unfinished") else t + late + lasts
        number = len(self.rows["arrivals"])
        self.rows["arrivals"].append([number, 0, "submit", province, COMMUNES[province], t, started, finished, outcome])

    def health(self, worker: int, delay: float = 0.01, cpu: float = 0.2) -> None:
        """Let a worker fare alike in every second of the schedule."""
        self.rows["health"] += [[second, worker, delay, 0.001, 4, 2, cpu] for second in range(int(self.plan.duration))]

    def with_load(self, provinces: tuple[str, ...] = tuple(COMMUNES), per_second: int = 1) -> None:
        """Let arrivals and one request each come in every second of the schedule, all well."""
        for second in range(int(self.plan.duration)):
            for province in provinces:
                for part in range(per_second):
                    self.arrival(second + part / per_second, province)
                self.sample(second, province, count=per_second)

    def with_faults(self, *without: str) -> None:
        """Let every fault of the plan live as it should."""
        for given in self.plan.faults:
            for name, t in (
                ("fault_applied", given.start),
                ("fault_proved", given.start + 0.1),
                ("fault_healed", given.end),
                ("fault_gone", given.end + 0.1),
            ):
                if name not in without:
                    self.event(name, t, fault=given.id, link=given.target)

    def with_course(self, *without: str, **stopped: int) -> None:
        """Let the run take its course: t0, the end of the load, the drain, the end."""
        arrivals = self.rows["arrivals"]
        dropped = sum(row[-1] == "dropped" for row in arrivals)
        figures = {
            "planned": len(arrivals),
            "started": len(arrivals) - dropped,
            "dropped": dropped,
            "unfinished": sum(row[-1] == "unfinished" for row in arrivals),
        } | stopped
        course: dict[str, tuple[float, dict[str, object]]] = {
            "t0": (0.0, {}),
            "load_stopped": (70.0, dict(figures)),
            "drain_finished": (80.0, {"seconds": 1.5, "drained": True, "backlog": 0}),
            "run_finished": (110.0, {}),
        }
        for name, (t, fields) in course.items():
            if name not in without:
                self.event(name, t, **fields)

    def write(self, tables_without: tuple[str, ...] = ()) -> Record:
        """Write the record, sealed."""
        self.record.directory.mkdir(parents=True, exist_ok=True)
        self.record.write_plan(self.plan)
        events = sorted(self.events, key=lambda event: float(event["time"]))  # type: ignore[arg-type]
        self.record.path("events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
        for name, rows in self.rows.items():
            if name not in tables_without:
                with self.record.spool(name, "one").open("w", newline="") as file:
                    csv.writer(file, lineterminator="\n").writerows(rows)
        tables.seal(self.record)
        return self.record


def healthy_run(directory: Path, **changes: object) -> Scene:
    """Make a run in which nothing goes wrong: 9 dossiers, 180 arrivals, every fault proved and healed."""
    scene = Scene(directory, plan(**changes))
    for number, province in enumerate(COMMUNES):
        scene.healthy(f"G{province}-1", f"{province}-a", (1, 2, 4, 9, 10), province)
        scene.healthy(f"G{province}-2", f"{province}-b", (1, 5, 2), province)
        scene.healthy(f"H{province}-{number}", f"{province}-c", (2, 4), province)
    scene.with_load()
    scene.with_faults()
    scene.with_course()
    scene.with_readings()
    return scene


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Query with one thread: for tables of some rows a second one is work alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "THREADS", 1)
        yield


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Return an empty record of the tiny plan."""
    return Scene(tmp_path / "record", plan())


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Scene]:
    """Return a maker of healthy runs; keywords change the plan."""
    return lambda name="run", **changes: healthy_run(tmp_path / str(name), **changes)


@pytest.fixture(scope="session")
def new_scene() -> Callable[[Path], Scene]:
    """Return a maker of empty records, for tests that make many."""
    return lambda directory: Scene(directory, plan())
