"""Read a campaign file (TOML), change it by ``--set``, check it, and make a plan of it.

Whatever is wrong with it ends in a ``CampaignError`` of one line: ``FILE:LINE: KEY: what is wrong; what to do``.
"""

import importlib.util
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from model import checks, connectivity, overrides, places, replay, scope, shape
from model.checks import Known
from model.plan import Phase, Plan, Replay
from model.shape import Problem, did_you_mean, shown
from model.targets import Targets
from model.toml_file import CampaignError, one_line, parse, read
from model.toml_lines import KeyPath, lines

__all__ = ["CampaignError", "Known", "load", "shipped"]

PILOT = ("01", "22", "24", "31", "46", "48", "75", "79", "92")
"""Nine bridges in 6 cities and 3 provinces [S2]: the centrally run cities, and 3 provinces that stand for those [A]."""

PRESETS: Mapping[str, Callable[[], list[str]]] = {
    "all": lambda: list(places.provinces()),
    "merged": lambda: [code for code, province in places.provinces().items() if province.merged],
    "pilot": lambda: list(PILOT),
}
"""Words that stand for provinces: all 34, the 23 that were formed of several, those of the pilot."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def shipped() -> list[str]:
    """Name the campaigns that ship with the package ``scenarios``."""
    return sorted(path.stem for path in _folder().glob("*.toml"))


def load(
    source: str | Path,
    known: Known,
    changes: Sequence[str] = (),
    *,
    seed: int | None = None,
    defects: Sequence[str] = (),
    targets: Targets | None = None,
) -> Plan:
    """Make a plan of a campaign file.

    Args:
        source: Path of a TOML file, or the name of a shipped campaign.
        known: What the layers above know by name.
        changes: ``key=value`` each, applied in order.
        seed: Takes the place of the file's.
        defects: Seeded defects to switch on besides the file's.
        targets: Other people's systems that it runs against; None: it starts its own.

    Raises:
        CampaignError: The file isn't there, isn't TOML or isn't a campaign.
    """
    path = _find(source)
    missing = f"give a campaign file, or a shipped name: {', '.join(shipped())}"
    text = read(path, "campaign file", missing)
    draft = _Draft(path, parse(path, text), lines(text))
    for change in changes:
        draft.change(change)
    draft.complete(seed, defects, external=targets is not None)
    return draft.plan(known, targets)


class _Draft:
    """A campaign in the making: its data, and where each of them came from."""

    def __init__(self, path: Path, data: dict[str, Any], found: Mapping[KeyPath, int]) -> None:
        self._data = data
        self._file = path
        self._origin = {key: f"{path}:{line}" for key, line in found.items()}

    def change(self, change: str) -> None:
        """Apply one ``key=value``."""
        origin = f"--set {change}"
        try:
            changed = overrides.apply(self._data, change)
        except overrides.OverrideError as error:
            raise self._error(error.problem, origin) from None
        self._forget_below(changed)
        for length in range(1, len(changed) + 1):
            self._origin.setdefault(changed[:length], origin)

    def complete(self, seed: int | None, defects: Sequence[str], *, external: bool) -> None:
        """Fill in what the command line says, the provinces of a preset, and all where the file names none."""
        if seed is not None:
            self._data["seed"] = seed
            self._origin["seed",] = f"--seed {seed}"
        listed = self._data.setdefault("defects", [])
        for defect in defects:
            if isinstance(listed, list) and defect not in listed:
                self._origin["defects", len(listed)] = f"--defect {defect}"
                listed.append(defect)
        stack = self._data.setdefault("stack", {})
        if isinstance(stack, dict):
            stack.setdefault("provinces", "all")
            for key in ("provinces", "one_level"):
                preset = stack.get(key)
                if isinstance(preset, str):
                    stack[key] = self._preset(("stack", key), preset)
            self._draw_unconnected(stack)
            if stack.get("mobile") == "all":
                stack["mobile"] = stack["provinces"]
            if external:
                stack["kind"] = "external"

    def _draw_unconnected(self, stack: dict[str, Any]) -> None:
        """Put communes in the place of a share of them; raise CampaignError."""
        share, provinces = stack.get("unconnected"), stack["provinces"]
        if isinstance(share, bool) or not isinstance(share, int | float) or not isinstance(provinces, list):
            return
        if not 0 <= share <= 1:
            problem = Problem(("stack", "unconnected"), f"{shown(share)} is no share", "give a number from 0 to 1")
            raise self._error(problem)
        seed = self._data.get("seed", 1)
        stack["unconnected"] = connectivity.drawn(share, provinces, seed) if share else []

    def _preset(self, path: KeyPath, word: str) -> list[str]:
        """Return the provinces that a word stands for; raise CampaignError."""
        if word not in PRESETS:
            remedy = f'write ["{word}"]' if word in places.provinces() else did_you_mean(word, PRESETS)
            raise self._error(Problem(path, f"no preset {shown(word)}", remedy))
        return PRESETS[word]()

    def plan(self, known: Known, targets: Targets | None) -> Plan:
        """Check everything; raise CampaignError for the first problem."""
        if "targets" in self._data:
            raise self._error(Problem(("targets",), "doesn't belong into a campaign", "give a file with --targets"))
        for problem in shape.problems(self._data, Plan):
            raise self._error(problem)
        for index, fault in enumerate(self._data.get("faults", [])):
            if "resolved" in fault:
                raise self._error(Problem(("faults", index, "resolved"), "is filled in", "leave it out"))
        plan = msgspec.structs.replace(msgspec.convert(self._data, Plan), targets=targets)
        plan = scope.resolve(self._with_recordings(plan, known))
        for problem in checks.problems(plan, known):
            raise self._error(problem)
        return plan

    def _with_recordings(self, plan: Plan, known: Known) -> Plan:
        """Read the files that are replayed: whoever has the plan needs nothing else."""
        phases = tuple(self._with_recording(plan, index, known) for index in range(len(plan.phases)))
        return msgspec.structs.replace(plan, phases=phases)

    def _with_recording(self, plan: Plan, index: int, known: Known) -> Phase:
        phase, key = plan.phases[index], ("phases", index, "curve")
        if not isinstance(phase.curve, Replay):
            return phase
        if phase.curve.recorded:
            raise self._error(Problem((*key, "recorded"), "is filled in from the file", "leave it out"))
        file = self._file.parent / phase.curve.file
        if not file.is_file():
            raise self._error(Problem((*key, "file"), f"{file}: no such file", "give it relative to the campaign file"))
        try:
            found = replay.read(file, known.journeys, plan.stack.provinces)
        except replay.ReplayError as error:
            raise one_line(str(error)) from None
        return msgspec.structs.replace(phase, curve=msgspec.structs.replace(phase.curve, recorded=replay.encode(found)))

    def _error(self, problem: Problem, origin: str | None = None) -> CampaignError:
        key = self._key(problem.path)
        where = origin or self._where(problem.path)
        return one_line(f"{where}: {key + ': ' if key else ''}{problem.what}; {problem.remedy}")

    def _where(self, path: KeyPath) -> str:
        prefixes = (path[:length] for length in range(len(path), 0, -1))
        return next((self._origin[prefix] for prefix in prefixes if prefix in self._origin), f"{self._file}:1")

    def _key(self, path: KeyPath) -> str:
        """Write a path as ``--set`` takes it: items of lists by their names."""
        value: Any = self._data
        words = []
        for part in path:
            value = _child(value, part)
            name = overrides.name_of(value) if isinstance(part, int) else None
            word = str(part) if name is None else name
            words.append(word if _BARE.fullmatch(word) else json.dumps(word, ensure_ascii=False))
        return ".".join(words)

    def _forget_below(self, path: KeyPath) -> None:
        for key in [key for key in self._origin if key[: len(path)] == path]:
            del self._origin[key]


def _child(value: Any, part: str | int) -> Any:
    try:
        return value[part]
    except (KeyError, IndexError, TypeError):
        return None


def _find(source: str | Path) -> Path:
    if isinstance(source, Path) or source.endswith(".toml") or os.sep in source:
        return Path(source)
    if source in shipped():
        return _folder() / f"{source}.toml"
    if Path(source).is_file():
        return Path(source)
    raise one_line(f"no campaign {shown(source)} ships, and no file has this name; {did_you_mean(source, shipped())}")


def _folder() -> Path:
    spec = importlib.util.find_spec("scenarios")
    if spec is None or not spec.submodule_search_locations:
        raise CampaignError("the package scenarios isn't installed; install thongsuot as its README says")
    return Path(next(iter(spec.submodule_search_locations))) / "campaigns"
