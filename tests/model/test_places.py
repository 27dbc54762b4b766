import csv
import importlib.util
import json
import sqlite3
import sys
import time
import zipfile
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from model import places

ROOT = Path(__file__).parents[2]


def test_there_are_34_provinces_and_3321_communes() -> None:
    assert len(places.provinces()) == 34
    assert len(places.communes()) == 3321


def test_communes_are_2621_xa_687_phuong_and_13_dac_khu() -> None:
    kinds = Counter(commune.kind for commune in places.communes().values())
    assert kinds == {"xã": 2621, "phường": 687, "đặc khu": 13}


def test_23_provinces_are_merged_and_11_unchanged() -> None:
    """Merged ones come from 52 of the 63 old provinces; an unchanged one comes from itself."""
    merged = [province for province in places.provinces().values() if province.merged]
    unchanged = [province for province in places.provinces().values() if not province.merged]
    assert (len(merged), len(unchanged)) == (23, 11)
    assert sum(len(province.formed_of) for province in merged) == 52
    assert all(province.formed_of == (province.name,) for province in unchanged)


def test_six_provinces_are_centrally_run_cities() -> None:
    cities = [province.code for province in places.provinces().values() if province.kind == "thành phố"]
    assert cities == ["01", "31", "46", "48", "79", "92"]


def test_codes_are_unique_strings_of_fixed_length() -> None:
    """The CSV files have as many codes as rows: no row hides another one."""
    for name, length in (("provinces", {2}), ("communes", {5}), ("legacy", {3, 5})):
        with (ROOT / "model" / "data" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            codes = [row["code"] for row in csv.DictReader(file)]
        assert len(codes) == len(set(codes)) == {"provinces": 34, "communes": 3321, "legacy": 10040}[name]
        assert {len(code) for code in codes} == length
        assert all(code.isdigit() for code in codes)


def test_every_commune_lies_in_a_province_that_counts_it() -> None:
    for code, province in places.provinces().items():
        found = places.communes_of(code)
        assert len(found) == province.communes
        assert {commune.province for commune in found} == {code}
    assert sum(province.communes for province in places.provinces().values()) == 3321


def test_communes_of_an_unknown_province_raise_key_error() -> None:
    with pytest.raises(KeyError):
        places.communes_of("02")


def test_of_10040_old_units_9569_went_over_whole_and_471_were_split() -> None:
    parts = Counter(len(unit.successors) for unit in places.legacy().values())
    assert len(places.legacy()) == 10040
    assert parts == {1: 9569, 2: 397, 3: 58, 4: 15, 5: 1}


def test_successors_of_an_old_unit_exist_and_differ_and_lie_in_one_province() -> None:
    for unit in places.legacy().values():
        found = [places.communes()[code] for code in unit.successors]
        assert len(set(unit.successors)) == len(found)
        assert len({commune.province for commune in found}) == 1
        assert unit.province in places.provinces()[found[0].province].formed_of
        assert unit.default in unit.successors


def test_every_commune_has_a_predecessor() -> None:
    taken_over = {code for unit in places.legacy().values() for code in unit.successors}
    assert taken_over == places.communes().keys()


@pytest.mark.parametrize(
    ("name", "twins"),
    [
        ("Lộc Thạnh", {"25280": "Lộc Thạnh", "25294": "Lộc Thành"}),
        ("Cẩm Giang", {"10888": "Cẩm Giang", "10903": "Cẩm Giàng"}),
        ("Ba Tơ", {"21484": "Ba Tơ", "21523": "Ba Tô"}),
    ],
)
def test_communes_whose_names_differ_only_in_their_marks_stay_apart(name: str, twins: dict[str, str]) -> None:
    assert name in twins.values()
    assert {code: places.communes()[code].name for code in twins} == twins


@pytest.mark.parametrize(
    ("old", "default"),
    [
        ("00001", "00097"),  # Phường Phúc Xá → Hồng Hà
        ("25280", "25280"),  # Lộc Thạnh, of a pair of twins
        ("25294", "25294"),  # Lộc Thành, the other one
        ("755", "26732"),  # Huyện Côn Đảo had no communes
    ],
)
def test_old_codes_lead_to_the_right_new_ones(old: str, default: str) -> None:
    unit = places.successors(old)
    assert unit is not None
    assert unit.default == default


@pytest.mark.parametrize(("unit", "seat"), [("11299", "11296"), ("11296", "11296"), ("318", "318")])
def test_the_seat_of_a_district_is_in_its_first_unit(unit: str, seat: str) -> None:
    """Of an island district, which had no communes, it is the unit itself."""
    assert places.seat(places.legacy()[unit]).code == seat


def test_no_district_was_divided_between_provinces() -> None:
    """So what was filed with one, and its officers, stay in the province that its communes are in."""
    known = places.communes()
    for unit in places.legacy().values():
        assert known[places.seat(unit).default].province == known[unit.default].province


def test_a_code_that_no_unit_had_has_no_successors() -> None:
    assert places.successors("99999") is None


def test_communes_load_within_30_ms() -> None:
    """Of a processor, and the best of five loads counts: a busy machine is not a slow one."""
    places.communes()
    spent = []
    for _ in range(5):
        started = time.process_time()
        places.communes.__wrapped__()
        spent.append(time.process_time() - started)
    assert min(spent) < 0.030


def test_the_notice_names_the_author_and_the_licence() -> None:
    notice = (ROOT / "model" / "data" / "NOTICE").read_text(encoding="utf-8")
    assert "Copyright (c) 2025 Tran Ngoc Minh Hieu" in notice
    assert "MIT License" in notice
    assert "vietnamadminunits 1.0.4" in notice


NEW_COLUMNS = "provinceKey, wardKey, province, provinceShort, ward, wardShort, provinceCode, wardCode"
OLD_COLUMNS = "provinceKey, districtKey, wardKey, district, ward, provinceShort, wardCode, districtCode"
NEW = [
    ("tinha", "xãbatơ", "Tỉnh A", "A", "Xã Ba Tơ", "Ba Tơ", "01", "00001"),
    ("tinha", "xãbatô", "Tỉnh A", "A", "Xã Ba Tô", "Ba Tô", "01", "00002"),
]
OLD = [
    ("tinha", "huyenb", "xabato", "Huyện B", "Xã Ba Tơ", "A", "00001", "001"),
    ("tinha", "huyenb", "xabac", "Huyện B", "Xã Ba C", "A", "00003", "001"),
    ("tinha", "huyend", None, "Huyện D", None, "A", None, "002"),
]


def converter() -> dict[str, Any]:
    parts = [{"newWardKey": "xãbatơ", "isDefaultNewWard": False}, {"newWardKey": "xãbatô", "isDefaultNewWard": True}]
    whole = {"xãbatơ": ["tinha_huyenb_xabato"], "xãbatô": ["tinha_huyend_"]}
    return {
        "DICT_PROVINCE": {"tinha": ["tinha"]},
        "DICT_PROVINCE_WARD_NO_DIVIDED": {"tinha": whole},
        "DICT_PROVINCE_WARD_DIVIDED": {"tinha": {"tinha_huyenb_xabac": parts}},
    }


def wheel_of(folder: Path, content: dict[str, Any]) -> Path:
    base = sqlite3.connect(folder / "dataset.db")
    for table, columns in (("admin_units", NEW_COLUMNS), ("admin_units_legacy", OLD_COLUMNS)):
        base.execute(f"CREATE TABLE {table} ({columns})")
    base.executemany("INSERT INTO admin_units VALUES (?,?,?,?,?,?,?,?)", NEW)
    base.executemany("INSERT INTO admin_units_legacy VALUES (?,?,?,?,?,?,?,?)", OLD)
    base.commit()
    base.close()
    path = folder / "wheel.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(folder / "dataset.db", "vietnamadminunits/data/dataset.db")
        archive.writestr("vietnamadminunits/data/converter_2025.json", json.dumps(content))
        archive.writestr("vietnamadminunits-1.0.4.dist-info/licenses/LICENSE", "MIT License\r\n")
    return path


@pytest.fixture
def extract() -> ModuleType:
    spec = importlib.util.spec_from_file_location("extract_places", ROOT / "scripts" / "extract_places.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["extract_places"] = module
    spec.loader.exec_module(module)
    return module


def test_the_extract_resolves_keys_to_codes_default_first(extract: ModuleType, tmp_path: Path) -> None:
    extract.main(wheel_of(tmp_path, converter()), tmp_path)
    assert (tmp_path / "provinces.csv").read_text() == "code,name,kind,communes,formed_of\n01,A,tỉnh,2,A\n"
    assert (tmp_path / "communes.csv").read_text() == "code,name,kind,province\n00001,Ba Tơ,xã,01\n00002,Ba Tô,xã,01\n"
    assert (tmp_path / "legacy.csv").read_text().splitlines()[1:] == [
        "002,Huyện D,Huyện D,A,00002",
        "00001,Xã Ba Tơ,Huyện B,A,00001",
        "00003,Xã Ba C,Huyện B,A,00002 00001",
    ]
    assert (tmp_path / "NOTICE").read_text().endswith("MIT License\n")


@pytest.mark.parametrize(
    ("section", "change", "complaint"),
    [
        ("DICT_PROVINCE_WARD_NO_DIVIDED", {"xabato": ["tinha_huyenb_xabato"]}, "doesn't resolve"),
        ("DICT_PROVINCE_WARD_NO_DIVIDED", {"xãbatơ": ["tinha_huyenb_xax"]}, "not in the table of old units"),
        ("DICT_PROVINCE_WARD_NO_DIVIDED", {"xãbatơ": ["tinha_huyend_"]}, "comes twice"),
        ("DICT_PROVINCE_WARD_NO_DIVIDED", {"xãbatơ": ["tinha_huyenb_xabac"]}, "both whole and split"),
        ("DICT_PROVINCE_WARD_NO_DIVIDED", {"xãbatơ": []}, "without successor: tinha_huyenb_xabato"),
        ("DICT_PROVINCE_WARD_DIVIDED", {"tinha_huyenb_xabac": []}, "without exactly one default"),
    ],
)
def test_the_extract_stops_at_a_key_that_does_not_resolve(
    extract: ModuleType, tmp_path: Path, section: str, change: dict[str, Any], complaint: str
) -> None:
    content = converter()
    content[section]["tinha"].update(change)
    with pytest.raises(extract.ExtractError, match=complaint):
        extract.main(wheel_of(tmp_path, content), tmp_path)
    assert not (tmp_path / "legacy.csv").exists()
