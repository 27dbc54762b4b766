"""Grafana's dashboards against its own types, as its makers publish them for the version of docker-compose.yml.

Their reader takes anything and forgets what it doesn't know. So what comes back is compared with what went in, and each
value with the type of its field. For provisioning files nothing is published: their keys are those of its manual.
"""

import copy
import json
from collections.abc import Iterator
from enum import Enum
from importlib.metadata import version
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.reports.test_dashboards import BOARDS, COMPOSE, FOLDER

register_default_plugins()
OF_THE_DATASOURCE = {"step", "tagKeys", "textFormat", "titleFormat", "useValueForTime"}
"""Keys of an annotation that the Prometheus plugin reads; the types leave them to plugins."""
DATASOURCE = {"name", "uid", "type", "access", "url", "isDefault", "editable", "jsonData"}
PROVIDER = {"name", "folder", "type", "allowUiUpdates", "options"}
"""Of the manual's keys those that are used: grafana.com/docs/grafana/v11.1/administration/provisioning [P]."""


def problems(board: dict[str, Any]) -> list[str]:
    """Name what Grafana's types don't know, or know otherwise."""
    read = Dashboard.from_json(copy.deepcopy(board))
    kept = json.loads(JSONEncoder().encode(read))
    return [*forgotten(board, kept, "dashboard"), *misfits(read, "dashboard")]


def forgotten(ours: Any, kept: Any, path: str) -> Iterator[str]:
    """Yield what the reader didn't keep."""
    match ours, kept:
        case dict(), dict():
            plugin = OF_THE_DATASOURCE if path.startswith("dashboard.annotations.list") else set()
            yield from (f"{path}.{key}: unknown" for key in ours.keys() - kept.keys() - plugin)
            for key in ours.keys() & kept.keys():
                yield from forgotten(ours[key], kept[key], f"{path}.{key}")
        case list(), list():
            assert len(ours) == len(kept)
            for n, (mine, its) in enumerate(zip(ours, kept, strict=True)):
                yield from forgotten(mine, its, f"{path}[{n}]")
        case _ if ours != kept:
            yield f"{path}: {ours!r} was read as {kept!r}"


def misfits(thing: Any, path: str) -> Iterator[str]:
    """Yield the values within an object of theirs that aren't of their field's type."""
    if isinstance(thing, list):
        for n, item in enumerate(thing):
            yield from misfits(item, f"{path}[{n}]")
    elif type(thing).__module__.startswith("grafana_foundation_sdk.models") and not isinstance(thing, Enum):
        for name, hint in get_type_hints(type(thing)).items():
            value = getattr(thing, name)
            if not fits(value, hint):
                yield f"{path}.{name}: {value!r} isn't {hint}"
            yield from misfits(value, f"{path}.{name}")


def fits(value: Any, hint: Any) -> bool:
    """Tell whether a value, as JSON has it, is of a type."""
    arguments, origin = get_args(hint), get_origin(hint)
    if origin in (Union, UnionType):
        return any(fits(value, one) for one in arguments)
    if origin is Literal:
        return value in arguments
    if origin is list:
        return isinstance(value, list) and all(fits(item, arguments[0]) for item in value)
    if origin is dict:
        return isinstance(value, dict) and all(fits(item, arguments[1]) for item in value.values())
    return hint in (Any, object) or is_a(value, NoneType if hint is None else hint)


def is_a(value: Any, kind: type) -> bool:
    """Tell whether a value is of a plain type: no bool is a number, each whole number a float."""
    if issubclass(kind, Enum):
        return value in [member.value for member in kind]
    if kind in (bool, int, float):
        return type(value) in ((int, float) if kind is float else (kind,))
    return isinstance(value, kind)


def test_the_types_are_those_of_the_stack_s_grafana() -> None:
    """The package's version ends in Grafana's."""
    release = version("grafana-foundation-sdk").partition("!")[2]
    assert f"grafana/grafana:{release}}}" in COMPOSE.read_text(encoding="utf-8")


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["uid"])
def test_grafana_knows_all_of_every_dashboard(board: dict[str, Any]) -> None:
    assert problems(board) == []


def altered(*path: str | int, value: Any) -> dict[str, Any]:
    """Return the overview with one value set."""
    board: Any = copy.deepcopy(next(board for board in BOARDS if board["uid"] == "thongsuot-overview"))
    at = board
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return dict(board)


@pytest.mark.parametrize(
    ("board", "found"),
    [
        (altered("refersh", value="5s"), "dashboard.refersh: unknown"),
        (altered("panels", 0, "gridPos", "height", value=4), "dashboard.panels[0].gridPos.height: unknown"),
        (altered("panels", 0, "targets", 0, "exp", value="up"), "dashboard.panels[0].targets[0].exp: unknown"),
        (altered("panels", 0, "options", "colourMode", value="v"), "dashboard.panels[0].options.colourMode: unknown"),
        (altered("schemaVersion", value="38"), "dashboard.schema_version: '38' isn't <class 'int'>"),
        (altered("panels", 0, "gridPos", "w", value=2.5), "dashboard.panels[0].grid_pos.w: 2.5 isn't <class 'int'>"),
        (
            altered("panels", 0, "options", "orientation", value="up"),
            "dashboard.panels[0].options.orientation: 'up' isn't <enum 'VizOrientation'>",
        ),
        (altered("tags", value=[1]), "dashboard.tags: [1] isn't typing.Optional[list[str]]"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_what_grafana_does_not_know_is_found(board: dict[str, Any], found: str) -> None:
    assert problems(board) == [found]


def test_provisioning_files_have_the_keys_of_the_manual() -> None:
    sources = yaml.safe_load((FOLDER / "datasources" / "prometheus.yml").read_text(encoding="utf-8"))
    assert sources.keys() == {"apiVersion", "datasources"}
    (source,) = sources["datasources"]
    assert source.keys() <= DATASOURCE
    assert {"name", "type", "access", "url"} <= source.keys()
    providers = yaml.safe_load((FOLDER / "dashboards" / "thongsuot.yml").read_text(encoding="utf-8"))
    assert providers.keys() == {"apiVersion", "providers"}
    (provider,) = providers["providers"]
    assert provider.keys() <= PROVIDER
    assert Path(provider["options"]["path"]).is_absolute()
    assert {type(file["apiVersion"]) for file in (sources, providers)} == {int}
