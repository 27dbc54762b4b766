"""Make model/data/{provinces,communes,legacy}.csv and NOTICE from the wheel of vietnamadminunits 1.0.4.

    python scripts/extract_places.py vietnamadminunits-1.0.4-py3-none-any.whl

Run it from the checkout; it writes the same bytes every time, and stops at the first key that it can't resolve.
Get the wheel with ``pip download --no-deps vietnamadminunits==1.0.4``.
"""

import csv
import json
import sqlite3
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

K = TypeVar("K")
V = TypeVar("V")

VERSION = "1.0.4"
DATA = Path(__file__).parent.parent / "model" / "data"
NOTICE = f"""\
provinces.csv, communes.csv and legacy.csv in this folder are an extract of the data files of the Python package
vietnamadminunits {VERSION} (dataset.db, converter_2025.json), made with scripts/extract_places.py.
The package is distributed under this licence:
"""


class ExtractError(Exception):
    """The wheel isn't the one this script knows: what doesn't resolve."""


@dataclass(frozen=True, slots=True)
class Successor:
    """A new commune that takes over (a part of) an old one."""

    code: str
    default: bool


def main(wheel: Path, data: Path = DATA) -> None:
    """Write the three CSV files and the notice into a folder."""
    with zipfile.ZipFile(wheel) as archive, tempfile.TemporaryDirectory() as folder:
        root = "vietnamadminunits"
        licence = archive.read(f"{root}-{VERSION}.dist-info/licenses/LICENSE").decode()
        converter = json.loads(archive.read(f"{root}/data/converter_2025.json"))
        database = sqlite3.connect(archive.extract(f"{root}/data/dataset.db", folder))
        database.row_factory = sqlite3.Row
        new = database.execute("SELECT * FROM admin_units ORDER BY wardCode").fetchall()
        old = database.execute("SELECT * FROM admin_units_legacy ORDER BY wardCode, districtCode").fetchall()
        database.close()
    successors = resolve(converter, new, old)
    write(data / "provinces.csv", ("code", "name", "kind", "communes", "formed_of"), provinces(converter, new, old))
    write(data / "communes.csv", ("code", "name", "kind", "province"), communes(new))
    write(data / "legacy.csv", ("code", "name", "district", "province", "successors"), legacy(old, successors))
    (data / "NOTICE").write_text(NOTICE + licence.replace("\r\n", "\n"), encoding="utf-8")


def provinces(
    converter: dict[str, Any], new: list[sqlite3.Row], old: list[sqlite3.Row]
) -> Iterator[tuple[object, ...]]:
    """Yield one row per province; ``formed_of`` names the old provinces, ``;`` between them."""
    names = {row["provinceKey"]: row["provinceShort"] for row in old}
    heads = {row["provinceCode"]: row for row in new}
    for code, row in sorted(heads.items()):
        count = sum(unit["provinceCode"] == code for unit in new)
        formed_of = sorted(look_up(names, key) for key in look_up(converter["DICT_PROVINCE"], row["provinceKey"]))
        kind, _ = split_name(row["province"], row["provinceShort"])
        yield code, row["provinceShort"], kind, count, ";".join(formed_of)


def communes(new: list[sqlite3.Row]) -> Iterator[tuple[object, ...]]:
    """Yield one row per commune."""
    for row in new:
        kind, name = split_name(row["ward"], row["wardShort"])
        yield row["wardCode"], name, kind, row["provinceCode"]


def legacy(old: list[sqlite3.Row], successors: dict[str, list[Successor]]) -> Iterator[tuple[object, ...]]:
    """Yield one row per unit of before 1 July 2025; ``successors`` names the default one first."""
    for row in old:
        found = sorted(look_up(successors, old_key(row)), key=lambda item: (not item.default, item.code))
        codes = " ".join(item.code for item in found)
        yield old_code(row), row["ward"] or row["district"], row["district"], row["provinceShort"], codes


def resolve(converter: dict[str, Any], new: list[sqlite3.Row], old: list[sqlite3.Row]) -> dict[str, list[Successor]]:
    """Return the successors of each old unit's key: one where it went over whole, several where it was split."""
    codes = unique(((row["provinceKey"], row["wardKey"]), row["wardCode"]) for row in new)
    known = unique((old_key(row), old_code(row)) for row in old)
    whole = unique(
        (key, [Successor(look_up(codes, (province, ward)), True)])
        for province, wards in converter["DICT_PROVINCE_WARD_NO_DIVIDED"].items()
        for ward, keys in wards.items()
        for key in keys
    )
    divided = unique(
        (key, [Successor(look_up(codes, (province, p["newWardKey"])), p["isDefaultNewWard"]) for p in parts])
        for province, units in converter["DICT_PROVINCE_WARD_DIVIDED"].items()
        for key, parts in units.items()
    )
    check(whole, divided, known)
    return whole | divided


def check(whole: dict[str, Any], divided: dict[str, list[Successor]], known: dict[str, str]) -> None:
    """Raise ExtractError where the converter and the table of old units don't fit."""
    for what, keys in (
        ("both whole and split", whole.keys() & divided.keys()),
        ("not in the table of old units", (whole.keys() | divided.keys()) - known.keys()),
        ("without successor", known.keys() - whole.keys() - divided.keys()),
        (
            "without exactly one default",
            {k for k, parts in divided.items() if sum(p.default for p in parts) != 1},
        ),
    ):
        if keys:
            raise ExtractError(f"{what}: {', '.join(sorted(keys)[:5])}")


def old_key(row: sqlite3.Row) -> str:
    """Return the converter's key of an old unit; five island districts have no ward."""
    return f"{row['provinceKey']}_{row['districtKey']}_{row['wardKey'] or ''}"


def old_code(row: sqlite3.Row) -> str:
    """Return the code of an old unit: its ward's (5 digits), or the district's (3) where there is none."""
    return str(row["wardCode"] or row["districtCode"])


def split_name(full: str, short: str) -> tuple[str, str]:
    """Split a full name in kind and name: ``Phường Ba Đình`` → ``phường``, ``Ba Đình``."""
    kind = full.removesuffix(short).strip().lower()
    if not full.endswith(short) or kind not in {"tỉnh", "thành phố", "xã", "phường", "đặc khu"}:
        raise ExtractError(f"{full!r} doesn't end in {short!r}")
    return kind, short


def unique(pairs: Iterable[tuple[K, V]]) -> dict[K, V]:
    """Make a dictionary; raise ExtractError where a key comes twice."""
    result: dict[K, V] = {}
    for key, value in pairs:
        if key in result:
            raise ExtractError(f"{key!r} comes twice")
        result[key] = value
    return result


def look_up(table: Mapping[K, V], key: K) -> V:
    """Return a key's value; raise ExtractError where there is none."""
    if key not in table:
        raise ExtractError(f"{key!r} doesn't resolve")
    return table[key]


def write(path: Path, header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    """Write a CSV file, lines ending in a line feed."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: extract_places.py WHEEL")
    try:
        main(Path(sys.argv[1]))
    except (ExtractError, OSError, KeyError, zipfile.BadZipFile) as error:
        sys.exit(f"{sys.argv[1]}: {error}; give the wheel of vietnamadminunits {VERSION}")
